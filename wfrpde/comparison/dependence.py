"""Particles of a replicate that move together: its average is that of fewer points.

Where mass is neither made nor lost, N particles are N independent points, and averages over
replicates spread by σ/√N, if weights are equal. Particles that share random numbers are worth less.
Their replicates still know the error of their average, but only as well as so few points can.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.results import Row
from wfrpde.numbers import number

FEWEST = 4
"""Replicates from which on their spread is compared with that of independent points."""

FACTOR = 10.0
"""How many times too much variance, in the median over the rows, is told of."""

OFF = 0.1
"""Share of rows that are biased from which on it is another law that spreads replicates."""


def moving_together(judge: Judge, replicates: Sequence[Replicate], rows: Sequence[Row]) -> str:
    """Say of how many independent points the particles of a replicate seem to be, or ""."""
    claims = judge.claims
    if claims is None or claims.reaction is not None or len(replicates) < FEWEST:
        return ""
    if sum(row.verdict == "biased" for row in rows) > OFF * len(rows):
        return ""
    values = np.array([r.values for r in replicates])
    points = np.mean([r.ess for r in replicates], axis=0)
    spread = np.array([[v.spread for v in judge.references[float(t)]] for t in replicates[0].times])
    alike = np.all([r.heaviest == 0 for r in replicates], axis=0)  # weights spread averages, too
    known = (spread > 0) & alike[:, None]
    if not known.any():
        return ""
    ratio = values.var(axis=0, ddof=1)[known] / (spread**2 / points[:, None])[known]
    excess = float(np.median(ratio))
    if excess < FACTOR:
        return ""
    typical = float(np.median(points))
    return (
        f"its replicates differ as if each had {number(typical / excess, 2)} independent points "
        f"instead of {typical:.0f}: do its particles share random numbers?"
    )
