"""Four modes, banana and ring with default settings: numbers and their error bars.

The references of `FOUR_MODES` and `BANANA` are edge-averaged runs of this package on twice the
cells along each axis and with half the steps of the default (four modes: 480 × 616 and 960 × 1232
cells, 990 and 1980 steps; banana: 1124 × 548 and 2248 × 1096 cells, 298 and 596 steps),
extrapolated. From runs at 1.5 times the default's resolution they differ by 8e-4, 6e-5, 2e-5, 7e-7
of the mass of 'bottom', by up to 7e-6 of that of the other modes, and by 5e-5, 3e-5, 1e-6 of the
mass right of the banana's bend. The ring's flow depends on the radius alone: it is solved by it,
and so is its reference, with another formulation.
"""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde

FOUR_MODES = {
    "top": [0.9453765359, 0.8396540677, 0.5484520138, 0.2720381810],
    "bottom": [4.702357e-9, 8.748849e-5, 2.209980026e-2, 0.2351857944],
    "left": [0.0273117297, 0.0801292219, 0.2147240930, 0.2463880123],
    "right": [0.0273117297, 0.0801292219, 0.2147240930, 0.2463880123],
}
"""At t = 0.5, 1, 2, 5."""

BANANA = [0.104609360, 0.256114234, 0.369851469]
"""Mass of x > 1 at t = 0.1, 1, 2."""


def at(solution: wfrpde.Solution, times: list[float]) -> list[int]:
    return [int(np.argmin(np.abs(solution.times - t))) for t in times]


def check(found: np.ndarray, exact: np.ndarray, estimate: np.ndarray, limits: list[float]) -> None:
    """Relative errors within the limits, absolute ones within the estimates."""
    off = np.abs(np.asarray(found) - exact)
    report = f"relative errors {off / exact}, estimates {estimate / exact}"
    assert (off <= np.array(limits) * exact).all(), report
    assert (off <= estimate).all(), report


@pytest.mark.slow
@pytest.mark.parametrize("mode", FOUR_MODES)
def test_four_modes(solved, mode):
    solution = solved("four-modes")
    rows = at(solution, [0.5, 1.0, 2.0, 5.0])
    mass, error = solution.mode_mass[mode][rows], solution.error.mode_mass[mode][rows]
    check(mass, np.array(FOUR_MODES[mode]), error, [1e-2, 1e-3, 1e-3, 1e-3])


@pytest.mark.slow
def test_banana(solved):
    solution = solved("banana")
    rows = at(solution, [0.1, 1.0, 2.0])
    mass, error = solution.mode_mass["right"][rows], solution.error.mode_mass["right"][rows]
    check(mass, np.array(BANANA), error, [1e-3] * 3)


BANANA_KL = 0.11826
"""At t = 2, where the far tails count: this package on 61,000 graded and on 158,000 equal nodes
with bars of 8e-5, and two nested runs stepped axis by axis, extrapolated, 4e-5 from it."""


def test_banana_on_graded_cells_to_three_per_cent():
    """Where cells reach up to 1380 kT KL is 0.00198 too small, which is 3.6 bars."""
    case = wfrpde.load_case("banana").with_overrides({"accuracy.tolerance": 3e-2})
    solution = wfrpde.solve(case)
    assert solution.numerics["accuracy"]["met"]
    rows = at(solution, [0.1, 1.0, 2.0])
    mass, error = solution.mode_mass["right"][rows], solution.error.mode_mass["right"][rows]
    check(mass, np.array(BANANA), error, [1e-3] * 3)
    off = abs(solution.series["kl"][-1] - BANANA_KL)
    assert off < solution.error.series["kl"][-1] + 1e-4
    assert off < 3e-4


@pytest.mark.slow
def test_banana_to_a_thousandth_takes_one_try():
    case = wfrpde.load_case("banana").with_overrides({"accuracy.tolerance": 1e-3})
    solution = wfrpde.solve(case)
    accuracy = solution.numerics["accuracy"]
    assert accuracy["met"]
    assert len(accuracy["attempts"]) == 1
    assert len(solution.nodes) < 80_000  # equal cells took three tries and 158,000
    rows = at(solution, [0.1, 1.0, 2.0])
    mass, error = solution.mode_mass["right"][rows], solution.error.mode_mass["right"][rows]
    check(mass, np.array(BANANA), error, [1e-4] * 3)
    assert abs(solution.series["kl"][-1] - BANANA_KL) < solution.error.series["kl"][-1] + 1e-4


