"""Where the flow takes place: the box that holds the levels that matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.landscape import SAMPLES, Landscape, lattice, least_of, sample
from wfrpde.errors import InputError, place

LEAST_LEVEL = 12.0
"""Levels (kT) that a box holds at least, however heavy the tails."""

MOST_LENGTHS = {1: 1000.0, 2: 120.0, 3: 40.0}
"""Shortest lengths along an axis of a box beyond which no grid of equal cells resolves it."""

ALIKE, FURTHEST = 0.1, 1e20
"""Relative change of p over a decade of x up to which V rises like p log|x|, and how many times
wider a box may become then."""

FAR_OUT = 10.0
"""How many times wider a box of all levels is than one whose tails are heavy."""

COARSE_SAMPLES = {1: 1001, 2: 61, 3: 33, 4: 17}
"""The same where a box only tells what another one cuts off."""

FINE_SAMPLES = {1: 4001, 2: 241, 3: 49, 4: 21}
"""Sample points along each axis where the box itself is decided."""


def automatic_box(landscape: Landscape, *, trimmed: bool = True, heavy: bool = True) -> Array:
    """Smallest box ``(d, 2)``, up to the sampling, that holds every level up to the landscape's.

    Without `trimmed` the sampling is coarse, and the box a little larger. Without `heavy` tails of
    a power that reach too far are refused: rates of such targets are those of the box.

    Raises
    ------
    InputError
        If the levels do not close: the potential does not confine.
    """
    seeds, dim = landscape.seeds, landscape.dim
    spread = float(np.ptp(seeds, axis=0).max()) if len(seeds) > 1 else 0.0
    shortest, longest = landscape.lengths()
    # a coarse box may begin with lengths that levels take anyway
    margin = 0.05 * max(shortest, spread) if trimmed else 2.0 * shortest
    box = np.stack([seeds.min(axis=0) - margin, seeds.max(axis=0) + margin], axis=1)
    counts = SAMPLES if trimmed else COARSE_SAMPLES
    furthest = 1e5 * max(longest, spread)
    for _ in range(200):
        points = sample(box, counts)
        level = landscape.levels(points, ways=False).reshape([counts[dim]] * dim)
        open_face = False
        width = box[:, 1] - box[:, 0]
        for axis in range(dim):
            for end, index in ((0, 0), (1, -1)):
                if level.take(index, axis=axis).min() < landscape.level:
                    open_face = True
                    box[axis, end] += (0.25 if end else -0.25) * width[axis]
        if not open_face:
            break
        if np.ptp(box, axis=1).max() > furthest:
            undefined = np.isnan(landscape.potential(points))
            if undefined.any():
                raise InputError(
                    "target",
                    f"a potential that is nan at x = {place(points[undefined][0])}",
                    "a number (or +inf) everywhere in the domain",
                    "Change the potential, or the box of [domain].",
                )
            furthest = _furthest(landscape, box, heavy)
    if trimmed:
        counts = FINE_SAMPLES
        points = sample(box, counts)
        level = landscape.levels(points, ways=False)
    return np.asarray(_rounded(_trimmed(box, points[level.ravel() < landscape.level], counts[dim])))


def _furthest(landscape: Landscape, box: Array, heavy: bool) -> float:
    """Return how wide a box may become that is wide already, and has not closed yet.

    Where V and −log ρ₀ rise like p log|x| towards the middles of its sides, and like p' log|x|
    towards its corners, a density of d dimensions is normalisable if p > 1 and p' > d, as round
    ones and products are, however far its levels reach.

    Raises
    ------
    InputError
        If nothing tells that the levels will close.
    """
    middle, width = landscape.seeds.mean(axis=0), float(np.ptp(box, axis=1).max())
    ends = box - middle[:, None]
    ends[np.abs(ends) < np.abs(ends).max() / 10] = 0.0  # there it has closed
    dim = int(ends.any(axis=1).sum())
    sides = (np.eye(len(box))[:, None] * ends[..., None]).reshape(-1, len(box))
    away = np.concatenate([sides, lattice(list(ends))])
    open_ends = np.count_nonzero(away, axis=1) == np.repeat([1, dim], [len(sides), 2 ** len(box)])
    near, far = np.full((2, len(away)), np.inf)
    for function in (landscape.potential, landscape.surprise):
        # Gaussians have closed long ago; means of what has just closed, by a reaction, have not
        lowest = function(middle + away / 1.5) - least_of(function(landscape.seeds))
        still = open_ends & (lowest < 2 * landscape.level)
        near[still] = np.minimum(near[still], _rise(function, middle, away[still]))
        far[still] = np.minimum(far[still], _rise(function, middle, 10.0 * away[still]))
    do, known = "Write [domain] box = [[lo, hi], …].", near < np.inf
    if heavy and known.any() and np.allclose(far[known], near[known], rtol=ALIKE, atol=0.0):
        along, across = (float(p.min()) for p in np.split(far, [len(sides)]))
        if along > 1 and across > dim:
            return FURTHEST * width
        if along > 0:
            raise InputError(
                "domain",
                f"a potential (or a −log density) that rises like {min(along, across):.3g} log|x|",
                f"one that rises faster than {dim} log|x|, so that its density has a finite mass, "
                "or a box",
                do,
            )
    raise InputError(
        "domain",
        "a potential (or an initial density) that does not fall below "
        f"e^-{landscape.level:g} of its maximum within {width:.0e}",
        "a confining one, or a box",
        do,
    )


def _trimmed(box: Array, inside: Array, count: int) -> Array:
    """Return the part of a box between the points `inside` it, and one of `count` samples more."""
    if len(inside) == 0:  # all that matters lies between the sample points
        inside = box.T
    spacing = np.ptp(box, axis=1) / (count - 1)
    low = np.maximum(inside.min(axis=0) - spacing, box[:, 0])
    high = np.minimum(inside.max(axis=0) + spacing, box[:, 1])
    return np.stack([low, high], axis=1)


def held(landscape: Landscape, box: Array) -> tuple[Array, float]:
    """Return the part of a box ``(d, 2)`` that matters, and the least level at the box's sides.

    The way downhill from the start matters, too: it may bend.
    """
    count, dim = SAMPLES[len(box)], len(box)
    seeds = landscape.seeds
    seeds = seeds[((seeds >= box[:, 0]) & (seeds <= box[:, 1])).all(axis=1)]
    # a mode may be narrower than the samples are apart
    points = np.concatenate([sample(box), seeds])
    level = landscape.levels(points)
    faces = level[: count**dim].reshape([count] * dim)
    highest = min(faces.take(end, axis=k).min() for k in range(dim) for end in (0, -1))
    return _trimmed(box, points[level < landscape.level], count), float(highest)


def is_long(landscape: Landscape, box: Array) -> bool:
    """Whether no grid of equal cells resolves a box ``(d, 2)``: it has too many lengths."""
    most = MOST_LENGTHS[landscape.dim]
    return bool((np.ptp(box, axis=1) / landscape.scales(box)).max() > most)


def within_reach(landscape: Landscape, box: Array) -> tuple[Landscape, Array]:
    """Cut heavy tails off a box ``(d, 2)`` that no grid would resolve.

    Where V grows like a logarithm, as that of Student's t, the levels that matter reach thousands
    of lengths out. Fewer levels do then, as many as a grid can hold; what lies beyond is cut off,
    and has to be counted.
    """
    if not is_long(landscape, box):
        return landscape, box
    half = replace(landscape, level=landscape.level / 2)
    # how many times wider a box is than that of half its levels where a tail is heavy: √2 for a
    # Gaussian, 2 for an exponential tail
    if np.ptp(box, axis=1).max() < 3.0 * np.ptp(automatic_box(half), axis=1).max():
        return landscape, box
    while is_long(landscape, box) and landscape.level > LEAST_LEVEL:
        landscape = replace(landscape, level=max(0.95 * landscape.level, LEAST_LEVEL))
        box = automatic_box(landscape)
    return landscape, box


def with_orbits(landscape: Landscape) -> Landscape:
    """Add the orbits of a circulation, along which a start goes around on its levels of V.

    Up to twice the landscape's level: far up, what the noise keeps of a start is little.
    """
    points = sample(automatic_box(landscape))
    v, r = landscape.potential(points), landscape.surprise(points)
    bottom = least_of(landscape.potential(landscape.seeds))
    start = v[(r - least_of(r) < landscape.level) & np.isfinite(v)]
    ratio = min((float(start.max(initial=bottom)) - bottom) / landscape.level, 2.0)

    def orbits(x: Array) -> Array:
        return np.asarray(landscape.potential(x) / ratio, dtype=float)

    return replace(landscape, favoured=(orbits,)) if ratio > 1.0 else landscape


def with_spread(
    landscape: Landscape, box: Array, kernel: Callable[[Array], Array], bottom: float
) -> tuple[Landscape, Array]:
    """Widen an automatic box ``(d, 2)`` by what diffuses beyond it where V hardly rises.

    A box holds the levels of start and target. Far out on heavy tails V rises little from one to
    the other, and what comes there is as the heat kernel of the start, less what V keeps back:
    −log of it is the `kernel` plus V(x) − `bottom`, that of the start, where that is positive.
    """

    def spread(x: Array) -> Array:
        return np.asarray(kernel(x) + np.maximum(landscape.potential(x) - bottom, 0.0))

    points = sample(box, COARSE_SAMPLES)
    points = points[((points == box[:, 0]) | (points == box[:, 1])).any(axis=1)]
    with np.errstate(invalid="ignore"):
        crossed = spread(points) < landscape.level
        flat = landscape.potential(points) - bottom < landscape.level / 2
    if not (crossed & flat).any():
        return landscape, box
    wider = replace(landscape, spread=spread)
    found = automatic_box(wider)
    found = np.stack([np.fmin(found[:, 0], box[:, 0]), np.fmax(found[:, 1], box[:, 1])], axis=1)
    if landscape.dim > 1 and is_long(wider, found):
        return landscape, box  # what is held back is told
    return wider, found


def diffused(
    landscape: Landscape, box: Array, square: float
) -> tuple[Callable[[Array], Array], float]:
    """Return −log of what a start on a line becomes by diffusion, and the highest V of its bulk.

    Of ∫ρ₀(y) exp(−(x − y)²/2s²) dy with the `square` s² the largest integrand counts, which is all
    of a Gaussian start up to a constant. It is looked for all over the box, and near seeds.
    """
    away = np.ptp(box) * np.geomspace(1e-6, 1e-2, 40)
    near = landscape.seeds_in(box) + np.concatenate([-away, [0.0], away])
    y = np.concatenate([sample(box, COARSE_SAMPLES)[:, 0], near.ravel()])
    surprise = landscape.surprise(y[:, None])
    surprise = surprise - least_of(surprise)
    y, surprise = (of[surprise < landscape.level] for of in (y, surprise))
    # 3 standard deviations
    bottom = -least_of(-landscape.potential(y[surprise < 4.5, None]))

    def kernel(x: Array) -> Array:
        gap = np.square(x - y)
        gap /= 2 * square
        gap += surprise
        return np.asarray(gap.min(axis=1))

    return kernel, bottom


def with_favoured(
    landscape: Landscape,
    linear: Callable[[Array], Array],
    alpha: float,
    beta: float,
    t_end: float,
    bounds: Array | None,
) -> Landscape:
    """Add the densities that a linear reaction leads to, as far as they can be told beforehand.

    Without transport ρ_t is known. With it a path forgets where it was, and what it gained there,
    at a rate 1/τ, which adds to β: both ends then count as tilted by ``e^{gU}``,
    ``g = (1 − e^{−(β + 1/τ)t})/(β + 1/τ)`` (exact for π if V is quadratic and U linear). On its way
    a path that will carry the weight is where both its past and its future favour it, that is, at
    π tilted by ``e^{2gU}``.
    """
    rate = beta
    if alpha > 0:
        points = sample(automatic_box(landscape) if bounds is None else bounds)
        value = landscape.potential(points)
        bulk = points[value - value.min() < 2.0]
        half = np.ptp(bulk, axis=0).max() / 2 if len(bulk) else 0.0
        rate += alpha / max(float(half / 2) ** 2, 1e-12)
    gain = -np.expm1(-rate * t_end) / rate if rate > 0 else t_end
    theta = np.exp(-beta * t_end)

    def mixed(x: Array) -> Array:
        return np.asarray(theta * landscape.surprise(x) + (1 - theta) * landscape.potential(x))

    def tilted(start: Callable[[Array], Array], gain: float) -> Callable[[Array], Array]:
        def value(x: Array) -> Array:
            with np.errstate(invalid="ignore", over="ignore"):
                return np.nan_to_num(start(x) - gain * linear(x), nan=np.inf, posinf=np.inf)

        return value

    if alpha > 0:
        ends = tilted(landscape.surprise, gain), tilted(landscape.potential, gain)
        way = replace(landscape, favoured=(*ends, tilted(landscape.potential, 2 * gain)))
        if bounds is not None or _closes(way):
            return way
        wider = replace(landscape, favoured=ends)
    else:
        wider = replace(landscape, favoured=(tilted(mixed, gain),))
    if bounds is None and not _closes(wider):
        raise InputError(
            "flow.reaction",
            "a U that grows as fast as the potential, or faster",
            "one that the potential outgrows, or a box",
            "Write [domain] box = [[lo, hi], …]; the result is then that of the box.",
        )
    return wider


def _closes(landscape: Landscape) -> bool:
    """Whether an automatic box can be found that holds a seed; far out one closes by accident."""
    try:
        low, high = automatic_box(landscape).T
    except InputError:
        return False
    seeds = landscape.seeds
    return bool(((seeds >= low) & (seeds <= high)).all(axis=1).any())


def _rounded(box: Array) -> Array:
    """Round outwards to 1/50 of the width's decimal order, so that the numbers read well."""
    unit = 10.0 ** np.floor(np.log10(box[:, 1] - box[:, 0])) / 50
    rounded = np.stack(
        [np.floor(box[:, 0] / unit) * unit, np.ceil(box[:, 1] / unit) * unit], axis=1
    )
    return np.asarray(np.round(rounded, 12))


