"""Draw random problems, solve them, and find out whether error bars hold.

    OMP_NUM_THREADS=1 tools/env python validation/fuzz/run.py --kind 1d --seed 0 --count 100
    tools/env python validation/fuzz/run.py --table            # of everything that is stored

Kinds are 1d, 2d, 3d and spectra. Each problem is drawn from its seed, solved in a process of its
own (after ``--limit`` CPU seconds it is stopped and counts as failed), and compared with a
reference that shares no code with wfrpde. What is found goes, with the problem, to a file of JSON
lines (``--store``) at once; seeds that are there already are skipped, so that a run can be
continued, and ``--show SEED`` prints the case of one.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from cases import rates, tables, truth  # noqa: E402
from draws import draw  # noqa: E402
from judging import FAR, Row, row, rows, table  # noqa: E402

KINDS = ("1d", "2d", "3d", "spectra")
STORE = Path("fuzz.jsonl")
SLACK = 180
"""CPU seconds that a reference may take."""

Record = dict[str, Any]


def judged(problem: Record, before_reference: Callable[[], None] = lambda: None) -> Record:
    """Solve a problem and its reference, in this process."""
    import wfrpde
    from wfrpde.errors import WfrpdeError

    began = time.process_time()
    case = wfrpde.Case.model_validate(tables(problem))
    try:
        answer: Any = wfrpde.spectrum(case) if "count" in problem else wfrpde.solve(case)
    except WfrpdeError as error:
        said = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return {"failed": said, "seconds": time.process_time() - began}
    spent = time.process_time() - began
    print(json.dumps({"solved": spent}), flush=True)
    before_reference()
    try:
        if "count" in problem:
            right, own = rates(problem)
            found = [
                row("rates", f"rate {k}", None, answer.rates[k], answer.errors[k], right[k],
                    own[k], right[k])
                for k in range(1, len(answer.rates))
            ]  # fmt: skip
        else:
            found = rows(answer, truth(problem))
    except (RuntimeError, ValueError, FloatingPointError, IndexError) as error:
        return {"no reference": f"{type(error).__name__}: {error}", "seconds": spent}
    chosen = answer.numerics.get("formulation")
    return {"seconds": spent, "formulation": chosen, "nodes": len(answer.nodes), "rows": found,
            "warnings": list(answer.warnings)}  # fmt: skip


def allow(seconds: int) -> None:
    """Let this process use so many CPU seconds more; then the kernel ends it."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + seconds + 1, hard))


def work() -> None:
    """Read problems, one a line, and write what is found."""
    logging.disable(logging.CRITICAL)
    import numpy as np

    np.seterr(all="ignore")
    for text in sys.stdin:
        asked = json.loads(text)
        allow(asked["limit"])
        try:
            answer = judged(asked["problem"], lambda: allow(SLACK))
        except Exception as error:  # a traceback is a finding as well
            answer = {"failed": f"{type(error).__name__}: {str(error)[:200]}"}
        print(json.dumps({"done": answer}), flush=True)


class Worker:
    """A process that solves, and is replaced when it takes too long.

    Limits are those of the kernel (RLIMIT_CPU, set by the process itself): they count CPU time, so
    that what is found does not depend on what else the machine does.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__, "--work"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def solve(self, problem: Record, limit: int) -> Record:
        """Solve one problem within `limit` CPU seconds."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"problem": problem, "limit": limit}) + "\n")
        process.stdin.flush()
        solved: float | None = None
        for text in process.stdout:
            try:
                said = json.loads(text)
            except ValueError:
                continue  # what a library prints
            if "done" in said:
                return dict(said["done"])
            solved = said.get("solved", solved)
        late = process.wait() == -signal.SIGXCPU
        self.close()
        if not late:
            return {"failed": "the process died"}
        if solved is None:
            return {"failed": f"more than {limit} CPU s", "seconds": limit}
        return {"no reference": f"more than {SLACK} CPU s", "seconds": solved}


def load(path: Path) -> list[Record]:
    """Read what is stored; the last line may be torn."""
    records = []
    if path.exists():
        for text in path.read_text().splitlines():
            try:
                records.append(json.loads(text))
            except ValueError:
                continue
    return records


