r"""Weighted Langevin particles: Feynman–Kac weights for a given or a mean-field reaction.

    dX = −α∇V dt + √(2α) dW,      d log w = (U_t(X) − ⟨U_t⟩) dt

U = −β log(ρ_t/π) makes the weighted particles follow the Wasserstein–Fisher–Rao flow, a given U(x)
the linear Feynman–Kac flow ∂_t ρ = α∇·(∇ρ + ρ∇V) + ρ(U − ⟨U⟩).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wfrpde.samplers.density import DensitySource
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.langevin import euler_maruyama
from wfrpde.samplers.protocol import EquallyWeighted
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.resampling import Resampling
from wfrpde.targets import Target

Array = npt.NDArray[np.float64]


class Reaction(Protocol):
    """What a step does to the weights."""

    def growth(self, before: Ensemble, positions: Array, t: float, dt: float) -> Array:
        """Return the change ``(N,)`` of log w, up to a constant, over a move to ``positions``.

        Collective.
        """


@dataclass(frozen=True)
class PathReaction:
    r"""A known rate U(t, x): ∫ U ds along the path by the trapezoidal rule.

    The error of the rule is O(dt²), so that the order of the scheme is that of its moves.

    Parameters
    ----------
    rate
        U: time and positions ``(N, d)`` → ``(N,)``, per unit model time.
    """

    rate: Callable[[float, Array], Array]

    def growth(self, before: Ensemble, positions: Array, t: float, dt: float) -> Array:
        """Return ½ dt (U(t, X_t) + U(t + dt, X_{t+dt}))."""
        return 0.5 * dt * (self.rate(t, before.positions) + self.rate(t + dt, positions))


@dataclass(frozen=True)
class MeanFieldReaction:
    r"""U = −β log(ρ̂/π) with ρ̂ from the moved particles themselves: an exact Fisher–Rao step.

    ρ ↦ ρ^θ π^{1−θ} with θ = e^{−β dt} multiplies the weights by (ρ̂/π)^{θ−1}. Lie splitting after
    the move: of order 1 in dt, and stable for any β dt.

    Parameters
    ----------
    beta
        Rate β, per unit model time.
    source
        Where log(ρ̂/π) comes from.
    """

    beta: float
    source: DensitySource
    ranks: Ranks = field(default_factory=Ranks)

    def growth(self, before: Ensemble, positions: Array, t: float, dt: float) -> Array:
        """Return (θ − 1) log(ρ̂/π)."""
        weights = self.ranks.normalised(before)
        log_relative = self.source.log_relative(positions, weights, t + dt)
        return np.asarray(np.expm1(-self.beta * dt) * log_relative)


@dataclass(frozen=True)
class WeightedLangevin(EquallyWeighted):
    """Euler–Maruyama moves with weights, resampled when the effective sample size is low.

    Weak order 1 in dt. Self-normalised weights bring a bias O(1/N); a mean-field reaction adds
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
    """

    target: Target
    reaction: Reaction
    alpha: float = 1.0
    resampling: Resampling = field(default_factory=Resampling)
    name: str = "weighted"
    ranks: Ranks = field(default_factory=Ranks)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move, weigh and, if need be, resample (collective)."""
        positions = euler_maruyama(self.target, ensemble.positions, self.alpha * dt, rng)
        log_weights = ensemble.log_weights + self.reaction.growth(ensemble, positions, t, dt)
        log_weights -= self.ranks.log_total(log_weights)
        moved = Ensemble(positions, log_weights, ensemble.counts)
        return self.resampling(moved, rng, self.ranks)
