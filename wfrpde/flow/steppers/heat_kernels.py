r"""Transport by Gaussian kernels on a lattice of nodes: tails are Gaussian, however far a start is.

In the variable :math:`y = \rho/\sqrt\pi` transport is :math:`y' = \alpha(\Delta - W) y` with
:math:`W = |\nabla V|^2/4 - \Delta V/2`, and a step of length τ is split into

.. math:: T = e^{-c}\,e^{\tau\Delta}\,e^{-c}, \qquad T\sqrt\pi = \sqrt\pi,

where the second equation defines c, which is τW/2 up to O(τ³), at the nodes: T is symmetric and
positive, and keeps mass and equilibrium whatever the cells do to ridges of V. c is odd in τ, so
that the error is an even power series of it. All is done on logarithms, with the nodal mass of π
for π, and the kernels of `wfrpde.engine.heat` for :math:`e^{\tau\Delta}`. (The scaling is that of
Sinkhorn: Marshall and Coifman, Manifold learning with bi-stochastic kernels, 2019.)
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.lattice import lattice_shape
from wfrpde.discretisation.semi_discrete import SemiDiscrete
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine.heat import smoothed
from wfrpde.engine.lines import DIGITS
from wfrpde.errors import SolverError
from wfrpde.fields.schedules import integral
from wfrpde.flow.steppers.strang import Strang
from wfrpde.flow.steppers.transport import MASS_JUMP_LIMIT, Incidents

BALANCED, MOST_SWEEPS = 1e-11, 100
"""Largest defect of log T√π − log √π at a node, and how many sweeps may take it there: errors fall
by 6 in each. What a change of c does to the defect is −(1 + P), P stochastic and similar to a
positive semidefinite matrix, whose eigenvalues lie between 0 and 1."""

KEPT = 8
"""Lengths of steps of which c is kept."""


class HeatTransport:
    """W steps on the nodal log mass of a box; every rank does all of it.

    Attributes
    ----------
    incidents
        What was mended: nothing but round-off of the mass.
    low
        Which nodes are too low to be seen: none of them, as steps are made of logarithms.
    """

    def __init__(self, semi: SemiDiscrete) -> None:
        nodes, grid = semi.nodes, semi.nodes.grid
        assert isinstance(grid, TensorGrid)
        self.incidents = Incidents()
        self.low: Flags = np.zeros(len(semi.log_target), dtype=bool)
        self._nodes, self._alpha = nodes, semi.equation.alpha
        steps = [np.diff(breaks) for breaks in grid.breaks]
        if not all(np.allclose(step, step[0], rtol=1e-6) for step in steps):
            raise SolverError("heat kernels take cells of one size along each axis")
        self._widths = [float(step.mean()) for step in steps]
        numbers, log_target = nodes.gather(semi.log_target)
        index = np.array(np.unravel_index(numbers, lattice_shape(grid, 1)))
        index -= index.min(axis=1, keepdims=True)  # what of the box has nodes
        self._shape = tuple(int(n) + 1 for n in index.max(axis=1))
        self._own = np.ravel_multi_index(tuple(index), self._shape)
        self._mine = nodes.owned_of(self._own)
        self._half = self._on_lattice(log_target / 2)
        self._there = np.isfinite(self._half)
        self._scalings: dict[float, Array] = {}

    def step(self, log_mass: Array, dt: float, t: float = 0.0) -> Array:
        """Return the nodal log mass at t + `dt` from that at t (collective).

        Raises
        ------
        SolverError
            If the mass changes by more than `MASS_JUMP_LIMIT`.
        """
        tau = float(f"{integral(self._alpha, t, dt):.{DIGITS - 1}e}")
        scaling = self._scaling(tau)
        before = self._nodes.logsumexp(log_mass)
        start = self._on_lattice(self._nodes.gather(log_mass)[1])
        with np.errstate(invalid="ignore"):  # −∞ − (−∞) where there are no nodes
            moved = self._heated(start - self._half - scaling, tau) - scaling + self._half
        owned = moved.ravel()[self._mine]
        change = self._nodes.logsumexp(owned) - before
        self.incidents.largest_mass_jump = max(self.incidents.largest_mass_jump, abs(change))
        if not abs(change) <= MASS_JUMP_LIMIT:
            raise SolverError(
                f"a transport step of {dt:.3g} changed the mass by {abs(change):.1e} of itself"
            )
        return np.asarray(owned - change)

    def _on_lattice(self, values: Array) -> Array:
        result = np.full(int(np.prod(self._shape)), -np.inf)
        result[self._own] = values
        return result.reshape(self._shape)

    def _heated(self, log_values: Array, tau: float) -> Array:
        """Return log e^{τΔ} e^a on the lattice, 0 beyond the nodes."""
        result = np.where(self._there, log_values, -np.inf)
        for axis, width in enumerate(self._widths):
            result = smoothed(result, axis, width, tau)
        return result

    def _scaling(self, tau: float) -> Array:
        """Return c ``(n_1, …)`` of a length of a step: 0 where there are no nodes."""
        known = self._scalings.get(tau)
        if known is not None:
            return known
        # from nothing, not from another length: runs that are gone on with have the same digits
        scaling: Array = np.zeros(self._shape)
        # Chebyshev's iteration for a spectrum from 1 to 2
        change: Array = np.zeros(self._shape)
        gain = 0.0
        for _ in range(MOST_SWEEPS):
            with np.errstate(invalid="ignore"):
                defect = self._heated(self._half - scaling, tau) - self._half - scaling
            defect = np.where(self._there, defect, 0.0)
            gain, before = 1 / (6 - gain) if gain else 1 / 3, gain
            change = np.asarray(gain * (before * change + 4 * defect) if before else defect / 1.5)
            scaling = np.asarray(scaling + change)
            if float(np.abs(defect).max()) < BALANCED:
                break
        else:
            raise SolverError(f"no kernel of length {tau:.3g} was found that keeps the target")
        if len(self._scalings) == KEPT:
            del self._scalings[next(iter(self._scalings))]
        self._scalings[tau] = scaling
        return scaling


class HeatKernels(Strang):
    """``R(Δt/2) W(Δt) R(Δt/2)``, the reaction exact, transport by kernels: order 2, even in Δt."""

    unknown: ClassVar[str] = "log mass, by kernels"
    absorbs: ClassVar[bool] = False
    alternates: ClassVar[bool] = False
    solves: ClassVar[bool] = False

    def _made(self, semi: SemiDiscrete, cure_limit: float) -> HeatTransport:
        return HeatTransport(semi)
