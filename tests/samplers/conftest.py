"""Gaussian flows, for which every sampler's goal is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wfrpde import Case
from wfrpde.samplers import SamplerContext, make_sampler
from wfrpde.starts import make_initial
from wfrpde.targets import make_target

PLANE = {
    "target": {"kind": "gaussian", "mean": [1.0, 0.0], "covariance": [[1.0, 0.3], [0.3, 0.5]]},
    "initial": {"mean": [0.0, 0.5], "covariance": [[0.5, 0.0], [0.0, 0.8]]},
    "flow": {"save": [0.5]},
}


def context_of(case: Case, solution=None, comm=None) -> SamplerContext:
    spec, start = case.target, case.initial
    target = make_target(
        potential=spec.potential,
        kind=spec.kind,
        python=spec.python,
        dim=spec.dim,
        modes=spec.modes,
        parameters=spec.parameters,
    )
    initial = make_initial(kind=start.kind, parameters=start.parameters, target=target)
    return SamplerContext(case, target, initial, solution, comm)


@pytest.fixture(scope="session")
def plane() -> Case:
    return Case.model_validate(PLANE)


@pytest.fixture(scope="session")
def prepared() -> Callable:
    """Sampler of a case, given its table."""

    def prepare(case: Case, solution=None, comm=None, **table):
        full = case.with_overrides({"sampler": [table]})
        return make_sampler(full.samplers[0], context_of(full, solution, comm))

    return prepare
