"""What bounds a solve: the shares of its parts, for the problems of the benchmark.

    OMP_NUM_THREADS=1 tools/env python validation/benchmarks/shares.py --problems D1 --digits 2 4

The parts are timed from outside, in CPU seconds; each counts what it spends itself, without the
parts that it calls. Of several solves the fastest counts, after one that is not timed.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from machine import machine
from problems import PROBLEMS
from with_wfrpde import case, forget

import wfrpde
from wfrpde.numbers import pretty

PARTS = {
    "problem and box": ["wfrpde.flow.solve:make_problem", "wfrpde.flow.solve:choose"],
    "mesh and assembly": [
        "wfrpde.flow.schemes.relative_density:make_nodes",
        "wfrpde.discretisation.semi_discrete:symmetrised_stiffness",
        "wfrpde.discretisation.semi_discrete:decay",
        "wfrpde.flow.schemes.log_density:LogDensityForm",
    ],
    "factorisations": [
        "wfrpde.engine.petsc.matrix:PetscMatrix.factor",
        "wfrpde.discretisation.log_density:LogDensityForm.shifted_jacobian",
    ],
    "linear solves": ["wfrpde.engine.petsc.linear:KspFactor.solve"],
    "steps": [
        "wfrpde.flow.schemes.relative_density:march",
        "wfrpde.flow.schemes.log_density:march",
    ],
    "evaluation": ["wfrpde.flow.solve:report"],
}
"""Functions, ``module:name`` as their caller knows them, by part. In one dimension the banded
factorisation and the solves of the log-density form are LAPACK calls that count among the steps."""

REST = "control of the solve"


class Clock:
    """Own CPU seconds by part: what a part calls counts for that alone."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._open: list[str] = [REST]
        self._since = time.process_time()

    def turn(self) -> None:
        """Book the time since the last turn."""
        now = time.process_time()
        self.spent[self._open[-1]] += now - self._since
        self._since = now

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, timed."""

        def timed(*arguments: Any, **keys: Any) -> Any:
            self.turn()
            self._open.append(part)
            try:
                return function(*arguments, **keys)
            finally:
                self.turn()
                self._open.pop()

        return timed


def install(clock: Clock) -> None:
    """Time the functions of `PARTS`."""
    places = [(place, part) for part, places in PARTS.items() for place in places]
    # methods first: a class that is timed itself is a function afterwards
    for place, part in sorted(places, key=lambda pair: "." not in pair[0].split(":")[1]):
        module, path = place.split(":")
        owner = importlib.import_module(module)
        *outer, name = path.split(".")
        for step in outer:
            owner = getattr(owner, step)
        setattr(owner, name, clock.wrap(part, getattr(owner, name)))


def measured(clock: Clock, name: str, tolerance: float, repeats: int) -> tuple[Counter[str], Any]:
    """Return the seconds of the fastest of some solves, by part, and the solution."""
    settings = case(PROBLEMS[name], accuracy={"tolerance": tolerance})
    solution = wfrpde.solve(settings)
    runs = []
    for _ in range(repeats):
        forget()
        clock.turn()
        clock.spent.clear()
        solution = wfrpde.solve(settings)
        clock.turn()
        runs.append(Counter(clock.spent))
    return min(runs, key=lambda run: sum(run.values())), solution


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="*", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--digits", nargs="*", type=int, default=[2, 4, 6])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    logging.getLogger("wfrpde").setLevel(logging.ERROR)
    clock = Clock()
    install(clock)
    columns = [*PARTS, REST]
    lines = [
        f"Measured on {date.today().isoformat()}: {machine()}. Milliseconds of CPU.\n",
        "| problem | tolerance | runs: nodes × steps | total | " + " | ".join(columns) + " |",
        "|" + " --- |" * (4 + len(columns)),
    ]
    for name in given.problems:
        for digit in given.digits:
            repeats = given.repeats if digit < 6 else 1
            spent, solution = measured(clock, name, 10.0**-digit, repeats)
            every = solution.numerics["runs"]
            runs = ", ".join(f"{r['nodes']}\u00a0×\u00a0{r['steps']}" for r in every)
            tolerance = pretty(f"1e-{digit}")
            parts = " | ".join(f"{1e3 * spent[part]:.1f}" for part in columns)
            total = 1e3 * sum(spent.values())
            lines.append(f"| {name} | {tolerance} | {runs} | {total:.1f} | {parts} |")
            print(lines[-1], flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "what-bounds-it.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
