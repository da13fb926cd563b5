"""Gaussian flows, for which every sampler's goal is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wfrpde import Case
from wfrpde.samplers import SamplerContext, make_sampler

PLANE = {
    "target": {"kind": "gaussian", "mean": [1.0, 0.0], "covariance": [[1.0, 0.3], [0.3, 0.5]]},
    "initial": {"mean": [0.0, 0.5], "covariance": [[0.5, 0.0], [0.0, 0.8]]},
    "flow": {"save": [0.5]},
}


@pytest.fixture(scope="session")
def plane() -> Case:
    return Case.model_validate(PLANE)


@pytest.fixture(scope="session")
def prepared() -> Callable:
    """Sampler of a case, given its table."""

    def prepare(case: Case, solution=None, comm=None, **table):
        full = case.with_overrides({"sampler": [table]})
        return make_sampler(full.samplers[0], SamplerContext.of(full, solution, comm))

    return prepare
