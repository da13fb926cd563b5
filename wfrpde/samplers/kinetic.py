"""Kinetic Langevin samplers: particles with positions and momenta, moved by splittings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from wfrpde.errors import InputError
from wfrpde.fields.schedules import integral
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.moves import split
from wfrpde.samplers.parameters import Alpha, Friction
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.targets import Target


@dataclass(frozen=True)
class Baoab(LibrarySampler):
    r"""BAOAB: kinetic Langevin dynamics, kicks outside, friction and noise in the middle.

    It discretises dq = αp dt, dp = −α(∇U + γp) dt + √(2αγ) dW by exact parts. Weak order 2 in dt;
    averages over positions are of high accuracy. Particles are independent: no bias in N.

    Parameters
    ----------
    target
        π(q) N(p; 0, 1) in phase space.
    alpha
        Rate α of the dynamics, per unit model time.
    friction
        γ, per unit time.

    References
    ----------
    B. Leimkuhler and C. Matthews (2013), Appl. Math. Res. Express 2013, 34–56.
    """

    target: Target
    alpha: float = 1.0
    friction: float = 1.0
    name: str = "baoab"
    kind: ClassVar[str] = "baoab"
    claims: ClassVar[str] = "W"
    takes: ClassVar[frozenset[str]] = frozenset({"kinetic"})
    order: ClassVar[str] = "BAOAB"

    @classmethod
    def of(
        cls, context: SamplerContext, name: str, *, alpha: Alpha = None, friction: Friction = None
    ) -> Self:
        """Make the sampler of a case."""
        dynamics = context.equation.dynamics
        if dynamics is None or dynamics.friction is None:
            needed = "dynamics.kind = 'kinetic', or kind = 'langevin'"
            raise InputError("sampler.kind", f"{cls.kind!r} for a flow without momenta", needed)
        own = dynamics.friction if friction is None else friction
        return cls(context.target, dynamics.alpha if alpha is None else alpha, own, name)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle once."""
        h = integral(self.alpha, t, dt)
        moved = split(self.target, self.friction, ensemble.positions, h, rng, self.order)
        return ensemble.moved(moved)


@dataclass(frozen=True)
class Obabo(Baoab):
    r"""OBABO: kinetic Langevin dynamics, friction and noise around a step of Verlet's.

    Weak order 2 in dt, also for averages over positions.

    References
    ----------
    G. Bussi and M. Parrinello (2007), Phys. Rev. E 75, 056707.
    """

    name: str = "obabo"
    kind: ClassVar[str] = "obabo"
    order: ClassVar[str] = "OBABO"
