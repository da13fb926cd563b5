"""Correct chains that are short, or stay in one well, are not accused; those that see enough are.

All chains here are exact: points of π that are kept for a while, or Metropolis walks in π.
"""

import numpy as np
import pytest

import wfrpde
from wfrpde.comparison.assembly import compare
from wfrpde.comparison.autocorrelation import chains_error
from wfrpde.comparison.exact_samples import exact_sampler
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.statistics import chain_average, p_value
from wfrpde.comparison.verdicts import Rules, judge
from wfrpde.comparison.visits import hardly_seen, stays
from wfrpde.samplers import Ensemble, Trajectory


def judged_by(potential, **target):
    tables = {
        "target": {"potential": potential, **target},
        "initial": {"mean": [0.0], "covariance": [[1.0]]},
        "validation": {"metrics": False},
    }
    return Flows(wfrpde.Case.model_validate(tables), timeless=True).judge(None)


@pytest.fixture(scope="module")
def tilted():
    """A well with 0.83 of π and one with the rest, which have no names."""
    return judged_by("5*(x**2 - 1)**2 + 0.8*x")


def verdicts(judge_, *replicates):
    """Rows of replicates ``(C, n)`` of chains."""
    made = [
        judge_.assess(
            "chains",
            Trajectory(np.array([np.inf]), (Ensemble.equal(x.reshape(-1, 1)),), {"chains": len(x)}),
            0.0,
        )
        for x in replicates
    ]
    return judge(compare("chains", judge_, made), Rules())


def kept(draw, rng, chains, n, share):
    """Exact chains ``(C, n)`` whose points are drawn anew with a probability: τ = 2/share − 1."""
    x, fresh = draw(chains * n, rng).reshape(chains, n), rng.random((chains, n)) < share
    fresh[:, 0] = True
    last = np.maximum.accumulate(np.where(fresh, np.arange(n), 0), axis=1)
    return np.take_along_axis(x, last, axis=1)


def walk(potential, rng, start, n, width):
    """Metropolis chains ``(C, n)`` of exp(−V)."""
    x, found = np.array(start, dtype=float), []
    for _ in range(n):
        y = x + width * rng.normal(size=x.shape)
        x = np.where(np.log(rng.random(x.shape)) < potential(x) - potential(y), y, x)
        found.append(x)
    return np.array(found).T


def test_the_wells_of_a_target_and_their_shares(tilted):
    names, shares = tilted.watched
    x = np.linspace(-4, 4, 200_001)
    weight = np.exp(-5 * (x**2 - 1) ** 2 - 0.8 * x)
    top = x[np.argmax(np.where(np.abs(x) < 0.5, 5 * (x**2 - 1) ** 2 + 0.8 * x, -np.inf))]
    left = weight[x < top].sum() / weight.sum()
    assert [name.startswith("the well at (") for name in names] == [True, True]
    assert shares == pytest.approx([left, 1 - left], abs=0.01)
    held = tilted.wells.holding(np.array([[-3.0], [-0.9], [top - 0.1], [top + 0.1], [2.0]]))
    assert held[:, 0].tolist() == [True, True, True, False, False]


def test_chains_that_have_not_left_a_well_are_no_evidence(tilted):
    """Three exact walks that begin in the deeper well; a fourth begins in the other."""
    rng = np.random.default_rng(0)
    v = lambda x: 5 * (x**2 - 1) ** 2 + 0.8 * x  # noqa: E731
    x = walk(v, rng, [-1.0, -1.0, -1.0, 1.0], 400, 0.2)
    assert (x[:3] < 0).all()
    for row in verdicts(tilted, x[:3]):
        assert row.verdict == "undecided"
        assert row.doubt.startswith("no chain has been in the well at (")
    both = verdicts(tilted, x)
    assert {row.verdict for row in both} == {"undecided"}


def test_a_mode_that_was_seen_once_is_no_evidence():
    """Eight exact chains, one of which looked once into a mode that holds a twentieth."""
    narrow = "-log(0.95*exp(-x**2/2) + 0.5*exp(-(x - 3)**2/0.02))"
    judge_ = judged_by(narrow, modes={"narrow": "x > 2.6"})
    rng = np.random.default_rng(1)
    x = rng.normal(size=(8, 150)).clip(-2.5, 2.5)
    x[3, 40:42] = 3.0
    for row in verdicts(judge_, x):
        assert row.verdict == "undecided"
        assert "been in narrow only once, where 0.05" in row.doubt


