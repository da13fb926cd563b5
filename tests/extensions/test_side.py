"""A kind of side that is added from outside: an axis that closes upon itself."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import wfrpde
from wfrpde.domain.sides import KINDS, Side, Sides
from wfrpde.errors import InputError

POTENTIAL = "2.5*cos(2*x) + 0.5*sin(x)"
TIMES = [0.05, 0.3, 1.0]


class Periodic(Side):
    """The two ends are one place."""

    closed = True

    def wrapped(self, x, low, high):
        return low + (x - low) % (high - low)


@pytest.fixture(autouse=True)
def periodic(monkeypatch):
    monkeypatch.setitem(KINDS, "periodic", Periodic())


def on_torus(**changes):
    case = {
        "target": {"potential": POTENTIAL},
        "initial": {"log_density": "1.5*cos(x + 0.4)"},
        "domain": {"box": [[0.0, 2 * np.pi]], "sides": {"x": "periodic"}},
        "flow": {"save": TIMES},
    }
    return wfrpde.Case.model_validate(case).with_overrides(changes)


def generator(x):
    """Matrix of ρ ↦ (ρ' + ρV')' at equidistant points, by dense Fourier differentiation."""
    turn = 1j * np.fft.fftfreq(len(x), 1 / len(x))[:, None]
    derivative = np.fft.ifft(turn * np.fft.fft(np.eye(len(x)), axis=0), axis=0).real
    return derivative @ (derivative + np.diag(0.5 * np.cos(x) - 5 * np.sin(2 * x)))


def reference(beta):
    """KL and E cos x at `TIMES` to 1e-10."""
    x = 2 * np.pi * np.arange(129) / 129
    v = 2.5 * np.cos(2 * x) + 0.5 * np.sin(x)
    target, transport = np.exp(-v) / np.exp(-v).sum(), generator(x)

    def change(t, rho):
        u = np.log(rho / target)
        return transport @ rho - beta * rho * (u - rho @ u)

    start = np.exp(1.5 * np.cos(x + 0.4))
    flow = solve_ivp(
        change, [0, TIMES[-1]], start / start.sum(), "DOP853", TIMES, rtol=1e-10, atol=1e-14
    )
    return np.array([[rho @ np.log(rho / target), rho @ np.cos(x)] for rho in flow.y.T])


def numbers(solution):
    """KL and E cos x, by the density between the nodes."""
    x = 2 * np.pi * (np.arange(2000) + 0.5) / 2000
    density = np.array([solution.density(t, x[:, None]) for t in TIMES])
    return np.stack([solution.series["kl"][1:], density @ np.cos(x) * 2 * np.pi / 2000], axis=1)


@pytest.mark.parametrize("formulation", ["edge-averaged", "spectral"])
@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_torus_against_fourier(beta, formulation):
    exact = reference(beta)
    keys = {"numerics.formulation": formulation, "accuracy.tolerance": 1e-6}
    solution = wfrpde.solve(on_torus(**{"flow.beta": beta, **keys}))
    np.testing.assert_allclose(numbers(solution), exact, atol=1e-8)
    bias = np.abs(solution.series["kl"][1:] - exact[:, 0])
    assert (bias < solution.error.series["kl"][1:] + 1e-9).all()
    ends = solution.density(1.0, np.array([[0.0], [2 * np.pi]]))
    assert ends[0] == pytest.approx(ends[1], rel=1e-12)
    assert ends[0] > 1e-3


def test_the_edge_averaged_scheme_is_of_second_order():
    exact = reference(1.0)
    errors = []
    for n in (20, 40, 80):
        keys = {"numerics.cells": n, "numerics.dt": 0.4 / n, "numerics.certify": False}
        errors.append(np.abs(numbers(wfrpde.solve(on_torus(**keys))) - exact).max())
    order = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(order, 2.0, atol=0.1, err_msg=f"errors {errors}")
    assert errors[-1] < 5e-4


def test_a_cylinder_is_a_torus_times_a_line():
    """KL of a product adds up; along y it is that of an Ornstein–Uhlenbeck process."""
    changes = {
        "target.potential": f"{POTENTIAL} + y**2/2",
        "initial.log_density": "1.5*cos(x + 0.4) - (y - 0.5)**2/0.6",
        "domain.box": [[0.0, 2 * np.pi], [-7.0, 7.0]],
        "flow.beta": 0.0,
    }
    solution = wfrpde.solve(on_torus(**changes))
    assert solution.numerics["formulation"] == "edge-averaged"
    t = np.array(TIMES)
    mean, variance = 0.5 * np.exp(-t), 1 - 0.7 * np.exp(-2 * t)
    exact = reference(0.0)[:, 0] + (variance + mean**2 - 1 - np.log(variance)) / 2
    np.testing.assert_allclose(solution.series["kl"][1:], exact, atol=3e-5)


def test_rates_of_the_torus():
    x = 2 * np.pi * np.arange(65) / 65
    exact = np.sort(-np.linalg.eigvals(generator(x)).real)[:6]
    np.testing.assert_allclose(wfrpde.spectrum(on_torus()).rates[:6], exact, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain.sides": {"x": "periodc"}}, r"sides\.x: found 'periodc'.*Did you mean periodic"),
        ({"domain.sides": {"y": "periodic"}}, r"domain\.sides\.y: found 'y'; needed one of x"),
        ({"domain.box": None}, r"domain\.sides\.x: found 'periodic' without a box"),
        ({"domain.box": [[0.0, 3.0]]}, "differs by .* between the two ends"),
        ({"numerics.formulation": "log-density"}, "'log-density' with domain.sides"),
        ({"domain.sides": {"x": "sticky"}}, "'sticky', which no scheme can do"),
    ],
)
def test_what_cannot_be_done_is_refused(changes, message, monkeypatch):
    monkeypatch.setitem(KINDS, "sticky", Side())
    with pytest.raises(InputError, match=message):
        wfrpde.solve(on_torus(**changes))


def test_samplers_are_refused_and_points_are_wrapped():
    case = on_torus(**{"sampler": [{"kind": "langevin"}]})
    with pytest.raises(InputError, match=r"domain\.sides: found periodic with"):
        wfrpde.validate(case)
    sides = Sides.of(case.domain.sides, 2)
    box = np.array([[0.0, 2.0], [0.0, 2.0]])
    assert sides.wrapped(np.array([[2.5, 2.5], [-0.5, 1.0]]), box).tolist() == [
        [0.5, 2.5],
        [1.5, 1],
    ]
