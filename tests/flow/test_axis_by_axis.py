"""Transport split into its parts along the axes: what is kept, its order, and bars that cover."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import PLANE

import wfrpde
from wfrpde.discretisation.fluxes import stiffness_along_axes, symmetrised_stiffness
from wfrpde.errors import InputError


def skew(x):
    """Two wells, narrow along a direction that is no axis."""
    return 2 * (x[:, 0] ** 2 - 1) ** 2 + 0.3 * x[:, 0] + 2 * (x[:, 1] - 0.5 * x[:, 0]) ** 2


def tilted(x):
    """−log ρ₀ of a start whose relative density e^{−1.5 sin x − cos y} is smooth."""
    return skew(x) + 1.5 * np.sin(x[:, 0]) + np.cos(x[:, 1])


@pytest.fixture
def box(semi_discrete):
    return semi_discrete(skew, 16, dim=2, low=-2.0, high=2.0)


def steps(box, count, *, beta, t=0.5, name="axis-by-axis"):
    splitting, state = box.splitting(name=name, beta=beta), box.log_mass(tilted)
    for k in range(count):
        state = splitting.step(state, k * t / count, t / count).state
    return state


def test_parts_along_axes_are_the_whole_and_each_keeps_the_target(box):
    whole, _ = symmetrised_stiffness(box.nodes, box.potential)
    parts = stiffness_along_axes(box.nodes, box.potential)
    n = len(box.potential)
    root = np.exp(box.log_target / 2)
    total = np.zeros((n, n))
    for part in parts:
        own = np.zeros((n, n))
        np.add.at(own, (part.row, part.column), part.value)
        assert np.abs(own @ root).max() < 1e-12 * np.abs(own).max()
        total += own
    expected = np.zeros((n, n))
    np.add.at(expected, (whole.row, whole.column), whole.value)
    np.testing.assert_allclose(total, expected, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("axis", [0, 1])
def test_lines_are_solved_as_the_matrix_is(box, axis):
    part = stiffness_along_axes(box.nodes, box.potential)[axis]
    n = len(box.potential)
    dense = np.eye(n)
    np.add.at(dense, (part.row, part.column), 0.3 * part.value)
    rhs = np.random.default_rng(0).uniform(size=n)
    lines = box.semi(by_axes=True).lines[axis]
    found = lines.owned(lines.solve(0.3, lines.in_lines(rhs)))
    np.testing.assert_allclose(dense @ found, rhs, rtol=1e-11)


def test_transport_is_of_second_order(box):
    """Against e^{−tS} by eigenvalues."""
    exact = np.exp(box.exact_transport(box.log_mass(tilted), 0.5))
    gaps = [np.abs(np.exp(steps(box, n, beta=0.0)) - exact).sum() for n in (20, 40, 80)]
    orders = np.log2(np.array(gaps[:-1]) / gaps[1:])
    assert orders.min() > 1.9, (gaps, orders)
    assert gaps[-1] < 2e-4


def test_equilibrium_mass_and_entropy(box):
    splitting = box.splitting(name="axis-by-axis")
    still = splitting.step(box.log_target, 0.0, 0.7).state
    np.testing.assert_allclose(still, box.log_target, atol=1e-12)
    state, kl = box.log_mass(tilted), np.inf
    transport = box.splitting(name="axis-by-axis", beta=0.0).transport
    for _ in range(5):
        state = transport.step(state, 0.05)
        mass = np.exp(state)
        assert abs(mass.sum() - 1) < 1e-12
        after = mass @ (state - box.log_target)
        assert after < kl
        kl = after
    assert transport.incidents.cured_nodes == 0


def test_bars_cover_to_a_tolerance_and_another_splitting_agrees():
    def solved(**numerics):
        return wfrpde.solve(
            PLANE.case(
                0.2,
                1.0,
                numerics={"formulation": "edge-averaged", "cells": [32, 28], **numerics},
                accuracy={"tolerance": 1e-3},
                domain={"box": [[-5.6, 5.6], [-4.8, 4.8]]},
            )
        )

    found = solved(stepper="axis-by-axis")
    assert found.numerics["runs"][-1]["factorisations"] > 0
    assert found.numerics["accuracy"]["met"]
    for k, t in enumerate(found.times[1:], 1):
        mean, covariance = PLANE.at(t)
        for value, bar, exact in (
            (found.mean[k], found.error.mean[k], mean),
            (found.covariance[k], found.error.covariance[k], covariance),
            (found.series["kl"][k], found.error.series["kl"][k], PLANE.kl(t)),
        ):
            assert (np.abs(value - exact) <= bar).all()
            assert np.max(bar) < 1e-3
    other = solved()
    apart = np.abs(found.covariance - other.covariance)
    assert 0 < apart.max() < 1e-4
    assert (apart <= found.error.covariance + other.error.covariance).all()


@pytest.mark.parametrize(
    "keys",
    [
        {"domain": {"absorbing": "x**2 + y**2 > 16"}},
        {"domain": {"cell": "simplex"}},
        {"dynamics": {"circulation": [[0.0, 1.0], [-1.0, 0.0]]}},
    ],
)
def test_what_is_no_sum_of_lines_is_refused(keys):
    numerics = {"formulation": "edge-averaged", "stepper": "axis-by-axis"}
    with pytest.raises(InputError, match=r"numerics\.stepper: found 'axis-by-axis'"):
        wfrpde.solve(PLANE.case(0.1, numerics=numerics, **keys))


def test_other_formulations_do_not_know_it():
    with pytest.raises(InputError, match="'axis-by-axis' with formulation = 'spectral'"):
        wfrpde.solve(
            PLANE.case(0.1, numerics={"formulation": "spectral", "stepper": "axis-by-axis"})
        )
