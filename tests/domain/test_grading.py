"""Cells that follow the lengths over which V and −log ρ₀ bend."""

import numpy as np
import pytest

import wfrpde
from wfrpde.case.setup import make_problem
from wfrpde.domain.grading import RELAXED, Grading
from wfrpde.domain.landscape import Landscape


def landscape(potential):
    return Landscape(potential, potential, np.zeros((1, 2)))


def test_cells_of_a_gaussian_are_equal():
    box = np.array([[-4.0, 5.0], [-2.0, 2.0]])
    grading = Grading.of(landscape(lambda x: x[:, 0] ** 2 / 2 + 2 * x[:, 1] ** 2), box)
    # 1/√(curvature) is 1 and 1/2; second differences of step h are off by 1e-16 V/h²
    assert grading.lengths == pytest.approx([9.0, 8.0], abs=1e-6)
    for breaks, (low, high), n in zip(grading.breaks((7, 5)), box, (7, 5), strict=True):
        assert breaks == pytest.approx(np.linspace(low, high, n + 1), abs=1e-6)


def test_cells_follow_the_curvature_less_where_less_mass_is():
    """V = x⁴/4 bends by 3x²; within 1 kT, |x| < √2, by up to 6: that sets the largest cells."""
    box = np.array([[-2.5, 2.5], [-1.0, 1.0]])
    grading = Grading.of(landscape(lambda x: x[:, 0] ** 4 / 4 + x[:, 1] ** 2 / 2), box)
    (breaks, _) = grading.breaks((400, 1))
    middle, density = (breaks[1:] + breaks[:-1]) / 2, 1 / np.diff(breaks)
    share = density / 400 * grading.lengths[0]  # 1/ℓ
    flat = np.abs(middle) < 1.2
    # the lattice of 121 points reaches 1.4142 within 0.05, where the root changes by 0.09
    assert np.abs(share[flat] - np.sqrt(6.0)).max() < 0.1
    bent = np.abs(middle) > 1.7
    exact = np.sqrt(3.0) * np.abs(middle) * np.exp(-(middle**4) / 4 / RELAXED)
    # its largest value is at x⁴ = 24, beyond the ends
    assert np.abs(share - exact)[bent].max() < 0.1
    assert (breaks[0], breaks[-1]) == (-2.5, 2.5)


@pytest.mark.parametrize(
    ("name", "changes", "graded"),
    [
        ("banana", {"accuracy.tolerance": 1e-3}, True),
        ("banana", {}, False),
        ("banana", {"accuracy.tolerance": 1e-3, "numerics.cells": [240, 220]}, False),
        ("four-modes", {"accuracy.tolerance": 1e-3}, False),
        ("ring", {"accuracy.tolerance": 1e-3}, False),
    ],
)
def test_cells_are_graded_where_that_saves_many(name, changes, graded):
    problem = make_problem(wfrpde.load_case(name).with_overrides(changes))
    assert (problem.grading is not None) == graded


def test_a_line_has_short_cells_at_a_narrow_start_alone():
    """N(3, 1e-6) in V = x²/2: ℓ is 1e-3 over √24 widths, and 1/G at most √(2s/G) beyond."""
    line = Landscape(
        lambda x: x[:, 0] ** 2 / 2,
        lambda x: (x[:, 0] - 3.0) ** 2 / 2e-6,
        np.array([[0.0], [3.0]]),
    )
    box = np.array([[-8.0, 8.0]])
    grading = Grading.of_line(line, box)
    assert grading.shortest == pytest.approx([1e-3], rel=1e-3)
    assert grading.lengths[0] < 150  # 16000 equal ones
    (breaks,) = grading.breaks((4000,))
    middle, length = (breaks[1:] + breaks[:-1]) / 2, np.diff(breaks) * 4000 / grading.lengths[0]
    start = np.abs(middle - 3.0) < np.sqrt(24) * 1e-3
    assert np.count_nonzero(start) > 100
    assert np.abs(length[start] - 1e-3).max() < 2e-5
    # levels of V in between are up to 4.5 kT
    assert length[np.abs(middle) < 3].max() < np.exp(4.5 / RELAXED)
    assert length[np.abs(middle) < 1].min() > 0.3
    part = grading.within(-1.0, 3.0)
    assert part.lengths[0] == pytest.approx(
        np.interp(3.0, grading.positions[0], grading.counts[0])
        - np.interp(-1.0, grading.positions[0], grading.counts[0]),
        abs=1e-9,
    )
    assert part.breaks((10,))[0][[0, -1]] == pytest.approx([-1.0, 3.0], abs=1e-12)


def test_lines_are_graded_where_they_are_long_and_a_tolerance_asks():
    def graded(covariance, **tables) -> bool:
        case = wfrpde.Case.from_dict(
            {
                "target": {"potential": "x**2/2"},
                "initial": {"mean": [0.0], "covariance": covariance},
                **tables,
            }
        )
        return make_problem(case).grading is not None

    tolerance = {"accuracy": {"tolerance": 1e-3}}
    assert graded(1e-7, **tolerance)
    assert not graded(1e-7)
    assert not graded(0.1, **tolerance)
    assert not graded(1e-7, **tolerance, numerics={"cells": [400]})
    assert not graded(1e-7, **tolerance, flow={"alpha": 0.0})
