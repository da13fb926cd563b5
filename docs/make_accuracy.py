"""Measure the accuracy table of the README anew: ``tools/env python docs/make_accuracy.py``.

Each row solves a problem, with default settings unless it says otherwise, and compares with a
closed form or with a reference that was computed in another way or much finer (for the planar
targets that of tests/acceptance). The largest relative errors over the saved times are reported,
next to the largest that the solver estimated for the same number. The whole takes some minutes,
and the table in README.md is replaced at its end.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wfrpde
from wfrpde.flow.exact import gaussian_flow, gaussian_kl, gaussian_log_density

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
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
    solution, seconds = solved(case)
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
    return Row(problem, "closed form", found, estimated, seconds)


def density_error(solution: Any, t: float, mean: Any, covariance: Any) -> float:
    """Relative L2 error of the density on a regular grid of six standard deviations."""
    points = {1: 2001, 2: 121, 3: 41}[len(mean)]
    spread = np.sqrt(np.diag(covariance))
    axes = [np.linspace(m - 6 * s, m + 6 * s, points) for m, s in zip(mean, spread, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(mean))
    exact = np.exp(gaussian_log_density(x, mean, covariance))
    computed = solution.density(t, x)
    return float(np.linalg.norm(computed - exact) / np.linalg.norm(exact))


def solved(case: wfrpde.Case) -> tuple[Any, float]:
    """Give the solution and the CPU time that it took."""
    began = time.process_time()
    solution = wfrpde.solve(case)
    return solution, time.process_time() - began


def well_row(problem: str, name: str) -> Row:
    """Compare the automatic formulation of a double well with the edge-averaged one.

    Their distance is an error of both, so that both estimates count.
    """
    case = wfrpde.load_case(name)
    solution, seconds = solved(case)
    other = wfrpde.solve(case.with_overrides({"numerics.formulation": "edge-averaged"}))
    found, estimated = {}, {}
    for key, first, second, errors in (
        ("KL", solution.series["kl"], other.series["kl"], ("series", "kl")),
        *(
            (f"mass {mode}", mass, other.mode_mass[mode], ("mode_mass", mode))
            for mode, mass in solution.mode_mass.items()
        ),
    ):
        kind, entry = errors
        both = sum(getattr(s.error, kind)[entry] for s in (solution, other))
        found[key], estimated[key] = largest(first - second, first), largest(both, first)
    return Row(problem, "edge-averaged (± of both)", found, estimated, seconds)


def mode_row(problem: str, reference: str, name: str, truth: dict[float, dict[str, float]]) -> Row:
    """Compare masses of modes with a reference: time, mode, mass."""
    solution, seconds = solved(wfrpde.load_case(name, {"flow.save": sorted(truth)}))
    found: dict[str, float] = {}
    estimated: dict[str, float] = {}
    for k, masses in enumerate(truth[t] for t in sorted(truth)):
        for mode, mass in masses.items():
            off = abs(solution.mode_mass[mode][k + 1] / mass - 1)
            bar = solution.error.mode_mass[mode][k + 1] / mass
            found[f"mass {mode}"] = max(off, found.get(f"mass {mode}", 0.0))
            estimated[f"mass {mode}"] = max(bar, estimated.get(f"mass {mode}", 0.0))
    return Row(problem, reference, found, estimated, seconds)


def ring_row(problem: str) -> Row:
    """Compare KL of the ring with the flow of the radius alone."""
    from test_planar_targets import radial_flow

    solution, seconds = solved(wfrpde.load_case("ring"))
    kl = radial_flow([float(t) for t in solution.times[1:]]).series["kl"]
    found = {"KL": largest(solution.series["kl"] - kl, kl)}
    return Row(
        problem, "1-D in the radius", found, {"KL": largest(solution.error["kl"], kl)}, seconds
    )


def planar_rows() -> Iterator[Row]:
    """Compare four modes, banana and ring with the references of the acceptance tests."""
    sys.path.append(str(ROOT / "tests" / "acceptance"))
    from test_planar_targets import BANANA, FOUR_MODES

    finer = "finer runs"
    for label, first, modes in (
        ("Four modes, t = 1, 2, 5", 1, ("top", "bottom", "left", "right")),
        ("… t = 0.5", 0, ("bottom",)),
    ):
        times = (0.5, 1.0, 2.0, 5.0)[first:] if first else (0.5,)
        truth = {
            t: {mode: FOUR_MODES[mode][k + first] for mode in modes} for k, t in enumerate(times)
        }
        yield mode_row(label, finer, "four-modes", truth)
    truth = {t: {"right": mass} for t, mass in zip((0.1, 1.0, 2.0), BANANA, strict=True)}
    yield mode_row("Banana", finer, "banana", truth)
    yield ring_row("Ring, filled from its centre")


def rows() -> Iterator[Row]:
    """Measure, one row after the other.

    Boxes of Gaussians are automatic or wide: a narrow one cuts tails off, which is no error of a
    flow in that box. By themselves such flows are in closed form: the rows ask for the mesh.
    """
    spectral = {"domain.box": [[-7.0, 7.0], [-7.0, 7.0]], "flow.save": [1.0]}  # cuts 1e-12 off
    yield gaussian_row("Gaussian, 1-D", "gaussian-2d", {
        "target.mean": [0.5], "target.covariance": [[0.7]], "target.modes": {},
        "initial.mean": [-1.0], "initial.covariance": [[0.3]],
        "domain.box": None, "numerics.formulation": "mesh",
        "numerics.degree": None, "numerics.cells": None,
    })  # fmt: skip
    plain = {
        "domain.box": None,
        "numerics.formulation": "mesh",
        "numerics.degree": None,
        "numerics.cells": None,
    }
    yield gaussian_row("Gaussian, 2-D", "gaussian-2d", plain)
    yield gaussian_row(
        "… edge-averaged", "gaussian-2d", {**plain, "numerics.formulation": "edge-averaged"}
    )
    yield gaussian_row("… degree 6, 10² cells, t = 1", "gaussian-2d", spectral)
    yield gaussian_row(
        "… degree 8, 14² cells, t = 1",
        "gaussian-2d",
        {**spectral, "numerics.degree": 8, "numerics.cells": [14, 14]},
    )
    yield gaussian_row("… triangles", "gaussian-2d", {**plain, "domain.cell": "simplex"})
    yield gaussian_row("Gaussian, 3-D, degree 4, 10³ cells", "gaussian-3d", {})
    yield gaussian_row("Far start, N(0, 1) → N(20, 0.1)", "far-start", {})

    yield well_row("Double well, barrier 20 kT", "double-well-20")
    yield well_row("Quartic well, barrier 50 kT", "quartic-well-50")
    yield from planar_rows()


def main() -> None:
    """Measure everything and put the table into the README."""
    lines = [
        "| problem | compared with | largest relative error | … as estimated by the run | CPU s |",
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
