"""Chains whose target moves: Gaussians by Riccati's equation, products, meshes, paths that stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import wfrpde
from wfrpde.case import Case
from wfrpde.errors import InputError
from wfrpde.flow.chain.estimate import combined
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.levels import Level, level_of
from wfrpde.flow.chain.march import Pace, Reaction, march
from wfrpde.flow.chain.measure import Measurement
from wfrpde.flow.chain.nodes import SiteNodes
from wfrpde.flow.chain.runs import Kernels, start_of
from wfrpde.flow.chain.setting import setting_of

RAMP = [[0.0, 0.0], [0.7, 1.0]]
PAIR = {"kind": "chain", "site": "x**2/2", "coupling": "0.25*(x - y)**2"}
QUICK = {"tolerance": 1e-2}


def case(**tables: Any) -> Case:
    return Case.from_dict(
        {
            "target": {**PAIR, "length": 2},
            "initial": {"kind": "gaussian", "mean": [-0.5], "covariance": [[0.4]]},
            "path": {"kind": "temper", "schedule": RAMP},
            "flow": {"save": [0.5, 1.0]},
            "accuracy": QUICK,
            "output": {"compare": False},
            **tables,
        }
    )


class Riccati:
    """Gaussian sites, tempered by a share s(t): mean, covariance and KL by an equation in time."""

    def __init__(self, share, length: int = 2, beta: float = 1.0) -> None:
        self.share, self.length, self.beta, one = share, length, beta, np.eye(length)
        ends = np.diag([1.0, *[2.0] * (length - 2), 1.0])
        self.precision = one + 0.5 * (ends - np.eye(length, k=1) - np.eye(length, k=-1))

    def target(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        s = self.share(t)
        precision = (1 - s) / 0.4 * np.eye(self.length) + s * self.precision
        return precision, np.linalg.solve(precision, (1 - s) / 0.4 * np.full(self.length, -0.5))

    def at(self, times) -> list[dict[str, np.ndarray]]:
        d, one = self.length, np.eye(self.length)

        def slope(t, y):
            m, c = y[:d], y[d:].reshape(d, d)
            p, centre = self.target(t)
            mean = -(one + self.beta * c) @ p @ (m - centre)
            spread = 2 * one - p @ c - c @ p + self.beta * (c - c @ p @ c)
            return np.concatenate([mean, spread.ravel()])

        start = np.concatenate([np.full(d, -0.5), 0.4 * one.ravel()])
        found = solve_ivp(slope, (0, times[-1]), start, t_eval=times, rtol=1e-11, atol=1e-12,
                          method="DOP853", max_step=0.05)  # fmt: skip
        return [
            self.numbers(t, y[:d], y[d:].reshape(d, d))
            for t, y in zip(times, found.y.T, strict=True)
        ]

    def numbers(self, t: float, m: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
        p, centre = self.target(t)
        return {
            "mean": m,
            "covariance": c,
            "kl": self.kl(m, c, self.precision, 0 * m),
            "kl_to_path": self.kl(m, c, p, centre),
            "free_energy": np.array(self.log_z(0.0) - self.log_z(t)),
        }

    @staticmethod
    def kl(m, c, p, centre) -> np.ndarray:
        log_det = np.linalg.slogdet(p @ c)[1]
        return (np.trace(p @ c) - len(m) - log_det + (m - centre) @ p @ (m - centre)) / 2

    def log_z(self, t: float) -> float:
        (p, centre), s, d = self.target(t), self.share(t), self.length
        least = (1 - s) * d * (0.25 / 0.8 + np.log(2 * np.pi * 0.4) / 2)
        log_det = np.linalg.slogdet(p / 2 / np.pi)[1]
        return float(centre @ p @ centre / 2 - least - log_det / 2)


def ramp(t: float) -> float:
    return min(t / 0.7, 1.0)


@pytest.mark.slow
def test_coupled_gaussians_within_the_bars_of_their_riccati_equation():
    solution = wfrpde.solve(case(target={**PAIR, "length": 3}))
    assert solution.warnings == ()
    limits = {"mean": 1e-5, "covariance": 1e-5, "kl": 1e-5, "kl_to_path": 1e-5, "free_energy": 1e-8}
    for k, exact in enumerate(Riccati(ramp, 3).at(solution.times)):
        for name, limit in limits.items():
            found = solution.estimated(name)
            gap = np.abs(found.value[k] - exact[name])
            assert np.all(gap <= found.error[k]), (k, name)
            assert gap.max() < limit, (k, name)
    assert solution.error.series["kl_to_path"].max() < 1e-3


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_steps_are_of_order_two(beta):
    target, flow = {**PAIR, "length": 3}, {"save": [1.0], "beta": beta}
    setting = setting_of(case(target=target, flow=flow, path={"kind": "temper"}))
    nodes = SiteNodes(*setting.box, 16)
    measurement = Measurement.of(setting.target, nodes, {})
    (exact,) = Riccati(lambda t: t, 3, beta).at([1.0])
    gaps = []
    for count in (2, 4, 8):
        kernels, train = Kernels(setting, nodes, 3), start_of(setting, nodes, 1e-9)
        reaction = Reaction(setting.path, beta, nodes.points)
        pace = Pace((((1 / count, count),),))
        (cores,) = march(train, kernels, pace, 1.0, beta, lambda _: None, reaction=reaction)
        _, found = measurement.numbers(nodes, cores, measurement.log_partition())
        gaps.append([np.abs(found[n] - exact[n]).max() for n in ("mean", "covariance", "kl")])
    orders = np.log2(np.array(gaps)[:-1] / np.array(gaps)[1:])
    assert gaps[-1][0] < 2e-3
    assert orders.min() > 1.7, (gaps, orders)
    assert orders[-1] == pytest.approx([2.0] * 3, abs=0.25)


@pytest.mark.parametrize(
    "path",
    [
        {"kind": "temper", "schedule": "t**2"},
        {"kind": "anneal", "schedule": "1 + 2*exp(-3*t)"},
    ],
    ids=lambda path: path["kind"],
)
def test_sites_that_are_not_coupled_are_a_product(path):
    site, flow = "(x**2 - 1)**2 + 0.25*x", {"save": [0.5, 1.0]}
    start = {"kind": "gaussian", "mean": [-0.6], "covariance": [[0.2]]}
    target = {"kind": "chain", "site": site, "coupling": "0*x*y", "length": 2}
    target["modes"] = {"all": "all(x > 0)"}
    found = wfrpde.solve(case(target=target, initial=start, path=path, flow=flow))
    line = {"potential": site, "modes": {"right": "x > 0"}}
    one = wfrpde.solve(
        Case.from_dict({"target": line, "initial": start, "path": path, "flow": flow})
    )
    names = ("kl", "kl_to_path", "free_energy", "fisher_information")
    pairs = [(found.estimated(name), 2 * one.series[name]) for name in names]
    pairs.append((found.estimated("mode_mass", "all"), one.mode_mass["right"] ** 2))
    pairs.append((found.estimated("mean")[:, 0], one.mean[:, 0]))
    for number, known in pairs:
        gap = np.abs(number.value - known)
        assert np.all(gap <= number.error + 1e-7), (gap, number.error)
        assert gap.max() < 2e-3 * max(np.abs(known).max(), 0.1)


@pytest.mark.slow
def test_two_sites_are_a_mesh_in_the_plane():
    site, path = "(({0})**2 - 1)**2 + 0.25*({0})", {"kind": "temper", "schedule": "t/0.5"}
    start, flow = {"kind": "gaussian", "mean": [-0.6], "covariance": [[0.2]]}, {"save": [0.3, 1.0]}
    target = {"kind": "chain", "site": site.format("x"), "coupling": "0.5*(x - y)**2", "length": 2}
    modes = {"all": "all(x > 0)"}
    found = wfrpde.solve(
        case(target={**target, "modes": modes}, initial=start, path=path, flow=flow)
    )
    potential = f"{site.format('x')} + {site.format('y')} + 0.5*(x - y)**2"
    both = {"mean": [-0.6] * 2, "covariance": [[0.2, 0.0], [0.0, 0.2]]}
    plane = {"potential": potential, "modes": {"all": "x > 0 and y > 0"}}
    mesh = wfrpde.solve(Case.from_dict(
        {"target": plane, "initial": both, "path": path, "flow": flow,
         "accuracy": {"tolerance": 1e-3}}
    ))  # fmt: skip
    for name, region in (("kl", ""), ("kl_to_path", ""), ("free_energy", ""), ("mean", ""),
                         ("covariance", ""), ("mode_mass", "all")):  # fmt: skip
        ours, theirs = found.estimated(name, region), mesh.estimated(name, region)
        gap = np.abs(ours.value - theirs.value)
        assert np.all(gap <= ours.error + np.nan_to_num(theirs.error) + 1e-7), (name, gap)
        assert gap.max() < 3e-3, name


def test_a_path_that_stands_still_is_the_fixed_target():
    rough = {"certify": False}
    found = wfrpde.solve(case(path={"kind": "temper", "schedule": "1 + 0*t"}, numerics=rough))
    fixed = wfrpde.solve(case(path={}, numerics=rough))
    assert found.numerics["steps"] == fixed.numerics["steps"]
    for name in ("kl", "mean", "covariance"):
        gap = np.abs(found.estimated(name).value - fixed.estimated(name).value)
        assert gap.max() < 1e-9, name
    assert np.abs(found.series["kl_to_path"] - fixed.series["kl"]).max() < 1e-9
    assert "kl_to_path" not in fixed.series
    # at twice the temperature all along it is the flow towards half of V
    warm = wfrpde.solve(case(path={"kind": "anneal", "schedule": "2 + 0*t"}, numerics=rough))
    half = {"kind": "chain", "site": "x**2/4", "coupling": "0.125*(x - y)**2", "length": 2}
    known = wfrpde.solve(case(target=half, path={}, numerics=rough))
    # their trains are of other functions, with a truncation of 1e-4
    assert np.abs(warm.series["kl_to_path"] - known.series["kl"]).max() < 5e-6
    assert np.abs(warm.covariance - known.covariance).max() < 5e-6


def test_a_path_pulls_as_its_integral():
    setting = setting_of(case())
    t0, t1, beta = 0.2, 0.95, 1.3

    def weigh(t):
        return beta * np.exp(-beta * (t1 - t)) * (1 - ramp(t))

    share = quad(weigh, t0, t1, points=[0.7], epsabs=1e-13)[0]
    assert setting.path.pull(t0, t1, beta).shares == pytest.approx((share, -share), abs=1e-11)
    assert setting.path.pull(0.8, 1.0, beta).shares == pytest.approx((0.0, 0.0), abs=1e-15)


def test_reaction_alone_is_exact():
    solution = wfrpde.solve(case(flow={"alpha": 0.0, "save": [1.0]}, path={"kind": "temper"}))
    # log ρ goes to (1 − c) log π₀ + c log π with c = ∫e^{−(1−t)} t dt = 1/e: a Gaussian
    (precision, centre), c = Riccati(lambda _: np.exp(-1.0)).target(0.0), solution.covariance[-1]
    assert np.abs(c - np.linalg.inv(precision)).max() < 1e-7
    assert np.abs(solution.mean[-1] - centre).max() < 1e-7


def test_what_is_the_target_of_a_time_stays_as_its_sites_diffuse():
    path = setting_of(case()).path
    nodes, t = SiteNodes(-5.0, 5.0, 16), 0.3
    kernels = SiteKernels(nodes, *path.at(t).functions(), 3, path.lift(t).functions())
    kernels.prepare(0.5)
    x = nodes.points
    own, pair = path.lift(t).functions()
    u = -(own(x) + pair(x, np.full(16, x[4])))
    after = kernels.apply(0.5, u[:, None], None, np.array([4]))[:, 0]
    assert np.abs(after - u).max() < 1e-10


def test_steps_end_where_a_path_turns():
    asked = case()
    setting = setting_of(asked)
    first, second = setting.pace(level_of(asked)).steps
    ends = [np.cumsum([dt for dt, n in part for _ in range(n)]) for part in (first, second)]
    assert ends[0][-1] == pytest.approx(0.5, abs=1e-12)
    assert np.abs(0.5 + ends[1] - 0.7).min() < 1e-12
    assert ends[1][-1] == pytest.approx(0.5, abs=1e-12)
    assert setting.path.corners == (0.7,)  # where s rests it does not turn
    assert sum(n for part in (first, second) for _, n in part) < 20
    fine = setting.pace(Level(18, 3, 1e-4, 1, 0.025))
    assert max(dt for dt, _ in fine.steps[0]) <= 0.025 * 0.7 + 1e-12


@pytest.mark.parametrize("x", 2.0 ** np.arange(-3, 9))
def test_lags_are_covered_however_long_steps_are(x):
    """A site that forgets at a rate λ lags by V̇/λ, and by (x/2) coth(x/2) of it in steps x/λ."""

    def run(share):
        return np.array([(share * x / 2) / np.tanh(share * x / 2)])

    runs = {"steps": run(1.0), "half": run(0.5), "quarter": run(0.25)}
    value, error = combined({**runs, "truncation": runs["steps"], "nodes": runs["quarter"],
                             "quadrature": runs["steps"]})  # fmt: skip
    assert abs(value - 1) <= error
    if x <= 1:
        assert error < 2e-4


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        ({"path": {"kind": "temper", "at": 0.5}}, "path.at"),
        ({"flow": {"save": [1.0], "reaction": "annealed"}}, "flow.reaction"),
        ({"path": {"kind": "expression", "potential": "t*x**2"}}, "path.kind"),
    ],
)
def test_what_paths_of_chains_cannot_be_is_refused(tables, where):
    with pytest.raises(InputError) as caught:
        wfrpde.solve(case(**tables))
    assert caught.value.where == where
