"""Where the flow takes place: the levels of V and −log ρ₀ that matter, and their length scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError, place
from wfrpde.fields.blocks import in_blocks
from wfrpde.targets.reach import coarse_reach

LEVEL = 40.0
"""Levels (kT) above the minimum beyond which neither π nor ρ₀ matters: e^{−40} = 4e-18."""

BULK = 12.0
"""Levels (kT) within which the mesh resolves the curvature."""

START_BULK = 4.5
"""Level of R₀ within which the start's way downhill is kept in the mesh: 3 standard deviations."""

SPAN = 1000.0
"""Level of V above which cells are left out in any case: √π would leave floating point's range."""

TOP = 1380.0
"""Level of V that no cell reaches up to: the relative density spans 1400 kT at most."""

MOST_LENGTHS = {1: 1000.0, 2: 120.0, 3: 40.0}
"""Shortest lengths along an axis of a box beyond which no grid resolves it, by dimension."""

HEAVY = 3.0
"""How many times wider a box is than that of half its levels where a tail is heavy: √2 for a
Gaussian, 2 for an exponential tail."""

LEAST_LEVEL = 12.0
"""Levels (kT) that a box holds at least, however heavy the tails."""

SAMPLES = {1: 2001, 2: 121, 3: 33, 4: 17}
"""Sample points along each axis, by dimension."""

COARSE_SAMPLES = {1: 1001, 2: 61, 3: 33, 4: 17}
"""The same where a box only tells what another one cuts off."""

FINE_SAMPLES = {1: 4001, 2: 241, 3: 49, 4: 21}
"""Sample points along each axis where the box itself is decided."""

_GEOMETRIC = (0.25, 0.5, 0.75)


def _least(value: Array) -> float:
    return float(np.fmin.reduce(value, initial=np.inf))