def test_a_wrong_share_of_wells_that_are_visited_is_found(tilted):
    """Wells half of π each, for 0.8 and 0.2, between which chains go to and fro."""
    rng = np.random.default_rng(2)
    v = lambda x: 5 * (x**2 - 1) ** 2  # noqa: E731
    x = walk(v, rng, np.ones(4), 3000, 1.5)
    rows = {row.observable: row.verdict for row in verdicts(tilted, x)}
    assert rows["mean x"] == "biased"


@pytest.mark.parametrize(("chains", "replicates"), [(1, 4), (2, 1)])
def test_short_chains_keep_the_level(tilted, chains, replicates):
    """Exact chains shorter than their autocorrelation time."""
    rng, sampler = np.random.default_rng(3), exact_sampler(tilted.densities[np.inf])
    wrong = 0
    for _ in range(30):
        x = [kept(sampler.draw, rng, chains, 75, 0.02) for _ in range(replicates)]
        wrong += any(row.verdict == "biased" for row in verdicts(tilted, *x))
    assert wrong <= 4  # of 30 at 5 %, but for two in a hundred


def test_one_short_chain_does_not_know_its_error(tilted):
    rng, sampler = np.random.default_rng(4), exact_sampler(tilted.densities[np.inf])
    x = kept(sampler.draw, rng, 1, 60, 0.1)
    rows = verdicts(tilted, x)
    assert {row.verdict for row in rows} == {"undecided"}
    assert rows[0].words == "undecided: one chain, too short to know its error"
    assert np.isinf(rows[0].standard_error)
    found = chains_error(x.T, np.full(60, 1 / 60), 1)
    assert np.isinf(found.error).all()
    # beside others its average counts, and their spread
    mean = chain_average(np.array([1.0, 2.0, 3.0]), np.full(3, np.inf), np.ones(3))
    assert (mean.value, mean.standard_error, mean.freedom) == (2.0, pytest.approx(3**-0.5), 2.0)
    assert p_value(0.1, 0.0, np.inf, 1.0) == 1.0


def test_a_rare_region_is_counted_in_points_that_chains_are_worth():
    """1.6 visits expected: none of them seen is no sign of a bias."""
    judge_ = judged_by("x**2/2", modes={"far": "x > 2"})
    rng, sampler = np.random.default_rng(5), exact_sampler(judge_.densities[np.inf])
    wrong = 0
    for _ in range(25):
        x = kept(sampler.draw, rng, 2, 95, 0.4)
        wrong += any(row.verdict == "biased" for row in verdicts(judge_, x))
    assert wrong <= 4


def test_a_rare_well_of_long_chains_is_no_doubt(monkeypatch):
    """It is looked for in a part of their points, in which it is as rare as in π."""
    modes = {"weights": [0.99, 0.01], "means": [[0.0], [5.0]], "covariances": [1.0, 0.04]}
    tables = {
        "target": {"kind": "gaussian_mixture", **modes},
        "initial": {"mean": [0.0], "covariance": [[1.0]]},
        "validation": {"metrics": False, "modes": False},
    }
    judge_ = Flows(wfrpde.Case.model_validate(tables), timeless=True).judge(None)
    assert judge_.watched[1] == pytest.approx([0.99, 0.01], abs=1e-3)
    monkeypatch.setattr("wfrpde.comparison.visits.MOST", 600)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2, 6000))
    rare = rng.random(x.shape) < 0.01
    x[rare] = 5 + 0.2 * x[rare]
    assert not any(row.doubt or row.verdict == "biased" for row in verdicts(judge_, x))
    rows = {row.observable: row.verdict for row in verdicts(judge_, 1.1 * x)}
    assert rows["var x"] == "biased"


def test_stays_are_counted_chain_by_chain():
    inside = np.array([0, 1, 1, 0, 1, 1, 1, 1], dtype=bool)[:, None]
    assert stays(inside, 2).tolist() == [[2], [2]]
    assert stays(inside, 1).tolist() == [[2], [2]]
    assert stays(inside[:4], 1).tolist() == [[1], [2]]
    assert stays(inside[:, :0], 2).shape == (2, 0)
    told = hardly_seen(["a"], np.array([0.9]), np.array([[3], [1]]), 200.0)
    assert told == "the chains have been outside a only once, where 0.10 of π is"
    assert not hardly_seen(["a"], np.array([0.9]), np.array([[3], [2]]), 100.0)
    small_first = hardly_seen(["a", "b"], np.array([0.9, 0.1]), np.array([[1, 0], [0, 1]]), 200.0)
    assert small_first == "no chain has been in b, where 0.10 of π is"
