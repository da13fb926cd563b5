"""Kills every command at random moments, and goes on with it: the numbers must be the same.

    tools/env python validation/kills.py --count 20 --ranks 1 2 --store kills.jsonl

SIGKILL, SIGTERM, SIGHUP and Ctrl-C, each ``count`` times, to solve, a sweep, validate and converge.
After each no process and no hidden file may be left. One moment of everything comes after the
other, so that what is there when time runs out is a fair sample; with a store the rest follows
later.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))

from killing import COMMANDS, SIGNALS, Bench

PATIENCE = 1800.0
"""Seconds that a command may take beside whatever else the machine does."""


def main() -> int:
    """Kill, go on, compare; return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="moments for each signal")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--store", type=Path, help="file of the kills that were made")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wfrpde-kills-"))
    store = arguments.store or folder / "kills.jsonl"
    done = _read(store)
    known: dict[tuple[str, int], tuple[Bench, float, str]] = {}
    for moment in range(arguments.count):
        for ranks in arguments.ranks:
            for command in arguments.commands:
                for number in SIGNALS:
                    key = [command, ranks, number.name, moment]
                    if any(entry["key"] == key for entry in done):
                        continue
                    if (command, ranks) not in known:
                        known[command, ranks] = _undisturbed(folder, command, ranks)
                    share = random.Random(f"{arguments.seed} {key}").uniform(0.05, 1.0)
                    entry = {"key": key, **_kill(*known[command, ranks], command, number, share)}
                    done.append(entry)
                    with store.open("a") as file:
                        file.write(json.dumps(entry) + "\n")
                    if entry["wrong"]:
                        print(*key, entry["wrong"], flush=True)
        print(f"moment {moment + 1} of {arguments.count}", flush=True)
    print(table(done))
    failures = sum(bool(entry["wrong"]) for entry in done)
    if not failures:
        shutil.rmtree(folder)
    return failures


def _undisturbed(folder: Path, command: str, ranks: int) -> tuple[Bench, float, str]:
    bench = Bench(folder / f"{command}-{ranks}", ranks, PATIENCE)
    seconds = bench.whole(command, "whole")
    return bench, seconds, bench.numbers(command, "whole")


def _kill(
    bench: Bench, seconds: float, numbers: str, command: str, number: signal.Signals, share: float
) -> dict[str, Any]:
    """Kill a command after a share of its time and go on with it; say what was wrong, or ""."""
    out, wrong = f"{command}-{number.name}-{share:.6f}", ""
    try:
        bench.killed(command, out, number, share * seconds)
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
