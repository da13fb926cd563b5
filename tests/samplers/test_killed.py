"""Samplers whose particles die at absorbing sides and in regions."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import wfrpde
from wfrpde.comparison.limit import limit_laws
from wfrpde.domain.absorption import Absorption
from wfrpde.domain.sides import Sides
from wfrpde.errors import InputError
from wfrpde.fields import parse_region
from wfrpde.samplers import Langevin, SamplerContext

T = 0.5


def half_line(**changes):
    """dX = −X dt + √2 dW on x > 0 from ρ₀ ∝ x e^{−x²/0.6}."""
    case = {
        "target": {"potential": "x**2/2"},
        "initial": {"density": "x*exp(-x**2/0.6)"},
        "domain": {"box": [[0, 7]], "sides": {"x": ["absorbing", "reflecting"]}},
        "flow": {"beta": 0.0, "save": [T]},
        "numerics": {"cells": 400},
    }
    return wfrpde.Case.model_validate(case).with_overrides(changes)


def exact():
    """Share that is left, and mean: ρ = x e^{−x²/2v}/v."""
    v, log_survival = solve_ivp(
        lambda t, y: [2 * (1 - y[0]), -1 / y[0]], [0, T], [0.3, 0.0], rtol=1e-11, atol=1e-12
    ).y[:, -1]
    return np.exp(log_survival), np.sqrt(np.pi * v / 2)


def biases(steps):
    context = replace(SamplerContext.of(half_line()), scales=np.array([0.025]))
    sampler = Langevin.of(context, "langevin")
    survival, mean = exact()
    found = []
    for dt in steps:
        (law,) = limit_laws(sampler.law(), context, dt, [T])
        x = 7 * (np.arange(8000) + 0.5) / 8000
        rho = np.exp(law.log_density(x[:, None]))
        found.append([law.survival - survival, rho @ x / rho.sum() - mean])
    return np.array(found).T


def test_a_bridge_between_the_ends_of_steps_makes_order_one():
    """Infinitely many particles, without noise: share that is left, and mean of the rest."""
    bias = biases([0.02, 0.01, 0.005])
    order = np.log2(bias[:, :-1] / bias[:, 1:])
    np.testing.assert_allclose(order, 1.0, atol=0.15, err_msg=f"{bias}")
    assert np.abs(bias[:, -1]).max() < 6e-3


def test_to_look_at_the_ends_alone_is_of_order_one_half(monkeypatch):
    def ends(self, before, after, diffusivity):
        return np.where(self.holds(after), -np.inf, 0.0)

    monkeypatch.setattr(Absorption, "log_survival", ends)
    bias = biases([0.02, 0.01, 0.005])
    order = np.log2(bias[0, :-1] / bias[0, 1:])
    np.testing.assert_allclose(order, 0.5, atol=0.15, err_msg=f"{bias}")
    assert bias[0, -1] > 0.02


def test_a_bridge_meets_a_wall_as_often_as_a_path():
    """Between given ends, against fine paths; a plane as a side, as a region, and tangentially."""
    box = np.array([[0.0, 4.0], [-2.0, 2.0]])
    region = parse_region("x < 0 or 3*x > 12", 2, "region")
    side = Absorption.of(Sides.of({"x": "absorbing"}, 2), None, box)
    plane = Absorption.of(Sides.of({}, 2), region, box)
    before, after, h = np.array([[0.3, 0.0]]), np.array([[0.2, 0.5]]), 0.1
    probability = 1 - np.exp(-0.3 * 0.2 / h)
    for sink in (side, plane):
        found = np.exp(sink.log_survival(before, after, h))
        assert found[0] == pytest.approx(probability, rel=1e-6)
        assert np.isneginf(sink.log_survival(before, np.array([[-0.1, 0.0]]), h))
    rng, steps = np.random.default_rng(0), 4000
    noise = np.cumsum(rng.standard_normal((4000, steps)) * np.sqrt(2 * h / steps), axis=1)
    s = np.arange(1, steps + 1) / steps
    path = 0.3 - 0.1 * s + noise - s * noise[:, -1:]
    assert (path.min(axis=1) > 0).mean() == pytest.approx(probability, abs=0.04)


SAMPLERS = [
    {"name": "langevin", "kind": "langevin"},
    {"name": "weighted", "kind": "weighted"},
    {"name": "asking", "kind": "weighted", "density": "oracle"},
    {"name": "birth_death", "kind": "birth_death"},
]


def judged(samplers, **changes):
    table = [{"particles": 1000, "dt": 0.01, "replicates": 16, **one} for one in samplers]
    validation = {"metrics": False, "equation": False, "limit": False}
    keys = {"flow.beta": 1.0, "sampler": table, "validation": validation}
    return wfrpde.validate(half_line(**keys, **changes))


def test_samplers_follow_the_conditioned_law_and_the_share_that_is_left():
    report = judged(SAMPLERS)
    assert not report.failed
    rows = [row for row in report.table if row.observable in ("survival", "mean x")]
    assert len(rows) == 8
    for row in rows:
        assert abs(row.mean - row.reference) < 0.03 + 4 * row.standard_error, row
    survival, _ = exact()
    (alone,) = (row for row in report.rows("langevin", "survival"))
    assert alone.reference == pytest.approx(survival, abs=1e-5)


def test_who_does_not_die_is_found(monkeypatch):
    monkeypatch.setattr(
        Absorption, "log_survival", lambda self, before, after, h: np.zeros(len(after))
    )
    report = judged(SAMPLERS[:1])
    (row,) = report.rows("langevin", "survival")
    assert row.verdict == "biased"
    assert row.mean == 1.0


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ({"kind": "mala"}, "'mala' where sides or regions absorb"),
        ({"kind": "smc_wfr"}, "'smc_wfr' where sides or regions absorb"),
        ({"kind": "weighted", "density": "kde"}, "'kde' where sides or regions absorb"),
    ],
)
def test_what_cannot_die_is_refused(sampler, message):
    with pytest.raises(InputError, match=message):
        judged([sampler])


def test_a_disk_is_left_at_the_rate_of_its_flow():
    """A curved wall counts as its tangent plane."""
    keys = {
        "target.potential": "(x**2 + y**2)/2",
        "initial": {"mean": [0, 0], "covariance": [[0.3, 0], [0, 0.3]]},
        "domain": {"box": [[-1.6, 1.6], [-1.6, 1.6]], "absorbing": "x**2 + y**2 > 2.25"},
        "numerics.cells": [40, 40],
        "sampler": [{"kind": "langevin", "particles": 4000, "dt": 0.01, "replicates": 8}],
        "validation": {"metrics": False, "equation": False, "limit": False},
    }
    report = wfrpde.validate(half_line(**keys))
    (row,) = report.rows("langevin", "survival")
    assert 0.3 < row.reference < 0.8
    assert abs(row.mean - row.reference) < 0.01 + 4 * row.standard_error, row
