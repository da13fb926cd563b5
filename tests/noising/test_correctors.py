"""Feynman–Kac correctors: laws, normalising constants, and what their weights are worth."""

import numpy as np
import pytest
from noised import LINE, mixture, reverse_case

import wfrpde
from wfrpde.errors import InputError
from wfrpde.noising import Mixture
from wfrpde.noising.correctors import annealed, combined, rewarded

LATE = {
    "noising": {"kind": "ou", "stop": 0.05},
    "flow": {"t_end": 3.0, "save": [1.5]},
    "numerics": {"cells": 160},
}
OTHER = {"weights": [0.2, 0.8], "means": [-0.8, 0.9], "covariances": [0.25, 0.09]}


def solved(**corrector):
    return wfrpde.solve(reverse_case(**LATE, corrector=corrector))


def l1(solution, t):
    x = np.linspace(-6, 6, 20001)[:, None]
    gap = solution.density(t, x) - np.exp(solution.log_exact_density(t, x))
    return np.abs(gap).sum() * (x[1, 0] - x[0, 0])


def check(solution):
    for t, bar in zip(solution.times, solution.density_error, strict=True):
        assert l1(solution, t) < min(1e-5, bar)
    grown = solution.estimated("log_normalising_constant")
    path = solution.estimated("log_normalising_constant_of_path")
    assert np.all(np.abs(grown.value - path.value) < grown.error + path.error)
    assert grown.error.max() < 1e-4


@pytest.mark.parametrize(
    ("power", "how", "ess"),
    [
        (1.1, {"drift": "score", "a": 0.0}, 0.9329),
        (1.1, {"drift": "score", "a": 0.5}, 0.9257),
        (1.5, {"drift": "tame"}, 0.9712),
        (3.0, {"drift": "tame"}, 0.836),
    ],
)
def test_annealed(power, how, ess):
    solution = solved(kind="anneal", power=power, **how)
    check(solution)
    # q = p^γ/Z, from the closed form of p alone
    x = np.linspace(-6, 6, 20001)[:, None]
    q = np.exp(power * mixture().at(0.05).log_density(x))
    q /= q.sum() * (x[1, 0] - x[0, 0])
    assert np.abs(solution.density(2.95, x) - q).sum() * (x[1, 0] - x[0, 0]) < 1e-5
    found = solution.estimated("ess")
    assert found.value[-1] == pytest.approx(ess, abs=1e-3)
    assert found.error[-1] < 1e-3
    assert solution.moment_ends == np.inf
    assert solution.warnings == ()


def test_infinite_variance_is_announced():
    solution = solved(kind="anneal", power=1.5, drift="score", a=0.0)
    assert 0.5 < solution.moment_ends < 2.0
    assert "no second moment" in " ".join(solution.warnings)
    assert solution.estimated("ess").error[-1] == np.inf


@pytest.mark.parametrize("a", [0.0, 0.5])
def test_moments_end_where_the_criterion_says(a):
    for power in (1.05, 1.15, 1.25, 1.4):
        eta = power + (1 - power) * a
        diffusion = (power + 2 * (1 - power) * a) / power
        finite = 2 * power * (power - 1) <= (2 * eta - 1) ** 2 / (4 * diffusion)
        # long before the data show: the noise end
        corrector = annealed(mixture(), power, 60.0, 30.0, a=a, diffusion=1.0)
        assert np.isfinite(corrector.moment_ends()) != finite


def reward(y):
    square = np.einsum("nd,nd->n", y, y)
    return -2 * square, -4 * y, np.full(len(y), -4.0 * y.shape[1])


@pytest.mark.parametrize("tame", [True, False])
def test_reaction_is_the_residual(tame):
    """g against differences of log q and b, in the plane, for every kind."""
    plane = mixture(
        {"weights": [0.3, 0.7], "means": [[-1, 0.5], [1, 0]], "covariances": [0.2, 0.3]}
    )
    other = mixture({"weights": [1.0], "means": [[0.8, 0.1]], "covariances": [0.25]})
    how = {"tame": tame, "diffusion": 0.7}
    a = None if tame else 0.3
    for corrector in (
        annealed(plane, 1.3, 2.0, 1.9, a=a, diffusion=0.7),
        combined((plane, other), (1.0, 1.0), 2.0, 1.9, **how),
        combined((other, plane), (3.0, -2.0), 2.0, 1.9, **how),
        rewarded(plane, reward, 2.0, 1.9, **how),
    ):
        y, h, s = np.random.default_rng(0).uniform(-1.5, 1.5, (20, 2)), 1e-4, 1.2
        logs = corrector.log_path(y, s)
        g = (corrector.log_path(y, s + h) - corrector.log_path(y, s - h)) / (2 * h)
        for e in np.eye(2):
            ahead, behind = (corrector.log_path(y + k * h * e, s) for k in (1, -1))
            slope, bend = (ahead - behind) / (2 * h), (ahead - 2 * logs + behind) / h**2
            ends = [corrector.drift(y + k * h * e, s) @ e for k in (1, -1)]
            g += (ends[0] - ends[1]) / (2 * h) + corrector.drift(y, s) @ e * slope
            g -= corrector.diffusion * (bend + slope**2)
        np.testing.assert_allclose(corrector.reaction(y, s), g, atol=1e-5)


