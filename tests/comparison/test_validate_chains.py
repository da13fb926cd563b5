"""Samplers of chains of coupled sites, judged against tensor trains."""

import numpy as np
import pytest
from scipy.stats import norm

import wfrpde
from wfrpde.commands.validate import run_validation
from wfrpde.comparison import halves
from wfrpde.comparison.chain_density import ChainDensity
from wfrpde.comparison.dimensions import ProductJudge
from wfrpde.errors import InputError
from wfrpde.targets.chain import ChainTarget

SITE, COUPLING = "(x**2 - 1)**2 + 0.25*x", 0.5


def target(sites, coupling=COUPLING):
    return ChainTarget(site=SITE, coupling=f"{coupling}*(x - y)**2", length=sites)


def wells(sites, save=(0.3,), **tables):
    """The flow W of a chain of wells."""
    return wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "chain",
                **target(sites).model_dump(),
                "modes": {"half": f"count(x > 0) >= {sites // 2}"},
            },
            "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": [[0.1]]},
            "flow": {"beta": 0.0, "save": list(save)},
            "accuracy": {"tolerance": 1e-2},
            **tables,
        }
    )


def langevin(rng, count, sites, end=0.3, *, noise=1.0, coupling=COUPLING, dt=0.003):
    """Draws of W by Heun's method, whose order is two: with that step nothing of it shows."""
    force = target(sites, coupling).build().gradient
    x = -1 + np.sqrt(0.1) * rng.standard_normal((count, sites))
    for _ in range(round(end / dt)):
        kick = noise * np.sqrt(2 * dt) * rng.standard_normal(x.shape)
        slope = force(x)
        x = x - dt / 2 * (slope + force(x - dt * slope + kick)) + kick
    return x


def replicates(points):
    return list(points.reshape(12, 200, -1))


@pytest.fixture(scope="module")
def eight():
    return wfrpde.solve(wells(8, (0.2, 0.3)))


@pytest.fixture(scope="module")
def judge(eight):
    return ProductJudge(eight, 0.3, directions=4, coordinates=3, level=0.05)


def drawn(seed, **wrong):
    return replicates(langevin(np.random.default_rng(seed), 2400, 8, **wrong))


def test_a_right_sampler_passes(judge):
    verdict = judge.judge(drawn(0))
    assert verdict.passed, str(verdict)


@pytest.mark.slow
def test_false_alarms_are_fewer_than_nominal(eight, judge):
    # of 40 at 5 % more than five come by chance in 1.4 % of such counts
    alarms = [seed for seed in range(20) if not judge.judge(drawn(seed)).passed]
    for seed in range(20):
        exact = eight.sample(0.3, 2400, np.random.default_rng(seed))
        alarms += [] if judge.judge(replicates(exact)).passed else [seed]
    assert len(alarms) <= 5


@pytest.mark.parametrize("wrong", [{"noise": 0.9}, {"coupling": 0.25}])
def test_wrong_samplers_are_found(judge, wrong):
    assert not any(judge.judge(drawn(seed, **wrong)).passed for seed in range(3))


def test_exact_draws_of_another_time_are_found(eight, judge):
    for seed in range(3):
        early = eight.sample(0.2, 2400, np.random.default_rng(seed))
        assert not judge.judge(replicates(early)).passed


@pytest.fixture(scope="module")
def gaussian():
    """A chain of three Gaussian sites, of W, and the precision of π."""
    chain = {"kind": "chain", "site": "x**2/2", "coupling": "0.25*(x - y)**2", "length": 3}
    start = {"kind": "gaussian", "mean": [-0.5], "covariance": [[0.4]]}
    laplacian = np.diag([1.0, 2, 1]) - np.eye(3, k=1) - np.eye(3, k=-1)
    solution = wfrpde.solve(
        wfrpde.Case.from_dict(
            {
                "target": chain,
                "initial": start,
                "flow": {"beta": 0.0, "save": [0.5]},
                "accuracy": {"tolerance": 1e-2},
            }
        )
    )
    return solution, np.eye(3) + 0.5 * laplacian


@pytest.mark.parametrize("t", [0.5, np.inf])
def test_a_gaussian_chain_says_what_is_known_within_its_bars(gaussian, t):
    solution, precision = gaussian  # dx = −P x dt + √2 dW
    covariance, (size, turned) = np.linalg.inv(precision), np.linalg.eigh(precision)
    decay = turned @ np.diag(np.exp(-size * t)) @ turned.T
    mean = decay @ np.full(3, -0.5)
    spread = decay @ (0.4 * np.eye(3) - covariance) @ decay + covariance
    law = ChainDensity(solution, t)
    assert 0 < law.log_error < 1e-3
    for w in (np.array([1.0, -2.0, 0.5]), np.array([0.0, 1.0, 0.0])):
        form, width = law.form(w), np.sqrt(w @ spread @ w)
        assert abs(form.mean - w @ mean) <= form.mean_error < 1e-3
        assert abs(form.variance - width**2) <= form.variance_error < 5e-3
        bounds = w @ mean + width * np.array([-3.0, -1.0, 0.0, 2.0])
        gap = np.abs(form.above(bounds) - norm.sf(bounds, w @ mean, width))
        assert gap.max() <= form.error
    omega = np.array([[1.0, 0.3, -2.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]]).T
    known = np.cos(mean @ omega + 0.7) * np.exp(-np.einsum("ik,ij,jk->k", omega, spread, omega) / 2)
    assert np.abs(law.mean_cosines(omega, np.full(3, 0.7)) - known).max() <= law.log_error
    total, error = law.total_variance
    assert abs(total - np.trace(spread)) <= error
    x = law.draws
    assert law.squared_distances(x).mean() == pytest.approx(total, abs=0.15)
    if np.isfinite(t):  # of the points that are drawn, and beyond all sites
        gap = x - mean
        log_density = -np.einsum("ni,ij,nj->n", gap, np.linalg.inv(spread), gap) / 2
        log_density += np.einsum("ni,ij,nj->n", x, precision, x) / 2
        ratio = np.sqrt(np.linalg.det(covariance) / np.linalg.det(spread))
        off = law.log_relative(x) - log_density - np.log(ratio)
        assert np.sqrt(np.mean(off**2)) <= law.log_error
        assert np.isfinite(law.log_relative(np.full((1, 3), -40.0))).all()


