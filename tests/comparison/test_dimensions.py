"""Samplers in many dimensions: right ones pass at the nominal rate, planted faults are found."""

from dataclasses import replace

import numpy as np
import pytest
from dimensions import END, weighted, wells
from scipy.special import ndtr

import wfrpde
from wfrpde.comparison import halves
from wfrpde.comparison.dimensions import ProductJudge
from wfrpde.comparison.flows import product_judge
from wfrpde.comparison.weighed import corrected, normalised
from wfrpde.errors import InputError
from wfrpde.fields.product_regions import parse_product_region
from wfrpde.flow.product.regions import inside


@pytest.fixture(scope="module")
def hundred():
    return wells(100)


@pytest.fixture(scope="module")
def judge(hundred):
    return ProductJudge(hundred, END)


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


@pytest.fixture(scope="module")
def right(hundred, judge):
    """What is said of a right sampler."""
    return judge.judge(*weighted(hundred, 1))


def test_a_right_sampler_in_a_hundred_dimensions_passes(right):
    assert right.passed, str(right)
    assert {"energy distance", "MMD²", "|x − m|²/d"} <= {one.name for one in right.averages}


def test_validate_compares_the_same_rows(hundred, right):
    case = hundred.case
    rows = product_judge(case, case.equation, hundred)
    rows = replace(rows, densities={END: rows.densities[END]})
    names = {observable.name for observable in rows.observables} | set(rows.gaps[END])
    tested = {one.name for one in right.averages}
    assert {"|x − m|²/d", "energy distance", "MMD²", "log(ρ/π)"} <= names & tested
    single = {name for name in names ^ tested if "x" not in name.replace("Σx", "")}
    assert not single  # but for which single coordinates are looked at


def test_what_too_few_effective_points_say_is_refused(hundred, judge):
    draws = exact(hundred, 8, 30, np.random.default_rng(3))
    heavy = np.tile(np.linspace(0, 30, 30), (8, 1))
    with pytest.raises(InputError, match="effective points"):
        judge.judge(draws, heavy)


def test_distances_find_a_law_that_is_moved(hundred, judge):
    """All coordinates moved: each half of the replicates knows where the other has to look."""
    draws = exact(hundred, 16, 120, np.random.default_rng(5))
    found = {one.name: one for one in judge.judge(draws + 0.25).averages}
    for name in ("energy distance", "MMD²"):
        assert found[name].p < 1e-4
        assert abs(found[name].value) > 5 * found[name].standard_error


@pytest.mark.parametrize("fault", [{"noise": 0.95}, {"weighted": False}, {"wrong": 1}])
def test_planted_faults_are_found(hundred, judge, fault):
    verdict = judge.judge(*weighted(hundred, 1, **fault))
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
    for weights in (np.zeros((9, 4)), np.full((9, 5), np.nan)):
        with pytest.raises(wfrpde.WfrpdeError, match="log_weights"):
            judge.judge(np.zeros((9, 5, 100)), weights)


def test_many_replicates_of_right_weights_are_not_far_from_their_law():
    """The ratio of weighted sums is biased by 1/n, which many replicates would find."""
    moved = 0.7
    x = np.random.default_rng(2).standard_normal((2048, 30))
    at = np.linspace(-2.0, 4.0, 25)

    def p(weigh):
        gaps = [weigh(normalised(moved * own)) @ (own[:, None] < at) - ndtr(at - moved)
                for own in x]  # fmt: skip
        return halves.tested(gaps, 0.0).p

    assert p(lambda w: w) < 1e-6
    assert p(corrected) > 0.01