def summary(records: Sequence[Record]) -> str:
    """Tables of all records, and the problems whose bars are off by more than `FAR`."""
    groups: dict[str, list[Row]] = {}
    problems = {k: [r for r in records if r["problem"]["kind"] == k] for k in KINDS}
    for record in records:
        problem = record["problem"]
        asked = problem["tolerance"]
        by_hand = ", ".join(sorted(problem["numerics"]))
        for r in record.get("rows", ()):
            r["warned"] = bool(record["warnings"])
            for name in (
                "all", f"kind: {r['kind']}", f"problems: {problem['kind']}",
                f"asked: {f'by hand ({by_hand})' if by_hand else asked or 'nothing'}",
                *(f"with: {f['family']}" for f in problem.get("factors", ())),
                *(f"start: {f['initial']['start']}" for f in problem.get("factors", ())
                  if "initial" in f),
            ):  # fmt: skip
                groups.setdefault(name, []).append(r)
    order = ("all", "kind", "problems", "asked", "with", "start")
    names = sorted(groups, key=lambda n: (order.index(n.split(":")[0]), n))
    lines = [
        "| problems | drawn | judged | no reference | fail |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for kind, own in problems.items():
        if own:
            counts = [sum(key in r for r in own) for key in ("rows", "no reference", "failed")]
            lines.append(f"| {kind} | {len(own)} | {counts[0]} | {counts[1]} | {counts[2]} |")
    lines += ["", table((n, groups[n]) for n in names), ""]
    for record in records:
        problem = record["problem"]
        label = f"{problem['kind']} {problem['seed']}"
        if "failed" in record:
            lines.append(f"{label}: fails: {record['failed'][:160]}")
        missed = [r for r in record.get("rows", ()) if r["judged"] and not r["covered"]]
        if missed:
            worst = max(missed, key=lambda r: r["ratio"] or 0)
            families = "+".join(f["family"] for f in problem.get("factors", ())) or "Gaussian"
            lines.append(
                f"{label}: {families}, {_words(problem)}, {record['formulation']}: "
                f"{len(missed)} of {sum(r['judged'] for r in record['rows'])} missed, worst "
                f"{worst['name']} by {worst['ratio']:.3g}"
                + (" (warned)" if record["warnings"] else "")
                + ("" if worst["ratio"] > FAR else ", within 3")
            )
    return "\n".join(lines)


def _words(problem: Record) -> str:
    flow = problem.get("flow", {})
    words = [f"tolerance {problem['tolerance']}"]
    words += [f"{k} = {flow[k]:g}" for k in ("alpha", "beta") if flow.get(k, 1.0) != 1.0]
    words += [f"reaction {flow['reaction']}"] if "reaction" in flow else []
    words += [f"angle {problem['angle']}"] if problem.get("angle") else []
    words += [
        f["initial"]["start"] + " start" for f in problem.get("factors", ()) if "initial" in f
    ]
    words += [f"{k} = {v}" for k, v in problem["numerics"].items()]
    return ", ".join(words)


def main() -> None:
    """Solve what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description="Random problems against independent references.")
    parser.add_argument("--kind", choices=KINDS, default="1d")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="*", help="these instead of a row of them")
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds for a solve")
    parser.add_argument("--store", type=Path, default=STORE)
    parser.add_argument("--table", action="store_true", help="only print what is stored")
    parser.add_argument("--show", type=int, metavar="SEED", help="only print a problem's case")
    parser.add_argument("--again", action="store_true", help="also seeds that are stored")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work()
        return
    if chosen.show is not None:
        print(json.dumps(tables(draw(chosen.kind, chosen.show)), indent=1))
        return
    records = load(chosen.store)
    if not chosen.table:
        known = {(r["problem"]["kind"], r["problem"]["seed"]) for r in records}
        wanted = range(chosen.seed, chosen.seed + chosen.count)
        seeds = [
            seed for seed in chosen.seeds or wanted
            if chosen.again or (chosen.kind, seed) not in known
        ]  # fmt: skip
        worker, began = Worker(), time.monotonic()
        try:
            for done, seed in enumerate(seeds, 1):
                problem = draw(chosen.kind, seed)
                record = {"problem": problem, **worker.solve(problem, chosen.limit)}
                with chosen.store.open("a") as stream:
                    stream.write(json.dumps(record) + "\n")
                rate = (time.monotonic() - began) / done
                numbers = [r for r in record.get("rows", ()) if r["judged"]]
                said = record.get("failed") or record.get("no reference") or (
                    f"{sum(r['covered'] for r in numbers)} of {len(numbers)} covered, "
                    f"worst {max((r['ratio'] or 0 for r in numbers), default=0):.2g}"
                )  # fmt: skip
                print(
                    f"{done}/{len(seeds)} {chosen.kind} {seed}: {said[:90]}  "
                    f"[{rate:.1f} s each, {rate * (len(seeds) - done) / 60:.1f} min left]",
                    file=sys.stderr, flush=True,
                )  # fmt: skip
        finally:
            worker.close()
    latest = {(r["problem"]["kind"], r["problem"]["seed"]): r for r in load(chosen.store)}
    print(summary(list(latest.values())))


if __name__ == "__main__":
    main()