@dataclass(frozen=True)
class Landscape:
    """V and R₀ = −log ρ₀, each counted from its minimum, and what lies between them.

    The reaction takes a density through the geometric means ρ₀^θ π^{1−θ}, and the transport takes
    it downhill in V: points on these ways matter as much as the two ends.

    Attributes
    ----------
    potential, surprise
        V and −log ρ₀ at points ``(n, d)``, up to constants.
    seeds
        ``(k, d)`` points near the minima of both.
    reaction
        Whether there is a reaction (β > 0).
    transport
        Whether there is transport (α > 0).
    level
        Level (kT) beyond which nothing matters.
    favoured
        −log of densities, up to constants, that a linear reaction may lead to.
    """

    potential: Callable[[Array], Array]
    surprise: Callable[[Array], Array]
    seeds: Array
    reaction: bool = True
    transport: bool = True
    level: float = LEVEL
    favoured: tuple[Callable[[Array], Array], ...] = ()

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.seeds.shape[1])

    def levels(
        self, x: Array, *, ways: bool = True, least: Callable[[Array], float] = _least
    ) -> Array:
        """Smallest level ``(n,)`` at which each point matters; minima are over `x` and the seeds.

        Where other ranks have points, too, `least` is the minimum over all of them (and collective,
        therefore). Points where V is +∞ never matter. Without `ways` the transport's way downhill
        is left out: the box spans it already, and downhill of a far start lies the other side of
        the valley too.
        """

        def at(function: Callable[[Array], Array]) -> Array:
            return np.concatenate([in_blocks(function, x), function(self.seeds)])

        v, r = at(self.potential), at(self.surprise)
        v_rel, r_rel = v - least(v), r - least(r)
        best = np.minimum(v_rel, r_rel)
        if self.reaction:
            for theta in _GEOMETRIC:
                with np.errstate(invalid="ignore"):
                    mixed = theta * r + (1 - theta) * v
                mixed -= least(mixed)
                np.fmin(best, mixed, out=best)  # where the mixture is undefined it never matters
        for function in self.favoured:
            value = at(function)
            with np.errstate(invalid="ignore"):
                np.fmin(best, value - least(value), out=best)
        if self.transport and ways:
            # mass moves downhill: all below the highest V where the start has its bulk
            bulk = v_rel[(r_rel < START_BULK) & np.isfinite(v_rel)]
            start = max(0.0, -least(-bulk))
            np.minimum(best, np.maximum(v_rel - start, 0.0) * self.level / 5.0, out=best)
        best[np.isposinf(v)] = np.inf
        return np.asarray(best[: len(x)])

    def scales(self, box: Array) -> Array:
        """Shortest length ``(d,)`` along each axis: 1/√(largest curvature of V or R₀ there).

        With a linear reaction the densities that it favours count, too.
        """
        points = np.concatenate([sample(box), self.seeds_in(box)])
        width = box[:, 1] - box[:, 0]
        lengths = width / 2
        for function in (self.potential, self.surprise, *self.favoured):
            value = function(points)
            with np.errstate(invalid="ignore"):
                bulk = value - value.min() < BULK
            inside, centre = points[bulk], value[bulk]
            for axis in range(self.dim):
                step = 1e-4 * width[axis]
                shift = np.zeros(self.dim)
                shift[axis] = step
                # beyond the box the formula of a density need not make sense
                held = (inside[:, axis] > box[axis, 0]) & (inside[:, axis] < box[axis, 1])
                place = inside[held]
                with np.errstate(invalid="ignore", over="ignore"):
                    second = (
                        function(place + shift) - 2 * centre[held] + function(place - shift)
                    ) / step**2
                second = second[np.isfinite(second)]
                largest = float(second.max(initial=0.0))
                if largest > 0:
                    lengths[axis] = min(lengths[axis], 1 / np.sqrt(largest))
        return np.asarray(lengths)

    def has_kink(self, box: Array) -> bool:
        """Whether V or R₀ has a kink or a pole where it matters, on a line.

        At a kink the second difference, divided by the square of its step, grows as the step
        shrinks; where the function is smooth it does not.
        """
        x = sample(box)
        step = float(x[1, 0] - x[0, 0])
        for function in (self.potential, self.surprise):
            value = function(x)
            matters = (value - value.min() < self.level)[1:-1]
            with np.errstate(invalid="ignore"):
                bend = np.where(matters, np.abs(np.diff(value, 2)), 0.0)
            where = 1 + int(np.argmax(bend))
            near = x[where] + step * np.linspace(-1.0, 1.0, 33)[:, None]
            closer = float(np.abs(np.diff(function(near), 2)).max()) * 16**2
            if not closer < 4 * float(bend.max()) + 1e-6:
                return True
        return False

    def sharpest(self, box: Array, *, ridges: bool = False) -> float:
        """Shortest length on a line where ridges count, too: 1/√(largest |V''| or |R₀''|).

        With `ridges` they alone count: 1/√(largest −V'' or −R₀'').
        """
        x = sample(box)
        step = float(x[1, 0] - x[0, 0])
        largest = 0.0
        for function in (self.potential, self.surprise):
            value = function(x)
            matters = (value - value.min() < self.level)[1:-1]
            with np.errstate(invalid="ignore"):
                bend = -np.diff(value, 2)[matters]
                bend = bend if ridges else np.abs(bend)
            largest = max(largest, float(bend.max(initial=0.0)) / step**2)
        return 1 / np.sqrt(largest) if largest > 0 else float(np.ptp(box))

    def lengths(self) -> tuple[float, float]:
        """Shortest and longest distance over which V or R₀ changes by 1 at a seed.

        1 stands for what is within three decades of it: as a first guess it is as good.
        """
        found = coarse_reach(self.potential, self.seeds)
        if self.surprise is not self.potential:
            found = np.append(found, coarse_reach(self.surprise, self.seeds))
        known = [1.0 if 1e-3 < x < 1e3 else x for x in found if np.isfinite(x)] or [1.0]
        return min(known), max(known)

    def seeds_in(self, box: Array) -> Array:
        """Seeds that lie in a box."""
        inside = ((self.seeds >= box[:, 0]) & (self.seeds <= box[:, 1])).all(axis=1)
        return np.asarray(self.seeds[inside])


def sample(box: Array, per_axis: dict[int, int] = SAMPLES) -> Array:
    """Regular sample points ``(n, d)`` of a box, as many along each axis as its dimension has."""
    n = per_axis[len(box)]
    axes = [np.linspace(low, high, n) for low, high in box]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(box))


