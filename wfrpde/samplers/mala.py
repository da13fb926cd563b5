"""Metropolis-adjusted Langevin: π is its invariant law for any step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wfrpde.fields.schedules import integral
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.langevin import Langevin
from wfrpde.samplers.moves import gradient


@dataclass(frozen=True)
class Mala(Langevin):
    r"""Metropolis-adjusted Langevin: π is invariant, and the path is that of W to order 1 in dt.

    Langevin moves are accepted with probability min(1, π(Y)q(Y, X) / (π(X)q(X, Y))),
    q(X, ·) = N(X − h∇V(X), 2h), h = α dt. A move is rejected with probability O(dt^{3/2}), so that
    the path follows the Wasserstein flow with weak order 1 in dt, while π is left invariant
    exactly. Particles are independent: no bias in N. Where particles are brought back into the box,
    the chain is that of V continued periodically, or evenly, to all of space.

    Parameters
    ----------
    target
        π ∝ exp(−V).
    alpha
        Rate α of the diffusion, per unit model time.
    walls
        What brings particles back into the box.

    References
    ----------
    G. Roberts and R. Tweedie (1996), Bernoulli 2, 341–363.
    """

    name: str = "mala"
    kind: ClassVar[str] = "mala"
    dies: ClassVar[bool] = False
    follows: ClassVar[bool] = False
    takes: ClassVar[frozenset[str]] = frozenset()

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Propose a move to every particle."""
        h, here = integral(self.alpha, t, dt), ensemble.positions
        slope = gradient(self.target, here)
        noise = np.sqrt(2 * h) * rng.standard_normal(here.shape)
        there = free = here - h * slope + noise
        sign = None
        if self.walls is not None:
            there, sign = self.walls.unfolded(free)
        climb = gradient(self.target, there)
        back = here - free + h * (climb if sign is None else sign * climb)
        # log q(Y, X) − log q(X, Y); where α = 0 nothing moves, and all is accepted
        asymmetry = (np.square(noise) - np.square(back)).sum(axis=1) / (4 * h) if h > 0 else 0.0
        gain = self.target.potential(here) - self.target.potential(there) + asymmetry
        accepted = np.log(rng.random(len(here))) < gain
        return ensemble.moved(
            np.where(accepted[:, None], there, here),
            accepted=int(accepted.sum()),
            proposed=len(here),
        )
