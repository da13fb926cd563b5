"""Gaps, friction, action and lag along a path of targets."""

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.operators.along_path import path_profile

WELL = "(1 - t)*x**2/1.28 + t*(8*(x**2 - 1)**2 + x/2)"


def case(potential, box, **flow):
    return wfrpde.Case.model_validate({
        "target": {"potential": potential},
        "path": {"kind": "expression"},
        "domain": {"box": box},
        "flow": {"t_end": 1.0, **flow},
    })  # fmt: skip


def test_a_gaussian_that_is_dragged_and_stiffens():
    # V = k (x − vt)²/2: λ₁ = k; g = k'(x² − 1/k)/2 − kvx, friction = k'²/4k³ + v²
    profile = path_profile(case("(1 + 2*t)*(x - t)**2/2", [[-8, 9]]), [0.0, 0.5, 1.0])
    k = 1 + 2 * profile.times
    friction, variance = 1 / k**3 + 1, 2 / k**2 + k
    assert np.abs(profile.gap - k).max() < 1e-6
    assert np.abs(profile.friction - friction).max() < 1e-6
    assert np.abs(profile.variance - variance).max() < 1e-6
    # (β − αL) χ = g with α = β = 1: x has the rate k, x² − 1/k the rate 2k
    lag = (k / (1 + k) ** 2 + 2 / k**2 / (1 + 2 * k) ** 2) / 2
    assert np.abs(profile.lag - lag).max() < 1e-6
    for row, exact in zip(profile.errors, (k, friction, variance, lag), strict=True):
        value = (profile.gap, profile.friction, profile.variance, profile.lag)
        gap = min(np.abs(v - exact).max() for v in value)
        assert gap <= row.max() + 1e-9


def test_annealing_into_two_wells():
    profile = path_profile(case(WELL, [[-3.5, 3.5]], reaction="annealed"), [0, 0.25, 0.5, 0.75, 1])
    assert np.allclose(profile.gap, [1.563, 0.718, 0.169, 0.0313, 0.00509], rtol=2e-3)
    assert np.allclose(profile.friction, [86.5, 1.11, 1.78, 7.72, 41.75], rtol=3e-3)
    spectrum = wfrpde.spectrum(
        case(WELL, [[-3.5, 3.5]], reaction="annealed").with_overrides({"path.at": 0.5})
    )
    assert abs(spectrum.rates[1] - profile.gap[2]) < 1e-6
    whole = path_profile(case(WELL, [[-3.5, 3.5]], reaction="annealed"))
    assert abs(whole.action - 6.9243) < 2e-3
    assert 4.6 < whole.length**2 < whole.action
    table = np.array(whole.schedule(2.0))
    assert table[0, 0] == table[0, 1] == 0.0
    assert table[-1, 0] == pytest.approx(2.0)
    assert (np.diff(table, axis=0) > 0).all()


def test_the_lag_is_what_a_slow_flow_is_behind_by():
    duration = 16.0
    slow = case("(1 + 2*t/16)*(x - t/16)**2/2", [[-7, 8]], save=[8.0, 16.0], t_end=duration)
    slow = slow.with_overrides({"numerics.cells": [60], "numerics.dt": 0.2})
    kl = wfrpde.solve(slow).series["kl_to_path"][1:]
    assert np.allclose(kl, path_profile(slow, [8.0, 16.0]).lag, rtol=0.06)


def test_refusals():
    still = wfrpde.Case.model_validate({
        "target": {"potential": "x**2/2"}, "initial": {"mean": [0.0], "covariance": [[0.5]]},
    })  # fmt: skip
    with pytest.raises(InputError, match="a target that moves"):
        path_profile(still)
    table = still.with_overrides({
        "path.kind": "temper", "path.schedule": [[0.0, 0.0], [1.0, 1.0]], "path.at": 0.5,
    })  # fmt: skip
    with pytest.raises(InputError, match=r"path\.at"):
        wfrpde.spectrum(table)
