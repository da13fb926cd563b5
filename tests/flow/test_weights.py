"""What weights of particles are worth, foretold: against Riccati equations, and particles."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import wfrpde
from wfrpde.case.setup import make_problem
from wfrpde.errors import InputError
from wfrpde.flow.far_field import second_moment_ends
from wfrpde.samplers.weighted import FeynmanKac

TIMES = [0.5, 1.0]
MEAN, SPREAD, PULL = 0.7, 0.5, 0.3


def case(**tables):
    given = {
        "target": {"potential": "x**2/2"},
        "initial": {"mean": [MEAN], "covariance": [[SPREAD]]},
        "flow": {"reaction": f"-{PULL}*x**2", "save": TIMES, "weights": True},
        "numerics": {"cells": [160], "dt": 0.025},
    }
    return wfrpde.Case.model_validate({**given, **tables})


def log_mass(power):
    """log E w^power of w = exp(−c∫x² dt) along Ornstein–Uhlenbeck paths from a Gaussian."""

    def slope(_, y):
        mean, spread, _ = y
        lost = power * PULL
        return [
            -mean - 2 * lost * spread * mean,
            2 - 2 * spread - 2 * lost * spread**2,
            -lost * (spread + mean**2),
        ]

    return solve_ivp(slope, (0, 1), [MEAN, SPREAD, 0], rtol=1e-12, atol=1e-13, t_eval=TIMES).y[2]


def work():
    t = np.array(TIMES)
    return PULL * (t + (MEAN**2 + SPREAD - 1) * -np.expm1(-2 * t) / 2)


@pytest.mark.parametrize(("certify", "order", "most"), [(False, 2, 2e-4), (True, 4, 2e-7)])
def test_weights_of_a_linear_reaction(certify, order, most):
    ess, gaps = np.exp(2 * log_mass(1) - log_mass(2)), []
    for n in (1, 2):
        numerics = {"cells": [60 * n], "dt": 0.1 / n, "certify": certify}
        solution = wfrpde.solve(case(numerics=numerics))
        gaps.append(
            np.abs(solution.series["ess"][1:] - ess).max()
            + np.abs(solution.series["work"][1:] - work()).max()
        )
    assert gaps[1] < most
    assert np.log2(gaps[0] / gaps[1]) > order - 0.5
    if certify:
        for name, truth in {"ess": ess, "work": work()}.items():
            entry = solution.estimated(name)
            assert (np.abs(entry.value[1:] - truth) < entry.error[1:]).all()


def test_particles_have_the_effective_size_that_was_foretold():
    solution = wfrpde.solve(case())
    context = solution.case.sampler_context()
    own = FeynmanKac.of(context, "w", resampling="none")
    rng, found, dt = np.random.default_rng(3), [], 0.02
    for _ in range(8):
        start = MEAN + np.sqrt(SPREAD) * rng.standard_normal((10_000, 1))
        ensemble = own.init(start, rng)
        for k in range(round(1 / dt)):
            ensemble = own.step(ensemble, k * dt, dt, rng)
        found.append(ensemble.ess / 10_000)
    error = np.std(found, ddof=1) / np.sqrt(8)
    assert abs(np.mean(found) - solution.series["ess"][-1]) < 3 * error


@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_weights_of_a_mean_field_reaction(beta):
    """Wasserstein–Fisher–Rao particles weighed by β log(π/ρ): E w = 1, E w² by Riccati."""
    solution = wfrpde.solve(
        case(initial={"mean": [0.0], "covariance": [[0.6]]},
             flow={"beta": beta, "save": TIMES, "weights": True})
    )  # fmt: skip

    def slope(_, y):
        law, twice, _ = y
        rate = beta * (1 / law - 1) / 2  # U = rate (x² − law)
        return [
            2 - 2 * law + beta * (law - law**2),
            2 - 2 * twice + 4 * rate * twice**2,
            2 * rate * (twice - law),
        ]

    y = solve_ivp(slope, (0, 1), [0.6, 0.6, 0], rtol=1e-12, atol=1e-13, t_eval=TIMES).y
    entry = solution.estimated("ess")
    gap = np.abs(entry.value[1:] - np.exp(-y[2]))
    assert (gap < np.minimum(2e-7, entry.error[1:])).all()


def ends(**tables):
    return second_moment_ends(make_problem(case(**tables)))


@pytest.mark.parametrize("power", [0.05, 0.12, 0.13, 0.3])
def test_where_weights_lose_their_second_moment(power):
    # P' = 2P − 2P² − 4c from P = 1: never 0 if 2c ≤ 1/4, else tan tells when
    start = {"mean": [0.3], "covariance": [[1.0]]}
    found = ends(initial=start, flow={"reaction": f"{power}*x**2", "save": [20.0], "weights": True})
    if 2 * power <= 0.25:
        assert found == np.inf
        return
    root = np.sqrt(2 * power - 0.25)
    assert found == pytest.approx(np.arctan(0.5 / root) / root, rel=5e-3)


def test_it_is_said_and_the_effective_size_of_no_box_has_no_bar():
    flow = {"reaction": "0.3*x**2", "save": [0.5, 1.5], "weights": True}
    solution = wfrpde.solve(
        case(flow=flow, initial={"mean": [0.0], "covariance": [[1.0]]},
             numerics={"cells": [80], "dt": 0.05})
    )  # fmt: skip
    assert any("no second moment from t = 1.1" in text for text in solution.warnings)
    error = solution.estimated("ess").error
    assert np.isfinite(error[1])
    assert error[2] == np.inf


@pytest.mark.parametrize(("power", "same"), [(-0.3, True), (0.3, False)])
def test_two_boxes_are_compared(power, same):
    solution = wfrpde.solve(
        case(flow={"reaction": f"{power}*x**2", "save": [1.5], "weights": True},
             numerics={"cells": [64], "dt": 0.1, "cross_check": True})
    )  # fmt: skip
    (check,) = (c for c in solution.numerics["checks"] if "a quarter wider" in c["name"])
    assert check["passed"] is same, check


@pytest.mark.parametrize(("power", "infinite"), [(0.11, False), (0.15, True)])
def test_of_potentials_that_grow_faster(power, infinite):
    # V = x⁴/4, U = c x⁶: 2c ≤ 1/4
    found = ends(
        target={"potential": "x**4/4"},
        initial={"kind": "expression", "log_density": "-x**4/4"},
        domain={"box": [[-4, 4]]},
        flow={"reaction": f"{power}*x**6", "save": [2.0], "weights": True},
    )
    assert bool(found < 1e-3) is infinite


def test_in_the_plane_a_turned_well_says_the_same():
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    start = {"mean": [0.3, 0.0], "covariance": np.eye(2).tolist()}
    flow = {"save": [20.0], "weights": True}
    found = []
    for axes in (np.eye(2), turn):
        u, v = (f"({axes[0, k]:.15f}*x + {axes[1, k]:.15f}*y)" for k in (0, 1))
        found.append(
            ends(
                target={"potential": f"{u}**2/2 + {v}**2"},
                initial=start,
                domain={"box": [[-6, 6], [-6, 6]]},
                flow={**flow, "reaction": f"0.2*{u}**2"},
                numerics={},
            )
        )
    assert found[0] == pytest.approx(2.3537, rel=5e-3)  # that of the line
    assert found[1] == pytest.approx(found[0], rel=1e-3)
    wavy = {"target": {"potential": "x**4 + y**2"}, "initial": start, "numerics": {},
            "domain": {"box": [[-3, 3], [-6, 6]]}}  # fmt: skip
    assert ends(**wavy, flow={**flow, "reaction": "x**2"}) == np.inf  # nothing is said


@pytest.mark.parametrize(
    "tables",
    [
        {"flow": {"beta": 0.0, "save": TIMES, "weights": True}},
        {"flow": {"alpha": 0.0, "save": TIMES, "weights": True}},
        {"flow": {"reaction": "-x**2", "conserve_mass": False, "weights": True}},
        {"domain": {"box": [[-3, 3]], "absorbing": "x > 2"}},
    ],
)
def test_refusals(tables):
    with pytest.raises(InputError, match=r"flow\.weights"):
        case(**tables)
    with pytest.raises(InputError, match=r"flow\.weights"):
        wfrpde.solve(case(numerics={"formulation": "spectral"}))


def test_of_a_potential_that_makes_sense_in_its_box_alone_nothing_is_said(capfd):
    """Of x > 0 only: neither far out nor in a wider box is there anything to be asked."""
    half_line = {
        "target": {"potential": "x - 2*log(x)"},
        "initial": {"kind": "expression", "log_density": "-(x - 2)**2/0.5"},
        "domain": {"box": [[0.05, 14.0]]},
    }
    numerics = {"cells": [60], "dt": 0.05, "cross_check": True}
    flow = {"save": [0.1], "weights": True}
    solution = wfrpde.solve(case(**half_line, flow={**flow, "beta": 1.0}, numerics=numerics))
    assert any("no wider box to compare with" in text for text in solution.warnings)
    assert ends(**half_line, flow={**flow, "reaction": "-0.1*x"}) == np.inf
    assert "Call-back" not in capfd.readouterr().err
