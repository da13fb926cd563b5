"""Faults planted into samplers along a path are found at intermediate times, and named."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

import wfrpde
from wfrpde.case.path import formula_of
from wfrpde.fields import parse_expression
from wfrpde.fields.courses import Course
from wfrpde.fields.protocols import Formula
from wfrpde.samplers.annealed import AnnealedImportance
from wfrpde.samplers.registry import KINDS, register

MOVING = "(x - 2*t)**2*(1 + t)/2"
TABLES = {
    "target": {"potential": MOVING, "modes": {"ahead": "x > 1"}},
    "path": {"kind": "expression"},
    "domain": {"box": [[-6.5, 7.5]]},
    "flow": {"reaction": "annealed", "save": [0.3, 0.6, 1.0]},
    "numerics": {"cells": [40], "dt": 0.04},
    "validation": {"metrics": False},
}


@dataclass(frozen=True)
class WrongSign(AnnealedImportance):
    kind: ClassVar[str] = "wrong_sign"

    def step(self, ensemble, t, dt, rng):
        right = super().step(ensemble, t, dt, rng)
        return right.reweighted(2 * ensemble.log_weights - right.log_weights)


@dataclass(frozen=True)
class ColdNoise(AnnealedImportance):
    """√dt in place of √(2dt)."""

    kind: ClassVar[str] = "cold_noise"

    def step(self, ensemble, t, dt, rng):
        class Half:
            def standard_normal(self, shape):
                return rng.standard_normal(shape) / np.sqrt(2)

        return super().step(ensemble, t, dt, Half())


@dataclass(frozen=True)
class WrongSchedule(AnnealedImportance):
    """Runs as t²."""

    kind: ClassVar[str] = "wrong_schedule"

    @classmethod
    def of(cls, context, name, **parameters):
        made = super().of(context, name, **parameters)
        late = Formula("(x - 2*t**2)**2*(1 + t**2)/2", 1, timed=True)
        return replace(made, path=replace(made.path, formula=late))


def diagnosed(*kinds, **table):
    """What is said of samplers, by their names, each with 8 replicates."""
    for kind in kinds:
        register(kind)
    try:
        own = {"particles": 2000, "replicates": 8, "dt": 0.01}
        samplers = [{"kind": k.kind, "name": k.kind, **own} for k in kinds]
        samplers += [{**own, "name": name, **other} for name, other in table.items()]
        case = wfrpde.Case.model_validate({**TABLES, "sampler": samplers})
        report = wfrpde.validate(case)
    finally:
        for kind in kinds:
            del KINDS[kind.kind]
    early = {r.sampler for r in report.table if r.time < 1.0 and r.verdict == "biased"}
    return {d.sampler: d for d in report.diagnoses}, early


def test_faults_of_weights_are_found_at_intermediate_times_and_named():
    told, early = diagnosed(
        WrongSign, ais={"kind": "ais"}, dropped={"kind": "langevin", "claims": "feynman-kac"}
    )
    assert "solves what it claims" in told["ais"].conclusion
    assert early == {"wrong_sign", "dropped"}
    for name, word in (("wrong_sign", "wrong sign"), ("dropped", "dropped")):
        assert told[name].impostor
        assert word in told[name].conclusion, told[name].conclusion


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "word", "rate", "value"),
    [(ColdNoise, "temperature", "T", 0.5), (WrongSchedule, "schedule", "γ", 2.0)],
)
def test_faults_of_moves_are_named(kind, word, rate, value):
    told, early = diagnosed(kind)
    (found,) = told.values()
    assert early == {kind.kind}
    assert found.impostor
    assert word in found.conclusion, found.conclusion
    fit = next(c for c in found.candidates if rate in c.parameters).parameters[rate]
    assert abs(np.log(fit.value / value)) < 0.15, fit


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({"kind": "temper", "schedule": "t**2"}, lambda x: 0.75 * 2 * (x - 1) ** 2 + 0.25 * x**4),
        ({"kind": "anneal", "schedule": "2 - t"}, lambda x: x**4 / 1.5),
    ],
)
def test_paths_as_formulas(path, expected):
    case = wfrpde.Case.model_validate({
        "target": {"potential": "x**4"},
        "initial": {"mean": [1.0], "covariance": [[0.25]]},
        "path": path,
    })  # fmt: skip
    text = formula_of(case)
    parse_expression(text, 1, "here", timed=True)
    x = np.linspace(-1, 2, 7)
    assert np.allclose(Formula(text, 1, timed=True)(x[:, None], 0.5), expected(x))
    table = case.with_overrides({"path.schedule": [[0.0, 3.0], [1.0, 1.0]]})
    assert formula_of(table) is None
    assert Course.of([[0.0, 3.0], [1.0, 1.0]], "here")(0.25) == 2.5