def automatic_box(landscape: Landscape, *, trimmed: bool = True) -> Array:
    """Smallest box ``(d, 2)``, up to the sampling, that holds every level up to the landscape's.

    Without `trimmed` the sampling is coarse, and the box a little larger.

    Raises
    ------
    InputError
        If the levels do not close: the potential does not confine.
    """
    seeds, dim = landscape.seeds, landscape.dim
    spread = float(np.ptp(seeds, axis=0).max()) if len(seeds) > 1 else 0.0
    shortest, longest = landscape.lengths()
    margin = 0.05 * max(shortest, spread)
    box = np.stack([seeds.min(axis=0) - margin, seeds.max(axis=0) + margin], axis=1)
    counts = SAMPLES if trimmed else COARSE_SAMPLES
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
        if np.ptp(box, axis=1).max() > 1e5 * max(longest, spread):
            undefined = np.isnan(landscape.potential(points))
            if undefined.any():
                raise InputError(
                    "target",
                    f"a potential that is nan at x = {place(points[undefined][0])}",
                    "a number (or +inf) everywhere in the domain",
                    "Change the potential, or the box of [domain].",
                )
            raise InputError(
                "domain",
                "a potential (or an initial density) that does not fall below "
                f"e^-{landscape.level:g} of its maximum within {np.ptp(box, axis=1).max():.0e}",
                "a confining one, or a box",
                "Write [domain] box = [[lo, hi], …].",
            )
    if trimmed:
        counts = FINE_SAMPLES
        points = sample(box, counts)
        level = landscape.levels(points, ways=False)
    inside = points[level.ravel() < landscape.level]
    if len(inside) == 0:  # all that matters lies between the sample points
        inside = box.T
    spacing = np.ptp(box, axis=1) / (counts[dim] - 1)
    low = np.maximum(inside.min(axis=0) - spacing, box[:, 0])
    high = np.minimum(inside.max(axis=0) + spacing, box[:, 1])
    return np.asarray(_rounded(np.stack([low, high], axis=1)))


def within_reach(landscape: Landscape, box: Array) -> tuple[Landscape, Array]:
    """Cut heavy tails off a box ``(d, 2)`` that no grid would resolve.

    Where V grows like a logarithm, as that of Student's t, the levels that matter reach thousands
    of lengths out. Fewer levels do then, as many as a grid can hold; what lies beyond is cut off,
    and has to be counted.
    """
    most = MOST_LENGTHS[landscape.dim]

    def lengths(box: Array, of: Landscape) -> float:
        return float((np.ptp(box, axis=1) / of.scales(box)).max())

    if lengths(box, landscape) <= most:
        return landscape, box
    half = replace(landscape, level=landscape.level / 2)
    if np.ptp(box, axis=1).max() < HEAVY * np.ptp(automatic_box(half), axis=1).max():
        return landscape, box
    while lengths(box, landscape) > most and landscape.level > LEAST_LEVEL:
        landscape = replace(landscape, level=max(0.95 * landscape.level, LEAST_LEVEL))
        box = automatic_box(landscape)
    return landscape, box


def with_orbits(landscape: Landscape) -> Landscape:
    """Add the orbits of a circulation, along which a start goes around on its levels of V.

    Up to twice the landscape's level: far up, what the noise keeps of a start is little.
    """
    points = sample(automatic_box(landscape))
    v, r = landscape.potential(points), landscape.surprise(points)
    bottom = _least(landscape.potential(landscape.seeds))
    start = v[(r - _least(r) < landscape.level) & np.isfinite(v)]
    ratio = min((float(start.max(initial=bottom)) - bottom) / landscape.level, 2.0)

    def orbits(x: Array) -> Array:
        return np.asarray(landscape.potential(x) / ratio, dtype=float)

    return replace(landscape, favoured=(orbits,)) if ratio > 1.0 else landscape


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
    """Whether an automatic box can be found."""
    try:
        automatic_box(landscape)
    except InputError:
        return False
    return True


def _rounded(box: Array) -> Array:
    """Round outwards to 1/50 of the width's decimal order, so that the numbers read well."""
    unit = 10.0 ** np.floor(np.log10(box[:, 1] - box[:, 0])) / 50
    rounded = np.stack(
        [np.floor(box[:, 0] / unit) * unit, np.ceil(box[:, 1] / unit) * unit], axis=1
    )
    return np.asarray(np.round(rounded, 12))


def share_outside(log_density: Callable[[Array], Array], box: Array, wide: Array) -> float:
    """Share of a density's mass that lies in the box `wide` but not in `box`.

    By the midpoint rule, in cells that the walls of `box` do not cut.
    """
    pieces = SAMPLES[len(box)] // 2
    lines = []
    for (low, high), (first, last) in zip(box, wide, strict=True):
        walls = np.unique([min(first, low), low, high, max(last, high)])
        ends = np.concatenate([np.linspace(a, b, pieces + 1)[:-1] for a, b in pairwise(walls)])
        ends = np.append(ends, walls[-1])
        lines.append(((ends[:-1] + ends[1:]) / 2, np.diff(ends)))
    axes, widths = zip(*lines, strict=True)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(box))
    volume = reduce(np.multiply.outer, widths).ravel()
    with np.errstate(over="ignore"):
        value = log_density(points)
    value = np.where(np.isnan(value), -np.inf, value)
    top = value.max()
    if not np.isfinite(top):
        return 0.0
    weight = volume * np.exp(value - top)
    outside = ((points < box[:, 0]) | (points > box[:, 1])).any(axis=1)
    return float(weight[outside].sum() / weight.sum())
