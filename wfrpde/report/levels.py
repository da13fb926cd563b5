"""Level sets that enclose a given share of the mass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def enclosing_levels(
    log_density: NDArray[np.floating], shares: Sequence[float]
) -> list[float]:  # fmt: skip
    """Find levels c such that {log ρ > c} holds the given shares of the mass, ascending.

    Parameters
    ----------
    log_density
        Natural logarithm of a density on a regular grid; NaN outside the domain.
    shares
        Shares of the mass on the grid, between 0 and 1.

    Returns
    -------
    list of float
        Strictly ascending levels, one a share, the largest share first.
    """
    values = np.sort(log_density[np.isfinite(log_density)].astype(float).ravel())[::-1]
    mass = np.cumsum(np.exp(values - values[0]))
    mass /= mass[-1]
    levels: list[float] = []
    for share in sorted(shares, reverse=True):
        at = min(int(np.searchsorted(mass, share)), len(values) - 1)
        level = float(values[at])
        if levels and level <= levels[-1]:
            level = float(np.nextafter(levels[-1], np.inf))
        levels.append(level)
    return levels
