"""Markov chains that stick far out: averages that are wrong in every chain that has not been there.

Where proposals have lighter tails than π, the farther out a chain is the longer it stays, and the
more rarely it comes there. How long it stays has no second moment then: averages are right, but
most chains, which have missed the tail, agree on others, and few are off by much to the other
side. No chain knows that error. What tells is that stays grow longer far from the average, and
that stays times distances have too heavy a tail.
"""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.comparison.tails import most_shape, pareto_shape

LONGER = 1.5
"""Stays in the tail beside others, at most, of chains that come away: Metropolis walks in Gaussian,
exponential, quartic and Student's laws have 0.4 to 1.4 with steps of any width.
"""

WORDS = "the chains stay the longer the farther out they are: none knows the error of this average"
"""What is said of such a row."""


def sticks(stays: Integers, phi: Array, values: Array) -> Flags:
    """Tell of which observables chains stick where these are far from their averages: ``(k,)``.

    Parameters
    ----------
    stays
        ``(m,)``: for how many steps each point was held.
    phi
        ``(m, k)`` observables there.
    values
        ``(k,)`` their averages under π.
    """
    points = len(stays)
    if stays.max(initial=1) == 1:
        return np.zeros(len(values), dtype=bool)
    tail = int(np.ceil(min(0.2 * points, 3 * np.sqrt(points))))
    found = []
    for distance in np.abs(phi - values).T:
        far = np.argsort(-distance, kind="stable")[:tail]
        with np.errstate(divide="ignore"):
            shape = pareto_shape(np.log(distance * stays))
        longer = stays[far].mean() > LONGER * stays.mean()
        found.append(longer and shape > most_shape(points))
    return np.array(found)
