"""Chains of coupled sites: numbers and bars against closed forms, files, refusals."""

from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

import wfrpde
from wfrpde.case import Case
from wfrpde.errors import InputError
from wfrpde.flow.accuracy import worst_error
from wfrpde.flow.chain.estimate import combined
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.levels import level_of
from wfrpde.flow.chain.march import Diffusion
from wfrpde.flow.chain.measure import Measurement
from wfrpde.flow.chain.nodes import SiteNodes
from wfrpde.flow.chain.setting import setting_of
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.chain.train import Train
from wfrpde.targets.chain import ChainTarget

WELLS = ChainTarget(site="4*(x**2 - 1)**2 + 0.25*x", coupling="0.5*(x - y)**2", length=4)


def case(**tables) -> Case:
    return Case.from_dict(
        {
            "target": {
                "kind": "chain",
                "site": "x**2/2",
                "coupling": "0.25*(x - y)**2",
                "length": 3,
                "modes": {"all right": "all(x > 0)", "two": "count(x > 0) >= 2"},
            },
            "initial": {"kind": "gaussian", "mean": [-0.5], "covariance": [[0.4]]},
            "flow": {"save": [0.5, 1.0]},
            "accuracy": {"tolerance": 1e-2},
            "output": {"compare": False},
            **tables,
        }
    )


def gaussian_case() -> Case:
    """The same flow in closed form: the precision of π is 1 + κ times the path's Laplacian."""
    laplacian = np.diag([1.0, 2, 1]) - np.eye(3, k=1) - np.eye(3, k=-1)
    covariance = np.linalg.inv(np.eye(3) + 0.5 * laplacian)
    start = {"mean": [-0.5] * 3, "covariance": (0.4 * np.eye(3)).tolist()}
    return Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [0.0] * 3, "covariance": covariance.tolist()},
            "initial": {"kind": "gaussian", **start},
            "flow": {"save": [0.5, 1.0]},
            "numerics": {"formulation": "closed form"},
        }
    )


@pytest.fixture(scope="module")
def solved() -> ChainSolution:
    return wfrpde.solve(case())


def test_coupled_gaussians_within_the_bars_of_their_closed_form(solved):
    exact = wfrpde.solve(gaussian_case())
    for name in ("kl", "fisher_information", "mean", "covariance"):
        found, known = solved.estimated(name), exact.estimated(name).value
        assert np.all(np.abs(found.value - known) <= found.error + 1e-8), name
    assert solved.series["kl"] == pytest.approx(exact.series["kl"], rel=2e-2)
    assert np.abs(solved.covariance - exact.covariance).max() < 2e-3
    points = np.random.default_rng(0).normal(size=(40, 3)) * 0.8
    gap = solved.log_density(1.0, points) - exact.log_density(1.0, points)
    assert np.sqrt(np.mean(gap**2)) < 5e-3


def test_a_narrow_start_is_covered():
    laplacian = np.array([[1.0, -1.0], [-1.0, 1.0]])
    start = {"kind": "gaussian", "mean": [-1.0], "covariance": [[0.1]]}
    flow = {"save": [0.5, 1.0], "beta": 0.0}
    target = {"kind": "chain", "site": "x**2/2", "coupling": "1.5*(x - y)**2", "length": 2}
    sol = wfrpde.solve(case(target=target, initial=start, flow=flow))
    # under Langevin the mean is e^{-At} m, and the covariance C + e^{-2At} (C_0 - C)
    precision = np.eye(2) + 3.0 * laplacian
    values, vectors = np.linalg.eigh(precision)
    for k, t in enumerate(sol.times):
        mean = vectors @ (np.exp(-values * t) * (vectors.T @ [-1.0, -1.0]))
        spread = 1 / values + np.exp(-2 * values * t) * (0.1 - 1 / values)
        covariance = (vectors * spread) @ vectors.T
        assert np.all(np.abs(sol.mean[k] - mean) <= sol.error.mean[k] + 1e-8)
        assert np.all(np.abs(sol.covariance[k] - covariance) <= sol.error.covariance[k] + 1e-8)
        assert np.abs(sol.covariance[k] - covariance).max() < 1e-4
    assert sol.warnings == ()


