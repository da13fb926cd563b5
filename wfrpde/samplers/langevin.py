"""Unadjusted Langevin dynamics: the Euler–Maruyama scheme of the Wasserstein flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.protocol import (
    ALPHA,
    Claim,
    EquallyWeighted,
    SamplerContext,
    SamplerParameters,
)
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
    target: Target, positions: Array, diffusivity: float, rng: np.random.Generator
) -> Array:
    r"""Move particles by ``X + ΔX``, ΔX ~ N(−h∇V(X), 2h), with h = α dt.

    Parameters
    ----------
    positions
        ``(N, d)``.
    diffusivity
        h = α dt, in units of squared length.
    """
    moved = rng.standard_normal(positions.shape)
    moved *= np.sqrt(2.0 * diffusivity)
    moved += positions
    moved -= diffusivity * gradient(target, positions)
    return moved


@dataclass(frozen=True)
class Langevin(EquallyWeighted):
    r"""Unadjusted Langevin algorithm.

    Euler–Maruyama for dX = −α∇V dt + √(2α) dW, whose density solves the Wasserstein flow
    ∂_t ρ = α∇·(∇ρ + ρ∇V). Weak order 1 in dt; its invariant law is off π by O(dt). Particles are
    independent: no bias in N. It is unstable where α dt exceeds 2 over the curvature of V.

    Parameters
    ----------
    target
        The density π ∝ exp(−V).
    alpha
        Rate α of the diffusion, per unit model time.

    References
    ----------
    G. Roberts and R. Tweedie (1996), Bernoulli 2, 341–363.
    """

    target: Target
    alpha: float = 1.0
    name: str = "langevin"

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle once."""
        return ensemble.moved(euler_maruyama(self.target, ensemble.positions, self.alpha * dt, rng))


class LangevinParameters(SamplerParameters):
    """Unadjusted Langevin: dX = −α∇V dt + √(2α) dW by Euler–Maruyama, of weak order 1.

    References
    ----------
    G. Roberts and R. Tweedie (1996), Bernoulli 2, 341–363.
    """

    kind: ClassVar[str] = "langevin"
    claims: ClassVar[Claim] = "W"
    alpha: float | None = Field(default=None, ge=0, allow_inf_nan=False, description=ALPHA)

    def build(self, name: str, context: SamplerContext) -> Langevin:
        """Return the sampler for a case."""
        alpha = context.case.flow.alpha if self.alpha is None else self.alpha
        return Langevin(context.target, alpha, name)
