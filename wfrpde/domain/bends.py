"""Where a second or third derivative of a function jumps: soft walls, Huber's losses, splines.

Such a function has no kink, and yet no scheme keeps its order across the jump unless cells end
there. The m-th derivative jumps in an interval of a regular line of points if the m + 1 differences
of order m + 1 that reach over this interval stand out from those on either side, and do so ever
more the closer one looks: they fall with the power m of the spacing, the others with m + 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array

ORDERS = (2, 3)

ROUND_OFF = 2e-12
"""Relative to the function, the differences that are left to round-off."""

STAND_OUT = (3.0, 5.0, 10.0, 10.0, 10.0, 10.0)
"""By what factor differences stand out, on the line and at each closer look, by `CLOSER` each."""

CLOSER = 8.0

BESIDE = 3
"""Differences on either side that others are compared with."""

MOST = 200
"""Places on a line beyond which it is called rough."""


def bends_on_line(value: Callable[[Array], Array], x: Array, kinks: Array) -> Array:
    """Positions ``(k,)`` between regular points where a derivative of `ORDERS` jumps.

    Places less than four points from the `kinks`, which are known already, are left out.
    """
    step, values = float(x[1] - x[0]), value(x)
    known: list[float] = [*kinks, x[0], x[-1]]
    for order in ORDERS:
        places = [x[0] + step * k for k in _standing_out(values, order, STAND_OUT[0])[0]]
        if len(places) > MOST:
            continue
        for middle in places:
            place = _closer(value, float(middle), step, order)
            if place is not None and np.abs(np.array(known) - place).min() > 4 * step:
                known.append(place)
    return np.sort(known[len(kinks) + 2 :])


def _standing_out(values: Array, order: int, factor: float) -> tuple[Array, bool]:
    """Middles, in units of the spacing, of intervals in which a derivative jumps.

    Also whether any differences are more than round-off.
    """
    reach = order + 1
    with np.errstate(all="ignore"):
        size = np.abs(np.diff(values, reach))
        size = np.where(np.isfinite(size), size, np.inf)
        noise = ROUND_OFF * np.maximum(np.abs(values), 1.0)
    padded = np.pad(size, BESIDE + reach, constant_values=np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * BESIDE + reach)
    inner = windows[:, BESIDE:-BESIDE].max(axis=1)
    outer = np.maximum(windows[:, :BESIDE].max(axis=1), windows[:, -BESIDE:].max(axis=1))
    low = np.arange(len(inner)) - 1  # the interval that all differences of a window reach over
    level = noise[np.clip(low, 0, len(values) - 1)]
    known = np.isfinite(inner) & (inner > level)
    with np.errstate(invalid="ignore"):
        stands = known & np.isfinite(outer) & (inner > factor * outer)
    return np.asarray(np.flatnonzero(stands) - 0.5, dtype=float), bool(known.any())


def _closer(
    value: Callable[[Array], Array], middle: float, step: float, order: int
) -> float | None:
    """Return the place of a jump near `middle`, or None if there is none on closer look."""
    spacing, seen = step, False
    for factor in STAND_OUT[1:]:
        spacing /= CLOSER
        points = middle + spacing * np.arange(-20.0, 21.0)
        found, known = _standing_out(value(points), order, factor)
        if not known and seen:
            break  # round-off hides what is closer
        if not len(found):
            return None
        nearest = found[np.argmin(np.abs(found - 20.0))]
        middle, seen = float(points[0] + spacing * nearest), True
    return _meeting(value, middle, step / CLOSER, order)


def _meeting(value: Callable[[Array], Array], middle: float, spacing: float, order: int) -> float:
    """Return where derivatives of order − 1 of polynomials on either side meet."""
    away = np.arange(1.0, 9.0)
    values = value(middle + spacing * np.concatenate([-away, away])).reshape(2, -1)
    if not np.isfinite(values).all():
        return middle
    left, right = (
        np.polynomial.polynomial.polyfit(side * away, row, order + 2)
        for side, row in zip((-1.0, 1.0), values, strict=True)
    )
    below, jump = np.polynomial.polynomial.polyder(right - left, order - 1)[:2]
    move = -below / jump if jump else 0.0
    return middle + spacing * float(move if abs(move) < 1.0 else 0.0)
