"""`LawStep`: what one step of a sampler does to the law of infinitely many particles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Path
from wfrpde.fields.schedules import integral


@dataclass(frozen=True)
class LawStep:
    """A Gaussian move X ↦ N(X − h∇V(X), 2h), h = α dt, between two weighings.

    `wfrpde.comparison.limit.limit_laws` computes where it leads to.

    Attributes
    ----------
    alpha
        Rate α of the diffusion of the move.
    before
        Factor at the positions before the move: (points, t, dt) → ``(n,)``; None for 1.
    after
        Law after the move → law after the step: (points, masses, t, dt, log π) → masses, on the
        points ``(n, d)`` of a regular lattice; None where nothing follows.
    temperature
        T of a move X ↦ N(X − h∇V(X), 2hT) whose noise is not that of π.
    spacing
        ``(1,)`` length over which the sampler smooths its density, if it is fixed: the spacing of
        a mesh or the bandwidth of a kernel.
    centre, deviation
        Of moves that are others, or change in time, X ↦ N(c(X), s²): (points, t, dt) → c
        ``(n, d)``, and (t, dt) → s.
    strides
        (start, end, dt) → the steps between two saved times as pairs (t, dt); None: equal ones.
    """

    alpha: float
    before: Callable[[Array, float, float], Array] | None = None
    after: Callable[[Array, Array, float, float, Array], Array] | None = None
    spacing: Array | None = None
    temperature: float = 1.0
    centre: Callable[[Array, float, float], Array] | None = None
    deviation: Callable[[float, float], float] | None = None
    strides: Callable[[float, float, float], list[tuple[float, float]]] | None = None


def path_move(path: Path, alpha: float) -> LawStep:
    """Return Langevin moves towards a target that moves, taken at the middle of each step."""

    def centre(x: Array, t: float, dt: float) -> Array:
        slope = np.nan_to_num(path.gradient(x, t + dt / 2), nan=0.0, posinf=1e9, neginf=-1e9)
        return np.asarray(x - integral(alpha, t, dt) * slope)

    def deviation(t: float, dt: float) -> float:
        return float(np.sqrt(2 * integral(alpha, t, dt)))

    return LawStep(alpha, centre=centre, deviation=deviation)


def log_mass(mass: Array) -> Array:
    """Logarithm of masses, of which some may be zero."""
    return np.asarray(np.log(np.maximum(mass, 1e-300)))
