"""Manufactured solutions by residual reaction: random drifts and paths, errors within bars."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "validation" / "manufactured.py"


@pytest.fixture(scope="module")
def manufactured():
    spec = importlib.util.spec_from_file_location("manufactured", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# docs/validation.md has the figures of a larger sample
@pytest.mark.parametrize(
    ("dim", "seeds", "accuracy"),
    [(1, range(8), 1e-5), (2, [0], 1e-4), pytest.param(3, [0], 1e-3, marks=pytest.mark.slow)],
)
def test_errors_are_within_bars(manufactured, dim, seeds, accuracy):
    share, _, _, worst = manufactured.sample(dim, seeds)
    assert share >= 0.97
    assert worst < accuracy
