"""Linear reactions against closed forms: Gaussians stay Gaussian if V and U are quadratic.

With V = κx²/2, U = kx − cx² and a Gaussian start N(m, C) the flow obeys

    m' = −ακm + C(k − 2cm − βκm),   C' = 2α(1 − κC) + βC(1 − κC) − 2cC²,
    (log γ(1))' = ⟨U⟩ − β KL(N(m, C)‖π),

and for α = 1, β = c = 0 it is log E exp k∫X, with ∫X Gaussian.
"""

from itertools import chain, repeat

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import eigh_tridiagonal

import wfrpde
from wfrpde.case import Case
from wfrpde.commands.solve import companion_cases
from wfrpde.errors import InputError
from wfrpde.flow.certificate import _kept_low
from wfrpde.flow.exact import gaussian_kl

KAPPA, MEAN, VARIANCE = 1.3, -0.8, 0.4


def rates(alpha, beta, k, c, state, *, normalised=True):
    m, v, log_mass = state
    kl = gaussian_kl(np.array([m]), np.array([[v]]), np.zeros(1), np.array([[1 / KAPPA]]))
    growth = k * m - c * (m * m + v) - beta * kl
    return [
        -alpha * KAPPA * m + v * (k - 2 * c * m - beta * KAPPA * m),
        (2 * alpha + beta * v) * (1 - KAPPA * v) - 2 * c * v * v,
        growth if normalised else growth - beta * log_mass,
    ]


def exact(t, *, alpha=1.0, beta=0.0, k=0.0, c=0.0, normalised=True):
    """Mean, variance and log γ_t(1) to 12 digits."""
    run = solve_ivp(
        lambda _, state: rates(alpha, beta, k, c, state, normalised=normalised),
        (0.0, t), [MEAN, VARIANCE, 0.0], method="DOP853", rtol=1e-13, atol=1e-14,
    )  # fmt: skip
    return run.y[:, -1]


def tilted_path_integral(t, k):
    """Mean and variance of X_t under e^{k∫X}, and log E e^{k∫X}, for dX = −κX dt + √2 dW."""
    decay = np.exp(-KAPPA * t)
    reach = (1 - decay) / KAPPA
    spread = 2 / KAPPA**2 * (t - 2 * reach + (1 - decay**2) / (2 * KAPPA))
    spread += VARIANCE * reach**2
    mean = MEAN * decay + k * (VARIANCE * decay * reach + reach**2)
    variance = VARIANCE * decay**2 + (1 - decay**2) / KAPPA
    return np.array([mean, variance, k * MEAN * reach + k * k * spread / 2])


def line(reaction, *, save=(0.1, 0.5, 1.5), domain=None, numerics=None, **flow):
    return Case.model_validate(
        {
            "target": {"potential": f"{KAPPA}*x**2/2", "modes": {"right": "x > 0"}},
            "initial": {"mean": [MEAN], "covariance": VARIANCE},
            "flow": {"reaction": reaction, "save": list(save), **flow},
            "domain": domain or {},
            "numerics": numerics or {},
        }
    )


def assert_exact(solution, references, tolerance):
    """Numbers within `tolerance`, and none further off than three times its estimated error."""
    for index, (t, wanted) in enumerate(zip(solution.times[1:], references, strict=True), 1):
        for name, value, error, reference in (
            ("mean", solution.mean[index, 0], solution.error.mean[index, 0], wanted[0]),
            (
                "variance", solution.covariance[index, 0, 0],
                solution.error.covariance[index, 0, 0], wanted[1],
            ),
            (
                "log γ(1)", solution.series["log_normalising_constant"][index],
                solution.error.series["log_normalising_constant"][index], wanted[2],
            ),
        ):  # fmt: skip
            assert value == pytest.approx(reference, abs=tolerance), (name, t)
            assert abs(value - reference) <= 3 * error + 1e-11, (name, t, value - reference, error)


def test_the_two_closed_forms_agree():
    for t in (0.3, 2.0):
        np.testing.assert_allclose(exact(t, k=0.7), tilted_path_integral(t, 0.7), atol=1e-12)


