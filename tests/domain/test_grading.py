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
