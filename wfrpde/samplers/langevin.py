"""Unadjusted Langevin dynamics: the Euler–Maruyama scheme of the Wasserstein flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from wfrpde.equation import Dynamics, Path
from wfrpde.fields.schedules import integral
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.law import LawStep, path_move
from wfrpde.samplers.moves import survived
from wfrpde.samplers.parameters import Alpha
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.walls import Walls
from wfrpde.targets import Target


@dataclass(frozen=True)
class Langevin(LibrarySampler):
    r"""Unadjusted Langevin: the Euler–Maruyama scheme of the Wasserstein flow.

    It discretises dX = −α∇V dt + √(2α) dW, whose density solves ∂_t ρ = α∇·(∇ρ + ρ∇V), or the
    dynamics of the case with D(x), J and a further drift. Weak order 1 in dt; its invariant law is
    off π by O(dt). Particles are independent: no bias in N. It is unstable where α dt exceeds 2
    over the curvature of V.

    Where something absorbs, weights are multiplied by the probability that a step did not meet it,
    and their mean is the share that is left.

    Parameters
    ----------
    target
        The density π ∝ exp(−V).
    alpha
        Rate α of the diffusion, per unit model time.
    walls
        What brings particles back into the box.
    dynamics
        How particles move, but for their rate; dX = −∇V dt + √2 dW by default.
    path
        How the target moves; None where it stays.

    References
    ----------
    G. Roberts and R. Tweedie (1996), Bernoulli 2, 341–363.
    """

    target: Target
    alpha: float = 1.0
    name: str = "langevin"
    walls: Walls | None = None
    dynamics: Dynamics | None = None
    path: Path | None = None
    kind: ClassVar[str] = "langevin"
    dies: ClassVar[bool] = True
    follows: ClassVar[bool] = True
    claims: ClassVar[str] = "W"
    takes: ClassVar[frozenset[str]] = frozenset({"diffusion", "circulation", "drift"})

    @classmethod
    def of(cls, context: SamplerContext, name: str, *, alpha: Alpha = None) -> Self:
        """Make the sampler of a case."""
        alpha = context.equation.alpha if alpha is None else alpha
        rest = context.walls, context.equation.dynamics, context.equation.path
        return cls(context.target, alpha, name, *rest)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle once."""
        h, here = integral(self.alpha, t, dt), ensemble.positions
        target = self.target if self.path is None else self.path.frozen(t + dt / 2)
        dynamics = None if self.dynamics is None else self.dynamics.at(t + dt / 2)
        there, left = survived(target, dynamics, here, h, rng, self.walls)
        ensemble = ensemble.moved(there)
        return ensemble if left is None else ensemble.reweighted(ensemble.log_weights + left)

    def law(self) -> LawStep | None:
        """Move the law, and nothing else; unknown of other dynamics than the plain ones."""
        if self.dynamics is not None and self.dynamics.terms:
            return None
        return LawStep(self.alpha) if self.path is None else path_move(self.path, self.alpha)