@pytest.mark.slow
def test_three_narrow_correlated_modes_take_two_tries():
    """The truth: 70,000 nodes with 680 steps, whose own bars are below 6e-6 where they matter."""
    spread = [
        [[0.09, 0.07], [0.07, 0.07]],
        [[0.09, -0.07], [-0.07, 0.07]],
        [[0.16, 0.1], [0.1, 0.08]],
    ]
    case = wfrpde.Case.model_validate(
        {
            "target": {
                "kind": "gaussian_mixture",
                "weights": [0.3, 0.4, 0.3],
                "means": [[-1.5, 0.0], [1.5, 0.5], [0.0, 2.0]],
                "covariances": spread,
            },
            "initial": {"mean": [-1.5, 0.0], "covariance": [[0.09, 0.0], [0.0, 0.07]]},
            "flow": {"save": [0.1, 0.3, 1.0, 2.0]},
            "accuracy": {"tolerance": 1e-3},
        }
    )
    solution = wfrpde.solve(case)
    accuracy = solution.numerics["accuracy"]
    assert accuracy["met"]
    assert len(accuracy["attempts"]) == 2  # the first one misses by 19
    kl, error = solution.series["kl"][1:], solution.error.series["kl"][1:]
    exact = np.array([1.19606823, 1.12049322, 0.8119747, 0.30565288])
    check(kl, exact, error, [1e-5] * 4)
    mass, error = solution.mode_mass["mode_3"][1:4], solution.error.mode_mass["mode_3"][1:4]
    check(mass, np.array([4.91628215e-3, 1.85862769e-2, 0.12351808]), error, [1e-4] * 3)


def radial_flow(times: list[float]) -> wfrpde.Solution:
    """The ring's flow as that of r = |x|, whose potential gains −log r; KL is the same."""
    wall = 1e-4  # in place of r = 0; it moves KL by 2e-7 when it is ten times as far
    case = wfrpde.Case.model_validate(
        {
            "target": {"potential": "((x - 5)/0.25)**2 - log(abs(x))"},
            "initial": {"log_density": "-x**2/2 + log(abs(x))"},
            "domain": {"box": [[wall, 9.0]]},
            "flow": {"save": times},
            "numerics": {"formulation": "log-density", "cells": [240], "certify": False},
        }
    )
    return wfrpde.solve(case)


def mean_radius(solution: wfrpde.Solution, t: float) -> float:
    """Moment of |x|, by Gauss–Legendre panels along r and equal steps of the angle."""
    node, weight = np.polynomial.legendre.leggauss(6)
    edges = np.linspace(0.0, 8.0, 161)
    r = (edges[:-1, None] + (node + 1) / 2 * np.diff(edges)[:, None]).ravel()
    w = (weight / 2 * np.diff(edges)[:, None]).ravel()
    angle = 2 * np.pi * (np.arange(60) + 0.5) / 60
    x = r[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    ring = solution.density(t, x.reshape(-1, 2)).reshape(len(r), -1).mean(axis=1)
    return float((w * r**2 * ring).sum() / (w * r * ring).sum())


@pytest.mark.slow
def test_ring(solved):
    times = [0.05, 0.1, 0.2]
    solution, radial = solved("ring"), radial_flow(times)
    rows = at(solution, times)
    found = np.array([mean_radius(solution, t) for t in times])
    exact = radial.mean[1:, 0]
    assert (np.abs(found - exact) <= 1e-3 * exact).all(), found / exact - 1
    error = solution.error["kl"][rows]
    check(solution.series["kl"][rows], radial.series["kl"][1:], error, [1e-2] * 3)
    # the symmetry of the problem survives
    assert np.abs(solution.mean).max() <= 1e-8


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_thin_ring_filled_from_its_centre(beta):
    """Few cells: masses and KL by the flow of the radius, within their bars, and told as vague."""
    shared = {"save": [0.1, 0.5], "beta": beta}
    radial = wfrpde.solve(
        wfrpde.Case.model_validate(
            {
                "target": {
                    "potential": "((x - 2)/0.25)**2 - log(abs(x))",
                    "modes": {"inside": "x < 2"},
                },
                "initial": {"log_density": "-x**2/0.5 + log(abs(x))"},
                "domain": {"box": [[1e-3, 6.0]]},
                "flow": shared,
                "numerics": {"formulation": "log-density", "cells": [160], "certify": False},
            }
        )
    )
    target = {"kind": "ring", "radius": 2.0, "width": 0.25}
    solution = wfrpde.solve(
        wfrpde.Case.model_validate(
            {
                "target": {**target, "modes": {"inside": "x**2 + y**2 < 4"}},
                "initial": {"mean": [0.0, 0.0], "covariance": 0.25},
                "flow": shared,
                "numerics": {"formulation": "edge-averaged", "cells": [48, 48]},
            }
        )
    )
    for found, bar, right, off in (
        (solution.series["kl"], solution.error.series["kl"], radial.series["kl"], 0.05),
        (solution.mode_mass["inside"], solution.error.mode_mass["inside"],
         radial.mode_mass["inside"], 0.01),
    ):  # fmt: skip
        gap = np.abs(found - right)[1:]
        assert (gap <= bar[1:] + 1e-8).all()
        assert gap.max() <= off
    assert any("relative error of the density" in text for text in solution.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["four-modes", "banana", "ring"])
def test_the_bars_are_not_too_long(solved, name):
    """An error bar that covers everything says nothing: late ones are a few per cent at most."""
    solution = solved(name)
    assert solution.error.density[1:].max() <= 0.05
    for mode, mass in solution.mode_mass.items():
        if mode != "inside":  # of the ring: next to nothing is left there
            assert (solution.error.mode_mass[mode][-1] <= 0.01 * mass[-1]).all()
