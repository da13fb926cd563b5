"""Periodic sides: flows and spectra on circles, tori and cylinders."""

import numpy as np
import pytest
from scipy.stats import norm
from torus import POTENTIAL, STARTS, TIMES, generator, numbers, numbers_of, on_torus, points

import wfrpde
from wfrpde.errors import InputError

RATES = {"W": (1.0, 0.0), "FR": (0.0, 1.0), "WFR": (1.0, 1.0)}


def exact(start, flow):
    log_density = eval(start, {**vars(np), "x": points()})
    return numbers_of(np.exp(log_density - log_density.max()), *RATES[flow])


@pytest.mark.parametrize("flow", RATES)
@pytest.mark.parametrize("start", STARTS)
def test_a_torus_against_fourier(start, flow):
    alpha, beta = RATES[flow]
    keys = {"initial.log_density": STARTS[start], "flow.alpha": alpha, "flow.beta": beta}
    solution = wfrpde.solve(on_torus(**keys, **{"accuracy.tolerance": 1e-5}))
    found, truth = numbers(solution), exact(STARTS[start], flow)
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-6)
    bias = np.abs(found[:, 0] - truth[:, 0])
    assert (bias < solution.error.series["kl"][1:] + 1e-9).all()
    assert not solution.warnings


@pytest.mark.parametrize("formulation", ["edge-averaged", "spectral"])
def test_two_formulations_and_the_seam(formulation):
    keys = {"numerics.formulation": formulation, "accuracy.tolerance": 1e-6}
    solution = wfrpde.solve(on_torus(**keys))
    np.testing.assert_allclose(numbers(solution), exact(STARTS["cosine"], "WFR"), atol=1e-8)
    # one place has one density, and so have places a turn apart
    near = np.array([[1e-3], [0.0], [-1e-3], [6.0]])
    turned = solution.density(1.0, near + 2 * np.pi)
    np.testing.assert_allclose(solution.density(1.0, near), turned, rtol=1e-10)
    # smooth across the seam: a cubic through points on both sides of it
    x = np.array([-0.03, -0.01, 0.01, 0.03])
    across = np.polyval(np.polyfit(x, solution.log_density(0.3, x[:, None]), 3), 0.0)
    assert across == pytest.approx(solution.log_density(0.3, [[0.0]])[0], abs=1e-5)


def test_the_edge_averaged_scheme_is_of_second_order():
    truth = exact(STARTS["cosine"], "WFR")
    errors = []
    for n in (20, 40, 80):
        keys = {"numerics.cells": n, "numerics.dt": 0.4 / n, "numerics.certify": False}
        errors.append(np.abs(numbers(wfrpde.solve(on_torus(**keys))) - truth).max())
    order = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(order, 2.0, atol=0.1, err_msg=f"errors {errors}")
    assert errors[-1] < 5e-4


@pytest.mark.parametrize("mean", [0.3, 40.0])
def test_a_gaussian_start_is_wrapped(mean):
    keys = {"initial": {"mean": [mean], "covariance": [[0.49]]}, "accuracy.tolerance": 1e-5}
    solution = wfrpde.solve(on_torus(**keys))
    x = points()[:, None]
    images = mean + 2 * np.pi * np.arange(-20, 21)
    start = norm.pdf(x, images, 0.7).sum(axis=1)
    np.testing.assert_allclose(solution.density(0.0, x), start, rtol=1e-9)
    np.testing.assert_allclose(numbers(solution), numbers_of(start), rtol=2e-6, atol=1e-6)
    assert "wrapped" in solution.densities.initial.description


def test_a_start_that_spans_many_turns_is_refused():
    with pytest.raises(InputError, match="turns of a periodic axis"):
        wfrpde.solve(on_torus(initial={"mean": [0.0], "covariance": [[1e4]]}))


