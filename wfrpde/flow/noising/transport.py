r"""Laws of weighted diffusions on a lattice, for any drift.

.. math:: \partial_t ρ = −∇·(b ρ) + D Δρ + g ρ

Edge-averaged fluxes along each axis (an M-matrix: mass and sign are kept), axes and reaction in
symmetric turns, drift and reaction frozen at the middle of a step, and steps that are halved and
extrapolated: order 2 in space, 4 in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.steppers.transport import FIFTH_ORDER

OnLattice = Callable[[Lattice, float], Array]

TINY = 1e-300
"""Least mass of a node."""


@dataclass(frozen=True)
class Evolution:
    """What moves and weighs particles: dY = b dt + √(2D) dW, log weights grow by g.

    Attributes
    ----------
    drift
        b at the nodes ``(n, d)`` at a time.
    diffusion
        D at a time.
    reaction
        g at the nodes ``(n,)`` at a time; None for no weights.
    """

    drift: OnLattice
    diffusion: Callable[[float], float]
    reaction: OnLattice | None = None

    def tilted(self, power: float) -> Evolution:
        """Return the flow of the moment of order ``power`` of the weights."""
        reaction = self.reaction
        if reaction is None:
            return self
        return replace(self, reaction=lambda grid, t: power * reaction(grid, t))


@dataclass(frozen=True)
class Stretch:
    """Laws at the end of a step: nodal masses of sum one, and the log of what they grew by."""

    masses: Array
    growth: float
    mended: float


def marched(
    evolution: Evolution, lattice: Lattice, masses: Array, times: Array
) -> Iterator[Stretch]:
    """Yield the law at each of ``times`` after the first, by one extrapolated step each."""
    growth, mended = 0.0, 0.0
    for start, end in pairwise(times):
        dt = float(end - start)
        whole, log_whole = _step(evolution, lattice, masses, start, dt)
        half, log_half = _step(evolution, lattice, masses, start, dt / 2)
        twice, log_twice = _step(evolution, lattice, half, start + dt / 2, dt / 2)
        masses = (4 * twice - whole) / 3
        bad = masses <= 0
        mended = max(mended, float(twice[bad].sum()))
        masses = np.where(bad, twice, masses)
        masses /= masses.sum()
        growth += (4 * (log_half + log_twice) - log_whole) / 3
        yield Stretch(masses, growth, mended)


def _step(
    evolution: Evolution, lattice: Lattice, masses: Array, t: float, dt: float
) -> tuple[Array, float]:
    middle, growth = t + dt / 2, 0.0
    drift = evolution.drift(lattice, middle).reshape(*lattice.shape, lattice.dim)
    diffusion = evolution.diffusion(middle)
    gain = None
    if evolution.reaction is not None:
        gain = dt / 2 * evolution.reaction(lattice, middle).reshape(lattice.shape)
        masses, growth = _weighed(masses, gain)
    last = lattice.dim - 1
    for k in (*range(last), last, *reversed(range(last))):
        share = dt if k == last else dt / 2
        masses = _swept(lattice, masses, k, drift[..., k], diffusion, share)
    masses = masses / masses.sum()
    if gain is not None:
        masses, more = _weighed(masses, gain)
        growth += more
    return masses, growth


def _weighed(masses: Array, gain: Array) -> tuple[Array, float]:
    logs = np.log(np.maximum(masses, TINY)) + gain
    most = float(logs.max())
    grown = np.exp(logs - most)
    total = float(grown.sum())
    return grown / total, most + float(np.log(total))


def _swept(
    lattice: Lattice, masses: Array, axis: int, drift: Array, diffusion: float, dt: float
) -> Array:
    """Move masses along the lines of one axis: all lines are one tridiagonal system."""
    from scipy.linalg.lapack import dgttrf, dgttrs

    step = float(lattice.steps[axis])
    lines = np.moveaxis(masses, axis, -1)
    shape = lines.shape
    z = _between(np.moveaxis(drift, axis, -1)) * (step / diffusion)
    weights = lattice.line_weights(axis, step)
    rate = FIFTH_ORDER.gamma * dt * diffusion / step
    up, down = rate * _bernoulli(-z), rate * _bernoulli(z)
    diagonal = np.ones(shape)
    diagonal[..., :-1] += up / weights[:-1]
    diagonal[..., 1:] += down / weights[1:]
    below, above = np.zeros(shape), np.zeros(shape)
    below[..., :-1] = -up / weights[:-1]
    above[..., :-1] = -down / weights[1:]
    factors = dgttrf(below.ravel()[:-1], diagonal.ravel(), above.ravel()[:-1])[:-1]
    value = lines.ravel()
    total: Array = np.zeros_like(value)
    for coefficient in FIFTH_ORDER.coefficients:
        value = dgttrs(*factors, value)[0]
        total += coefficient * value
    total = np.where(total > 0, total, np.maximum(value, TINY))
    return np.moveaxis(total.reshape(shape), -1, axis)


def _between(nodal: Array) -> Array:
    """Means over the cells of the last axis, of order 4 inside."""
    means = (nodal[..., 1:] + nodal[..., :-1]) / 2
    means[..., 1:-1] += (means[..., 1:-1] - (nodal[..., 3:] + nodal[..., :-3]) / 2) / 12
    return np.asarray(means)


def _bernoulli(z: Array) -> Array:
    """z/(e^z − 1)."""
    z = np.clip(z, -600.0, 600.0)
    small = np.abs(z) < 1e-6
    return np.where(small, 1 - z / 2, z / np.expm1(np.where(small, 1.0, z)))