@pytest.mark.parametrize(
    "corrector",
    [
        {"kind": "product", "other": OTHER},
        {"kind": "reward", "reward": "-x**2/2"},
    ],
    ids=["product", "reward"],
)
def test_products_and_rewards(corrector):
    check(solved(**corrector))


TWO = {"weights": [0.5, 0.5], "means": [-1.0, 1.0], "covariances": [0.16, 0.16]}
ONE = {"weights": [1.0], "means": [1.0], "covariances": [0.16]}


@pytest.mark.slow  # 9 CPU s: few particles make up most of the law, which takes a fine lattice
def test_guidance():
    corrector = {"kind": "guidance", "guidance": 2.0, "other": TWO}
    tables = {name: table for name, table in LATE.items() if name != "numerics"}
    solution = wfrpde.solve(reverse_case(ONE, **tables, corrector=corrector))
    check(solution)
    assert solution.numerics["cells"][0] > 2000
    assert solution.estimated("ess").value[-1] < 1e-12  # right, and of no use


@pytest.mark.parametrize(
    ("parts", "corrector", "kl"),
    [
        (LINE, {"kind": "anneal", "power": 3.0}, 0.073),
        (TWO, {"kind": "product", "other": OTHER}, 0.052),
        (LINE, {"kind": "reward", "reward": "-2*x**2"}, 0.597),
        (ONE, {"kind": "guidance", "guidance": 2.0, "other": TWO}, 0.127),
    ],
    ids=["anneal", "product", "reward", "guidance"],
)
def test_without_weights_the_law_is_another(parts, corrector, kl):
    corrector = {**corrector, "drift": "score", "weights": False}
    solution = wfrpde.solve(reverse_case(parts, **LATE, corrector=corrector))
    assert solution.estimated("reverse_kl").value[-1] == pytest.approx(kl, abs=1e-3)
    assert "ess" not in solution.series
    if corrector["kind"] == "guidance":  # it loses the far mode altogether
        x = np.linspace(-6, 6, 12001)[:, None]
        aimed = np.exp(solution.log_exact_density(2.95, x))
        assert solution.mass_of("x < 0").value[-1] < 1e-4
        assert aimed[x[:, 0] < 0].sum() / aimed.sum() == pytest.approx(0.0023, abs=5e-5)


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"corrector": {"kind": "product"}}, "corrector.other"),
        ({"corrector": {"kind": "anneal", "other": OTHER}}, "corrector.other"),
        ({"corrector": {"kind": "reward"}}, "corrector.reward"),
        ({"corrector": {"kind": "reward", "reward": "x**"}}, "corrector.reward"),
        ({"corrector": {"kind": "anneal"}, "score": {"scale": 1.1}}, "score"),
        ({"corrector": {"kind": "anneal", "a": 0.7}}, "corrector.a"),
        ({"corrector": {"kind": "product", "other": {**LINE, "means": [0.0]}}}, "corrector.other"),
    ],
)
def test_bad_tables(tables, key):
    with pytest.raises(InputError) as caught:
        reverse_case(**tables)
    assert caught.value.where.startswith(key)


def test_where_weights_end_does_not_depend_on_the_axes():
    ends = []
    for angle in (0.0, np.pi / 4, 1.0):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        covariance = turn @ np.diag([9.0, 0.1]) @ turn.T
        data = Mixture(np.ones(1), np.zeros((1, 2)), covariance[None])
        ends.append(annealed(data, 1.5, 3.0, 2.95, a=0.0, diffusion=1.0).moment_ends())
    assert np.isfinite(ends[0])
    assert ends == pytest.approx([ends[0]] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        ({"corrector": {"kind": "reward", "reward": "x", "power": 2.0}}, r"corrector\.power"),
        ({"noising": {"kind": "ou", "stop": 0.05, "steps": 20}, "score": {"process": "ode"}},
         r"noising\.steps"),
        ({"numerics": {"dt": 0.1}}, r"numerics\.dt"),
        ({"path": {"kind": "anneal", "schedule": "2 - t"}}, "path"),
    ],
)  # fmt: skip
def test_what_is_not_heeded_is_refused(tables, where):
    with pytest.raises(InputError, match=where):
        wfrpde.solve(reverse_case(**tables))
