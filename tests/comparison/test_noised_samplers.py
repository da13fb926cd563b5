"""`validate` of reverse processes: right samplers pass, other people's faults are named."""

from itertools import pairwise

import numpy as np
import pytest
from noised import reverse_case

import wfrpde
from wfrpde.errors import InputError

TABLES = {
    "noising": {"kind": "ou", "stop": 0.05},
    "flow": {"t_end": 3.0, "save": [1.5, 2.7]},
    "numerics": {"cells": 80},
}


def cuts_of(process, times, steps):
    """Times of the process through the saved ones, even in the cube root of what is left."""
    ends = np.cbrt([process.end, process.stop])
    grid = process.end - np.linspace(*ends, steps + 1)[1:-1] ** 3
    return np.unique(np.concatenate([[0.0], grid, times]))


def reverse(target, n, times, rng, process, scale=1.0, noise=1.0, linear=1.0, late=False):
    """A reverse SDE as people write it, with places for faults."""
    x, schedule, kept = process.start().sample(n, rng), process.noising, []
    for a, b in pairwise(cuts_of(process, times, 200)):
        t, dt = process.end - a, b - a
        score = scale * process.score(x, max(a, 1e-3) if late else t)
        drift = -linear * schedule.drift(t) * x + schedule.diffusion(t) * score
        kick = noise * np.sqrt(schedule.diffusion(t) * dt) * rng.standard_normal(x.shape)
        x = x + dt * drift + kick
        kept += [x] if np.isclose(times, b, atol=1e-12).any() else []
    return np.array(kept)


def corrected(target, n, times, rng, process, sign=1.0):
    """A corrector that takes its weights to the power `sign`."""
    corrector, schedule = process.corrector, process.noising
    y, logs = process.start().sample(n, rng) / schedule.unit(process.end), np.zeros(n)
    kept, gained = [], []
    for a, b in pairwise(cuts_of(process, times, 300)):
        clock, after = (corrector.whole - schedule.clock(process.end - t) for t in (a, b))
        h = after - clock
        logs = logs + sign * h * corrector.reaction(y, clock)
        kick = np.sqrt(2 * corrector.diffusion * h) * rng.standard_normal(y.shape)
        y = y + h * corrector.drift(y, clock) + kick
        if np.isclose(times, b, atol=1e-12).any():
            kept.append(schedule.unit(process.end - b) * y)
            gained.append(logs)
    return np.array(kept), np.array(gained)


def judged(case, function, faults):
    """Conclusions by name, and the samplers that are biased before the end."""
    tables = {
        name: {"python": function, "particles": 1500, "replicates": 8, "dt": 0.1, **fault}
        for name, fault in faults.items()
    }
    report = wfrpde.validate(case, samplers=tables)
    early = {row.sampler for row in report.table if row.verdict == "biased" and row.time < 2.9}
    return {d.sampler: d for d in report.diagnoses}, early, report


@pytest.mark.slow
def test_faults_of_reverse_processes_are_named_at_intermediate_times():
    library = [
        {"kind": "reverse_sde", "name": "long", "dt": 0.3, "particles": 4000, "replicates": 8}
    ]
    library.append({**library[0], "name": "even", "spacing": "even", "dt": 0.1})
    case = reverse_case(**TABLES, sampler=library, validation={"metrics": False})
    faults = {
        "right": {},
        "scaled": {"scale": 1.1},
        "noisy": {"noise": np.sqrt(2)},
        "sign": {"linear": -1.0},
        "late": {"late": True},
    }
    told, early, report = judged(case, reverse, faults)
    assert "solves what it claims: reverse-sde" in told["right"].conclusion
    assert early == {"scaled", "noisy", "sign", "late", "long", "even"}
    words = {"scaled": "scaled by", "noisy": "too large by √2", "sign": "wrong sign",
             "late": "schedule is wrong"}  # fmt: skip
    for name, word in words.items():
        assert told[name].impostor
        assert word in told[name].conclusion, told[name].conclusion
    # long steps are not taken for a fault
    for name, dt in {"long": 0.3, "even": 0.1}.items():
        assert f"by its own steps of dt = {dt}" in told[name].conclusion
        assert not told[name].impostor
    assert {row.time for row in report.table} == {1.5, 2.7, 2.95}


