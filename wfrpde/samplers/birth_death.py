"""Birth–death Langevin dynamics: the reaction as deaths and births of particles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.equation import Dynamics
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
    Smoothing,
    SourceName,
    gradient_rates,
)
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.reaction import Reaction, density_reaction
from wfrpde.samplers.resampling import offspring, redistributed
from wfrpde.samplers.walls import Walls
from wfrpde.targets import Target

MOST = 50.0
"""Largest growth of a particle in a step, as a logarithm: its copies would fill the ensemble."""


@dataclass(frozen=True)
class BirthDeathLangevin(LibrarySampler):
    r"""Birth–death Langevin: the reaction as deaths and births; the number of particles stays.

    Beside Langevin moves there are jumps at the rate Λ = −β(log(ρ/π) − ⟨log(ρ/π)⟩): a particle
    with Λ < 0 dies at rate −Λ, one with Λ > 0 has a copy made at rate Λ; deaths and births are made
    up for by uniformly drawn particles, so that their number stays N and their weights equal. Over
    a step the growth g_i = ∫ Λ dt of every particle is frozen, and the branching is exact: it
    survives with probability e^{g_i} if g_i < 0, and has a geometric number of copies of mean
    e^{g_i} otherwise; then all are brought back to N with equal chances.
    To first order in dt these are the single jumps of the original algorithm, but a step with a
    stiff reaction (a growth above 1, as in the tails) is not cut off at one birth.

    Weak order 1 in dt; the bias is O(1/N) beside that of the density source. The law of infinitely
    many particles is that of `WeightedLangevin` with the same reaction.

    Parameters
    ----------
    target
        π ∝ exp(−V).
    reaction
        What a step lets particles grow by.
    alpha
        Rate of diffusion, per unit model time.
    walls
        What brings particles back into the box.
    dynamics
        How particles move, but for their rate; dX = −∇V dt + √2 dW by default.

    References
    ----------
    Y. Lu, J. Lu and J. Nolen (2019), Accelerating Langevin sampling with birth-death,
    arXiv:1905.09863, Algorithm 1.
    """

    target: Target
    reaction: Reaction
    alpha: float = 1.0
    name: str = "birth_death"
    ranks: Ranks = field(default_factory=Ranks)
    walls: Walls | None = None
    dynamics: Dynamics | None = None
    kind: ClassVar[str] = "birth_death"
    dies: ClassVar[bool] = True
    claims: ClassVar[str] = "WFR"
    takes: ClassVar[frozenset[str]] = frozenset({"diffusion", "circulation", "drift", "kinetic"})

    @classmethod
    def of(
        cls,
        context: SamplerContext,
        name: str,
        *,
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
        rest = context.ranks, context.walls, context.equation.dynamics
        return cls(context.target, reaction, alpha, name, *rest)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle, then let them die and multiply (collective)."""
        h = integral(self.alpha, t, dt)
        here, size = ensemble.positions, self.ranks.count(ensemble)
        positions, left = survived(self.target, self.dynamics, here, h, rng, self.walls)
        if left is not None:
            share = self.ranks.log_total(left) - np.log(size)
            living = ensemble.reweighted(ensemble.log_weights + left)
            growth = left + self.reaction.growth(living, positions, t, dt)
            ensemble = ensemble.reweighted(ensemble.log_weights + share)
        else:
            growth = self.reaction.growth(ensemble, positions, t, dt)
        # a mean of e^growth of 1 keeps the number of particles up to chance
        growth = growth - self.ranks.log_total(growth) + np.log(size)
        copies = branched(growth, rng)
        total = float(self.ranks.sum(int(copies.sum())))
        if total > 0:  # else all have died, and the step is without jumps
            kept = offspring("systematic", copies / total, rng, self.ranks)
            positions = redistributed(positions, kept, self.ranks)
        deaths, births = int((copies == 0).sum()), int(np.maximum(copies - 1, 0).sum())
        return ensemble.moved(positions, deaths=deaths, births=births)

    def law(self) -> LawStep | None:
        """Return that of weighted particles with the same reaction."""
        plain = self.dynamics is None or not self.dynamics.terms
        return self.reaction.law(self.alpha) if plain else None


def branched(growth: Array, rng: np.random.Generator) -> Integers:
    """Draw the copies ``(N,)`` that a branching process of growths g ``(N,)`` makes; mean e^g.

    Particles with g < 0 only die, at rate |g|, and those with g > 0 only multiply, at rate g (a
    Yule process), both for one unit of time.
    """
    copies = (rng.random(len(growth)) < np.exp(np.minimum(growth, 0.0))).astype(np.int64)
    rising = growth > 0
    copies[rising] = rng.geometric(np.exp(-np.minimum(growth[rising], MOST)))
    return np.asarray(np.minimum(copies, 2**31), dtype=np.int64)
