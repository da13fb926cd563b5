"""Where the minima of an arbitrary potential are: a deterministic search from many starts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags
from wfrpde.errors import InputError, place

# Half-widths of the boxes that are searched when none is given.
REACHES = (1.0, 3.0, 10.0, 30.0, 100.0)
# Minima higher than this above the lowest hold less than e^-60 of the mass.
RELEVANT = 60.0
MAX_SEEDS = 64
_POINTS = {1: 401, 2: 29**2, 3: 11**3}
_STARTS = 24
_NOISE = 1e-3  # kT: a rise that is no barrier
_DEEP = -1e12  # kT: below, a minimum has to show that it is one
_PLUNGE, _CLOSER = 100.0, 60  # a fall in kT that a descent does not leave undone; looks along it
_FAR = 1e5  # a descent that leaves this radius shows a potential without a lower bound


def find_minima(
    potential: Callable[[npt.ArrayLike], Array],
    gradient: Callable[[npt.ArrayLike], Array],
    dim: int,
    *,
    where: str,
    box: npt.ArrayLike | None = None,
    quantity: str = "potential",
) -> Array:
    """Return (k, d) points: the distinct minima of ``potential`` within 60 kT of the lowest.

    Nested lattices (half-widths 1 to 100, or the box) are sampled; from their lowest lattice
    minima quasi-Newton descents start. The search holds no random numbers.

    Parameters
    ----------
    box
        (d, 2); when given, the search stays inside and a minimum at a wall counts.
    quantity
        What an error calls it: ``"potential"``, or ``"log density"`` for its negative.

    Raises
    ------
    InputError
        Without a box: a potential with no lower bound. Anywhere: no finite value, −∞, or a pole.
    """
    bounds = None if box is None else box_sides(box, dim)
    starts, values = _lattice_minima(potential, dim, bounds, where)
    found, heights = [], []
    for start, value in zip(starts, values, strict=True):
        aside, lower = _off_saddles(potential, gradient, start, value, bounds)
        point, height = _descend(potential, gradient, aside, lower, bounds)
        point, height = _into_pole(potential, gradient, point, height, bounds)
        if (height < _DEEP or np.abs(point).max() > _FAR) and _falls_on(
            potential, point, height, bounds
        ):
            _no_lower_bound(height, point, where, quantity, boxed=bounds is not None)
        found.append(point)
        heights.append(height)
    return _distinct(potential, np.array(found), np.array(heights))


def box_sides(box: npt.ArrayLike, dim: int) -> Array:
    """Return the domain's box as (d, 2) array; raise `InputError` where it does not fit."""
    sides = np.asarray(box, dtype=float)
    if sides.shape != (dim, 2) or not (sides[:, 0] < sides[:, 1]).all():
        needed = f"{dim} times [low, high] with low < high, as the target has {dim} dimension(s)"
        raise InputError("domain.box", str(sides.tolist()), needed)
    return sides


def _lattices(dim: int, bounds: Array | None) -> list[Array]:
    per_axis = round(_POINTS[dim] ** (1 / dim))
    if bounds is None:
        boxes = [np.tile([-reach, reach], (dim, 1)) for reach in REACHES]
    else:
        boxes = [bounds]
    return [
        np.stack(
            np.meshgrid(
                *(np.linspace(low, high, per_axis) for low, high in b.tolist()), indexing="ij"
            ),
            -1,
        )
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
            # ≤ on one side and < on the other: one point of a plateau is enough.
            for shift, compare in ((0, np.less_equal), (2, np.less)):
                window = [slice(1, -1)] * dim
                window[axis] = slice(shift, shift + height.shape[axis])
                lowest &= compare(height, padded[tuple(window)])
        if height.min() == height.max() < np.inf:  # constant: the middle is as good a place as any
            lowest = np.zeros_like(lowest)
            lowest[tuple(n // 2 for n in lowest.shape)] = True
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
    from scipy.optimize import minimize

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


def _into_pole(
    potential: Callable[[npt.ArrayLike], Array],
    gradient: Callable[[npt.ArrayLike], Array],
    point: Array,
    height: float,
    bounds: Array | None,
) -> tuple[Array, float]:
    """Follow a descent that ended on a slope: beside a pole, as of 1/x, its steps overshoot."""
    for _ in range(_CLOSER):
        downhill = -gradient(point[None])[0]
        steepest, size = np.abs(downhill).max(), np.abs(point).max()
        if not steepest * size > _PLUNGE or height < _DEEP:
            break
        near = point + np.geomspace(1e-16, 1, 161)[:, None] * (size * downhill / steepest)
        if bounds is not None:
            near = np.clip(near, bounds[:, 0], bounds[:, 1])
        with np.errstate(all="ignore"):
            values = np.nan_to_num(potential(near), nan=np.inf)
        k = int(values.argmin())
        if not values[k] < height - _PLUNGE:
            break
        point, height = near[k], float(values[k])
    return point, height


def _falls_on(
    potential: Callable[[npt.ArrayLike], Array],
    point: Array,
    height: float,
    bounds: Array | None,
) -> bool:
    """Whether a potential gets far lower around where a descent ended: that was no minimum.

    Looked at are points at all distances along the axes and away from the origin.
    """
    size = max(float(np.abs(point).max()), 1.0)
    ways = np.concatenate([np.eye(len(point)), -np.eye(len(point)), [point / size]])
    near = point + size * (np.geomspace(1e-16, 1e4, 201)[:, None, None] * ways)
    near = near.reshape(-1, len(point))
    if bounds is not None:
        near = np.clip(near, bounds[:, 0], bounds[:, 1])
    with np.errstate(all="ignore"):
        lowest = np.fmin.reduce(potential(near))
    return bool(lowest < height - max(_PLUNGE, 1e-3 * abs(height)))


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


def _no_lower_bound(height: float, point: Array, where: str, quantity: str, *, boxed: bool) -> None:
    way, value = ("falls", height) if quantity == "potential" else ("rises", -height)
    raise InputError(
        where,
        f"a {quantity} that {way} without bound ({value:.3g} at x = {place(point)})",
        "a density with a finite integral",
        "End [domain] box before that place."
        if boxed
        else "Or give [domain] box, if this is meant for a bounded domain.",
    )


def _distinct(potential: Callable[[npt.ArrayLike], Array], points: Array, heights: Array) -> Array:
    """Keep one point of each basin, the lowest first, and drop what carries no mass."""
    order = np.argsort(heights, kind="stable")
    kept = points[order[:1]]
    for index in order[1:]:
        if heights[index] > heights[order[0]] + RELEVANT or len(kept) == MAX_SEEDS:
            break
        point = points[index]
        distance = np.linalg.norm(kept - point, axis=1)
        if distance.min() <= 1e-3 * (1 + np.linalg.norm(point)):
            continue
        if not _barrier_free(potential, point, kept, float(heights[index])).any():
            kept = np.concatenate([kept, point[None]])
    return kept


def _barrier_free(
    potential: Callable[[npt.ArrayLike], Array], point: Array, others: Array, height: float
) -> Flags:
    """Return which of ``others``, all lower, ``point`` reaches straight without climbing."""
    share = np.linspace(0, 1, 41)[1:-1, None, None]
    path = share * others + (1 - share) * point
    values = potential(path.reshape(-1, point.size)).reshape(len(share), len(others))
    return np.asarray((values <= height + _NOISE + 1e-9 * abs(height)).all(axis=0))