@pytest.mark.slow
def test_weights_of_correctors_that_are_wrong_are_named():
    case = reverse_case(
        **TABLES, corrector={"kind": "anneal", "power": 2.0}, validation={"metrics": False}
    )
    faults = {"right": {}, "dropped": {"sign": 0.0}, "flipped": {"sign": -1.0}}
    told, early, _ = judged(case, corrected, faults)
    assert "solves what it claims: corrected" in told["right"].conclusion
    assert early == {"dropped", "flipped"}
    assert "the weights are dropped" in told["dropped"].conclusion
    assert "the weights have the wrong sign" in told["flipped"].conclusion


def test_samplers_of_the_library_pass():
    own = {"particles": 500, "replicates": 8, "dt": 0.02}
    kinds = [
        {"kind": "reverse_sde", "integrator": "exponential"},
        {"kind": "reverse_sde", "integrator": "predictor-corrector"},
        {"kind": "pf_ode"},
    ]
    samplers = [{**own, **kind, "name": f"{k}"} for k, kind in enumerate(kinds)]
    spec = {"equation": False, "limit": False}
    report = wfrpde.validate(reverse_case(**TABLES, sampler=samplers, validation=spec))
    assert not any(s.verdict in ("biased", "failed") for s in report.samplers), report.verdicts
    claims = {s.name: s.claims for s in report.samplers}
    assert claims == {"0": "reverse-sde", "1": "reverse-sde", "2": "probability-flow"}
    assert {row.metric for row in report.metrics} >= {"KL", "W2"}


def test_the_limit_of_a_corrector_is_of_first_order():
    spec = {"equation": False, "metrics": False}
    sampler = {"kind": "fkc", "dt": 0.1, "particles": 400, "replicates": 8}
    case = reverse_case(
        **TABLES, corrector={"kind": "anneal", "power": 2.0}, sampler=[sampler], validation=spec
    )
    report = wfrpde.validate(case)
    orders = [s.limit_order for s in report.splits if s.observable == "var x"]
    assert 0.7 < np.median(orders) < 1.4
    # what is left as dt goes to 0 is the law of the corrected process
    assert max(abs(s.limit_rest) for s in report.splits if s.observable == "var x") < 0.01


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        ({"sampler": [{"kind": "fkc"}]}, r"sampler\.kind"),
        ({"sampler": [{"kind": "langevin"}]}, "sampler langevin: kind"),
        ({"sampler": [{"kind": "reverse_sde", "claims": "WFR"}]}, r"sampler\.claims"),
        ({"sampler": [{"kind": "reverse_sde", "claims": "target"}]}, r"sampler\.claims"),
        (
            {"corrector": {"kind": "anneal", "power": 2.0}, "sampler": [{"kind": "pf_ode"}]},
            r"sampler\.kind",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tables, where):
    with pytest.raises(InputError, match=where):
        wfrpde.validate(reverse_case(**TABLES, **tables))


def test_samples_of_the_data_are_not_judged_at_a_time_of_the_process():
    draws = np.random.default_rng(1).normal(size=(4, 50, 1))
    with pytest.raises(InputError, match="samples without times"):
        wfrpde.validate(reverse_case(**TABLES), samplers={"data": draws})


def test_reverse_samplers_need_a_process():
    case = wfrpde.Case.from_dict(
        {"target": {"potential": "x**2"}, "initial": {"mean": [0.0], "covariance": [[1.0]]},
         "sampler": [{"kind": "reverse_sde"}]}
    )  # fmt: skip
    with pytest.raises(InputError, match="without a reverse process"):
        wfrpde.validate(case)
