"""Gaussian flows, whose goal is known in closed form, and samplers from case files."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from wfrpde import Case, load_case
from wfrpde.samplers import SamplerContext, make_sampler

PLANE = {
    "target": {"kind": "gaussian", "mean": [1.0, 0.0], "covariance": [[1.0, 0.3], [0.3, 0.5]]},
    "initial": {"mean": [0.0, 0.5], "covariance": [[0.5, 0.0], [0.0, 0.8]]},
    "flow": {"save": [0.5]},
}


CASE = """
[target]
kind = "gaussian_mixture"
weights = [0.5, 0.5]
means = [[0.0, 0.0], [6.0, 0.0]]
covariances = [1.0, 1.0]

[initial]
mean = [0.0, 1.0]
covariance = [1.0, 1.0]

[flow]
save = [0.25, 0.5]
"""


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


@pytest.fixture(scope="session")
def case_text() -> str:
    """Case file to which the table of a sampler is appended."""
    return CASE


@pytest.fixture
def prepare(tmp_path, case_text):
    """Sampler from the text of its table, in a case file of its own folder."""

    def make(table: str, name: str = "case.toml"):
        path = tmp_path / name
        path.write_text(f"{case_text}\n[[sampler]]\n{textwrap.dedent(table)}\n", encoding="utf-8")
        case = load_case(path)
        return make_sampler(case.samplers[0], SamplerContext.of(case))

    return make
