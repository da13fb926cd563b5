"""Pure Fisher–Rao reweighting: draws of ρ₀ that stay where they are, with exact weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from wfrpde.equation import Reaction
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.parameters import Beta
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets import Target


@dataclass(frozen=True)
class FisherRao(LibrarySampler):
    r"""Pure Fisher–Rao reweighting (α = 0) of draws from ρ₀: exact weights, no moves.

    The flow is ρ_t ∝ ρ₀^θ π^{1−θ} with θ = e^{−βt}, so that

        log w_t(x) = (1 − θ)(log π(x) − log ρ₀(x))

    Exact in time, for any step; self-normalised, so that averages have a bias O(1/N). No mass comes
    to where ρ₀ has none: the weights of a narrow start degenerate.

    Parameters
    ----------
    target, initial
        π and ρ₀.
    beta
        Rate β of the reaction, per unit model time.
    """

    target: Target
    initial: InitialDensity
    beta: float = 1.0
    name: str = "fisher_rao"
    kind: ClassVar[str] = "fisher_rao"
    claims: ClassVar[str] = "FR"
    exact_in_time: ClassVar[bool] = True

    @classmethod
    def of(cls, context: SamplerContext, name: str, *, beta: Beta = None) -> Self:
        """Make the sampler of a case."""
        beta = context.equation.beta if beta is None else beta
        return cls(context.target, context.initial, beta, name)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Weigh every particle."""
        x = ensemble.positions
        reaction = Reaction(self.beta)
        share = reaction.kept(t) - reaction.kept(t + dt)
        log_ratio = -self.target.potential(x) - self.initial.log_density(x)
        return ensemble.reweighted(ensemble.log_weights + share * log_ratio)
