"""Kills every command at random moments, and goes on with it: the numbers must be the same.

    tools/env python validation/kills.py --count 20 --ranks 1 2 --store kills.jsonl

SIGKILL, SIGTERM, SIGHUP and Ctrl-C, each ``count`` times, to solve, a sweep, validate and converge.
After each no process and no hidden file may be left. One moment of everything comes after the
other, so that what is there when time runs out is a fair sample; with a store the rest follows
later (``--kills`` says how many are made now), beside what each gives undisturbed: in one store
are kills of one version of the code.

On one rank a command begins in a process that has imported the libraries which it needs, so that
kills meet its work rather than imports; mpirun's ranks begin as they do for anyone.
"""

from __future__ import annotations

import argparse
import atexit
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))

from killing import CODE, COMMANDS, MARK, SIGNALS, Bench, Command

PATIENCE = 1800.0
"""Seconds that a command may take beside whatever else the machine does."""

LIBRARIES = (
    *("numpy", "scipy.interpolate", "scipy.optimize", "scipy.sparse.linalg", "scipy.stats"),
    *("sympy", "pydantic", "rich.console", "jinja2"),
)
"""What commands import, but for MPI, which each starts anew."""


@dataclass(frozen=True)
class Forked:
    """A command in a process that `multiprocessing` forks, asked as a `subprocess.Popen` is."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self.process.pid or 0

    def wait(self, timeout: float) -> int:
        """Wait for its end, at most so many seconds, and give its exit code."""
        self.process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("command", timeout)
        return code

    def poll(self) -> int | None:
        """Give its exit code, or None while it runs."""
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


@dataclass(frozen=True)
class QuickBench(Bench):
    """A bench whose commands on one rank find their libraries imported."""

    def process(self, words: list[str], log: Path, mark: str) -> Command:
        """Begin a command in a session of its own."""
        if self.ranks > 1:
            return super().process(words, log, mark)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(LIBRARIES))
        process = context.Process(target=_run, args=(words, self.folder, log, mark))
        process.start()
        return Forked(process)


def _run(words: list[str], folder: Path, log: Path, mark: str) -> None:
    """Become a command."""
    os.setsid()
    os.chdir(folder)
    os.environ[MARK] = mark
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["wfrpde", *words]
    try:
        exec(CODE, {})
    finally:
        atexit._run_exitfuncs()


def main() -> int:
    """Kill, go on, compare; return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="moments for each signal")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--kills", type=int, default=10**9, help="end after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, help="file of the kills that were made")
    arguments = parser.parse_args()
    store = arguments.store or Path(tempfile.mkdtemp(prefix="wfrpde-kills-")) / "kills.jsonl"
    folder = store.with_suffix("")  # the same of all that is compared: results name their case
    done = _read(store)
    kinds = itertools.product(arguments.ranks, arguments.commands, SIGNALS)
    every = [
        [command, ranks, number.name, moment]
        for moment, (ranks, command, number) in itertools.product(range(arguments.count), kinds)
    ]
    made = [entry["key"] for entry in done]
    whole = store.with_suffix(".whole.json")
    known = json.loads(whole.read_text()) if whole.exists() else {}
    for key in [key for key in every if key not in made][: arguments.kills]:
        command, ranks, name, _ = key
        kind = f"{command}-{ranks}"
        bench = QuickBench(folder / kind, ranks, PATIENCE)
        if kind not in known:
            known[kind] = bench.whole(command, "whole"), bench.numbers(command, "whole")
            shutil.rmtree(bench.folder / "whole")
            whole.write_text(json.dumps(known))
        share = random.Random(f"{arguments.seed} {key}").uniform(0.05, 1.0)
        entry = {"key": key, **_kill(bench, *known[kind], command, signal.Signals[name], share)}
        done.append(entry)
        with store.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        if entry["wrong"]:
            print(*key, entry["wrong"], flush=True)
    print(table(done))
    failures = sum(bool(entry["wrong"]) for entry in done)
    if not failures:
        shutil.rmtree(folder)
    return failures


def _kill(
    bench: Bench, seconds: float, numbers: str, command: str, number: signal.Signals, share: float
) -> dict[str, Any]:
    """Kill a command after a share of its time and go on with it; say what was wrong, or ""."""
    out, wrong = f"{command}-{number.name}-{share:.6f}", ""
    try:
        while not bench.killed(command, out, number, share * seconds):
            share *= 0.9  # what it takes varies
            shutil.rmtree(bench.folder / out)
        bench.whole(command, out, *([] if command == "converge" else ["--resume"]))
        if bench.numbers(command, out) != numbers:
            wrong = "other numbers"
        elif bench.hidden(out):
            wrong = f"left: {bench.hidden(out)}"
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    shutil.rmtree(bench.folder / out, ignore_errors=True)
    return {"after": share * seconds, "of": seconds, "wrong": wrong}


def _read(store: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []


def table(done: list[dict[str, Any]]) -> str:
    """Count the kills that were gone on with to the same numbers, as a table of Markdown."""
    names = [number.name for number in SIGNALS]
    every, good = Counter(), Counter()
    for entry in done:
        command, ranks, name, _ = entry["key"]
        every[command, ranks, name] += 1
        good[command, ranks, name] += not entry["wrong"]
    lines = [f"| command | ranks | {' | '.join(names)} |", "| --- | --- |" + " --- |" * len(names)]
    for command, ranks in sorted({key[:2] for key in every}, key=lambda key: (key[1], key[0])):
        cells = [f"{good[command, ranks, n]} of {every[command, ranks, n]}" for n in names]
        lines.append(f"| {command} | {ranks} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
