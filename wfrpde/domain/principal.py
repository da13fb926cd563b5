r"""Principal axes of a target: directions in which its wells are narrow and wide.

The shape of a well is the covariance C of the points around a minimum at which V is less than a
small level above it, as far as they are seen from there. With those of all wells within reach,

.. math:: A\,\Bigl(\sum_k C_k^{-1}\Bigr)A^{\mathsf T} \text{ is diagonal,}

so that the narrowest well counts most: it is the one that takes cells. Kinks do not matter, as no
second derivative is asked for; and where a well is the same on both sides of an axis, the axis is
found to round-off, as the directions that are looked along are those of the well's own axes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.frame import Frame
from wfrpde.domain.landscape import BULK
from wfrpde.targets.reach import coarse_reach

WAYS, BANDS = {2: 64, 3: 32}, 12
"""Directions on a circle, of which a sphere has so many bands."""

RADII, HALVINGS = np.asarray(2.0 ** np.arange(-12.0, 12.25, 0.25)), 44
"""Distances, in units of a first guess, among which a level is looked for, and halvings then."""

RISE = 1 / 64
"""Level (kT) above a minimum at which a well's shape is looked at: a bend hides nothing there."""

TURNS, STILL = 60, 1e-13
"""Times that the shape of a well is looked at along its own axes, and change that ends it."""

ALIKE = 1.2
"""Ratio of squared widths up to which two directions are alike, and no axis is told from them."""

NOT_TURNED = 1e-6
"""Largest entry of A beside its diagonal up to which the axes are those of the coordinates."""


def principal_frame(potential: Callable[[Array], Array], seeds: Array) -> Frame | None:
    """Return the principal axes of wells, None where they are the coordinate axes.

    Of all orders and signs of the axes the one that turns least is taken.

    Parameters
    ----------
    potential
        V in kT at points ``(n, d)``, d 2 or 3.
    seeds
        ``(k, d)`` points near its minima.
    """
    height = potential(seeds)
    low = seeds[height <= height.min() + BULK]
    wells = [_shape(potential, seed) for seed in low]
    narrow = [np.linalg.inv(well) for well in wells if well is not None]
    if not narrow:
        return None
    value, vectors = np.linalg.eigh(np.sum(narrow, axis=0))
    matrix = _upright(_told_apart(value, vectors))
    beside = np.abs(matrix - np.eye(len(matrix))).max()
    return None if beside < NOT_TURNED else Frame.of(matrix)


def _shape(potential: Callable[[Array], Array], seed: Array) -> Array | None:
    """Return the covariance of a well ``(d, d)``, None where V does not rise around it."""
    dim = len(seed)
    guess = float(coarse_reach(potential, seed[None])[0])
    if not np.isfinite(guess):
        return None
    ways, weight = _directions(dim)
    bottom = float(potential(seed[None])[0])
    width, own, before = np.full(dim, guess), np.eye(dim), np.full((dim, dim), np.inf)
    for _ in range(TURNS):
        around = (ways * width) @ own.T  # own axes in the columns

        def above(r: Array, around: Array = around) -> Array:
            """Whether V at points, ``r (m, n)`` of the ways out, is above the level."""
            points = seed + r[..., None] * around
            with np.errstate(all="ignore"):
                rise = potential(points.reshape(-1, dim)).reshape(r.shape) - bottom
            return np.logical_not(rise < RISE)

        beyond = above(np.broadcast_to(RADII[:, None], (len(RADII), len(ways))))
        if not beyond.any(axis=0).all():
            return None
        first = np.argmax(beyond, axis=0)
        high = RADII[first]
        low = np.where(first > 0, RADII[first - 1], 0.0)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            far = above(middle[None])[0]
            low, high = np.where(far, low, middle), np.where(far, middle, high)
        # of the part that is seen from the seed, in cones around the ways
        mass = weight * high**dim / dim
        mean = (weight * high ** (dim + 1) / (dim + 1)) @ around / mass.sum()
        square = (around.T * (weight * high ** (dim + 2) / (dim + 2))) @ around / mass.sum()
        covariance = square - np.outer(mean, mean)
        value, own = np.linalg.eigh(covariance)
        if not value[0] > 0:
            return None
        width = np.sqrt(value)
        change = np.abs(covariance - before).max() / value[0]
        if change < STILL:
            break
        before = covariance
    return np.asarray(covariance, dtype=float)


def _directions(dim: int) -> tuple[Array, Array]:
    """Directions ``(n, d)`` and weights, the same on both sides of each axis."""
    angle = 2 * np.pi * (np.arange(WAYS[dim]) + 0.5) / WAYS[dim]
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if dim == 2:
        return circle, np.full(len(circle), 1.0 / len(circle))
    node, weight = np.polynomial.legendre.leggauss(BANDS)
    ring = np.sqrt(1 - node**2)[:, None, None] * circle
    ways = np.concatenate(
        [ring, np.broadcast_to(node[:, None, None], (*ring.shape[:2], 1))], axis=2
    )
    return ways.reshape(-1, 3), np.repeat(weight / (2 * WAYS[3]), WAYS[3])


def _told_apart(value: Array, vectors: Array) -> Array:
    """Return the axes in rows; of directions that are alike, those nearest to the coordinates."""
    rows: list[Array] = []
    groups = np.split(np.arange(len(value)), 1 + np.flatnonzero(value[1:] > ALIKE * value[:-1]))
    for group in groups:
        own = vectors[:, group]
        if len(group) > 1:
            own = _nearest_basis(own)
        rows.extend(own.T)
    return np.array(rows)


def _nearest_basis(own: Array) -> Array:
    """Return the orthonormal basis ``(d, m)`` of a subspace nearest to some coordinate axes."""
    count = own.shape[1]
    share = (own**2).sum(axis=1)
    some = np.sort(np.argsort(-share, kind="stable")[:count])
    left, _, right = np.linalg.svd(own @ own[some].T, full_matrices=False)
    return np.asarray(left @ right)


def _upright(rows: Array) -> Array:
    """Return the axes in the order, and with the signs, that are nearest to the coordinates."""
    from scipy.optimize import linear_sum_assignment

    _, order = linear_sum_assignment(-np.abs(rows.T))
    matrix = rows[order]
    return np.asarray(matrix * np.where(np.diag(matrix) < 0, -1.0, 1.0)[:, None])
