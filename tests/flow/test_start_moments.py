"""Starts that are too narrow for the nodes: what is wrong with their moments, and how long."""

from __future__ import annotations

import numpy as np
import pytest

from wfrpde import Case, solve
from wfrpde.case.setup import make_problem
from wfrpde.flow.exact import gaussian_flow, gaussian_kl
from wfrpde.flow.start_moments import StartMoments

TIMES = np.array([0.0, 0.01, 0.1, 0.5, 2.0])


def case(beta, *, dim=1, mean=0.4, width=0.05, cells=30, form="edge-averaged"):
    return Case.from_dict(
        {
            "target": {"potential": " + ".join(f"{x}**2/2" for x in "xy"[:dim]), "dim": dim},
            "domain": {"box": [[-6, 6]] * dim},
            "initial": {"mean": [mean] * dim, "covariance": (width**2 * np.eye(dim)).tolist()},
            "flow": {"beta": beta, "save": TIMES[1:].tolist()},
            "numerics": {"formulation": form, "cells": [cells] * dim},
        }
    )


def apart(one, other):
    """Relative L² distance √(∫ (ρ' − ρ)²/ρ) of Gaussians (m, C) on a line, by quadrature."""
    (m, c), (n, d) = one, other
    z, w = np.polynomial.hermite_e.hermegauss(200)
    x = m + np.sqrt(c) * z
    log = (x - m) ** 2 / (2 * c) - (x - n) ** 2 / (2 * d) + np.log(c / d) / 2
    return np.sqrt(w @ np.expm1(log) ** 2 / np.sqrt(2 * np.pi))


@pytest.mark.parametrize("beta", [0.0, 1.0, 10.0])
@pytest.mark.parametrize(("shift", "growth"), [(1e-5, 0.0), (0.0, 1e-6), (1e-5, 1e-6)])
def test_what_is_left_of_moments_is_that_of_two_exact_flows(beta, shift, growth):
    """Differences of Gaussian flows, to 13 digits: covered, early by a hundredth more."""
    problem = make_problem(case(beta))
    variance, mean = 0.05**2, 0.4
    flows = [
        [gaussian_flow(m, v, 0.0, 1.0, t, beta=beta) for t in TIMES]
        for m, v in ((mean, variance), (mean + shift, variance + growth))
    ]
    exact = np.array(
        [apart((m[0], c[0, 0]), (n[0], d[0, 0])) for (m, c), (n, d) in zip(*flows, strict=True)]
    )
    moments = StartMoments(*(np.array([x]) for x in (shift, growth, variance)))
    found = moments.later(problem, TIMES, np.array([c for _, c in flows[0]]))
    assert found[0] == 0.0
    assert (found[1:] >= 0.999 * exact[1:]).all()
    assert (found[1:] <= np.array([1.02, 1.3, 5.0, 60.0]) * exact[1:]).all()


@pytest.mark.parametrize(("dim", "beta"), [(1, 0.0), (1, 1.0), (1, 10.0), (2, 1.0)])
def test_bars_of_a_start_between_nodes(dim, beta):
    """All of it is on two nodes, .4 apart: what is wrong is told, of the right size at any time.

    By closed forms means are off by .03 at t = .01 and by .016 at t = .5 (β = 1), variances by .006
    and .005; what was wrong at first used to count in units of the width at any time.
    """
    solution = solve(case(beta, dim=dim, mean=0.5))
    assert any("too narrow for the mesh" in words for words in solution.warnings)
    start = [0.5] * dim, 0.05**2 * np.eye(dim)
    for k, t in enumerate(TIMES[1:], 1):
        mean, covariance = gaussian_flow(*start, np.zeros(dim), np.eye(dim), t, beta=beta)
        kl = gaussian_kl(mean, covariance, np.zeros(dim), np.eye(dim))
        bars = solution.error
        for value, exact, bar, longest in (
            (solution.mean[k], mean, bars.mean[k], 25.0),
            (solution.covariance[k], covariance, bars.covariance[k], 25.0),
            (solution.series["kl"][k], kl, bars.series["kl"][k], np.inf),
        ):
            error = np.abs(value - exact)
            assert (error <= bar + 1e-13).all()
            assert t > 1 or bar.max() <= longest * error.max()
