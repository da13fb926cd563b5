"""Unadjusted Langevin dynamics: the Euler–Maruyama scheme of the Wasserstein flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from wfrpde.fields.schedules import integral
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.law import LawStep
from wfrpde.samplers.parameters import Alpha
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.walls import Walls
from wfrpde.targets import Target

Array = npt.NDArray[np.float64]


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


@dataclass(frozen=True)
class Langevin(LibrarySampler):
    r"""Unadjusted Langevin: the Euler–Maruyama scheme of the Wasserstein flow.

    It discretises dX = −α∇V dt + √(2α) dW, whose density solves
    ∂_t ρ = α∇·(∇ρ + ρ∇V). Weak order 1 in dt; its invariant law is off π by O(dt). Particles are
    independent: no bias in N. It is unstable where α dt exceeds 2 over the curvature of V.

    Parameters
    ----------
    target
        The density π ∝ exp(−V).
    alpha
        Rate α of the diffusion, per unit model time.
    walls
        What brings particles back into the box.

    References
    ----------
    G. Roberts and R. Tweedie (1996), Bernoulli 2, 341–363.
    """

    target: Target
    alpha: float = 1.0
    name: str = "langevin"
    walls: Walls | None = None
    kind: ClassVar[str] = "langevin"
    claims: ClassVar[str] = "W"

    @classmethod
    def of(cls, context: SamplerContext, name: str, *, alpha: Alpha = None) -> Self:
        """Make the sampler of a case."""
        alpha = context.equation.alpha if alpha is None else alpha
        return cls(context.target, alpha, name, context.walls)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle once."""
        h = integral(self.alpha, t, dt)
        return ensemble.moved(euler_maruyama(self.target, ensemble.positions, h, rng, self.walls))

    def law(self) -> LawStep:
        """Move the law, and nothing else."""
        return LawStep(self.alpha)
