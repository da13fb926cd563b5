"""What part of space the pictures of a score-based process show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.noising.solution import NoisingSolution


def window(solution: NoisingSolution, indices: Iterable[int]) -> Array:
    """Box ``(d, 2)`` of what is to be seen: four standard deviations of the laws at some times."""
    chosen = list(indices)
    mean = solution.mean[chosen]
    spread = 4 * np.sqrt(np.einsum("tii->ti", solution.covariance[chosen]))
    return np.stack([(mean - spread).min(axis=0), (mean + spread).max(axis=0)], axis=1)
