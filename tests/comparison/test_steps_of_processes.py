"""What is told of the steps of score-based samplers: nothing where they are of no order yet."""

import numpy as np
import pytest

from wfrpde.comparison.bias import Measurement
from wfrpde.comparison.ladders import _split


@pytest.mark.parametrize(("biases", "told"), [((0.1, 0.21, 0.45), True), ((0.4, 0.5, 0.52), False)])
def test_only_of_first_order(biases, told):
    known = dict(zip((0.1, 0.2, 0.4), biases, strict=True))
    measured = [Measurement(dt, 100, 1 + bias, 0.01) for dt, bias in known.items()]
    row = ("s", "mean x", 1.0)
    split = _split(row, measured, 1.0, 0.1, known, graded=True)
    assert np.isfinite(split.limit_step) == told
    assert np.isfinite(split.limit_rest) == told
    assert told or not np.isfinite(split.step[0])
    other = _split(row, measured, 1.0, 0.1, known, graded=False)
    assert np.isfinite(other.limit_step)