def test_sites_that_are_not_coupled_are_a_product():
    well = {"kind": "double_well", "barrier": 1.0, "tilt": 0.25}
    start = {"kind": "gaussian", "mean": [-0.6], "covariance": [[0.2]]}
    chain = {"kind": "chain", "site": "(x**2 - 1)**2 + 0.25*x", "coupling": "0*x*y", "length": 2}
    modes = {"all": "all(x > 0)"}
    found = wfrpde.solve(
        case(
            target={**chain, "modes": modes},
            initial=start,
            flow={"save": [0.5]},
            accuracy={"tolerance": 1e-2},
        )
    )
    factor = {"repeat": 2, "target": well, "initial": start}
    tables = {"target": {"kind": "product", "modes": modes}, "factor": [factor]}
    exact = wfrpde.solve(Case.from_dict({**tables, "flow": {"save": [0.5]}}))
    pairs = [(found.estimated("kl"), exact.series["kl"])]
    pairs.append((found.estimated("mode_mass", "all"), exact.mode_mass["all"]))
    for number, known in pairs:
        assert np.all(np.abs(number.value - known) <= number.error + 1e-8)
        assert number.value[-1] == pytest.approx(known[-1], rel=2e-3)


def test_the_numbers_that_are_wanted_decide(solved):
    for name in ("kl", "covariance"):
        accuracy = {"tolerance": 1e-6, "of": [name]}
        _, what = worst_error(replace(solved, case=case(accuracy=accuracy)))
        assert what.startswith(name)
    for name, needed in (("mode_mass", "modes"), ("log_normalising_constant", "another")):
        target = {"kind": "chain", "site": "x**2", "coupling": "(x - y)**2", "length": 5}
        accuracy = {"tolerance": 1e-2, "of": [name]}
        with pytest.raises(InputError, match=needed):
            wfrpde.solve(case(target=target, accuracy=accuracy))


def test_a_stop_leaves_the_times_that_were_reached(solved):
    asked = case()
    first = sum(count for _, count in setting_of(asked).pace(level_of(asked)).steps[0])
    heard = []

    def observer(progress):
        heard.append(progress)
        if len(heard) == first + 1:
            signal.raise_signal(signal.SIGINT)

    part = wfrpde.solve(asked, observer=observer, on_stop="return")
    assert not part.complete
    assert part.times.tolist() == [0.0, 0.5]
    assert np.isnan(part.error.series["kl"]).all()
    assert part.warnings == ("errors are not estimated: stopped before all runs were done",)
    assert part.series["kl"] == pytest.approx(solved.series["kl"][:2], rel=5e-2)
    assert len(part.sample(0.5, 10, np.random.default_rng(0))) == 10


def test_what_is_known_of_pi(solved):
    facts = solved.numerics
    assert facts["log_partition_by_train"] == pytest.approx(facts["log_partition"], abs=1e-6)
    assert facts["formulation"] == "tensor train"
    assert "not certified" in facts["claim"]
    far = solved.log_density(1.0, np.full((1, 3), 100.0))
    assert far[0] == -np.inf


@pytest.mark.parametrize("grown", [(4, 4, 4), (4, 8, 16), (2, 96, 120)])
@pytest.mark.parametrize("bend", [-0.2, 0.02, 0.2, 3.0])
def test_numbers_of_runs_are_covered(grown, bend):
    """Steps of order two, then four and six; errors of the nodes with so many steps, twice, 4x."""

    def run(h, nodes=1.0, left_out=1e-5, points=0.0):
        steps = 0.02 * (h**2 + bend * h**4 - 0.1 * bend * h**6)
        own = 1e-6 * nodes * dict(zip((1.0, 0.5, 0.25), grown, strict=True))[h]
        return np.array([1 + steps + own + left_out + points])

    runs = {role: run(h) for role, h in (("steps", 1.0), ("half", 0.5), ("quarter", 0.25))}
    runs |= {"truncation": run(1.0, left_out=2e-6), "nodes": run(0.25, 0.26)}
    value, error = combined({**runs, "quadrature": run(1.0, points=1e-6)})
    assert abs(value - 1) <= error + 2e-6
    if abs(bend) < 1:  # an order of two is seen
        assert error < 1e-3
        assert abs(value - 1) < 5e-5


def test_rare_counts_are_those_of_independent_sites():
    target = ChainTarget(site="4*(x**2 - 1)**2 + 4*x", coupling="0*x*y", length=6)
    counts = {"few": "count(x > 0) >= 4", "most": "count(x > 0) <= 4", "all": "all(x > 0)"}
    _, found = Measurement.of(target, SiteNodes(-2.2, 2.0, 12), counts).target_numbers()
    x = np.linspace(-2.2, 2.0, 200_001)
    weight = np.exp(-4 * (x**2 - 1) ** 2 - 4 * x)
    weight[[0, -1]] /= 2
    right = (weight[x > 1e-9].sum() + weight[np.abs(x) < 1e-9].sum() / 2) / weight.sum()
    known = {"few": binom.sf(3, 6, right), "most": binom.cdf(4, 6, right), "all": right**6}
    assert known["few"] < 1e-9
    for name, mass in known.items():
        assert found[name] == pytest.approx(mass, rel=1e-6), name


