"""Shipped cases beyond three dimensions, as they stand, against quadrature on a line."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

import wfrpde


def total(potential, low, high, power=0):
    """∫ r^power e^{−V} dr."""
    return quad(lambda r: r**power * np.exp(-potential(r)), low, high, epsabs=0, epsrel=1e-12)[0]


def test_many_wells():
    solution = wfrpde.solve(wfrpde.load_case("many-well-32"))
    assert not solution.warnings
    assert (np.diff(solution.series["kl"]) < 0).all()
    well = [total(lambda x: x**4 - 6 * x**2 - x / 2, *ends) for ends in ((-4, 0), (0, 4))]
    right = well[1] / sum(well)
    assert solution.target_mode_mass["all right"] == pytest.approx(right**16, rel=1e-7)
    half = solution.target_mode_mass["half of them right"]
    assert half == pytest.approx(binom.sf(7, 16, right), rel=1e-7)


def test_rotated_wells():
    solution = wfrpde.solve(wfrpde.load_case("d-wells"))
    assert solution.series["kl"][-1] == pytest.approx(0.08666303, abs=1e-8)
    assert solution.mode_mass["all right"][-1] == pytest.approx(6.7392e-3, abs=1e-7)


def test_a_shell():
    solution = wfrpde.solve(wfrpde.load_case("ring-100"))
    assert (np.diff(solution.series["kl"]) < 0).all()
    shell = [total(lambda r: 2 * (r - 12) ** 2 - 99 * np.log(r / 12), 5, 25, k) for k in (0, 2)]
    variance = solution.marginal(np.inf, 7).variance
    assert variance == pytest.approx(shell[1] / shell[0] / 100, rel=1e-7)


def test_a_chain():
    few = {
        "target.length": 3,
        "target.modes.half of them right": "count(x > 0) >= 2",
        "flow.save": [0.5],
        "numerics.certify": False,
        "numerics.cells": [14],
    }
    solution = wfrpde.solve(wfrpde.load_case("phi4-chain", few))
    assert solution.series["kl"][1] < solution.series["kl"][0]
    partition = solution.numerics["log_partition"], solution.numerics["log_partition_by_train"]
    assert partition[0] == pytest.approx(partition[1], abs=1e-8)
