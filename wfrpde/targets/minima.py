"""Where the minima of an arbitrary potential are: a deterministic search from many starts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wfrpde.errors import InputError

Array = npt.NDArray[np.float64]

# Half-widths of the boxes that are searched when none is given.
REACHES = (1.0, 3.0, 10.0, 30.0, 100.0)
# Minima higher than this above the lowest hold less than e^-60 of the mass.
RELEVANT = 60.0
MAX_SEEDS = 64
_POINTS = {1: 401, 2: 29**2, 3: 11**3}
_STARTS = 24
_FAR = 1e5  # a descent that leaves this radius shows a potential without a lower bound


def find_minima(
    potential: Callable[[npt.ArrayLike], Array],
    gradient: Callable[[npt.ArrayLike], Array],
    dim: int,
    *,
    where: str,
    box: npt.ArrayLike | None = None,
) -> Array:
    """Return (k, d) points: the distinct minima of ``potential`` within 60 kT of the lowest.

    Nested lattices (half-widths 1 to 100, or the box) are sampled; from their lowest lattice
    minima quasi-Newton descents start. The search holds no random numbers.

    Parameters
    ----------
    box
        (d, 2); when given, the search stays inside and a minimum at a wall counts.

    Raises
    ------
    InputError
        Without a box: a potential with no lower bound. Anywhere: no finite value, or −∞.
    """
    bounds = None if box is None else np.asarray(box, dtype=float).reshape(dim, 2)
    starts, values = _lattice_minima(potential, dim, bounds, where)
    found, heights = [], []
    for start, value in zip(starts, values, strict=True):
        start, value = _off_saddles(potential, gradient, start, value, bounds)  # noqa: PLW2901
        point, height = _descend(potential, gradient, start, value, bounds)
        if bounds is None and (np.abs(point).max() > _FAR or height < value - 1e12):
            _no_lower_bound(potential, point, where)
        found.append(point)
        heights.append(height)
    return _distinct(np.array(found), np.array(heights))


def _lattices(dim: int, bounds: Array | None) -> list[Array]:
    per_axis = round(_POINTS[dim] ** (1 / dim))
    if bounds is None:
        boxes = [np.tile([-reach, reach], (dim, 1)) for reach in REACHES]
    else:
        boxes = [bounds]
    return [
        np.stack(np.meshgrid(*(np.linspace(*side, per_axis) for side in b), indexing="ij"), -1)
        for b in boxes
    ]


def _lattice_minima(
    potential: Callable[[npt.ArrayLike], Array], dim: int, bounds: Array | None, where: str
) -> tuple[Array, Array]:
    """Return the lattice points that are not above any neighbour, the lowest of each lattice."""
    starts, values = [], []
    for lattice in _lattices(dim, bounds):
        points = lattice.reshape(-1, dim)
        raw = potential(points)
        if np.isneginf(raw).any():
            point = points[np.isneginf(raw)][0].tolist()
            raise InputError(where, f"−∞ at {point}", "a potential that is bounded below")
        height = np.where(np.isfinite(raw), raw, np.inf).reshape(lattice.shape[:-1])
        lowest = np.isfinite(height)
        padded = np.pad(height, 1, constant_values=np.inf)
        for axis in range(dim):
            for shift in (0, 2):
                window = [slice(1, -1)] * dim
                window[axis] = slice(shift, shift + height.shape[axis])
                lowest &= height <= padded[tuple(window)]
        chosen = np.flatnonzero(lowest.ravel())
        order = np.argsort(height.ravel()[chosen], kind="stable")
        limit = _STARTS if bounds is not None else 8
        chosen = chosen[order[:limit]]
        starts.append(points[chosen])
        values.append(height.ravel()[chosen])
    every, heights = np.concatenate(starts), np.concatenate(values)
    if not len(every):
        raise InputError(where, "no finite value at any sampled point", "a finite potential")
    return every, heights


def _descend(
    potential: Callable[[npt.ArrayLike], Array],
    gradient: Callable[[npt.ArrayLike], Array],
    start: Array,
    value: float,
    bounds: Array | None,
) -> tuple[Array, float]:
    from scipy.optimize import minimize  # noqa: PLC0415 - slow to import

    def height_and_slope(x: Array) -> tuple[float, Array]:
        height, slope = float(potential(x[None])[0]), gradient(x[None])[0]
        if not math.isfinite(height):  # a wall, for the line search to step back from
            return 1e300, np.zeros_like(x)
        return height, np.nan_to_num(slope, posinf=1e150, neginf=-1e150)

    with np.errstate(all="ignore"):
        result = minimize(
            height_and_slope,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 100, "maxfun": 200},
        )
    if result.fun < value:
        return np.asarray(result.x), float(result.fun)
    return start, value


def _off_saddles(
    potential: Callable[[npt.ArrayLike], Array],
    gradient: Callable[[npt.ArrayLike], Array],
    start: Array,
    value: float,
    bounds: Array | None,
) -> tuple[Array, float]:
    """Move a start of zero slope a little, if that is downhill: symmetry puts lattices there."""
    if np.any(gradient(start[None])):
        return start, value
    aside = start + 1e-3 * (1 + np.abs(start)) * np.array([0.83, -0.61, 0.47])[: start.size]
    if bounds is not None:
        aside = np.clip(aside, bounds[:, 0], bounds[:, 1])
    height = float(potential(aside[None])[0])
    return (aside, height) if height < value else (start, value)


def _no_lower_bound(
    potential: Callable[[npt.ArrayLike], Array], point: Array, where: str
) -> None:
    raise InputError(
        where,
        f"a potential that falls without bound (V = {potential(point[None])[0]:.3g} at "
        f"{[float(f'{c:.3g}') for c in point]})",
        "exp(−V) with a finite integral",
        "Let V grow at infinity, or give [domain] box.",
    )


def _distinct(points: Array, heights: Array) -> Array:
    """Keep one point of each cluster, the lowest first, and drop what carries no mass."""
    order = np.argsort(heights, kind="stable")
    kept: list[Array] = []
    for index in order:
        if heights[index] > heights[order[0]] + RELEVANT or len(kept) == MAX_SEEDS:
            break
        point = points[index]
        apart = 1e-3 * (1 + np.linalg.norm(point))
        if all(np.linalg.norm(point - other) > apart for other in kept):
            kept.append(point)
    return np.array(kept)
