"""Pure Fisher–Rao reweighting: draws of ρ₀ that stay where they are, with exact weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.protocol import BETA, Claim, EquallyWeighted, SamplerContext, SamplerParameters
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets import Target

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FisherRao(EquallyWeighted):
    r"""Importance weights of the Fisher–Rao flow (α = 0), ρ_t ∝ ρ₀^θ π^{1−θ} with θ = e^{−βt}.

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
    exact_in_time: ClassVar[bool] = True

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Weigh every particle."""
        x = ensemble.positions
        share = math.exp(-self.beta * t) - math.exp(-self.beta * (t + dt))
        log_ratio = -self.target.potential(x) - self.initial.log_density(x)
        return ensemble.reweighted(ensemble.log_weights + share * log_ratio)


class FisherRaoParameters(SamplerParameters):
    """Pure Fisher–Rao reweighting (α = 0) of draws from ρ₀: exact weights, no moves."""

    kind: ClassVar[str] = "fisher_rao"
    claims: ClassVar[Claim] = "FR"
    beta: float | None = Field(default=None, ge=0, allow_inf_nan=False, description=BETA)

    def build(self, name: str, context: SamplerContext) -> FisherRao:
        """Return the sampler for a case."""
        beta = context.case.flow.beta if self.beta is None else self.beta
        return FisherRao(context.target, context.initial, beta, name)
