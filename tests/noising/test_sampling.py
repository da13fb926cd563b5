"""Samplers of score-based processes: right ones pass at intermediate times, faults are named."""

from itertools import pairwise

import numpy as np
import pytest
from noised import mixture, reverse_case

import wfrpde
from wfrpde.comparison.noised import faulty_laws, judge_process
from wfrpde.errors import InputError
from wfrpde.noising.sampling import fkc, graded, pf_ode, reverse_sde

SAVE = [1.5, 2.7]
REPLICATES, POINTS, STEPS = 8, 2000, 400


@pytest.fixture(scope="module")
def plain():
    tables = {"noising": {"kind": "ou", "stop": 0.05}, "numerics": {"cells": 120}}
    return wfrpde.solve(reverse_case(flow={"t_end": 3.0, "save": SAVE}, **tables))


@pytest.fixture(scope="module")
def corrected():
    tables = {"noising": {"kind": "ou", "stop": 0.05}, "numerics": {"cells": 120}}
    corrector = {"kind": "anneal", "power": 2.0, "drift": "tame"}
    return wfrpde.solve(
        reverse_case(flow={"t_end": 3.0, "save": SAVE}, corrector=corrector, **tables)
    )


@pytest.fixture(scope="module")
def plain_faults(plain):
    return faulty_laws(plain)


@pytest.fixture(scope="module")
def corrected_faults(corrected):
    return faulty_laws(corrected)


def kept(solution, path):
    """What a sampler has at the saved times, by the time of the process."""
    found, wanted = {}, list(map(float, solution.times[1:]))
    before = None
    for entry in path:
        t = 3.0 - entry[0]
        while wanted and t >= wanted[0] - 1e-9:
            # a step ends a little after a saved time: take it if it is nearer than the last
            use = entry
            if before is not None and abs(3.0 - before[0] - wanted[0]) < abs(t - wanted[0]):
                use = before
            found[wanted.pop(0)] = use[1:]
        before = entry
    return found


def all_times():
    """A grid through the saved times."""
    cuts = [3.0, 1.5, 0.3, 0.05]
    parts = [graded(a, b, STEPS // 3)[:-1] for a, b in pairwise(cuts)]
    return np.concatenate([*parts, [0.05]])


def gathered(solution, sampler):
    rows = [kept(solution, sampler(seed)) for seed in range(REPLICATES)]
    times = list(map(float, solution.times[1:]))
    points = {t: [row[t][0] for row in rows] for t in times}
    weights = (
        {t: [row[t][1] for row in rows] for t in times} if len(rows[0][times[0]]) > 1 else None
    )
    return points, weights


def start(seed, power=1.0):
    rng = np.random.default_rng(seed)
    x = mixture().at(3.0).sample(4 * POINTS, rng)
    if power == 1.0:
        return x[:POINTS], rng
    logs = (power - 1) * mixture().at(3.0).log_density(x)
    weights = np.exp(logs - logs.max())
    return x[rng.choice(len(x), POINTS, p=weights / weights.sum())], rng


@pytest.mark.parametrize("integrator", ["exponential", "predictor-corrector"])
def test_right_samplers_pass(plain, integrator):
    def sampler(seed):
        x, rng = start(seed)
        score = plain.process.exact
        return reverse_sde(plain.process.noising, score, x, all_times(), rng, integrator)

    judgement = judge_process(plain, *gathered(plain, sampler))
    assert judgement.passed, str(judgement)


def test_probability_flow_passes(plain):
    def sampler(seed):
        x, _ = start(seed)
        return pf_ode(plain.process.noising, plain.process.exact, x, all_times())

    judgement = judge_process(plain, *gathered(plain, sampler))
    assert judgement.passed, str(judgement)


@pytest.mark.parametrize("resample", [0.99])
def test_corrected_sampler_passes(corrected, resample):
    def sampler(seed):
        x, rng = start(seed, 2.0)
        process = corrected.process
        return fkc(process.noising, process.corrector, x, all_times(), rng, resample=resample)

    judgement = judge_process(corrected, *gathered(corrected, sampler))
    assert judgement.passed, str(judgement)


def buggy(process, seed, *, noise=1.0, score=1.0, linear=1.0, late=False, corrector=None):
    """Somebody's sampler, with a fault; its weights are those that it should have."""
    x, rng = start(seed, 1.0 if corrector is None else 2.0)
    logs = np.zeros(len(x))
    for t, after in pairwise(map(float, all_times())):
        dt = t - after
        kick = noise * np.sqrt(2 * dt) * rng.standard_normal(x.shape)
        if corrector is None:
            when = max(3.0 - t, 1e-3) if late else t
            x = x + dt * (linear * x + 2 * score * process.exact(x, when)) + kick
            yield after, x
        else:
            logs = logs + dt * corrector.reaction(x, 3.0 - t)
            x = x + dt * corrector.drift(x, 3.0 - t) + kick
            yield after, x, logs


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"noise": np.sqrt(2)}, "noise is too large by √2"),
        ({"noise": np.sqrt(0.5)}, "noise is too small by √2"),
        ({"score": 1.1}, "score is scaled by 1.1"),
        ({"linear": -1.0}, "linear drift has the wrong sign"),
        ({"late": True}, "schedule is wrong: the score is that of time t"),
    ],
)
def test_planted_bugs_are_named(plain, plain_faults, fault, words):
    rows = gathered(plain, lambda seed: buggy(plain.process, seed, **fault))
    judgement = judge_process(plain, *rows, laws=plain_faults)
    assert not judgement.at[SAVE[0]].passed  # at an intermediate time
    assert words in judgement.fault


@pytest.mark.parametrize("spacing", ["cubic", "even"])
def test_long_steps_are_no_fault(plain, plain_faults, spacing):
    times = {"cubic": graded(3.0, 0.05, 20), "even": np.linspace(3.0, 0.05, 41)}[spacing]
    times = np.union1d(times, [1.5, 0.3])[::-1]

    def sampler(seed):
        x, rng = start(seed)
        return reverse_sde(plain.process.noising, plain.process.exact, x, times, rng)

    judgement = judge_process(plain, *gathered(plain, sampler), laws=plain_faults)
    assert not judgement.passed
    assert judgement.fault.startswith("steps that are too long"), str(judgement)


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda w: 0 * w, "weights are dropped"), (lambda w: -w, "weights have the wrong sign")],
)
def test_wrong_weights_are_named(corrected, corrected_faults, change, words):
    corrector = corrected.process.corrector
    points, weights = gathered(
        corrected, lambda seed: buggy(corrected.process, seed, corrector=corrector)
    )
    right = judge_process(corrected, points, weights)
    assert right.passed, str(right)
    wrong = {t: [change(w) for w in rows] for t, rows in weights.items()}
    judgement = judge_process(corrected, points, wrong, laws=corrected_faults)
    assert words in judgement.fault


def test_too_few_replicates(plain):
    with pytest.raises(InputError, match="at least 8"):
        judge_process(plain, {1.5: [np.zeros((10, 1))] * 3})


def test_what_is_no_number_does_not_pass(plain, corrected):
    times = list(map(float, plain.times[1:]))
    points = {t: [np.zeros((50, 1)) for _ in range(8)] for t in times}
    broken = {t: [np.full((50, 1), np.nan) for _ in range(8)] for t in times}
    with pytest.raises(InputError, match="all finite"):
        judge_process(plain, broken)
    weights = {t: [np.full(50, np.nan) for _ in range(8)] for t in times}
    with pytest.raises(InputError, match="log_weights"):
        judge_process(corrected, points, weights)