def tail_powers(potential: Callable[[Array], Array], box: Array, *, further: float = 1.0) -> Array:
    """Return p ``(2d,)`` where V rises like p log|x| at the middles of the sides of a box.

    x counts from the middle; a Gaussian that ends at level L has p = 2L. So many times `further`
    out it does not matter where a tail begins.
    """
    middle = box.mean(axis=1)
    return _rise(potential, middle, further * (_middles_of_sides(box) - middle))


def _rise(potential: Callable[[Array], Array], middle: Array, away: Array) -> Array:
    """Return p ``(n,)`` where V rises like p log|x| so far ``(n, d)`` from the middle."""
    with np.errstate(all="ignore"):  # beyond a given box V need not make sense: it is NaN then
        rise = np.diff([potential(middle + x) for x in (away, 1.05 * away)], axis=0)[0]
    return np.asarray(rise / np.log(1.05))


def _middles_of_sides(box: Array) -> Array:
    """Return points ``(2d, d)``, the lower end of an axis before its upper one."""
    half = np.kron(np.diag(np.ptp(box, axis=1) / 2), [[-1.0], [1.0]])
    return np.asarray(box.mean(axis=1) + half)


def share_outside(
    log_density: Callable[[Array], Array], box: Array, wide: Array, seeds: Array | None = None
) -> float:
    """Share of a density's mass that lies in the box `wide` but not in `box`.

    By the midpoint rule, in cells that the walls of `box` do not cut; on a line, and where tails
    are heavy, they are small around `seeds` ``(k, d)``, between which what is narrow may lie.
    """
    if (wide[:, 0] >= box[:, 0]).all() and (wide[:, 1] <= box[:, 1]).all():
        return 0.0
    pieces = SAMPLES[len(box)] // 2
    # far out what falls slowly does so from where it is high, as on the arms of a product
    slow = bool((np.ptp(wide, axis=1) > FAR_OUT * np.ptp(box, axis=1)).any())
    most = {1: pieces, 2: 120, 3: 40, 4: 8}[len(box)]
    count = pieces if len(box) == 1 else max(most // (1 if seeds is None else len(seeds)), 8)
    lines = []
    for axis, ((low, high), (first, last)) in enumerate(zip(box, wide, strict=True)):
        walls = np.unique([min(first, low), low, high, max(last, high)])
        ends = np.concatenate([np.linspace(a, b, pieces + 1)[:-1] for a, b in pairwise(walls)])
        ends = np.append(ends, walls[-1])
        if (len(box) == 1 or slow) and seeds is not None:
            smallest = min(1e-7 if len(box) == 1 else 1.0, 1e-4 * (high - low) / np.ptp(walls))
            away = np.ptp(walls) * np.geomspace(smallest, 1.0, count)
            near = (seeds[:, axis, None] + np.concatenate([-away, away])).ravel()
            ends = np.union1d(ends, near[(near > walls[0]) & (near < walls[-1])])
        lines.append(((ends[:-1] + ends[1:]) / 2, np.diff(ends)))
    axes, widths = zip(*lines, strict=True)
    points = lattice(axes)
    volume = reduce(np.multiply.outer, widths).ravel()
    with np.errstate(over="ignore"):
        value = log_density(points)
    value = np.fmax(value, -np.inf)  # NaN is nothing
    top = value.max()
    if not np.isfinite(top):
        return 0.0
    weight = volume * np.exp(value - top)
    inside = [(x >= low) & (x <= high) for x, (low, high) in zip(axes, box, strict=True)]
    outside = ~reduce(np.logical_and.outer, inside).ravel()
    return float(weight[outside].sum() / weight.sum())
