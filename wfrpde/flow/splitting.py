"""Strang splitting of transport and reaction, plain (order 2) or extrapolated (order 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.nodes import Nodes
from wfrpde.flow.reaction import fisher_rao
from wfrpde.flow.transport import Transport

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Splitting:
    """One step of the flow on the nodal log mass.

    ``FR(Δt/2) W(Δt) FR(Δt/2)``; with ``order = 4`` the linear combination (4 S(Δt/2)² − S(Δt))/3 of the
    masses. ``transport = None`` (α = 0) leaves the exact reaction alone.
    """

    nodes: Nodes
    log_target: Array
    transport: Transport | None
    beta: float
    conserve_mass: bool = True
    order: int = 2

    def step(self, log_mass: Array, dt: float) -> Array:
        """Return the log mass after `dt`, normalised if mass is conserved (collective)."""
        if self.transport is None:
            return self._normalised(fisher_rao(log_mass, self.log_target, self.beta, dt))
        once = self._strang(log_mass, dt)
        if self.order == 2:
            return once
        twice = self._strang(self._strang(log_mass, dt / 2), dt / 2)
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = (4 - np.exp(once - twice)) / 3
        # where the coarse step overshoots the tail the finer step is kept: positive, order 2
        good = ratio > 0
        return self._normalised(np.where(good, twice + np.log(np.where(good, ratio, 1.0)), twice))

    def _strang(self, log_mass: Array, dt: float) -> Array:
        assert self.transport is not None
        if self.beta == 0.0:
            return self.transport.step(log_mass, dt)
        half = fisher_rao(log_mass, self.log_target, self.beta, dt / 2)
        moved = self.transport.step(half, dt)
        return self._normalised(fisher_rao(moved, self.log_target, self.beta, dt / 2))

    def _normalised(self, log_mass: Array) -> Array:
        if not self.conserve_mass:
            return log_mass
        return log_mass - self.nodes.logsumexp(log_mass)
