"""Samplers in many dimensions: right ones pass at the nominal rate, planted faults are found."""

import numpy as np
import pytest

import wfrpde
from wfrpde.comparison.dimensions import ProductJudge
from wfrpde.fields.product_regions import parse_product_region
from wfrpde.flow.product.regions import inside

STEPS, END = 8, 0.4


def wells(dim, save):
    return wfrpde.solve(
        wfrpde.Case.from_dict(
            {
                "target": {
                    "kind": "product",
                    "modes": {
                        "half": f"count(x > 0) >= {dim // 2}",
                        "far": f"sum(x) > {0.1 * dim}",
                    },
                },
                "factor": [
                    {
                        "repeat": dim,
                        "target": {"kind": "double_well", "barrier": 0.5, "tilt": 0.05},
                        "initial": {"mean": [0.1], "covariance": 0.55},
                    }
                ],
                "flow": {"save": list(save)},
            }
        )
    )


@pytest.fixture(scope="module")
def hundred():
    return wells(100, np.linspace(END / STEPS, END, STEPS))


@pytest.fixture(scope="module")
def judge(hundred):
    return ProductJudge(hundred, END)


def table(solution):
    """Log(ρ/π) of one factor on a lattice, at all times, and its force."""
    part = solution.parts[0]
    low, high = part.solution.box[0]
    x = np.linspace(low, high, 3001)
    u = np.array([part.log_relative_density(k, x[:, None]) for k in range(len(part.times))])
    return x, u, -part.target.gradient(x[:, None])[:, 0]


def weighted_langevin(solution, *, noise=1.0, weighted=True, wrong=0, seed=1):
    """Oracle-weighted WFR: Langevin steps of weak order 2, and the flow's log(ρ/π) as weights."""
    x, u, force = table(solution)
    rng, (replicates, particles, dim) = np.random.default_rng(seed), (16, 120, solution.dim)
    y = 0.1 + np.sqrt(0.55) * rng.standard_normal((replicates, particles, dim))
    log_w, h = np.zeros((replicates, particles)), END / STEPS
    for step in range(STEPS):
        kick = noise * np.sqrt(2 * h) * rng.standard_normal(y.shape)
        before = np.interp(y, x, force)
        after = y + h * (before + np.interp(y + h * before + kick, x, force)) / 2 + kick
        if wrong:
            after[..., :wrong] = y[..., :wrong] + kick[..., :wrong]  # without the force
        log_w -= h / 2 * np.interp(y, x, u[step]).sum(axis=2)
        log_w -= h / 2 * np.interp(after, x, u[step + 1]).sum(axis=2)
        y = after
    return y, log_w if weighted else None


def exact(solution, replicates, particles, rng):
    part = solution.parts[0]
    x = np.linspace(*part.solution.box[0], 3001)
    density = np.exp(part.log_density(len(part.times) - 1, x[:, None]))
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    draws = rng.random((replicates, particles, solution.dim))
    return np.interp(draws, cumulative / cumulative[-1], x)


def test_exact_draws_pass_and_regions_are_those_of_the_flow(hundred, judge):
    draws = exact(hundred, 16, 150, np.random.default_rng(2))
    verdict = judge.judge(draws)
    assert verdict.passed, str(verdict)
    assert len(verdict.averages) > 100
    flat = draws.reshape(-1, 100)
    for name, text in hundred.case.target.modes.items():
        p = hundred.mode_mass[name][-1]
        share = inside(hundred.factors, parse_product_region(text, "region"), flat).mean()
        assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / len(flat))


def test_a_right_sampler_in_a_hundred_dimensions_passes(hundred, judge):
    verdict = judge.judge(*weighted_langevin(hundred))
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("fault", [{"noise": 0.95}, {"weighted": False}, {"wrong": 1}])
def test_planted_faults_are_found(hundred, judge, fault):
    verdict = judge.judge(*weighted_langevin(hundred, **fault))
    assert not verdict.passed
    assert "differ" in str(verdict)


@pytest.mark.slow
def test_false_alarms_are_rare():
    solution = wells(50, [0.5])
    judge = ProductJudge(solution, 0.5, level=0.1)
    rng = np.random.default_rng(4)
    trials = 30
    alarms = sum(not judge.judge(exact(solution, 12, 60, rng)).passed for _ in range(trials))
    assert alarms <= 8  # P(more than 8 of 30 at 10 %) < 1 %


def test_what_cannot_be_judged(judge):
    with pytest.raises(wfrpde.WfrpdeError, match="replicates"):
        judge.judge(np.zeros((2, 5, 100)))
    with pytest.raises(wfrpde.WfrpdeError, match="points"):
        judge.judge(np.zeros((9, 5, 3)))
