"""What nodes misrepresent of a start is extrapolated, as all numbers are."""

from __future__ import annotations

import pytest

from wfrpde.flow.certificate import left_by_extrapolation


@pytest.mark.parametrize(
    ("defects", "left"),
    [
        ((0.16, 0.04, 0.01), 0.0),  # h²
        ((0.3, 0.04, 0.01), 0.14 / 48),  # h² by chance: what the runs before have left counts
        ((0.01, 0.01, 0.01), 0.01),  # a share of the start that no cells hold
        ((1.0, 1e-6, 1e-7), 1e-7),  # all of it is in the coarsest
        ((0.04, 0.01), 0.01),
        ((0.64, 0.16, 0.04, 0.01), 0.0),
    ],
)
def test_defects(defects, left):
    assert left_by_extrapolation(defects) == pytest.approx(left, abs=1e-15)