@pytest.mark.parametrize("formulation", ["auto", "spectral"])
def test_a_linear_rate(formulation):
    solution = wfrpde.solve(line("0.7*x", numerics={"formulation": formulation}))
    assert solution.case.flow.beta == 0.0, "a reaction switches the other one off by default"
    assert solution.numerics["formulation"] != "log-density"
    references = [tilted_path_integral(t, 0.7) for t in solution.times[1:]]
    assert_exact(solution, references, 1e-6 if formulation == "auto" else 1e-9)
    assert solution.series["log_normalising_constant"][0] == 0.0
    np.testing.assert_allclose(solution.series["mass"], 1, atol=1e-12)
    assert not any("edge of the domain" in text for text in solution.warnings)
    assert {check["name"] for check in solution.numerics["checks"]} == {
        "mass drift", "smallest nodal density",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("alpha", "beta", "k", "c"),
    [(1.0, 0.0, 0.0, 0.6), (0.5, 0.8, 0.7, 0.2), (0.0, 0.0, 0.7, -0.2), (0.0, 0.8, 0.7, 0.2)],
)
def test_quadratic_rates_with_and_without_transport_and_entropy(alpha, beta, k, c):
    case = line(f"{k}*x - {c}*x**2", alpha=alpha, beta=beta)
    solution = wfrpde.solve(case)
    references = [exact(t, alpha=alpha, beta=beta, k=k, c=c) for t in solution.times[1:]]
    assert_exact(solution, references, 1e-6 if alpha else 1e-9)
    if alpha == 0.0:
        x = np.linspace(-2, 2, 9)
        m, v, _ = references[-1]
        log_density = -((x - m) ** 2) / (2 * v) - np.log(2 * np.pi * v) / 2
        np.testing.assert_allclose(
            solution.log_density(case.flow.save[-1], x), log_density, atol=1e-9
        )


@pytest.mark.parametrize("beta", [0.0, 0.8])
def test_mass_is_free_to_change(beta):
    """β = 0: the mass is γ_t(1); with β > 0 the reaction feels the mass itself."""
    case = line("0.7*x - 0.3", conserve_mass=False, beta=beta)
    solution = wfrpde.solve(case)
    assert "log_normalising_constant" not in solution.series
    for index, t in enumerate(solution.times):
        wanted = exact(t, k=0.7, beta=beta, normalised=False)[2] if t else 0.0
        drop = -0.3 * (-np.expm1(-beta * t) / beta if beta else t)
        assert np.log(solution.series["mass"][index]) == pytest.approx(wanted + drop, abs=1e-6)


@pytest.mark.parametrize(("order", "least"), [(2, 1.9), (4, 3.6)])
def test_order_in_time(order, least):
    """Errors of mean, variance and log γ_t(1) fall as dt^p, also with β > 0."""
    t, (alpha, beta, k, c) = 1.0, (1.0, 0.5, 0.7, 0.3)
    wanted = exact(t, alpha=alpha, beta=beta, k=k, c=c)
    errors = []
    for dt in (0.1, 0.05, 0.025):
        case = line(
            f"{k}*x - {c}*x**2", save=(t,), beta=beta, domain={"box": [[-8.0, 8.0]]},
            numerics={
                "formulation": "spectral", "degree": 8, "cells": [24], "dt": 2 * dt,
                "time_order": order, "certify": False,
            },
        )  # fmt: skip
        solution = wfrpde.solve(case)
        found = [
            solution.mean[-1, 0], solution.covariance[-1, 0, 0],
            solution.series["log_normalising_constant"][-1],
        ]  # fmt: skip
        errors.append(np.abs(np.array(found) - wanted))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders[-1] > least).all(), (orders, errors)
    assert (errors[-1] < {2: 5e-4, 4: 2e-7}[order]).all(), errors[-1]


@pytest.mark.parametrize(
    ("reaction", "eigenvalue"),
    [
        ("0.9*x", 0.81 / KAPPA**2),
        ("-0.6*x**2", -(-KAPPA + np.sqrt(KAPPA**2 + 4 * 0.6)) / 2),
    ],
)
def test_the_growth_rate_tends_to_the_principal_eigenvalue(reaction, eigenvalue):
    solution = wfrpde.solve(line(reaction, save=(16.0, 17.0)))
    growth = solution.series["log_normalising_constant"]
    assert growth[2] - growth[1] == pytest.approx(eigenvalue, abs=1e-6)


