"""Splitting as an object of study: transport and reaction in turns, with steps of any size."""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError

# KL of one step minus KL of the flow, from N(m₀, C₀) to N(m, C): arXiv:2511.18060
# (m, C, m₀, C₀), step, W-FR, FR-W
PUBLISHED = [
    ((20, 100, 0, 1), 0.7, -0.109963, 0.101254),
    ((20, 100, 0, 1), 5.0, -0.066539, 0.265284),
]


def between_gaussians(means, step, **flow):
    target, variance, start, width = map(float, means)
    return wfrpde.Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [target], "covariance": [[variance]]},
            "initial": {"mean": [start], "covariance": [[width]]},
            "flow": {"save": [step], **flow},
            "numerics": {"cells": [320], **({"dt": step} if "splitting" in flow else {})},
        }
    )


def kl_at_end(case):
    solution = wfrpde.solve(case)
    return float(solution.series["kl"][-1]), float(solution.error.series["kl"][-1])


@pytest.mark.slow
@pytest.mark.parametrize(("means", "step", "first", "second"), PUBLISHED)
def test_published_orders_of_splitting(means, step, first, second):
    whole, bar = kl_at_end(between_gaussians(means, step))
    for order, expected in (("W-FR", first), ("FR-W", second)):
        value, error = kl_at_end(between_gaussians(means, step, splitting=order))
        assert value - whole == pytest.approx(expected, abs=1e-6 + bar + error)
        assert value - whole == pytest.approx(expected, rel=2e-2)


def turn(m, c, target, variance, w, fr):
    """W for a time w, then FR for a time fr, of N(m, c)."""
    decay = np.exp(-w / variance)
    m, c = target + (m - target) * decay, variance + (c - variance) * decay**2
    theta = np.exp(-fr)
    precision = theta / c + (1 - theta) / variance
    return (theta * m / c + (1 - theta) * target / variance) / precision, 1 / precision


@pytest.mark.parametrize("order", ["W-FR", "FR-W", "strang"])
def test_several_steps_in_closed_form(order):
    m, c = -1.0, 0.3
    for _ in range(3):
        before, after = {"W-FR": (0.0, 0.5), "FR-W": (0.5, 0.0), "strang": (0.25, 0.25)}[order]
        m, c = turn(m, c, 0.5, 1.0, 0.0, before)
        m, c = turn(m, c, 0.5, 1.0, 0.5, after)
    case = wfrpde.Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [0.5], "covariance": [[1.0]]},
            "initial": {"mean": [-1.0], "covariance": [[0.3]]},
            "flow": {"save": [0.5, 1.5], "splitting": order},
            "numerics": {"dt": 0.5},
        }
    )
    solution = wfrpde.solve(case)
    assert solution.mean[-1, 0] == pytest.approx(m, abs=3e-6)
    assert solution.covariance[-1, 0, 0] == pytest.approx(c, abs=3e-6)
    assert abs(solution.mean[-1, 0] - m) <= solution.error.mean[-1, 0]
    assert solution.warnings == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"numerics": {}},
        {"flow.beta": 0.0},
        {"flow.save": [0.3]},
        {"numerics.formulation": "spectral"},
    ],
)
def test_refused(changes):
    case = between_gaussians((1, 1, 0, 1), 0.5, splitting="W-FR")
    with pytest.raises(InputError, match=r"flow\.splitting"):
        wfrpde.solve(case.with_overrides(changes))
