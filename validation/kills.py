"""Kills every command at random moments, and goes on with it: the numbers must be the same.

    tools/env python validation/kills.py --count 20 --ranks 1 2

SIGKILL, SIGTERM, SIGHUP and Ctrl-C, each ``count`` times, to solve, a sweep, validate and converge.
After each no process and no hidden file may be left.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))

from killing import COMMANDS, SIGNALS, Bench


def main() -> int:
    """Kill, go on, compare; return the number of failures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="moments for each signal")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw, failures = random.Random(arguments.seed), 0
    folder = Path(tempfile.mkdtemp(prefix="wfrpde-kills-"))
    for ranks in arguments.ranks:
        for command in arguments.commands:
            bench = Bench(folder / f"{command}-{ranks}", ranks)
            seconds = bench.whole(command, "whole")
            numbers = bench.numbers(command, "whole")
            for number in SIGNALS:
                bad = []
                for k in range(arguments.count):
                    out, after = f"{number.name}-{k}", draw.uniform(0.05, 1.0) * seconds
                    try:
                        bench.killed(command, out, number, after)
                        further = [] if command == "converge" else ["--resume"]
                        bench.whole(command, out, *further)
                        assert bench.numbers(command, out) == numbers, "other numbers"
                        assert not bench.hidden(out), bench.hidden(out)
                        shutil.rmtree(bench.folder / out)
                    except Exception as error:
                        bad.append(f"after {after:.2f} s: {error}")
                print(
                    f"{command:<9} {ranks} rank(s) {number.name:<8} "
                    f"{arguments.count - len(bad)} of {arguments.count} the same",
                    *bad, sep="\n    ", flush=True,
                )  # fmt: skip
                failures += len(bad)
    if not failures:
        shutil.rmtree(folder)
    return failures


if __name__ == "__main__":
    sys.exit(main())