def test_in_the_plane_and_in_space():
    """The coordinates are independent: the constants add up."""
    for dim, numerics in (
        (2, {"formulation": "edge-averaged"}),
        (2, {"formulation": "spectral"}),
        (
            3,
            {"formulation": "spectral", "degree": 4, "cells": [8] * 3, "dt": 0.1, "certify": False},
        ),
    ):
        axes = "xyz"[:dim]
        case = Case.model_validate(
            {
                "target": {
                    "potential": "+".join(f"{KAPPA}*{a}**2/2" for a in axes),
                    "modes": {"right": "x > 0"},
                },
                "initial": {"mean": [MEAN] * dim, "covariance": VARIANCE},
                "flow": {"reaction": " + ".join(f"0.7*{a}" for a in axes), "save": [0.5]},
                "domain": {"box": [[-6.0, 6.0]] * dim},
                "numerics": numerics,
            }
        )
        solution = wfrpde.solve(case)
        mean, variance, growth = tilted_path_integral(0.5, 0.7)
        tolerance = 1e-4 if dim == 3 else 3e-5
        np.testing.assert_allclose(solution.mean[1], mean, atol=tolerance)
        np.testing.assert_allclose(
            solution.covariance[1], variance * np.eye(dim), atol=5 * tolerance
        )
        found = solution.series["log_normalising_constant"][1]
        assert found == pytest.approx(dim * growth, abs=tolerance)
        if solution.error is not None:
            error = solution.error.series["log_normalising_constant"][1]
            assert abs(found - dim * growth) <= 3 * error


def test_the_box_holds_the_paths_that_carry_the_weight():
    """U = 8x takes the mean from −0.8 to 4.7, by paths that reach twice as far."""
    solution = wfrpde.solve(line("8*x", save=(6.0,)))
    mean, variance, growth = tilted_path_integral(6.0, 8.0)
    error = solution.error
    assert abs(solution.mean[1, 0] - mean) <= error.mean[1, 0] < 1e-3
    assert abs(solution.covariance[1, 0, 0] - variance) <= error.covariance[1, 0, 0] < 1e-3
    name = "log_normalising_constant"
    assert abs(solution.series[name][1] - growth) <= error.series[name][1] < 0.03


@pytest.mark.parametrize("tolerance", [None, pytest.param(1e-2, marks=pytest.mark.slow)])
def test_a_start_that_the_weights_carry_ten_widths_away(tolerance):
    """V = x²/2 and U = 10x: the mean was 9.8133 ± .0047, as the box covered the tilt by gU once."""
    case = Case.model_validate(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"mean": [0.0], "covariance": 0.3},
            "flow": {"reaction": "10*x", "save": [8.0]},
            "accuracy": {} if tolerance is None else {"tolerance": tolerance},
        }
    )
    solution = wfrpde.solve(case)
    for number, right, most in (
        (solution.estimated("mean"), 9.994297923071882, 0.1),
        (solution.estimated("covariance"), 0.9999999212253776, 0.03),
        (solution.estimated("log_normalising_constant"), 665.0570247080124, 1.0),
    ):
        value, error = (float(np.ravel(array)[-1]) for array in (number.value, number.error))
        assert abs(value - right) <= error <= most


PLANE = {
    "target": {"potential": "x**2/2 + y**2/2"},
    "initial": {"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]},
    "flow": {"t_end": 5.0, "save": [5.0], "reaction": "4*x"},
}


def strong_tilt():
    """Means, variances, KL and log constant of U = 4x on N(0, I) at t = 5.

    Weights e^{4∫X ds} shift the mean of a Gaussian process by 4 Cov(X_t, ∫X ds), which is
    4 (1 − e^{−t}), and leave its covariance; the log constant is 8 Var ∫X ds, 16 (t − 1 + e^{−t}).
    """
    moved = 4 * (1 - np.exp(-5.0))
    return {
        "mean": [moved, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]], "kl": moved**2 / 2,
        "log_normalising_constant": 16 * (4 + np.exp(-5.0)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "mean", "variance", "kl", "growth"),
    [(None, 0.35, 0.1, 1.5, 4.0), ([80, 40], 0.02, 0.01, 0.08, 0.3)],
)
def test_a_strong_tilt_in_the_plane_ends_and_is_covered(cells, mean, variance, kl, growth):
    """Took 116 s, in 2849 steps. By default the cells are few for it, which the warnings say."""
    numerics = {} if cells is None else {"cells": cells}
    solution = wfrpde.solve(Case.model_validate({**PLANE, "numerics": numerics}))
    assert sum(run["steps"] for run in solution.numerics["runs"]) < 2000
    limits = {"mean": mean, "covariance": variance, "kl": kl, "log_normalising_constant": growth}
    for name, right in strong_tilt().items():
        number = solution.estimated(name)
        gap = np.abs(number.value[-1] - right)
        assert (gap <= number.error[-1]).all(), name
        assert gap.max() < limits[name], name
    assert solution.complete
    words = " ".join(solution.warnings)
    assert "take more cells" in words
    assert "kl at t = 5 is known only to" in words


