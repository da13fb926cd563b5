"""Right chains that stick far out are not accused of tails that most of them have missed."""

import numpy as np
import pytest

import wfrpde
from wfrpde.comparison.assembly import compare
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.sticking import WORDS, sticks
from wfrpde.comparison.verdicts import Rules, judge
from wfrpde.comparison.weighed import distinct
from wfrpde.samplers import Ensemble, Trajectory


def laplace(chains, n, rng, width=None, step=0.0):
    """Exact chains ``(C, n)`` of exp(−|x|): proposals N(0, width²), or Metropolis steps."""
    x, found = rng.laplace(size=chains), []
    for _ in range(n):
        z = rng.standard_normal(chains)
        y = x + step * z if width is None else width * z
        climb = abs(y) - abs(x) - (0 if width is None else (y**2 - x**2) / (2 * width**2))
        x = np.where(np.log(rng.random(chains)) < -climb, y, x)
        found.append(x)
    return np.array(found).T


def stuck(x):
    """Whether chains ``(C, n)`` stick, by their mean and by their second moment."""
    x = x.reshape(-1, 1)
    first, _, copies = distinct(x, np.zeros(len(x)))
    return sticks(copies, np.hstack([x, x**2])[first], np.array([0.0, 2.0])).tolist()


def test_proposals_with_light_tails_stick_and_wide_ones_do_not():
    rng = np.random.default_rng(0)
    narrow = [stuck(laplace(8, 1000, rng, width=0.8)) for _ in range(5)]
    assert all(second for _, second in narrow)
    for others in ({"width": 2.2}, {"width": 4.0}, {"step": 1.0}, {"step": 8.0}):
        for n in (100, 1000):
            assert not any(np.ravel([stuck(laplace(8, n, rng, **others)) for _ in range(2)]))
    assert stuck(rng.laplace(size=(4, 100))) == [False, False]


@pytest.fixture(scope="module")
def judged():
    tables = {
        "target": {"potential": "abs(x)"},
        "initial": {"mean": [0.0], "covariance": [[1.0]]},
        "validation": {"metrics": False},
    }
    return Flows(wfrpde.Case.model_validate(tables), timeless=True).judge(None)


def test_right_chains_that_stick_are_undecided(judged):
    """By their variance 9 of 40 such data sets were called biased."""
    rng = np.random.default_rng(1)
    for _ in range(6):
        replicates = []
        for _ in range(5):
            x = Ensemble.equal(laplace(4, 557, rng, width=0.81).reshape(-1, 1))
            made = Trajectory(np.array([np.inf]), (x,), {"chains": 4})
            replicates.append(judged.assess("chains", made, 0.0))
        rows = {row.observable: row for row in judge(compare("c", judged, replicates), Rules())}
        assert rows["var x"].verdict == "undecided"
        assert rows["var x"].doubt == WORDS or "too heavy a tail" in rows["var x"].doubt


@pytest.mark.parametrize("step", [1.0, 4.0])
def test_too_small_a_variance_of_chains_that_do_not_stick_is_found(judged, step):
    x = 0.8 * laplace(8, 2000, np.random.default_rng(2), step=step)
    made = Trajectory(np.array([np.inf]), (Ensemble.equal(x.reshape(-1, 1)),), {"chains": 8})
    rows = judge(compare("c", judged, [judged.assess("chains", made, 0.0)]), Rules())
    assert {row.observable: row.verdict for row in rows}["var x"] == "biased"
