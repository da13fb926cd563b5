"""The smallest case: a potential with a mode, and a start."""

import pytest

from wfrpde.case import Case

MINIMAL = {
    "target": {"potential": "8*(x**2 - 1)**2 + 0.5*x", "modes": {"left": "x < 0"}},
    "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": [[0.01]]},
}


@pytest.fixture
def minimal() -> Case:
    return Case.model_validate(MINIMAL)
