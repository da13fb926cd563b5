"""Exponentials of numbers far below zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.arrays import Array

LEAST = -700.0
"""A little below it exponentials are no normal numbers, and take 5 to 70 times as long."""


def exp_above(exponent: Any) -> Any:
    """Return e^x of numbers or arrays, and e^LEAST = 1e-304 for all that is less."""
    return np.exp(np.maximum(exponent, LEAST))


def exp_or_zero(exponent: Array) -> Array:
    """Return e^x of an array, exactly 0 below 1e-304, and no more than the largest number."""
    value = np.clip(exponent, LEAST, 709.0)
    np.exp(value, out=value)
    small = exponent < LEAST
    if small.any():
        value[small] = 0.0
    return np.asarray(value)
