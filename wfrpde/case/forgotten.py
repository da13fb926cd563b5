"""How high up cells are kept for a start, and how soon a reaction forgets what starts higher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from wfrpde.arrays import Array
from wfrpde.domain.landscape import LEVEL, SPAN
from wfrpde.fields.schedules import is_moving

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem

LEFT_OUT = 1e-6
"""Share of a wide start outside all cells from which it, and no narrowness, is what is told."""

FORGOTTEN = 30.0
"""−log of the share of what starts higher that may be left at the first saved time."""

NOTHING = 60.0
"""How far (in logarithms) below its maximum a start counts for nothing: e^{−60} = 9e-27."""

LOW = 5.0
"""Level (kT) below which what came down is like the rest."""

MOST_WAYS, FALL, MOST_STEPS, BETWEEN = 1500, 0.1, 200, 16
"""Ways down that are followed at most, the share of its V that a step takes off, steps, and times
at which it is asked whether something has come down."""


def forgets(problem: Problem) -> bool:
    """Whether a reaction forgets what starts high up, by rates that stay what they are."""
    return _falls(problem) and problem.equation.beta > 0


def _falls(problem: Problem) -> bool:
    """Whether what starts high up can be followed: it falls along ∇V, and nothing moves."""
    equation = problem.equation
    moving = is_moving(equation.alpha) or is_moving(equation.beta)
    turns = equation.dynamics is not None and not equation.dynamics.reversible
    return not moving and not turns and equation.descends


@dataclass(frozen=True)
class Descent:
    """Ways down of what starts high up, dx/dt = −αD∇V, and what a reaction takes on them.

    On its way mass is multiplied by exp(−β∫(r − ⟨r⟩) ds). Without ⟨r⟩, which is the same for all,
    r = log(ρ/π) falls with V and by the reaction, r = r₀ V e^{−βt}/V₀: between Gaussians it does,
    if ρ₀ is wide. Diffusion is left out, which slows the fall of a wide start, and so is what
    compression adds to r: less is forgotten so.

    Attributes
    ----------
    share, height, excess
        ``(n,)`` share of the start, V above its minimum, and r₀/V₀, at points of a lattice.
    clock, level, slope
        ``(k, n)`` times, the first of them 0, V, which falls, and ∇V·D∇V.
    kl, beta
        KL(0), and the rate of the reaction.
    """

    share: Array
    height: Array
    excess: Array
    clock: Array
    level: Array
    slope: Array
    kl: float
    beta: float

    def taken(self, times: Array, history: Mapping[str, Array] | None = None) -> Array:
        """Return −log ``(T, n)`` of what is left at times that rise: β∫(r − ⟨r⟩) ds, but β dt.

        That is at which any difference of log densities fades, once it has come down. ⟨r⟩ is KL(0)
        at most, or as KL after every step tells.
        """
        between = times[-1] * np.geomspace(1e-5, 1.0, BETWEEN) if len(times) else times
        every = np.union1d(between, times)
        if history is None:
            mean = self.kl * -np.expm1(-self.beta * every)
        else:
            mean = _of_mean(every, history, self.beta)
        found = np.zeros((len(every), len(self.height)))
        before = np.ones_like(found)
        for clock, level in zip(self.clock[1:], self.level[1:], strict=True):
            after = np.exp(-self.beta * np.minimum(clock, every[:, None]))
            found += level * (before - after)
            before = after
        more = np.diff(self.excess * found - mean[:, None], axis=0, prepend=0.0)
        fades = self.beta * np.diff(every, prepend=0.0)
        taken = np.cumsum(np.maximum(more, fades[:, None]), axis=0)
        return np.asarray(taken[np.searchsorted(every, times)])

    def left(
        self, span: float, times: Array, history: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Return what is left at each time ``(T,)`` of what starts more than `span` kT up, if any.

        "mass": its share; and what it adds to KL and its rates, if all of the mass starts there,
        until it is as low as π itself may be.
        """
        above = self.height > span
        if not above.any():
            return {}
        share = self.share[above] / self.share[above].sum()
        kept = share * np.exp(-self.taken(times, history)[:, above])
        level, slope = (np.zeros_like(kept) for _ in range(2))
        for clock, *now in zip(self.clock, self.level, self.slope, strict=True):
            here = clock[above] <= times[:, None]
            level, slope = (
                np.where(here, new[above], old)
                for new, old in zip(now, (level, slope), strict=True)
            )
        high = np.maximum(level * np.exp(-self.beta * times[:, None]) - LOW, 0.0)
        slope *= high / np.maximum(level, LOW)
        return {
            "mass": kept.sum(axis=1),
            "kl": (kept * high).sum(axis=1),
            "reaction_variance": (kept * high**2).sum(axis=1),
            "fisher_information": (kept * slope).sum(axis=1),
        }