def test_a_box_that_the_paths_leave_is_told():
    solution = wfrpde.solve(line("10*x", save=(8.0,), domain={"box": [[-9.0, 10.0]]}))
    assert any("paths that carry the weight" in text for text in solution.warnings)


def test_coarse_cells_of_a_strong_reaction_tell_what_they_know():
    """U = 10x to t = 8 in steps of 0.04: the mean was off by 6 bars, for V = x²/2 by 17.

    All three runs broke these steps, and took the same parts of them.
    """
    solution = wfrpde.solve(line("10*x", save=(8.0,), numerics={"cells": [500], "dt": 0.04}))
    mean, variance, growth = tilted_path_integral(8.0, 10.0)
    error, name = solution.error, "log_normalising_constant"
    assert abs(solution.mean[1, 0] - mean) <= error.mean[1, 0]
    assert abs(solution.covariance[1, 0, 0] - variance) <= error.covariance[1, 0, 0]
    assert abs(solution.series[name][1] - growth) <= error.series[name][1]
    assert abs(solution.mean[1, 0] - mean) < 2e-3
    assert "take more cells" in " ".join(solution.warnings)


@pytest.mark.slow
def test_a_coarse_run_far_off_does_not_decide_the_bars_of_a_strong_reaction():
    """U = 20x to t = 8, V = x²/2: the mean's bar was 39, of a box of 58, where its error is .012.

    A coarse run had e^−3400 far to the left, which extrapolation made all of the mass. At t = 4 the
    variance was off by 1.4 bars.
    """
    case = line("20*x", save=(1.0, 4.0, 8.0)).with_overrides(
        {"target.potential": "x**2/2", "initial.mean": [0.0], "initial.covariance": 0.3}
    )
    solution = wfrpde.solve(case)
    error = solution.error
    for k, t in enumerate(solution.times[1:], start=1):
        gone = -np.expm1(-t)
        variance = 1 - 0.7 * np.exp(-2 * t)
        mean = 20 * gone * (gone + 0.3 * np.exp(-t))
        off = abs(solution.mean[k, 0] - mean)
        assert off <= min(error.mean[k, 0], (3e-4, 6e-3, 2e-2)[k - 1])
        off = abs(solution.covariance[k, 0, 0] - variance)
        assert off <= min(error.covariance[k, 0, 0], (1e-4, 2e-3, 1e-3)[k - 1])
        assert error.mean[k, 0] < (2e-3, 5e-2, 10.0)[k - 1]


def test_extrapolation_raises_nothing_out_of_depths():
    u = np.array([[0.0, -30.0, -900.0]])
    best = np.array([[5.0, -2.0, 60.0]])
    kept = _kept_low(best, u, np.zeros(3))
    np.testing.assert_allclose(kept, [[5.0, -10.0, -590.0]], rtol=1e-14)
    np.testing.assert_array_equal(_kept_low(u - 1, u, np.zeros(3)), u - 1)


@pytest.mark.parametrize("rate", ["0.0363*x", "0.725*x"])
def test_a_reaction_that_outgrows_heavy_tails_is_refused(rate):
    """A box at 4e20 held all of it by accident, and the start was told to have no mass."""
    tables = {
        "target": {"potential": "3.5*log(1 + x**2/6)", "dim": 1},
        "initial": {"mean": [0.581], "covariance": [[0.2079]]},
        "flow": {"save": [1.15], "beta": 0.0, "reaction": rate},
    }
    with pytest.raises(InputError, match="grows as fast as the potential"):
        wfrpde.solve(wfrpde.Case.model_validate(tables))


