r"""Samplers of score-based processes, in the units y, σ of `wfrpde.noising.schedules`.

Each is a generator: it takes points x of the noise at T, and gives them at every of the ``times``
of the forward process, which descend from T. What they sample is known: `wfrpde.solve`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.noising.correctors import Corrector
from wfrpde.noising.schedules import Noising
from wfrpde.noising.scores import Score

Integrator = Literal["euler", "exponential", "predictor-corrector"]
Spacing = Literal["cubic", "log", "even"]


def progress(t: float, spacing: Spacing, *, back: bool = False) -> float:
    """Return what steps are even in: ∛t, log t or t; with `back` the t of that."""
    if spacing == "even":
        return t
    if spacing == "log":
        return float(np.exp(t) if back else np.log(t))
    return float(t**3 if back else np.cbrt(t))


def graded(end: float, stop: float, steps: int) -> Array:
    """Return times from T down to where a process stops, even in their cube roots."""
    times = np.linspace(np.cbrt(end), np.cbrt(stop), steps + 1) ** 3
    times[0], times[-1] = end, stop
    return np.asarray(times)


def reverse_sde(
    noising: Noising,
    score: Score,
    x: Array,
    times: Array,
    rng: np.random.Generator,
    integrator: Integrator = "euler",
) -> Iterator[tuple[float, Array]]:
    """Sample the reverse SDE; yields the time and points ``(N, d)`` after every step.

    Parameters
    ----------
    integrator
        ``euler`` steps in t: x + δ(−f x + g² ŝ) + g√δ ξ; ``exponential`` freezes ŝ and solves the
        rest exactly; ``predictor-corrector`` adds a step of Langevin dynamics to that.

    Raises
    ------
    InputError
        If there is no such integrator.
    """
    known = ("euler", "exponential", "predictor-corrector")
    if integrator not in known:
        raise InputError("integrator", repr(integrator), f"one of {', '.join(known)}")
    for t, after in pairwise(map(float, times)):
        own, xi = score(x, t), rng.standard_normal(x.shape)
        if integrator == "euler":
            dt, rate = t - after, noising.diffusion(t)
            x = x + dt * (-noising.drift(t) * x + rate * own) + np.sqrt(rate * dt) * xi
        else:
            here, there = noising.unit(t), noising.unit(after)
            grown = np.expm1(noising.clock(t) - noising.clock(after))
            y = x / here
            y = y + grown * (y + 2 * here * own) + np.sqrt(grown * (grown + 2)) * xi
            x = there * y
            if integrator == "predictor-corrector":
                # step of Langevin in the predictor–corrector, in units of the noise's variance
                step = 0.1 * noising.variance(after)
                x = x + step * score(x, after) + np.sqrt(2 * step) * rng.standard_normal(x.shape)
        yield after, x


def pf_ode(noising: Noising, score: Score, x: Array, times: Array) -> Iterator[tuple[float, Array]]:
    """Follow the probability flow by Heun's rule; yields the time and points after every step."""
    for t, after in pairwise(map(float, times)):
        step = noising.clock(t) - noising.clock(after)
        y = x / noising.unit(t)
        first = y + noising.unit(t) * score(x, t)
        guess = y + step * first
        second = guess + noising.unit(after) * score(noising.unit(after) * guess, after)
        x = noising.unit(after) * (y + step / 2 * (first + second))
        yield after, x


def fkc(
    noising: Noising,
    corrector: Corrector,
    x: Array,
    times: Array,
    rng: np.random.Generator,
    *,
    resample: float = 0.0,
) -> Iterator[tuple[float, Array, Array]]:
    """Sample a corrector; yields the time, points ``(N, d)`` and log weights ``(N,)``.

    Parameters
    ----------
    x
        Draws of the path at T, ∝ `Corrector.log_path` at 0.
    resample
        Points are drawn again in proportion to their weights (systematically) once ESS/N is less;
        the mean of the weights is kept.
    """
    whole = corrector.whole
    y = np.asarray(x / noising.unit(float(times[0])), dtype=float)
    logs: Array = np.zeros(len(y))
    for t, after in pairwise(map(float, times)):
        clock = whole - noising.clock(t)
        step = whole - noising.clock(after) - clock
        logs = logs + step * corrector.reaction(y, clock)
        kick = np.sqrt(2 * corrector.diffusion * step) * rng.standard_normal(y.shape)
        y = y + step * corrector.drift(y, clock) + kick
        weights = np.exp(logs - logs.max())
        if resample and weights.sum() ** 2 < resample * len(y) * (weights**2).sum():
            places = (np.arange(len(y)) + rng.random()) / len(y)
            chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), places)
            y = y[np.minimum(chosen, len(y) - 1)]
            logs = np.full(len(y), float(np.log(weights.mean()) + logs.max()))
        yield after, noising.unit(after) * y, logs