def cylinder(**changes):
    return on_torus(
        **{
            "target.potential": f"{POTENTIAL} + y**2/2",
            "initial.log_density": "1.5*cos(x + 0.4) - (y - 0.5)**2/0.6",
            "domain.box": [[0.0, 2 * np.pi], [-7.0, 7.0]],
            "flow.beta": 0.0,
            **changes,
        }
    )


def test_a_cylinder_is_a_torus_times_a_line():
    """KL of a product adds up; along y it is that of an Ornstein–Uhlenbeck process."""
    keys = {"flow.save": [0.3], "numerics.formulation": "spectral", "accuracy.tolerance": 1e-5}
    solution = wfrpde.solve(cylinder(**keys))
    t = np.array([0.3])
    mean, variance = 0.5 * np.exp(-t), 1 - 0.7 * np.exp(-2 * t)
    kl = (
        exact(STARTS["cosine"], "W")[TIMES.index(0.3), 0]
        + (variance + mean**2 - 1 - np.log(variance)) / 2
    )
    np.testing.assert_allclose(solution.series["kl"][1:], kl, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(solution.mean[1:, 1], mean, atol=1e-5)
    np.testing.assert_allclose(solution.covariance[1:, 1, 1], variance, atol=1e-5)
    assert not solution.warnings


def test_rates_of_the_torus():
    x = 2 * np.pi * np.arange(65) / 65
    rates = np.sort(-np.linalg.eigvals(generator(x)).real)[:6]
    np.testing.assert_allclose(wfrpde.spectrum(on_torus()).rates[:6], rates, atol=1e-9)


def test_a_flat_ring_turns_at_integer_squares():
    case = on_torus(**{"target.potential": "0*x"})
    rates = wfrpde.spectrum(case.with_overrides({"spectrum.count": 7})).rates
    np.testing.assert_allclose(rates, [0, 1, 1, 4, 4, 9, 9], atol=1e-9)


def test_exits_and_committors_go_both_ways_around():
    """On a flat ring nothing but lengths counts."""
    case = on_torus(**{"target.potential": "0*x", "spectrum.absorbing": "3 < x < 3.2"})
    # what is left is an interval of length 2π − 0.2, across the seam
    length = 2 * np.pi - 0.2
    rates = wfrpde.spectrum(case).rates[:3]
    np.testing.assert_allclose(rates, (np.pi * np.arange(1, 4) / length) ** 2, rtol=1e-9)
    committor = wfrpde.operators.committor(case, "1 < x < 1.5", "5 < x < 5.2")
    x = np.array([[0.0], [0.5], [6.0], [3.0]])
    short, long = 1 + 2 * np.pi - 5.2, 5 - 1.5
    expected = [1 / short, 0.5 / short, (1 + 2 * np.pi - 6.0) / short, 1.5 / long]
    np.testing.assert_allclose(committor(x), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain.sides": {"x": "periodc"}}, r"sides\.x: found 'periodc'.*Did you mean periodic"),
        ({"domain.sides": {"y": "periodic"}}, r"domain\.sides\.y: found 'y'; needed one of x"),
        ({"domain.box": None}, r"domain\.sides\.x: found 'periodic' without a box"),
        ({"domain.sides": {"x": ["periodic", "reflecting"]}}, "at the low end"),
        ({"domain.sides": {"x": ["periodic"]}}, "1 kinds of side"),
        ({"domain.box": [[0.0, 3.0]]}, "differs by .* between the two ends"),
        ({"numerics.formulation": "log-density"}, "'log-density' with domain.sides"),
    ],
)
def test_what_cannot_be_done_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        wfrpde.solve(on_torus(**changes))


def test_a_kink_at_the_seam_is_told():
    keys = {"target.potential": "(x - 1)**2", "domain.box": [[0.0, 2.0]]}
    solution = wfrpde.solve(on_torus(**keys, **{"initial.log_density": "cos(pi*x)"}))
    assert any("the slope of the potential jumps by 4" in text for text in solution.warnings)
    solution = wfrpde.solve(on_torus(**{"initial.log_density": "-(x - 1)**2"}))
    assert any("initial density jumps" in text for text in solution.warnings)
