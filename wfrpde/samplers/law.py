"""`LawStep`: what one step of a sampler does to the law of infinitely many particles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


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
    """

    alpha: float
    before: Callable[[Array, float, float], Array] | None = None
    after: Callable[[Array, Array, float, float, Array], Array] | None = None
    spacing: Array | None = None
    temperature: float = 1.0


def log_mass(mass: Array) -> Array:
    """Logarithm of masses, of which some may be zero."""
    return np.asarray(np.log(np.maximum(mass, 1e-300)))
