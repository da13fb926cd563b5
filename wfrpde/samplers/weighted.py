r"""Weighted Langevin particles: Feynman–Kac weights for a given or a mean-field reaction.

    dX = −α∇V dt + √(2α) dW,      d log w = (U_t(X) − ⟨U_t⟩) dt

See `wfrpde.samplers.reaction` for U.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from wfrpde.equation import Dynamics
from wfrpde.errors import InputError
from wfrpde.fields.protocols import Formula
from wfrpde.fields.schedules import integral
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.law import LawStep
from wfrpde.samplers.moves import survived
from wfrpde.samplers.parameters import (
    Alpha,
    Bandwidth,
    Beta,
    Cells,
    SchemeName,
    Smoothing,
    SourceName,
    Threshold,
    gradient_rates,
)
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.reaction import PathReaction, Reaction, density_reaction
from wfrpde.samplers.resampling import Resampling
from wfrpde.samplers.walls import Walls
from wfrpde.targets import Target

Rate = Annotated[
    str | None,
    Field(description="U as a formula in x, y, z and t, per unit time; `flow.reaction` by default"),
]


@dataclass(frozen=True)
class WeightedLangevin(LibrarySampler):
    r"""Weighted SDE: Langevin moves with Feynman–Kac weights for U = −β log(ρ/π).

    d log w = −β (log(ρ/π) − ⟨log(ρ/π)⟩) dt; resampled when the effective sample size is low. Weak
    order 1 in dt. Self-normalised weights bring a bias O(1/N); a mean-field reaction adds
    that of its density estimate.

    Parameters
    ----------
    target
        π ∝ exp(−V).
    reaction
        What the weights follow.
    alpha
        Rate α of the diffusion, per unit model time.
    resampling
        When and how to resample.
    walls
        What brings particles back into the box.
    dynamics
        How particles move, but for their rate; dX = −∇V dt + √2 dW by default.

    References
    ----------
    arXiv:2512.17878
    """

    target: Target
    reaction: Reaction
    alpha: float = 1.0
    resampling: Resampling = field(default_factory=Resampling)
    name: str = "weighted"
    ranks: Ranks = field(default_factory=Ranks)
    walls: Walls | None = None
    dynamics: Dynamics | None = None
    kind: ClassVar[str] = "weighted"
    dies: ClassVar[bool] = True
    claims: ClassVar[str] = "WFR"
    takes: ClassVar[frozenset[str]] = frozenset({"diffusion", "circulation", "drift", "kinetic"})

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
        density: SourceName = "mesh",
        cells: Cells = None,
        smoothing: Smoothing = None,
        bandwidth: Bandwidth = None,
    ) -> Self:
        """Make the sampler of a case."""
        alpha, beta = gradient_rates(cls.kind, context, alpha, beta)
        reaction = density_reaction(name, context, beta, density, cells, smoothing, bandwidth)
        when = Resampling.named(resampling, ess_threshold)
        rest = context.ranks, context.walls, context.equation.dynamics
        return cls(context.target, reaction, alpha, when, name, *rest)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move, weigh and, if need be, resample (collective)."""
        h = integral(self.alpha, t, dt)
        here, total = ensemble.positions, 0.0
        positions, left = survived(self.target, self.dynamics, here, h, rng, self.walls)
        if left is not None:
            ensemble = ensemble.reweighted(ensemble.log_weights + left)
            total = self.ranks.log_total(ensemble.log_weights)  # the reaction keeps it
        log_weights = ensemble.log_weights + self.reaction.growth(ensemble, positions, t, dt)
        log_weights += total - self.ranks.log_total(log_weights)
        weighed = self.resampling(
            Ensemble(positions, log_weights, ensemble.counts), rng, self.ranks
        )
        if left is None:
            return weighed
        gone = self.ranks.log_total(weighed.log_weights) - total
        return weighed.reweighted(weighed.log_weights - gone)

    def law(self) -> LawStep | None:
        """Return that of the moves with the reaction; resampling leaves it."""
        plain = self.dynamics is None or not self.dynamics.terms
        return self.reaction.law(self.alpha) if plain else None


@dataclass(frozen=True)
class FeynmanKac(WeightedLangevin):
    r"""Linear Feynman–Kac flow ∂_t ρ = α∇·(∇ρ + ρ∇V) + ρ(U − ⟨U⟩), by weighted Langevin particles.

    Weak order 1; the bias in N is O(1/N).
    """

    kind: ClassVar[str] = "feynman_kac"
    claims: ClassVar[str] = "feynman-kac"

    @classmethod
    def of(  # type: ignore[override]
        cls,
        context: SamplerContext,
        name: str,
        *,
        resampling: SchemeName = "systematic",
        ess_threshold: Threshold = 0.5,
        alpha: Alpha = None,
        reaction: Rate = None,
    ) -> Self:
        """Make the sampler of a case."""
        where = f"sampler {name}: reaction"
        rate = context.equation.rate
        if reaction is not None:
            rate = Formula(reaction, context.target.dim, where, timed=True).checked()
        if rate is None:
            raise InputError(where, "nothing, and no flow.reaction", "an expression for U")
        known = rate
        alpha = context.equation.alpha if alpha is None else alpha
        when = Resampling.named(resampling, ess_threshold)
        path = PathReaction(lambda t, x: known(x, t))
        rest = context.ranks, context.walls, context.equation.dynamics
        return cls(context.target, path, alpha, when, name, *rest)
