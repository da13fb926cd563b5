"""Slow hops over a ridge between two modes in the plane, which coarse cells do not see."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import GaussianFlow

import wfrpde
from wfrpde.flow.hops import worst_hop

RIDGE = "-log(exp(-(x - {0})**2/(2*{1}**2)) + exp(-(x + {0})**2/(2*{1}**2)))"
"""Two modes in x, at ±{0}, {1} wide: where they meet the potential bends within a fifth of that."""


def solved(dim: int, potential: str, x: float, tolerance: float, **keys: object) -> wfrpde.Solution:
    """The flow from N((x, 0), diag(x²/16, 1)), on a line without y."""
    tables = {
        "target": {
            "potential": potential + (" + y**2/2" if dim > 1 else ""),
            "modes": {"right": "x > 0"},
        },
        "initial": {"mean": [x, 0.0][:dim], "covariance": np.diag([x**2 / 16, 1.0][:dim]).tolist()},
        "accuracy": {"tolerance": tolerance},
    }
    return wfrpde.solve(wfrpde.Case.from_dict({**tables, **keys}))


@pytest.mark.parametrize(("x", "width", "end"), [(4.0, 1.0, 50.0), (2.0, 0.5, 20.0)])
def test_a_ridge_that_coarse_cells_do_not_see(x, width, end):
    """Masses were off by 4.5 bars, the tolerance missed: changes do not fall from run to run."""
    potential = RIDGE.format(x, width)
    flow = {"beta": 0.02 if x > 3 else 0.05, "save": [end / 50, end / 10, end / 2.5, end]}
    numerics = {"formulation": "edge-averaged"}
    plane = solved(2, potential, x, 1e-2, flow=flow, numerics=numerics)
    line = solved(1, potential, x, 1e-6, flow=flow)  # a product: what x does is known by itself
    rest = GaussianFlow((0.0,), [[1.0]], (0.0,), [[1.0]], 1.0, flow["beta"])
    kl = line.series["kl"] + [rest.kl(t) for t in line.times.tolist()]
    right = line.mode_mass["right"]
    assert line.error.mode_mass["right"].max() < 1e-6
    for found, bar, exact in (
        (plane.mode_mass["right"], plane.error.mode_mass["right"], right),
        (plane.series["kl"], plane.error.series["kl"], kl),
        (plane.mean[:, 0], plane.error.mean[:, 0], line.mean[:, 0]),
        (plane.covariance[:, 0, 0], plane.error.covariance[:, 0, 0], line.covariance[:, 0, 0]),
    ):
        assert (np.abs(found - exact)[1:] <= bar[1:]).all()
    assert plane.numerics["accuracy"]["met"]
    assert abs(plane.mode_mass["right"][-1] - right[-1]) < 1e-3


@pytest.mark.parametrize("diffusion", [1, 10])
def test_a_wide_start_over_a_ridge(diffusion):
    """All runs hop at wrong rates alike: masses and KL were off by 4 bars, the tolerance met."""
    flow = {"alpha": 1 / diffusion, "beta": 0.02, "save": [50.0]}
    dynamics = {"diffusion": str(diffusion)}
    potential = RIDGE.format(4.0, 1.0)
    start = {"mean": [14.0, 0.0], "covariance": [[100.0, 0.0], [0.0, 100.0]]}
    numerics = {"formulation": "edge-averaged"}
    plane = solved(
        2, potential, 14.0, 1e-2, flow=flow, numerics=numerics, initial=start, dynamics=dynamics
    )
    start = {"mean": [14.0], "covariance": [[100.0]]}
    line = solved(1, potential, 14.0, 1e-6, flow={**flow, "alpha": 1.0}, initial=start)
    rest = GaussianFlow((0.0,), [[100.0]], (0.0,), [[1.0]], 1.0, 0.02)
    for found, bar, exact in (
        (plane.mode_mass["right"], plane.error.mode_mass["right"], line.mode_mass["right"][1]),
        (plane.series["kl"], plane.error.series["kl"], line.series["kl"][1] + rest.kl(50.0)),
        (plane.mean[:, 0], plane.error.mean[:, 0], line.mean[1, 0]),
    ):
        assert abs(found[1] - exact) <= bar[1]
    assert plane.error.mode_mass["right"][1] < 3e-3


def test_the_rate_of_a_hop_over_a_ridge():
    """Half way between N(±4, 1) the potential is 8 − log 2 and bends by 1 − 16."""
    seeds = np.array([[-4.0, 0.0], [4.0, 0.0]])

    def potential(x: np.ndarray) -> np.ndarray:
        return x[:, 1] ** 2 / 2 - np.logaddexp(-((x[:, 0] - 4) ** 2) / 2, -((x[:, 0] + 4) ** 2) / 2)

    rate = np.sqrt(15.0) * 2 * np.exp(-8.0) / (2 * np.pi)
    assert abs(worst_hop(potential, seeds, np.array([1.0, 0.1])) - rate) < 1e-3 * rate
    seen = worst_hop(potential, seeds, np.array([0.27, 1.0]))  # the width along the way counts
    assert abs(seen - (0.1 * np.sqrt(15.0)) ** 4 * rate) < 1e-3 * rate
    assert worst_hop(potential, seeds[:1], np.array([1.0, 0.1])) == 0.0


def test_what_is_no_ridge_and_an_edge():
    """The rim of a narrow well on the way bends by far more than its ridge: it hid all else.

    A mode .25 kT deep is no mode that anything waits in. At an edge −V'' is infinite, V falls by
    half a kT within ℓ = 1 − √(3/4) of it on either side, and 2/ℓ² is its bend.
    """
    seeds, wide = np.array([[-1.0], [1.0]]), np.array([1.0])

    def edge(x: np.ndarray) -> np.ndarray:
        return 2 * (np.abs(x[:, 0]) - 1) ** 2

    rate = np.sqrt(2) / (1 - np.sqrt(0.75)) * np.exp(-2.0) / (2 * np.pi)
    assert abs(worst_hop(edge, seeds, wide) - rate) < 0.02 * rate

    def rimmed(x: np.ndarray) -> np.ndarray:
        return 4 * (x[:, 0] ** 2 - 1) ** 2 - 3 * np.exp(-((x[:, 0] + 1) ** 2) / 0.0008)

    smooth = 4 * np.exp(-7.0) / (2 * np.pi)
    assert abs(worst_hop(rimmed, seeds, wide) - smooth) < 0.01 * smooth

    def shallow(x: np.ndarray) -> np.ndarray:
        return (x[:, 0] ** 2 - 1) ** 2 / 4

    assert worst_hop(shallow, seeds, wide) == 0.0


def test_an_edge_between_cells_is_seen():
    """There the scheme has V as it is: bars were 1e4 times the errors of two parabolas that meet.

    What bends on either side of it counts.
    """
    seeds = np.array([[-1.0], [1.0]])
    plane = [np.array([0.0])]

    def edge(x: np.ndarray) -> np.ndarray:
        return 2 * (np.abs(x[:, 0]) - 1) ** 2

    assert worst_hop(edge, seeds, np.array([1.0]), plane) == 0.0
    assert worst_hop(edge, seeds, np.array([1.0]), [plane[0] + 0.5]) > 0.05

    def bent(x: np.ndarray) -> np.ndarray:  # V'' = −4 on either side of the edge
        return np.where(np.abs(x[:, 0]) < 0.5, 2 - 2 * x[:, 0] ** 2 - np.abs(x[:, 0]), 0.0)

    rate = 2 * np.exp(-2.0) / (2 * np.pi)
    unseen = (2 / 2.7) ** 4
    assert worst_hop(bent, seeds, np.array([1.0]), plane) == pytest.approx(rate * unseen, rel=0.01)


def test_below_the_length_of_a_ridge_runs_tell_of_hops():
    """As h⁴ down to ℓ = 1/√15, as h⁸ below it."""
    seeds = np.array([[-4.0], [4.0]])

    def potential(x: np.ndarray) -> np.ndarray:
        return -np.logaddexp(-((x[:, 0] - 4) ** 2) / 2, -((x[:, 0] + 4) ** 2) / 2)

    at = [worst_hop(potential, seeds, np.array([h])) for h in (0.5, 0.26, 0.2, 0.1)]
    assert at[0] / at[1] == pytest.approx((0.5 / 0.26) ** 4, rel=1e-12)
    assert at[2] / at[3] == pytest.approx(2.0**8, rel=1e-12)
