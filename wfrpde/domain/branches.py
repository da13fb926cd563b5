r"""Where a function that is no formula is like :math:`|x - c|^q`, q no integer.

Of such a branch differences of order 6 stand out on a line of points, and look the same at each
closer look: they fall with :math:`h^q`, where those of a smooth function, however sharp, fall with
the sixth power of the spacing in the end. The place is that at which polynomials and two branches,
one on each side, fit the values best.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from wfrpde.arrays import Array

ORDER = 6
"""Order of the differences."""

STANDS_OUT, BESIDE = 10.0, 4
"""By what factor differences are larger than those that do not reach over the place, and how many
of these on either side are looked at."""

CLOSER, LOOKS, POINTS = 8.0, 4, 25
"""How many times closer each look is, how many there are at most, and the points on either side."""

HIGH = 200.0
"""Height (kT) from which on nothing is looked for: ridges between narrow wells are sharp there, and
round-off hides that they are smooth."""

FALLS = 5.5
"""Power of the spacing from which on what falls is taken for smooth."""

NOISE = 2e-13
"""Relative to the function, the differences that are left to round-off."""

MOST = 50
"""Places on a line beyond which it is called rough."""


def branches_on_line(value: Callable[[Array], Array], x: Array) -> Array:
    """Return places ``(k,)`` of branches of a function on a line of regular points."""
    step = float(x[1] - x[0])
    values = value(x)
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return np.empty(0)
    middles, sizes, _ = _standing_out(values)
    low = values[middles.astype(int)] - known.min() < HIGH
    if low.sum() > MOST:
        return np.empty(0)
    places = [
        _closer(value, float(x[0] + step * k), step, float(size))
        for k, size in zip(middles[low], sizes[low], strict=True)
    ]
    return np.unique([place for place in places if place is not None])


def _standing_out(values: Array) -> tuple[Array, Array, bool]:
    """Return middles of the highest differences, in spacings, and how large they are.

    Also whether any are more than round-off.
    """
    with np.errstate(all="ignore"):
        size = np.abs(np.diff(values, ORDER))
        noise = NOISE * 2.0**ORDER * np.abs(values[ORDER // 2 : -(ORDER // 2)])
    size = np.where(np.isfinite(size), size, np.inf)
    reach = ORDER + BESIDE
    windows = np.lib.stride_tricks.sliding_window_view(size, 2 * reach + 1)
    top, around = windows[:, reach], windows.max(axis=1)
    beside = np.maximum(windows[:, :BESIDE].max(axis=1), windows[:, -BESIDE:].max(axis=1))
    with np.errstate(invalid="ignore"):
        stands = (top == around) & np.isfinite(top) & (top > STANDS_OUT * beside)
    known = top > noise[reach:-reach]
    found = np.flatnonzero(stands & known)
    middles = np.asarray(found + reach + ORDER / 2, dtype=float)
    return middles, np.asarray(top[found]), bool(known.any())


def _closer(
    value: Callable[[Array], Array], middle: float, step: float, before: float
) -> float | None:
    """Return the place of a branch near `middle`, or None if it is none on closer look."""
    spacing, looks = step, 0
    while looks < LOOKS:
        points = middle + spacing / CLOSER * np.arange(-POINTS, POINTS + 1.0)
        found, sizes, known = _standing_out(value(points))
        if not known:
            break  # round-off hides what is closer
        if not len(found):
            return None
        nearest = int(np.argmin(np.abs(found - POINTS)))
        if sizes[nearest] < before / CLOSER**FALLS:
            return None
        spacing, before, looks = spacing / CLOSER, float(sizes[nearest]), looks + 1
        middle = float(points[0] + spacing * found[nearest])
    return _fitted(value, middle, spacing) if looks else None


def _fitted(value: Callable[[Array], Array], middle: float, spacing: float) -> float | None:
    """Return the c at which Σ_k a_k s^k + |s|^q (b + b' sign s), s = (x − c)/h, is best."""
    s = np.arange(-12, 13) + 0.5
    with np.errstate(all="ignore"):
        values = value(middle + spacing * s)
    if not np.isfinite(values).all():
        return None
    smooth = np.vander(s / 12, ORDER)

    def left(parameters: Array) -> float:
        away = s - parameters[0]
        power = np.abs(away) ** parameters[1]
        basis = np.column_stack([smooth, power, power * np.sign(away)])
        solution, *_ = np.linalg.lstsq(basis, values, rcond=None)
        return float(np.abs(basis @ solution - values).max())

    starts = [(place, q) for place in (0.0, 0.5, -0.5) for q in (0.6, 1.5, 2.5, 3.5)]
    first = min(starts, key=lambda start: left(np.array(start)))
    found = minimize(
        left, first, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 0.0, "maxiter": 400}
    )
    return middle + spacing * float(found.x[0]) if abs(found.x[0]) < ORDER else None
