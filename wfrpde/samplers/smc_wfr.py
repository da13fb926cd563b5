"""SMC-WFR: sequential Monte Carlo whose weights need no density estimate but that of its moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.schedules import integral
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.density import KERNEL_REACH, TINY, kernel_sum, log_relative_of_law
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.law import LawStep
from wfrpde.samplers.moves import gradient
from wfrpde.samplers.parameters import Alpha, Beta, SchemeName, Threshold, gradient_rates
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.reaction import MOST_DIMENSIONS, fisher_rao_law
from wfrpde.samplers.resampling import Resampling
from wfrpde.samplers.walls import Walls
from wfrpde.targets import Target

BLOCK = 2**22
"""Entries of the block of pairs that is in memory at a time."""


Pairwise = Annotated[
    bool,
    Field(
        strict=True,
        description="whether q is summed over all pairs, O(N²), and not on a lattice",
    ),
]


@dataclass(frozen=True)
class SmcWfr(LibrarySampler):
    r"""SMC-WFR: a Langevin step, then weights (π/q)^{1−exp(−β dt)} with the mixture q of the moves.

    1. Resample, if the effective sample size is low.
    2. Move: Y_i ~ N(m_i, 2h), m_i = X_i − h∇V(X_i), h = α dt. The moved particles are draws of the
       mixture q(y) = Σ_j W_j N(y; m_j, 2h).
    3. Weigh: the Fisher–Rao step takes q to q^θ π^{1−θ}, θ = e^{−β dt}, so that
       log w_i += (1 − θ)(log π(Y_i) − log q(Y_i)).

    q is the density of the moved particles given those before, with no bandwidth to choose. As its
    kernels are √(2h) wide, it is a rough estimate where fewer than some ten particles lie within
    that of each other: the bias is O(1/(N (2h)^{d/2})), so that N has to grow as dt shrinks. Weak
    order 1 in dt.

    Parameters
    ----------
    target
        π ∝ exp(−V).
    alpha, beta
        Rates of diffusion, α > 0, and reaction, per unit model time.
    resampling
        When and how to resample.
    pairwise
        Sum over all pairs of particles, in blocks, instead of on a lattice: exact, O(N²) in time.
    walls
        What brings particles back into the box, and makes q a sum over their images.

    References
    ----------
    F. R. Crucinio and S. Pathiraja (2025), Sequential Monte Carlo approximations of
    Wasserstein–Fisher–Rao gradient flows, arXiv:2506.05905. There α = β = 1, every step begins with
    (stratified) resampling, and q is summed over all pairs; here there are rates, resampling is by
    need, and q is summed on a lattice by default.
    """

    target: Target
    alpha: float = 1.0
    beta: float = 1.0
    resampling: Resampling = field(default_factory=Resampling)
    pairwise: bool = False
    name: str = "smc_wfr"
    ranks: Ranks = field(default_factory=Ranks)
    walls: Walls | None = None
    kind: ClassVar[str] = "smc_wfr"
    claims: ClassVar[str] = "WFR"

    @classmethod
    def of(
        cls,
        context: SamplerContext,
        name: str,
        *,
        resampling: SchemeName = "systematic",
        ess_threshold: Threshold = 0.5,
        alpha: Alpha = None,
        beta: Beta = None,
        pairwise: Pairwise = False,
    ) -> Self:
        """Make the sampler of a case."""
        alpha, beta = gradient_rates(cls.kind, context, alpha, beta)
        if alpha == 0:
            raise InputError(f"sampler {name}: alpha", "0", "a positive number", "Nothing moves.")
        if not pairwise and context.target.dim > MOST_DIMENSIONS:
            found = f"false in {context.target.dim} dimensions, where no lattice holds the sum"
            raise InputError(f"sampler {name}: pairwise", found, "true")
        when = Resampling.named(resampling, ess_threshold)
        return cls(context.target, alpha, beta, when, pairwise, name, context.ranks, context.walls)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Resample, move and weigh (collective)."""
        ensemble = self.resampling(ensemble, rng, self.ranks)
        weights, h = self.ranks.normalised(ensemble), integral(self.alpha, t, dt)
        centres = ensemble.positions - h * gradient(self.target, ensemble.positions)
        noise = rng.standard_normal(centres.shape)
        positions = centres + np.sqrt(2 * h) * noise
        if self.walls is not None:
            positions = self.walls.folded(positions)
        mixture = self._mixture(centres, weights, 2 * h, positions)
        # kernels on a lattice end somewhere, and a particle may go beyond that of all the others
        peak = (4 * np.pi * h) ** (-noise.shape[1] / 2)
        own = weights * peak * np.exp(-0.5 * np.square(noise).sum(axis=1))
        log_mixture = np.log(np.maximum(np.maximum(mixture, own), TINY))
        share = -np.expm1(-integral(self.beta, t, dt))
        log_weights = ensemble.log_weights - share * (
            self.target.potential(positions) + log_mixture
        )
        log_weights -= self.ranks.log_total(log_weights)
        return Ensemble(positions, log_weights, ensemble.counts)

    def law(self) -> LawStep:
        """Move the law, then take an exact Fisher–Rao step."""
        return fisher_rao_law(self.alpha, self.beta, log_relative_of_law)

    def _mixture(self, centres: Array, weights: Array, variance: float, at: Array) -> Array:
        if self.walls is not None:
            reach = np.full(centres.shape[1], KERNEL_REACH * np.sqrt(variance))
            centres, weights = self.walls.images(centres, weights, reach)
        if not self.pairwise:
            width = np.full(centres.shape[1], np.sqrt(variance))
            return kernel_sum(centres, weights, width, at, self.ranks)
        everywhere = np.concatenate(self.ranks.every(centres))
        shares = np.concatenate(self.ranks.every(weights))
        return pair_sum(everywhere, shares, variance, at)


def pair_sum(centres: Array, weights: Array, variance: float, at: Array) -> Array:
    """Σ_j W_j N(x; c_j, variance·1) at points ``(n, d)``, pair by pair in blocks."""
    result = np.empty(len(at))
    rows = max(1, BLOCK // len(centres))
    for start in range(0, len(at), rows):
        block = at[start : start + rows]
        squared = np.zeros((len(block), len(centres)))
        for axis in range(at.shape[1]):
            squared += np.square(block[:, axis, None] - centres[None, :, axis])
        result[start : start + rows] = np.exp(squared * (-0.5 / variance)) @ weights
    return np.asarray(result / (2 * np.pi * variance) ** (at.shape[1] / 2))
