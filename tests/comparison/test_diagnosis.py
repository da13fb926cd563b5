"""What a sampler is told to solve: the right name, or none."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import wfrpde
from wfrpde.comparison.bias import Measurement, split_bias
from wfrpde.comparison.equations import _as_judged
from wfrpde.comparison.family import Family
from wfrpde.comparison.ladders import _split
from wfrpde.equation import Equation
from wfrpde.errors import SolverError
from wfrpde.parallel import StopRequest
from wfrpde.samplers import registry
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.moves import euler_maruyama
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.weighted import WeightedLangevin
from wfrpde.targets import Target

WELL = {
    "target": {"potential": "x**2/2 + 0.1*x**4", "modes": {"left": "x < 0"}},
    "initial": {"mean": [1.5], "covariance": [[0.3]]},
    "flow": {"save": [0.25, 1.0]},
    "validation": {"metrics": False, "limit": False},
}


@dataclass(frozen=True)
class Wrong(LibrarySampler):
    """Langevin dynamics with one mistake."""

    kind: ClassVar[str] = "wrong"
    claims: ClassVar[str] = "W"
    target: Target
    temperature: float = 1.0
    friction: float = 0.0
    name: str = "wrong"
    memory: dict = field(default_factory=dict)

    @classmethod
    def of(cls, context, name, *, temperature: float = 1.0, friction: float = 0.0):
        return cls(context.target, temperature, friction, name)

    def init(self, positions, rng):
        speed = rng.standard_normal(positions.shape)
        self.memory["speed"] = speed
        return Ensemble.equal(positions)

    def step(self, ensemble, t, dt, rng):
        x = ensemble.positions
        if self.friction:
            speed = self.memory["speed"] - dt / 2 * self.target.gradient(x)
            x = x + dt / 2 * speed
            kept = np.exp(-self.friction * dt)
            speed = kept * speed + np.sqrt(1 - kept**2) * rng.standard_normal(x.shape)
            x = x + dt / 2 * speed
            speed = speed - dt / 2 * self.target.gradient(x)
            self.memory["speed"] = speed
            return ensemble.moved(x)
        noise = np.sqrt(2 * dt * (self.temperature - 1)) * rng.standard_normal(x.shape)
        x = euler_maruyama(self.target, x, dt, rng) + noise
        return ensemble.moved(x)


class Flipped(WeightedLangevin):
    """Weights of the wrong sign."""

    kind = "flipped"

    @classmethod
    def of(cls, context, name):
        made = super().of(context, name)
        return replace(made, reaction=replace(made.reaction, beta=-made.reaction.beta))


@pytest.fixture(autouse=True)
def wrong(monkeypatch):
    monkeypatch.setitem(registry.KINDS, "wrong", Wrong)


def diagnosed(sampler, **tables):
    data = {**WELL, **tables}
    table = {"particles": 1000, "dt": 0.01, "replicates": 12, **sampler}
    report = wfrpde.validate(wfrpde.Case.model_validate({**data, "sampler": [table]}))
    (diagnosis,) = report.diagnoses
    return report, diagnosis


def test_noise_of_the_wrong_size_has_its_name():
    """√(2·2h) in the place of √(2h): the stationary law is that of temperature 2."""
    _, diagnosis = diagnosed({"kind": "wrong", "temperature": 2.0})
    best = diagnosis.candidates[0]
    assert diagnosis.impostor
    assert best.equation == "W at another temperature"
    assert best.parameters["T"].low < 2.0 < best.parameters["T"].high
    assert best.misfit < 2
    assert diagnosis.conclusion.startswith("moves like W at another temperature with T = ")


def test_underdamped_motion_is_no_equation_that_was_tried():
    _, diagnosis = diagnosed({"kind": "wrong", "friction": 1.0})
    assert not diagnosis.impostor
    assert diagnosis.conclusion.startswith(
        "no equation that was tried explains its path; the closest is "
    )
    assert not any(candidate.explains for candidate in diagnosis.candidates)


@pytest.mark.slow
def test_a_reaction_of_the_wrong_sign_has_its_name(monkeypatch):
    """Weights that grow where ρ exceeds π: mass is driven away from the target."""
    monkeypatch.setitem(registry.KINDS, "flipped", Flipped)
    table = {"kind": "flipped", "replicates": 8, "particles": 2000}
    _, diagnosis = diagnosed(table, flow={"save": [0.1, 0.3], "beta": 0.5})
    best = diagnosis.candidates[0]
    assert diagnosis.impostor, diagnosis.conclusion
    assert best.equation == "WFR of the wrong sign"
    assert best.parameters["−β"].low < 0.5 < best.parameters["−β"].high
    assert diagnosis.conclusion.startswith("moves like WFR of the wrong sign with −β = ")


def test_a_long_step_is_told_as_that():
    report, diagnosis = diagnosed({"kind": "wrong", "dt": 0.25, "replicates": 30})
    assert report.samplers[0].verdict == "biased"
    assert not diagnosis.impostor
    assert diagnosis.conclusion == (
        "solves what it claims with the bias of its step: W by steps of dt = 0.25"
    )


def test_nobody_is_denounced_without_a_biased_row():
    _, diagnosis = diagnosed(
        {"kind": "langevin", "claims": "WFR", "particles": 30, "replicates": 4}
    )
    assert not diagnosis.impostor
    assert "not like" not in diagnosis.conclusion


@pytest.mark.parametrize("tolerance", [None, 1e-3])
def test_flows_are_solved_again_with_and_without_a_tolerance(tolerance):
    """W claims WFR: it is W by name, and not what is left when no flow can be solved."""
    table = {"kind": "langevin", "claims": "WFR", "particles": 4000, "dt": 0.002}
    _, diagnosis = diagnosed(table, accuracy={"tolerance": tolerance}, flow={"save": [0.1, 0.3]})
    best = diagnosis.candidates[0]
    assert {"W", "FR", "WFR"} <= {c.equation for c in diagnosis.candidates}
    assert best.equation == "W"
    assert best.parameters["α"].low < 1.0 < best.parameters["α"].high
    assert diagnosis.impostor
    assert diagnosis.conclusion.startswith("moves like W with α = ")
    assert diagnosis.conclusion.endswith("not like WFR")


def test_nobody_is_denounced_whose_own_flow_cannot_be_solved_again(monkeypatch):
    real = Family._solved

    def solved(self, alpha, beta):
        if beta > 0 and alpha > 0:
            raise SolverError("no such flow")
        return real(self, alpha, beta)

    monkeypatch.setattr(Family, "_solved", solved)
    _, diagnosis = diagnosed({"kind": "langevin", "claims": "WFR", "particles": 4000})
    assert not diagnosis.impostor
    assert diagnosis.conclusion == (
        "was not compared with equations: its own flow, WFR, could not be solved again: "
        "no such flow"
    )


def test_the_reason_is_that_of_the_flow_that_is_missing(monkeypatch):
    """Not that of another one, which failed after it, nor is it lost where it is known already."""
    real = Family._solved

    def solved(self, alpha, beta):
        if not (alpha and beta):
            raise SolverError("no W" if alpha else "no FR")
        return real(self, alpha, beta)

    monkeypatch.setattr(Family, "_solved", solved)
    table = {"kind": "langevin", "claims": "W", "particles": 100, "replicates": 4}
    report = wfrpde.validate(
        wfrpde.Case.model_validate(
            {**WELL, "sampler": [{**table, "name": "first"}, {**table, "name": "second"}]}
        )
    )
    assert [d.conclusion for d in report.diagnoses] == 2 * [
        "was not compared with equations: its own flow, W, could not be solved again: no W"
    ]


@pytest.mark.parametrize(("off", "quick"), [(0.4, True), (0.6, False), (None, False)])
def test_flows_are_solved_to_the_tolerance_where_less_would_tell(off, quick):
    values = np.array([[1.0, 2.0]])
    family = SimpleNamespace(
        case=wfrpde.Case.model_validate({**WELL, "accuracy": {"tolerance": 1e-3}}),
        judge=SimpleNamespace(
            claims=Equation.of(1.0, 0.0), times=[1.0],
            references={1.0: [SimpleNamespace(value=value) for value in values[0]]},
        ),
        solved=lambda *_: None if off is None else values + np.array([[0.0, off * 0.01]]),
    )  # fmt: skip
    data = SimpleNamespace(used=np.array([False, True]), error=np.array([0.01]))
    assert _as_judged(family, data) is quick
    family.case = wfrpde.Case.model_validate(WELL)
    assert _as_judged(family, data)


def test_samplers_that_share_a_family_have_flows_of_their_own_accuracy(monkeypatch):
    """Without the tolerance averages are off by 0.3: enough for few particles, not for many."""
    family = Family(
        wfrpde.Case.model_validate({**WELL, "accuracy": {"tolerance": 1e-3}}), None,
        SimpleNamespace(
            claims=Equation.of(1.0, 0.0), times=[1.0],
            references={1.0: [SimpleNamespace(value=1.0)]},
        ), 0.01,
    )  # fmt: skip
    monkeypatch.setattr(
        Family, "_solved_case", lambda self, case: np.array([[1.3 if self.quick else 1.0]])
    )
    for error, value in ((1.0, 1.3), (0.01, 1.0), (1.0, 1.3)):
        data = SimpleNamespace(used=np.array([True]), error=np.array([error]))
        family.quick = _as_judged(family, data)
        assert family.gradient_flow(1.0, 0.0) == value


def test_there_is_always_a_reason():
    _, diagnosis = diagnosed({"kind": "langevin", "replicates": 3})
    assert diagnosis.conclusion == (
        "was not compared with equations: 3 replicates tell too little; needed 4"
    )
    assert diagnosis.candidates == ()


@pytest.mark.slow
def test_a_plane_with_observables_and_no_modes():
    plane = {
        "target": {"potential": "x**2/2 + y**2"},
        "initial": {"mean": [1.0, 0.0], "covariance": 0.3},
        "flow": {"save": [0.5], "beta": 0.0},
        "numerics": {"cells": [10, 10], "dt": 0.1},
        "validation": {
            "metrics": False, "limit": False, "moments": False, "observables": {"f": "x*y + x"},
        },
    }  # fmt: skip
    _, diagnosis = diagnosed({"kind": "langevin", "particles": 200, "replicates": 8}, **plane)
    assert diagnosis.conclusion.startswith("solves what it claims: W with")


def test_a_stop_leaves_no_diagnosis_of_what_was_not_tried(monkeypatch):
    from wfrpde.comparison import fits

    real = fits._fit

    def fit(equation, *arguments):
        if equation == "W":
            StopRequest._active._flag.set()
        return real(equation, *arguments)

    monkeypatch.setattr(fits, "_fit", fit)
    table = {"kind": "langevin", "particles": 100, "dt": 0.05, "replicates": 4}
    case = wfrpde.Case.model_validate({**WELL, "sampler": [table]})
    report = wfrpde.validate(case, on_stop="return")
    assert not report.complete
    assert report.diagnoses == ()
    assert len(report.table) > 0


def measured(biases, error=0.01):
    return [Measurement(0.1 * f, 100, 1.0 + b, error) for f, b in biases.items()]


def test_two_rungs_tell_nothing_of_the_rest():
    split = split_bias(measured({1: 0.1, 2: 0.2}), 1.0)
    assert split.step[0] == pytest.approx(0.1)
    assert np.isnan(split.rest[0])
    assert split_bias(measured({1: 0.1, 2: 0.2, 4: 0.4}), 1.0).rest[0] == pytest.approx(0, abs=1e-9)


def test_a_ladder_that_contradicts_the_limit_is_not_told():
    row = ("s", "f", 1.0)
    ladder = measured({1: 0.75, 2: 0.8, 4: 0.9})
    known = {0.1: 0.04, 0.2: 0.08, 0.4: 0.16}
    assert _split(row, ladder, 1.0, 0.1, known, graded=False).rest[0] == pytest.approx(
        0.7
    )  # of a finite N
    against = {0.1: 0.2, 0.2: 0.4, 0.4: 0.8}
    told = _split(row, ladder, 1.0, 0.1, against, graded=False)
    assert np.isnan(told.step[0])
    assert np.isnan(told.rest[0])
    assert np.isnan(told.order_dt.value)
    assert told.limit_step == pytest.approx(0.2)
    more = [*ladder, Measurement(0.1, 50, 1.76, 0.01), Measurement(0.1, 25, 1.77, 0.01)]
    assert np.isnan(_split(row, more, 1.0, 0.1, known, graded=False).rest[0])
