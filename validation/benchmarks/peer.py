"""What a method hands over, and the command that runs one in the peers' environment.

    python peer.py METHOD PROBLEM RESULTS [--repeats 3] [--limit 120]

Every setting of the method (from coarse to fine) is solved once to warm up and `repeats` times
for its seconds. What comes out is one ``.npz`` file per setting in the folder RESULTS: densities
at the method's own points and on the fine grid by its own interpolant. The errors are computed
elsewhere, for all methods alike.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from problems import PROBLEMS, BenchmarkProblem

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Answer:
    """A method's density at t_end.

    Attributes
    ----------
    points, values, weights
        Its own points ``(n, d)``, ρ there, and quadrature weights of an integral over the box.
    on_grid
        ρ on the tensor grid of the given axes, the last axis fastest, by its own interpolant.
    mode_mass
        Mass of the smaller mode, as the method's user would compute it.
    estimate
        What the method itself says about its errors.
    """

    points: Array
    values: Array
    weights: Array
    on_grid: Callable[[list[Array]], Array]
    mode_mass: float
    estimate: dict[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A module that solves the problems with one package."""

    PACKAGES: tuple[str, ...]

    def settings(self, problem: BenchmarkProblem) -> list[dict[str, Any]]:
        """Return settings to try; those with the same ``series`` go from coarse to fine."""

    def answer(self, problem: BenchmarkProblem, **setting: Any) -> Answer:
        """Solve."""


def timed(work: Callable[[], Answer], repeats: int, limit: float) -> tuple[Answer, Array]:
    """Answer, and seconds ``(repeats, 2)``: CPU and wall. Slow ones are not repeated."""
    seconds = []
    for index in range(repeats + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        answer = work()
        used = (time.process_time() - cpu, time.perf_counter() - wall)
        if index > 0 or used[0] > limit / 20:
            seconds.append(used)
        if used[0] > limit / 20:
            break
    return answer, np.array(seconds)


def save(path: Path, problem: BenchmarkProblem, answer: Answer, seconds: Array, about: Any) -> None:
    """Write what is needed to judge the answer."""
    np.savez(
        path,
        points=answer.points,
        values=answer.values,
        weights=answer.weights,
        fine=answer.on_grid(problem.fine_axes).astype(float),
        mode_mass=answer.mode_mass,
        seconds=seconds,
        about=json.dumps(about),
    )


def run(name: str, problem: BenchmarkProblem, folder: Path, repeats: int, limit: float) -> None:
    """Solve every setting that is expected to end within `limit` CPU seconds."""
    method: Method = importlib.import_module(name)  # type: ignore[assignment]
    versions = {p: importlib.metadata.version(p) for p in method.PACKAGES}
    versions["python"] = platform.python_version()
    too_slow: set[str] = set()
    settings = method.settings(problem)
    with contextlib.suppress(RuntimeError, ValueError, ArithmeticError):
        # imports count for none of them
        method.answer(problem, **{k: v for k, v in settings[0].items() if k != "series"})
    for number, setting in enumerate(settings):
        series = setting["series"]
        if series in too_slow:
            continue
        arguments = {k: v for k, v in setting.items() if k != "series"}
        try:
            answer, seconds = timed(partial(method.answer, problem, **arguments), repeats, limit)
        except (RuntimeError, ValueError, FloatingPointError, ArithmeticError) as error:
            print(f"{name} {problem.name} {setting}: {error}", file=sys.stderr, flush=True)
            too_slow.add(series)
            continue
        about = {"method": name, "problem": problem.name, "versions": versions, **setting}
        about |= answer.estimate
        save(folder / f"{problem.name}-{name}-{number:03d}.npz", problem, answer, seconds, about)
        used = float(np.median(seconds[:, 0]))
        print(f"{name} {problem.name} {setting}: {used:.3g} CPU s", flush=True)
        if used > limit / 6:
            too_slow.add(series)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method")
    parser.add_argument("problem", choices=sorted(PROBLEMS))
    parser.add_argument("results", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120.0)
    given = parser.parse_args()
    run(given.method, PROBLEMS[given.problem], given.results, given.repeats, given.limit)


if __name__ == "__main__":
    main()
