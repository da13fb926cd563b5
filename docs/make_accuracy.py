"""Measure the accuracy table of the README anew: ``tools/env python docs/make_accuracy.py``.

Each row solves a problem, with default settings unless it says otherwise, and compares with a
closed form or with a reference that was computed in another way or much finer. The largest errors
over the saved times are reported, next to the largest error that the solver estimated for the same
number. The whole takes some minutes, and the table in README.md is replaced at its end.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wfrpde
from wfrpde.flow.exact import gaussian_flow, gaussian_kl, gaussian_log_density

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- accuracy: docs/make_accuracy.py -->", "<!-- end of accuracy -->"


@dataclass(frozen=True)
class Row:
    """One line of the table: what was solved and how, and the errors found and estimated."""

    problem: str
    reference: str
    found: dict[str, float]
    estimated: dict[str, float]
    seconds: float

    def markdown(self) -> str:
        """The line."""
        found, estimated = (
            "; ".join(f"{name} {value:.0e}" for name, value in errors.items())
            for errors in (self.found, self.estimated)
        )
        time = f"{self.seconds:.1f}" if self.seconds < 10 else f"{self.seconds:.0f}"
        return f"| {self.problem} | {self.reference} | {found} | {estimated} | {time} |"


def largest(error: Any, value: Any) -> float:
    """Largest relative error over the saved times after 0."""
    return float(np.max(np.abs(error[1:]) / np.abs(value[1:])))


def gaussian_row(problem: str, name: str, changes: dict[str, Any]) -> Row:
    """Solve a flow between Gaussians and compare with its closed form."""
    case = wfrpde.load_case(name, changes)
    solution = wfrpde.solve(case)
    start = case.initial.parameters
    mean, covariance = (
        np.atleast_1d(start["mean"]).astype(float),
        np.atleast_2d(start["covariance"]).astype(float),
    )
    target_mean, target_covariance = solution.target.gaussian
    states = [
        gaussian_flow(
            mean, covariance, target_mean, target_covariance, t,
            alpha=case.flow.alpha, beta=case.flow.beta,
        )
        for t in solution.times
    ]  # fmt: skip
    kl = np.array([gaussian_kl(m, c, target_mean, target_covariance) for m, c in states])
    variance = np.array([np.trace(c) for _, c in states])
    found_variance = np.trace(solution.covariance, axis1=1, axis2=2)
    estimate = solution.error
    found = {
        "KL": largest(solution.series["kl"] - kl, kl),
        "variance": largest(found_variance - variance, variance),
        "density": max(
            density_error(solution, t, *state)
            for t, state in zip(solution.times[1:], states[1:], strict=True)
        ),
    }
    estimated = {
        "KL": largest(estimate.series["kl"], kl),
        "variance": largest(np.trace(estimate.covariance, axis1=1, axis2=2), variance),
        "density": float(estimate.density[1:].max()),
    }
    return Row(problem, "closed form", found, estimated, solution.wall_time)


def density_error(solution: Any, t: float, mean: Any, covariance: Any) -> float:
    """Relative L2 error of the density on a regular grid of six standard deviations."""
    points = {1: 2001, 2: 121, 3: 41}[len(mean)]
    spread = np.sqrt(np.diag(covariance))
    axes = [np.linspace(m - 6 * s, m + 6 * s, points) for m, s in zip(mean, spread, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(mean))
    exact = np.exp(gaussian_log_density(x, mean, covariance))
    computed = solution.density(t, x)
    return float(np.linalg.norm(computed - exact) / np.linalg.norm(exact))


def compared_row(
    problem: str,
    reference: str,
    case: wfrpde.Case,
    changes: dict[str, Any],
    numbers: Callable[[Any], dict[str, Any]],
    errors: Callable[[Any], dict[str, Any]],
) -> Row:
    """Solve a case as it is and with changes that make a reference of it."""
    solution = wfrpde.solve(case)
    if "cells" in changes:
        cells = [changes["cells"] * n for n in solution.numerics["cells"]]
        changes = {"numerics.cells": cells}
    truth = numbers(wfrpde.solve(case.with_overrides(changes)))
    value, estimate = numbers(solution), errors(solution)
    return Row(
        problem,
        reference,
        {name: largest(value[name] - truth[name], truth[name]) for name in truth},
        {name: largest(estimate[name], truth[name]) for name in truth},
        solution.wall_time,
    )


def modes(*names: str) -> tuple[Callable[[Any], dict[str, Any]], Callable[[Any], dict[str, Any]]]:
    """Give KL and the masses of some modes, and their estimated errors."""

    def pick(quantities: Any) -> dict[str, Any]:
        return {"KL": quantities.series["kl"]} | {n: quantities.mode_mass[n] for n in names}

    return pick, lambda solution: pick(solution.error)


def rows() -> Iterator[Row]:
    """Measure, one row after the other."""
    spectral = {"flow.save": [0.1, 0.5, 1.0]}
    yield gaussian_row("Gaussian, 1-D", "gaussian-2d", {
        "target.mean": [0.5], "target.covariance": [[0.7]], "target.modes": {},
        "initial.mean": [-1.0], "initial.covariance": [[0.3]],
        "domain.box": [[-6.0, 6.0]], "numerics.formulation": "auto",
        "numerics.degree": None, "numerics.cells": None,
    })  # fmt: skip
    plain = {"numerics.formulation": "auto", "numerics.degree": None, "numerics.cells": None}
    yield gaussian_row("Gaussian, 2-D", "gaussian-2d", plain)
    yield gaussian_row(
        "… edge-averaged", "gaussian-2d", {**plain, "numerics.formulation": "edge-averaged"}
    )
    yield gaussian_row("… degree 6, 10² cells", "gaussian-2d", spectral)
    yield gaussian_row(
        "… degree 8, 14² cells",
        "gaussian-2d",
        {**spectral, "numerics.degree": 8, "numerics.cells": [14, 14]},
    )
    yield gaussian_row("… triangles", "gaussian-2d", {**plain, "domain.cell": "simplex"})
    yield gaussian_row("Gaussian, 3-D, degree 4, 8³ cells", "gaussian-3d", {})
    yield gaussian_row("Far start, N(0, 1) → N(20, 0.1)", "far-start", {})

    other = {"numerics.formulation": "edge-averaged"}
    yield compared_row(
        "Double well, barrier 20 kT",
        "other formulation",
        wfrpde.load_case("double-well-20"),
        other,
        *modes("left", "right"),
    )
    yield compared_row(
        "Quartic well, barrier 50 kT",
        "other formulation",
        wfrpde.load_case("quartic-well-50"),
        other,
        *modes("left", "right"),
    )
    late = {"flow.save": [0.5, 1.0, 2.0, 5.0]}
    yield compared_row(
        "Four modes in 2-D, t ≥ 0.5",
        "half the cell size",
        wfrpde.load_case("four-modes", late),
        {"cells": 2},
        *modes("top", "bottom", "left"),
    )
    yield compared_row(
        "Banana in 2-D",
        "half the cell size",
        wfrpde.load_case("banana"),
        {"cells": 2},
        *modes("right"),
    )
    yield compared_row(
        "Ring in 2-D, filled from its centre",
        "half the cell size",
        wfrpde.load_case("ring"),
        {"cells": 2},
        *modes("ring"),
    )


def main() -> None:
    """Measure everything and put the table into the README."""
    lines = [
        "| problem | reference | largest relative error found | … estimated by the solver | s |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for row in rows():
        lines.append(row.markdown())
        print(lines[-1], flush=True)
    text = README.read_text(encoding="utf-8")
    table = "\n".join([BEGIN, "", *lines, "", END])
    text, count = re.subn(f"{BEGIN}.*?{END}", lambda _: table, text, flags=re.DOTALL)
    if count != 1:
        sys.exit(f"{README.name} has no place for the table, between '{BEGIN}' and '{END}'")
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
