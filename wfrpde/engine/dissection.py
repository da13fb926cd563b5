"""Nested dissection of a lattice: an order of unknowns in which triangular factors fill little.

George, Nested dissection of a regular finite element mesh, SIAM J. Numer. Anal. 10 (1973). A line
of unknowns that parts the others comes after both parts, and so do the lines that part these.
"""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Integers


def dissected(places: Integers, step: int = 1) -> Integers:
    """Return the numbers ``(n,)`` of unknowns in the order in which to eliminate them.

    Parameters
    ----------
    places
        ``(d, n)`` where they are, in whole numbers. Those on either side of a line, at a multiple
        of `step` of one of the d, are not coupled.
    step
        How far such lines are from one another.
    """
    ends = places.min(axis=1), places.max(axis=1)
    low, high = (np.repeat(end[:, None], places.shape[1], axis=1) for end in ends)
    width = ends[1] - ends[0] + 1
    part, done = np.zeros(places.shape[1], dtype=np.int64), np.zeros(places.shape[1], dtype=bool)
    while width.max() > step:
        axis = int(width.argmax())
        place, middle = places[axis], (low[axis] + high[axis] + step) // (2 * step) * step
        before, behind = place < middle, place > middle
        on = ~(before | behind | done)
        part = 3 * part + np.where(on, 2, behind & ~done)
        done |= on
        low[axis] = np.where(behind, middle + 1, low[axis])
        high[axis] = np.where(before, middle - 1, high[axis])
        width[axis] //= 2
    return np.argsort(part, kind="stable")
