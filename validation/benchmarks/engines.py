"""What the SciPy engine costs beside PETSc's: CPU seconds of whole solves on one process.

    OMP_NUM_THREADS=1 tools/env python validation/benchmarks/engines.py

The two problems of the benchmark in the plane and two shipped cases, with their default settings,
errors included. Of several solves the fastest counts, after one of a small case that loads the
libraries. Prints a table in Markdown; the last row is the sum.
"""

from __future__ import annotations

import argparse
import logging
import time

from machine import machine
from problems import PROBLEMS
from with_wfrpde import case

import wfrpde

CASES = {
    "G2": lambda: case(PROBLEMS["G2"]),
    "W2": lambda: case(PROBLEMS["W2"]),
    "four modes": lambda: wfrpde.load_case("four-modes"),
    "banana": lambda: wfrpde.load_case("banana"),
}
ENGINES = ("petsc", "scipy")


def seconds(asked: wfrpde.Case, engine: str, repeats: int) -> float:
    """CPU seconds of the fastest of several solves."""
    changed = asked.with_overrides({"numerics.engine": engine})
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        solution = wfrpde.solve(changed)
        best = min(best, time.process_time() - began)
        assert solution.numerics["engine"] == engine
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("names", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    logging.disable()
    small = wfrpde.load_case("gaussian-2d", {"numerics.cells": [6, 6]})
    for engine in ENGINES:
        seconds(small, engine, 1)
    print(f"{machine()}\n\n| problem | PETSc | SciPy | ratio |\n| --- | ---: | ---: | ---: |")
    total = dict.fromkeys(ENGINES, 0.0)
    for name in arguments.names:
        spent = {e: seconds(CASES[name](), e, arguments.repeats) for e in ENGINES}
        total = {e: total[e] + spent[e] for e in ENGINES}
        _row(name, spent)
    _row("all", total)


def _row(name: str, spent: dict[str, float]) -> None:
    ratio = spent["scipy"] / spent["petsc"]
    print(f"| {name} | {spent['petsc']:.2f} | {spent['scipy']:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