def test_what_the_law_is_off_is_no_gap_between_distances(judge):
    gap = judge._gaps["MMD²"]
    assert gap.error == pytest.approx(judge._density.log_error**2 * gap.spread)
    features = 1e-2 + 1e-5 * np.random.default_rng(0).standard_normal((8, 5))
    assert halves.tested(list(features), 0.0).p < 1e-6
    assert halves.tested(list(features), 6e-4).p > 0.999  # |g|² is 5e-4


CASE = """
[target]
kind = "chain"
site = "(x**2 - 1)**2 + 0.25*x"
coupling = "0.5*(x - y)**2"
length = 3
modes = { "all right" = "all(x > 0)" }

[initial]                  # that of every site
kind = "gaussian"
mean = [-1.0]
covariance = [[0.1]]

[flow]
beta = 0.0
save = [0.3]

[accuracy]
tolerance = 1e-2

[[sampler]]
kind = "langevin"
particles = 400
replicates = 16
dt = 0.005

[[sampler]]
name = "cold"
python = "chain_cold:cold"
claims = "W"
particles = 400
replicates = 16

[validation]
directions = 2
coordinates = 2
resolution = 0.3
probabilities = { "two" = "count(x > 0.5) >= 2" }

[output]
figures = false
"""

MINE = """
import numpy as np

def cold(target, n, times, rng):
    x = -1 + np.sqrt(0.1) * rng.standard_normal((n, 3))
    for _ in range(60):
        x = x - 0.005 * target.gradient(x) + 0.9 * 0.1 * rng.standard_normal(x.shape)
    return x[None]
"""


def test_the_command_judges_a_case_file_with_a_sampler_of_the_users(tmp_path):
    (tmp_path / "case.toml").write_text(CASE)
    (tmp_path / "chain_cold.py").write_text(MINE)
    report = run_validation(wfrpde.load_case(tmp_path / "case.toml"), tmp_path / "out")
    verdicts = {sampler.name: sampler.verdict for sampler in report.samplers}
    assert verdicts == {"langevin": "consistent", "cold": "biased"}, report.verdicts
    rows = {row.observable: row for row in report.rows("langevin")}
    assert {"mass all right", "P two", "var w1·x", "log(ρ/π)", "MMD²", "energy distance"} <= set(
        rows
    )
    assert all(row.reference_error > 0 for row in rows.values())
    assert (tmp_path / "out").is_dir()


def test_samples_of_the_target_are_judged_without_a_flow():
    case = wells(
        3, validation={"directions": 2, "coordinates": 2, "resolution": 0.5, "metrics": False}
    )
    exact = wfrpde.solve(case.with_overrides({"flow.alpha": 0.0, "flow.beta": 1.0}))

    def draws(seed, stretch):
        x = exact.sample(np.inf, 4000, np.random.default_rng(seed)).reshape(8, 500, 3)
        return stretch * x

    report = wfrpde.validate(case, samplers={"right": draws(0, 1.0), "wide": draws(1, 1.1)})
    verdicts = {sampler.name: sampler.verdict for sampler in report.samplers}
    assert verdicts["right"] != "biased", report.verdicts
    assert verdicts["wide"] == "biased", report.verdicts


SAMPLER = {"kind": "langevin", "particles": 50, "replicates": 2}


@pytest.mark.parametrize(("tables", "words"), [
    ({"sampler": [{**SAMPLER, "kind": "weighted", "density": "oracle"}]}, "'oracle', of a chain"),
    ({"sampler": [{**SAMPLER, "kind": "weighted"}]}, "no lattice"),
    ({"sampler": [SAMPLER], "path": {"kind": "anneal", "schedule": "2 - t"}},
     "path: found one, of a chain"),
    ({"sampler": [SAMPLER], "numerics": {"certify": False}}, "numerics.certify: found false"),
    ({"sampler": [SAMPLER], "validation": {"probabilities": {"f": "sum(x) > 2"}}},
     r"validation.probabilities.f: found 'sum\(x\) > 2'"),
    ({"sampler": [SAMPLER], "validation": {"probabilities": {"f": "count(x > 1) >= 9"}}},
     "validation.probabilities.f"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_line(tables, words):
    with pytest.raises(InputError, match=words) as caught:
        wfrpde.validate(wells(4, **tables))
    assert "\n" not in str(caught.value)