def _of_mean(times: Array, history: Mapping[str, Array], beta: float) -> Array:
    """Return β∫⟨r⟩ ds ``(T,)`` from KL after every step, where r is not normalised.

    Its mean is KL less what the mass of such a ρ lacks, which it decides itself.
    """
    steps = np.union1d(history["t"], times)
    every = np.interp(steps, history["t"], history["kl"])
    found = []
    for t in times:
        here = steps <= t
        past = every[here] * np.exp(-beta * (t - steps[here]))
        found.append(beta * float(np.diff(steps[here]) @ (past[1:] + past[:-1])) / 2)
    return np.array(found)


def _heights(problem: Problem) -> tuple[Array, Array, Array]:
    """Points ``(n, d)`` of the box, V above its minimum (kT) and log ρ₀, summed to 1, there."""
    landscape, (x, *known) = problem.landscape, problem.landscape.on(problem.box)
    seeds = landscape.seeds_in(problem.box)
    functions = landscape.potential, landscape.surprise
    height, surprise = (
        np.append(value, function(seeds)) for value, function in zip(known, functions, strict=True)
    )
    start = -surprise
    return np.concatenate([x, seeds]), height - np.nanmin(height), start - logsumexp(start)


def descent(problem: Problem) -> Descent | None:
    """Follow the start from where it is high up, as far as V is finite; None where nobody can."""
    if not _falls(problem):
        return None
    points, height, start = _heights(problem)
    finite = np.isfinite(height)
    here = finite & (start > start.max() - NOTHING)
    log_mass = float(logsumexp(-height[finite]))
    kl = float(np.exp(start[here]) @ (start + height)[here]) + log_mass
    high = np.flatnonzero(here & (height > 2 * LEVEL))
    every = 1 + len(high) // MOST_WAYS
    high = high[::every]
    excess = np.maximum((start + height)[high] + log_mass, 0.0) / height[high]
    ways = _ways_down(problem, points[high], height[high])
    share = every * np.exp(start[high])
    return Descent(share, height[high], excess, *ways, kl, problem.equation.beta)


def _ways_down(problem: Problem, x: Array, height: Array) -> tuple[Array, Array, Array]:
    """Return times, V above its minimum and ∇V·D∇V ``(k, n)`` on the ways from points ``(n, d)``.

    Each step takes a share of V off, as its slope tells, and the time that it takes there, with the
    largest D.
    """
    dynamics, lowest = problem.equation.dynamics, problem.target.potential(x) - height
    clock: Array = np.zeros(len(x))
    level = height
    ways: list[tuple[Array, Array, Array]] = []
    for _ in range(MOST_STEPS):
        slope = np.nan_to_num(problem.target.gradient(x), posinf=0.0, neginf=0.0)
        square = np.maximum((slope**2).sum(axis=1), 1e-300)
        rate = square
        if dynamics is not None:
            rate = square * np.linalg.norm(dynamics.diffusion_at(x), 2, axis=(1, 2))
        ways.append((clock, level, rate))
        if dynamics is None or not (clock < problem.t_end).any():
            break
        step = FALL * level / square
        there = x - step[:, None] * slope
        with np.errstate(all="ignore"):
            found = problem.target.potential(there) - lowest
            clock = clock + FALL * level / (dynamics.alpha * rate)
        falls = found < level
        x, level = np.where(falls[:, None], there, x), np.where(falls, found, level)
    if dynamics is None:
        ways.append((np.full(len(x), np.inf), level, rate))
    clock, level, slope = (np.array(one) for one in zip(*ways, strict=True))
    return clock, level, slope


def highest_start(problem: Problem) -> float:
    """Return the level (kT) of V from which what starts there needs no cells.

    To a tolerance it is the least one at which the share that is left at the first saved time is
    e^{−30}, and which exceeds KL(0) far enough, where part of the start is above `SPAN` anyway.
    """
    if problem.dim == 1 or problem.tolerance is None or not forgets(problem):
        return SPAN
    ways = problem.descent
    if ways is None or not ways.share[ways.height >= SPAN].sum() > LEFT_OUT:
        return SPAN
    (taken,) = ways.taken(np.array(problem.save[:1]))
    remembered = ways.height[taken < FORGOTTEN].max(initial=0.0)
    return float(min(SPAN, max(2 * (ways.kl + LEVEL), remembered)))
