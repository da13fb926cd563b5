"""Functions of many points, evaluated at some of them after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array

BLOCK = 100_000
"""Points at which a function is asked at once: what it needs on its way is a few numbers each."""


def in_blocks(function: Callable[[Array], Array], x: Array, block: int | None = None) -> Array:
    """Return a function ``(n,)`` of points ``(n, d)``, of so many at once."""
    block = BLOCK if block is None else block
    if len(x) <= block:
        return np.asarray(function(x))
    value = np.empty(len(x))
    for start in range(0, len(x), block):
        value[start : start + block] = function(x[start : start + block])
    return value