def test_mass_at_the_wall_is_told():
    """U = x² outgrows V: whatever the box, the mass ends at its walls."""
    with pytest.raises(InputError, match="grows as fast as the potential"):
        wfrpde.solve(line("2*x**2"))
    solution = wfrpde.solve(line("2*x**2", save=(3.0,), domain={"box": [[-5.0, 5.0]]}))
    assert any("held at the edge of the domain" in text for text in solution.warnings)


@pytest.mark.parametrize(
    ("change", "where", "found"),
    [
        ({"reaction": "0.7*y"}, "flow.reaction", "y"),
        ({"reaction": "__import__('os')"}, "flow.reaction", ""),
        ({"reaction": "log(x)"}, "flow.reaction", "a U that is nan"),
        ({"reaction": "1/x**2"}, "flow.reaction", "a U that is inf"),
        (
            {"reaction": "x", "numerics": {"formulation": "log-density"}},
            "numerics.formulation", "'log-density' with flow.reaction",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(change, where, found):
    with pytest.raises(InputError) as caught:
        wfrpde.solve(line(domain={"box": [[-8.0, 8.0]]}, **change))
    assert caught.value.where == where
    assert found in caught.value.found


def test_a_reaction_alone_is_a_flow():
    assert line("x", alpha=0.0).flow.beta == 0.0
    assert line("x", beta=1.0).flow.beta == 1.0
    assert line("x").with_overrides({"flow.reaction": None}).flow.beta == 1.0
    with pytest.raises(InputError, match="nothing flows"):
        line(None, alpha=0.0, beta=0.0)


def test_it_is_compared_with_the_flow_without_its_reaction():
    case = line("0.7*x", beta=0.5, numerics={"formulation": "edge-averaged"})
    assert case.equation.label == "FK"
    companions = companion_cases(case)
    assert list(companions) == ["W"]
    assert companions["W"].flow.reaction is None
    assert companions["W"].flow.beta == 0.0
    assert companion_cases(case.with_overrides({"flow.alpha": 0.0})) == {}


def test_the_shipped_case_grows_at_its_principal_eigenvalue():
    """That of αL + U as a Schrödinger operator: finite differences, extrapolated."""

    def lowest(points):
        x, step = np.linspace(-2.5, 2.5, points, retstep=True)
        slope, curvature = 20 * x * (x * x - 1) + 0.5, 60 * x * x - 20
        diagonal = 2 / step**2 + slope**2 / 4 - curvature / 2 - 2 * np.tanh(2 * x)
        off = np.full(points - 1, -1 / step**2)
        return eigh_tridiagonal(diagonal, off, select="i", select_range=(0, 0))[0][0]

    eigenvalue = -(4 * lowest(4001) - lowest(2001)) / 3
    solution = wfrpde.solve(wfrpde.load_case("feynman-kac"))
    growth = solution.series["log_normalising_constant"]
    assert (growth[-1] - growth[-2]) / 2 == pytest.approx(eigenvalue, abs=1e-5)
    assert solution.mode_mass["right"][-1] > 0.98, "U favours the right well"
    assert solution.numerics["target_mode_mass"]["right"] < 0.3, "which V does not"


@pytest.mark.parametrize(
    ("estimates", "attempts"), [((96.0, 128.0, 55.0, 0.005), 4), ((0.5, 0.6, 0.005), 2)]
)
def test_runs_that_have_nothing_in_common_are_refined_on(monkeypatch, estimates, attempts):
    """With 10x to t = 8 the first two estimates of log Z were 96 and 128: the mean was 10 off."""
    from wfrpde.flow import accuracy, solve  # noqa: F401 (imported before)

    told = chain(estimates, repeat(estimates[-1]))  # the last is asked for again
    monkeypatch.setattr(accuracy, "worst_error", lambda _: (next(told), "mean at t = 0.1"))
    case = {
        "target": {"potential": "x**2/2", "dim": 1},
        "initial": {"mean": [0.0], "covariance": 0.3},
        "flow": {"reaction": "x", "save": [0.1]},
        "accuracy": {"tolerance": 0.01},
    }
    found = wfrpde.solve(wfrpde.Case.from_dict(case)).numerics["accuracy"]
    assert len(found["attempts"]) == attempts
    assert found["met"] == (attempts == 4)
