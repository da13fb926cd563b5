"""Usual mistakes in dynamics of their own are called by their names."""

from dataclasses import replace

import numpy as np
import pytest
from test_diagnosis import diagnosed

from wfrpde.comparison import equations, fits
from wfrpde.fields.tensors import MatrixField
from wfrpde.samplers import registry
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.kinetic import Baoab
from wfrpde.samplers.langevin import Langevin

FEW = {"metrics": False, "limit": False, "modes": False}
PLANE = {
    "target": {"potential": "0.5*(x**2 + 0.8*x*y + 2*y**2)"},
    "initial": {"mean": [1.0, 0.5], "covariance": [[0.3, 0.05], [0.05, 0.2]]},
    "flow": {"beta": 0.0, "save": [0.3]},
    "domain": {"box": [[-7, 7], [-7, 7]]},
    "numerics": {"cells": [28, 28], "dt": 0.15},
    "validation": FEW,
}
TURNED = {**PLANE, "dynamics": {"circulation": 2.0}}
KINETIC = {
    **PLANE,
    "target": {"potential": "x**2/2"},
    "dynamics": {"kind": "kinetic", "friction": 1.5},
}
UNEVEN = {
    "target": {"potential": "3*(x**2 - 1)**2/4"},
    "initial": {"mean": [-0.5], "covariance": [[0.2]]},
    "dynamics": {"diffusion": "1 + 0.8*sin(3*x)"},
    "flow": {"beta": 0.0, "save": [0.1, 0.4]},
    "numerics": {"cells": [160], "dt": 0.02},
    "validation": FEW,
}


class Backwards(Langevin):
    """Goes around the other way."""

    kind = "backwards"

    @classmethod
    def of(cls, context, name):
        own = context.equation.dynamics
        turned = replace(own, circulation=MatrixField(((0.0, -2.0), (2.0, 0.0))))
        return cls(context.target, own.alpha, name, None, turned)


class Shaken(Baoab):
    """Shakes positions, which have no noise of their own."""

    kind = "shaken"

    @classmethod
    def of(cls, context, name):
        return cls(context.target, 1.0, context.equation.dynamics.friction, name)

    def step(self, ensemble, t, dt, rng):
        x = np.array(super().step(ensemble, t, dt, rng).positions)
        x[:, 0] += np.sqrt(2 * dt) * rng.standard_normal(len(x))
        return ensemble.moved(x)


class NoDivergence(Langevin):
    """Forgets what Itô's calculus adds to −D∇V."""

    kind = "no_divergence"

    @classmethod
    def of(cls, context, name):
        return cls(context.target, context.equation.alpha, name, None, context.equation.dynamics)

    def step(self, ensemble, t, dt, rng):
        x = ensemble.positions
        spread = 1 + 0.8 * np.sin(3 * x)
        noise = np.sqrt(2 * dt * spread) * rng.standard_normal(x.shape)
        return Ensemble.moved(ensemble, x - dt * spread * self.target.gradient(x) + noise)


@pytest.mark.parametrize(
    ("sampler", "case", "words", "fitted"),
    [
        (Backwards, TURNED, "W with the circulation reversed", ("α", 1.0)),
        (Shaken, KINETIC, "W with noise on the positions", ("D_q", 1.0)),
        (NoDivergence, UNEVEN, "W without div D, the drift of its diffusion", ("α", 1.0)),
    ],
)
def test_planted_mistakes_have_their_names(monkeypatch, sampler, case, words, fitted):
    monkeypatch.setattr(fits, "ITERATIONS", 4)
    flows = equations._gradient_flows
    monkeypatch.setattr(equations, "_gradient_flows", lambda *of: flows(*of)[:1])  # the claim's
    monkeypatch.setitem(registry.KINDS, sampler.kind, sampler)
    table = {"kind": sampler.kind, "particles": 2000, "dt": 0.005, "replicates": 8}
    report, diagnosis = diagnosed(table, **case)
    assert report.samplers[0].verdict == "biased"
    symbol, value = fitted
    best = diagnosis.candidates[0]
    assert diagnosis.impostor, diagnosis.conclusion
    assert best.equation == words
    assert best.parameters[symbol].value == pytest.approx(value, rel=0.15)
    assert diagnosis.conclusion.startswith(f"moves like {words} with {symbol} = ")
