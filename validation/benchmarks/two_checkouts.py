"""CPU time of `wfrpde.solve` in this checkout against another one, in one run.

    git worktree add /tmp/before v0.1.0
    tools/env python validation/benchmarks/two_checkouts.py /tmp/before

The two take turns, each in a process of its own with one thread; of every process the median over
its repeats counts, after a first solve that is not timed, and of the turns the median again. A
ratio below 1 says that this checkout is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from machine import machine

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
TOLERANCES = {"D1": (1e-4, 1e-6), "G2": (1e-2, 1e-3, 1e-4, 1e-6), "W2": (1e-2, 1e-3, 1e-4)}


def measure(repeats: int) -> None:
    """Print the CPU seconds of every problem and tolerance as JSON."""
    import time

    from problems import PROBLEMS
    from with_wfrpde import case, forget

    import wfrpde

    found = {}
    for name, tolerances in TOLERANCES.items():
        for tolerance in tolerances:
            made = case(PROBLEMS[name], accuracy={"tolerance": tolerance})
            spent = []
            for _ in range(repeats + 1):
                began = time.process_time()
                forget()
                wfrpde.solve(made)
                spent.append(time.process_time() - began)
            found[f"{name} {tolerance:g}"] = statistics.median(spent[1:])
    print(json.dumps(found))


def turn(checkout: Path, repeats: int) -> dict[str, float]:
    """Measure one checkout, with the problems of this one."""
    paths = os.pathsep.join([str(checkout), str(HERE.parent)])
    done = subprocess.run(
        [sys.executable, str(HERE), "--measure", "--repeats", str(repeats)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        cwd=checkout,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Run the turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        return measure(arguments.repeats)
    if arguments.other is None:
        parser.error("name the other checkout")
    here, there = [], []
    for number in range(arguments.turns):
        print(f"turn {number + 1} of {arguments.turns}", file=sys.stderr)
        here.append(turn(ROOT, arguments.repeats))
        there.append(turn(arguments.other.resolve(), arguments.repeats))
    print(f"{machine()}; {arguments.turns} turns of {arguments.repeats} solves\n")
    print(f"{'problem':10s} {'other, s':>9s} {'this, s':>9s} {'ratio':>6s}")
    for key in here[0]:
        this = statistics.median(found[key] for found in here)
        other = statistics.median(found[key] for found in there)
        print(f"{key:10s} {other:9.4f} {this:9.4f} {this / other:6.2f}")
    return None


if __name__ == "__main__":
    main()