def test_samples_and_marginals(solved):
    draws = solved.sample(1.0, 4000, np.random.default_rng(2))
    share = solved.inside("count(x > 0) >= 2", draws).mean()
    mass = solved.mode_mass["two"][-1]
    assert abs(share - mass) < 4 * np.sqrt(mass * (1 - mass) / 4000)
    spread = np.sqrt(np.diagonal(solved.covariance[-1]) / 4000)
    assert np.all(np.abs(draws.mean(axis=0) - solved.mean[-1]) < 4.5 * spread)
    assert np.cov(draws.T) == pytest.approx(solved.covariance[-1], abs=0.1)
    x = np.linspace(solved.nodes.low, solved.nodes.high, 2001)
    assert np.trapezoid(solved.marginal_density(1.0, 1, x), x) == pytest.approx(1, abs=1e-5)
    pair = np.stack([np.full(2001, 0.3), x], axis=1)
    joint = np.trapezoid(solved.marginal_density(1.0, (0, 2), pair), x)
    assert joint == pytest.approx(solved.marginal_density(1.0, 0, [0.3])[0], rel=1e-5)


def test_it_can_be_kept(solved, tmp_path):
    again = wfrpde.load_solution(solved.save(tmp_path / "chain.npz"))
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert np.array_equal(again.log_density(1.0, points), solved.log_density(1.0, points))
    assert again.series["kl"].tolist() == solved.series["kl"].tolist()


def test_reaction_alone_is_exact():
    found = wfrpde.solve(case(flow={"alpha": 0.0, "save": [1.0]}))
    x = np.random.default_rng(0).normal(size=(20, 3)) * 0.5
    start = found.log_relative_density(0.0, x)
    after = found.log_relative_density(1.0, x)
    gap = after - np.exp(-1.0) * start  # a constant: both are normalised
    assert np.ptp(gap) < 1e-6


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        ({"flow": {"save": [1.0], "reaction": "x"}}, "flow.reaction"),
        ({"numerics": {"dt": 0.1}}, "numerics"),
        ({"domain": {"sides": {"x": "periodic"}, "box": [[-3, 3]]}}, "domain"),
    ],
)
def test_what_chains_cannot_do_is_refused(tables, where):
    with pytest.raises(InputError) as caught:
        wfrpde.solve(case(**tables))
    assert caught.value.where == where


def test_cells_and_tolerances_choose_the_level():
    assert level_of(case(numerics={"cells": [12]})).nodes == 13
    levels = [level_of(case(accuracy={"tolerance": tol})) for tol in (1e-2, 1e-3, 1e-5)]
    assert sorted(levels, key=lambda level: level.truncation) == levels[::-1]


def test_regions_are_those_of_sites():
    target = {"kind": "chain", "site": "x**2", "coupling": "(x - y)**2", "length": 5}
    with pytest.raises(InputError, match=r"all\(R\)"):
        wfrpde.solve(case(target={**target, "modes": {"sum": "sum(x) > 3"}}))
    with pytest.raises(InputError):
        wfrpde.solve(case(target={**target, "coupling": "x*y*"}))


def test_a_step_of_one_site_conserves_mass():
    nodes = SiteNodes(-1.9, 1.9, 22)
    x = nodes.points
    site, pair = WELLS.functions()
    kernels = SiteKernels(nodes, site, pair, 3)
    kernels.prepare(0.05)
    train = Train(4, 22, 1e-8)
    block = -((x[:, None] + 1) ** 2 + 0.3 * (x - 0.5) ** 2)[None, :, :, None]
    train.right[2] = np.array([[7, 7]])
    after = Diffusion(kernels, 0.05)(train, 0, block, 0)
    # ∫ e^{−V} h is kept for each position of the neighbour
    grid = np.linspace(-1.9, 1.9, 4001)
    rows = nodes.interpolation(grid)
    for k in (2, 12, 20):
        weight = np.exp(-site(grid) - pair(grid, np.full(4001, x[k])))
        masses = [
            np.trapezoid(weight * np.exp(rows @ own[0, :, k, 0]), grid) for own in (block, after)
        ]
        assert masses[1] == pytest.approx(masses[0], rel=1e-3)
