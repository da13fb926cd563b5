"""Work against precision: wfrpde, the method-of-lines script and general tools, in one run.

    tools/env python validation/benchmarks/work_precision.py --peers PYTHON [--only METHOD ...]

`make bench` runs it, with the Python of the peers' environment. The error is that of ρ at t_end
in L2, relative, on the same fine grid for every method by its own interpolant, and natively: at
the method's own points with its own weights. Beside it stands the relative error of the mass of
the smaller mode. Seconds are those of one thread, medians over repeats, after a first solve that
is not counted. The cost of a peer at an error is interpolated between its settings; that of
wfrpde is the cost of a run that was at least as accurate, its certifying second solution
included.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from problems import PROBLEMS, BenchmarkProblem
from reference import Reference, reference

from wfrpde.numbers import pretty

HERE = Path(__file__).parent
OURS = "wfrpde"
PEERS = {
    "method_of_lines": "method of lines",
    "with_scikit_fem": "scikit-fem",
    "with_ngsolve": "NGSolve",
    "with_fipy": "FiPy",
    "with_py_pde": "py-pde",
}
DECIDING = ("with_wfrpde", "method_of_lines")
LONGER = 5.0
"""How much longer than the general tools the methods may take that decide."""
TARGETS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


@dataclass(frozen=True)
class Measurement:
    """One method at one setting: seconds (medians) and relative errors."""

    problem: str
    method: str
    setting: dict[str, Any]
    unknowns: int
    cpu: float
    wall: float
    repeats: int
    error: float
    native: float
    mode_mass: float
    estimate: float


def judged(path: Path, problem: BenchmarkProblem, truth: Reference) -> Measurement:
    """Read what a method left, and compare it with the truth."""
    with np.load(path) as data:
        about = json.loads(str(data["about"]))
        exact = truth.at(data["points"])
        gap = data["values"] - exact
        weights = data["weights"]
        cpu, wall = np.median(data["seconds"], axis=0)
        fixed = ("method", "problem", "versions", "estimate", "estimate of the mode mass")
        return Measurement(
            about["problem"],
            _series(about),
            {k: v for k, v in about.items() if k not in (*fixed, "series")},
            len(weights),
            float(cpu),
            float(wall),
            len(data["seconds"]),
            # a run of the same formulation may come closer to the truth than that is known
            max(
                float(np.linalg.norm(data["fine"] - truth.fine) / np.linalg.norm(truth.fine)),
                truth.known_to,
            ),
            float(np.sqrt((weights @ gap**2) / (weights @ exact**2))),
            max(float(abs(data["mode_mass"] / truth.mode_mass - 1)), truth.mass_known_to),
            float(about.get("estimate", np.nan)),
        )


def _series(about: dict[str, Any]) -> str:
    """Name the line in the figure that a run belongs to."""
    if about["method"] == "with_wfrpde":
        return OURS if about["series"] == "tolerance" else f"{OURS}, numerics set by hand"
    name = PEERS[about["method"]]
    if about["method"] != "method_of_lines":
        return name
    kind = about["integrator"]
    return f"{name}, {'SciPy BDF' if kind == 'bdf' else f'CVODE {kind}'}"


def front(runs: Iterable[Measurement]) -> list[Measurement]:
    """Return the runs that no other beats in both seconds and error, from the cheapest on."""
    best: list[Measurement] = []
    for run in sorted(runs, key=lambda run: (run.cpu, run.error)):
        if np.isfinite(run.error) and (not best or run.error < best[-1].error):
            best.append(run)
    return best


def cost(runs: list[Measurement], target: float, *, between: bool) -> tuple[float, float]:
    """CPU seconds to reach an error, and the error of the mode mass there; NaN if not reached.

    With `between`, on the straight line (in logarithms) between two runs of the front.
    """
    best = front(runs)
    for index, run in enumerate(best):
        if run.error > target:
            continue
        if index == 0 or not between:
            return run.cpu, run.mode_mass
        before = best[index - 1]
        share = np.log(target / before.error) / np.log(run.error / before.error)
        return float(before.cpu * (run.cpu / before.cpu) ** share), run.mode_mass
    return np.nan, np.nan


def _plain(error: float) -> str:
    """Write an error so that a cell of a table does not break within it."""
    return pretty(f"{error:.0e}")


def table(problem: BenchmarkProblem, runs: list[Measurement]) -> str:
    """Cost at equal error, in Markdown: one row for each method."""
    methods = sorted({run.method for run in runs}, key=lambda m: (m != OURS, m))
    ours = [run for run in runs if run.method == OURS]
    lines = [
        "| method | " + " | ".join(_plain(target) for target in TARGETS) + " |",
        "| --- |" + " --- |" * len(TARGETS),
    ]
    for method in methods:
        cells = []
        for target in TARGETS:
            mine = [run for run in runs if run.method == method]
            seconds, mass = cost(mine, target, between=method != OURS)
            own, _ = cost(ours, target, between=False)
            if not np.isfinite(seconds):
                cells.append("–")
            elif method == OURS or not np.isfinite(own):
                cells.append(f"{seconds:.2g}\u00a0s [{_plain(mass)}]")
            else:
                cells.append(f"{seconds:.2g}\u00a0s ({seconds / own:.2g}×) [{_plain(mass)}]")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(measurements: list[Measurement], path: Path) -> None:
    """Draw error against CPU seconds, one panel for each problem."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in PROBLEMS if any(run.problem == name for run in measurements)]
    methods = sorted({run.method for run in measurements}, key=lambda m: (m != OURS, m))
    figure, axes = plt.subplots(
        1, len(names), figsize=(4.6 * len(names), 4.4), squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[0], names, strict=True):
        for number, method in enumerate(methods):
            mine = [r for r in measurements if r.problem == name and r.method == method]
            if not mine:
                continue
            best = front(mine)
            style = (
                {"color": "black", "lw": 2.2, "zorder": 5}
                if method == OURS
                else {"color": f"C{(number - 1) % 10}", "lw": 1.2}
            )
            axis.loglog(
                [r.cpu for r in best], [r.error for r in best], "o-", ms=3.5, label=method, **style
            )
        axis.set_title(PROBLEMS[name].title, fontsize=10)
        axis.set_xlabel("CPU seconds")
        axis.grid(alpha=0.3, which="major")
        axis.set_ylim(1e-10, 2)
    axes[0][0].set_ylabel("relative L2 error of the density")
    handles: dict[str, Any] = {}
    for axis in axes[0]:
        handles.update(dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True)))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def write(
    measurements: list[Measurement], truths: dict[str, Reference], about: str, out: Path
) -> None:
    """Write the CSV file, the tables and the figure."""
    with (out / "work-precision.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = list(Measurement.__dataclass_fields__)
        writer.writerow(names)
        for run in measurements:
            values = {n: getattr(run, n) for n in names}
            values["setting"] = "; ".join(f"{k}={v}" for k, v in run.setting.items())
            writer.writerow([f"{v:.4g}" if isinstance(v, float) else v for v in values.values()])
    parts = [f"{about}\n"]
    for name, truth in truths.items():
        problem = PROBLEMS[name]
        runs = [run for run in measurements if run.problem == name]
        parts.append(
            f"**{name}**, {problem.title} (the truth is known to {truth.known_to:.0e}, the mode's "
            f"mass to {truth.mass_known_to:.0e}):\n\n{table(problem, runs)}\n"
        )
    (out / "work-precision.md").write_text("\n".join(parts))
    draw(measurements, out / "work-precision.png")


def run_method(
    python: str, method: str, problem: str, raw: Path, limit: float, patience: float
) -> None:
    """Run one method on one problem in its own environment; one that is missing is skipped.

    After `patience` seconds it is ended; what it has finished by then counts.
    """
    environment = dict(
        os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
    )
    if method != "with_wfrpde":
        environment.pop("PYTHONPATH", None)
    command = [python, str(HERE / "peer.py"), method, problem, str(raw), "--limit", str(limit)]
    try:
        code = subprocess.run(command, env=environment, check=False, timeout=patience).returncode
    except subprocess.TimeoutExpired:
        code = -1  # what it has finished counts
    if code:
        print(f"{method} on {problem} ended with code {code}", file=sys.stderr, flush=True)


def versions(raw: Path) -> str:
    """Versions of every package that took part, for the caption."""
    found: dict[str, str] = {}
    for path in sorted(raw.glob("*.npz")):
        with np.load(path) as data:
            about = json.loads(str(data["about"]))
        side = "" if about["method"] == "with_wfrpde" else " (peers)"
        found.update({name + side: version for name, version in about["versions"].items()})
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def main() -> None:
    """Measure, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="the Python of the peers' environment")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--only", nargs="*", default=["with_wfrpde", *PEERS], help="methods")
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--limit", type=float, default=4.0, help="CPU seconds of one solve")
    parser.add_argument(
        "--patience", type=float, default=20.0, help="seconds for one method on one problem"
    )
    parser.add_argument("--resume", action="store_true", help="keep what was measured before")
    given = parser.parse_args()
    raw = given.out / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    measurements, truths = [], {}
    for name in given.problems:
        for method in given.only:
            done = raw / f"{name}-{method}.done"
            if given.resume and done.exists():
                continue
            done.unlink(missing_ok=True)
            for old in raw.glob(f"{name}-{method}-*.npz"):
                old.unlink()
            python = sys.executable if method == "with_wfrpde" else given.peers
            if python:
                longer = LONGER if method in DECIDING else 1.0
                limits = longer * given.limit, longer * given.patience
                run_method(python, method, name, raw, *limits)
                done.touch()
        truths[name] = reference(PROBLEMS[name])
        for path in sorted(raw.glob(f"{name}-*.npz")):
            measurements.append(judged(path, PROBLEMS[name], truths[name]))
        about = f"Measured on {date.today().isoformat()}: {machine()}. {versions(raw)}."
        write(measurements, truths, about, given.out)  # after each problem: a bench takes long
    print((given.out / "work-precision.md").read_text())


if __name__ == "__main__":
    main()
