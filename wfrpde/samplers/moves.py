r"""Moves of particles by the dynamics of a case: Euler–Maruyama steps, or kicks and drifts.

Overdamped dynamics dX = b dt + √(2D) dW, b = −(D + J)∇V + div(D + J) + f (Itô), take the step
X + h b(X) + √(2hD(X)) ξ: weak order 1. Kinetic dynamics are split into kicks B: p ← p − h∇U(q),
drifts A: q ← q + hp and friction with noise O: p ← e^{−γh} p + √(1 − e^{−2γh}) ξ, each exact;
symmetric orders of them are of weak order 2.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, sqrt

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Dynamics
from wfrpde.samplers.walls import Walls
from wfrpde.targets import Target

BLOCK = 2**14
"""Particles whose gradients are computed at a time: what that needs fits into the cache."""


def gradient(target: Target, positions: Array) -> Array:
    """Return ∇V ``(N, d)`` at the positions ``(N, d)``, block by block."""
    if len(positions) <= BLOCK:
        return target.gradient(positions)
    slope = np.empty_like(positions)
    for start in range(0, len(positions), BLOCK):
        block = slice(start, start + BLOCK)
        slope[block] = target.gradient(positions[block])
    return slope


def euler_maruyama(
    target: Target,
    positions: Array,
    diffusivity: float,
    rng: np.random.Generator,
    walls: Walls | None = None,
) -> Array:
    r"""Move particles by ``X + ΔX``, ΔX ~ N(−h∇V(X), 2h), with h = α dt.

    Parameters
    ----------
    positions
        ``(N, d)``.
    diffusivity
        h = α dt, in units of squared length.
    walls
        What brings them back into the box, if there is something.
    """
    moved = rng.standard_normal(positions.shape)
    moved *= np.sqrt(2.0 * diffusivity)
    moved += positions
    moved -= diffusivity * gradient(target, positions)
    return moved if walls is None else walls.folded(moved)


def moved(
    target: Target,
    dynamics: Dynamics | None,
    positions: Array,
    h: float,
    rng: np.random.Generator,
    walls: Walls | None,
) -> Array:
    """Move particles ``(N, d)`` by the dynamics with α = 1 for h = α dt; plain ones for None.

    Kinetic particles are positions and momenta, and walls are no concern of theirs.
    """
    if dynamics is None or not dynamics.terms:
        return euler_maruyama(target, positions, h, rng, walls)
    if dynamics.friction is not None:
        return baoab(target, dynamics.friction, positions, h, rng)
    noise = rng.standard_normal(positions.shape)
    if dynamics.diffusion is not None and dynamics.diffusion.constant:
        noise = noise @ np.linalg.cholesky(dynamics.diffusion.matrix).T
    elif dynamics.diffusion is not None:
        spread = np.linalg.cholesky(dynamics.diffusion_at(positions))
        noise = np.einsum("nij,nj->ni", spread, noise)
    step = h * dynamics.velocity(positions, gradient(target, positions)) + sqrt(2 * h) * noise
    return positions + step if walls is None else walls.folded(positions + step)


def survived(
    target: Target,
    dynamics: Dynamics | None,
    positions: Array,
    h: float,
    rng: np.random.Generator,
    walls: Walls | None,
) -> tuple[Array, Array | None]:
    """Move particles, and return what `Walls.survivors` says of the step."""
    there = moved(target, dynamics, positions, h, rng, walls)
    return (there, None) if walls is None else walls.survivors(positions, there, h)


def _parts(
    target: Target, friction: float, points: Array, rng: np.random.Generator
) -> tuple[Array, dict[str, Callable[[float], None]]]:
    """Return a copy of positions and momenta, and the three moves, which change it in place."""
    half = points.shape[1] // 2
    state = np.array(points)
    q, p = state[:, :half], state[:, half:]

    def kick(h: float) -> None:
        p[:] -= h * gradient(target, state)[:, :half]

    def drift(h: float) -> None:
        q[:] += h * p

    def rub(h: float) -> None:
        decay = exp(-friction * h)
        p[:] = decay * p + sqrt(1 - decay**2) * rng.standard_normal(p.shape)

    return state, {"A": drift, "B": kick, "O": rub}


def split(
    target: Target,
    friction: float,
    points: Array,
    h: float,
    rng: np.random.Generator,
    order: str,
) -> Array:
    """Move ``(N, 2n)`` by a symmetric order of the letters A, B and O, such as ``BAOAB``.

    A letter that stands twice takes half a step each time.
    """
    state, moves = _parts(target, friction, points, rng)
    for letter in order:
        moves[letter](h / order.count(letter))
    return state


def baoab(
    target: Target, friction: float, points: Array, h: float, rng: np.random.Generator
) -> Array:
    """Move positions and momenta ``(N, 2n)`` by BAOAB (Leimkuhler and Matthews, 2013)."""
    return split(target, friction, points, h, rng, "BAOAB")
