"""The log-density form in one dimension: its right-hand side and Jacobian on GLL elements.

    u_t = α (u'' + u'² − V' u') − β u,    u = log(ρ/π)

(The mean of the reaction only shifts u; ρ is normalised at output.) No exponential of V or u
enters, so that potentials of any height are represented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.nodes import make_nodes

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.domain.grid import TensorGrid

Array = npt.NDArray[np.float64]


class LogDensityForm:
    """Right-hand side and Jacobian of the log-density form on an interval, node by node.

    At both ends u' = 0, which is the no-flux wall: it is the natural condition of the weak form.
    A few hundred unknowns: every rank holds all of them.

    Attributes
    ----------
    x, weights
        ``(n,)`` coordinates and quadrature weights of the nodes.
    log_target
        ``(n,)`` log of the nodal mass of π, which sums to 1.
    killing
        None: nothing absorbs.
    """

    killing: Array | None = None

    def __init__(self, problem: Problem, grid: TensorGrid, degree: int) -> None:
        from wfrpde.parallel.mpi import MPI

        rule = gll_rule(degree)
        self.equation, self.degree = problem.equation, degree
        self.nodes = make_nodes(MPI.COMM_SELF, grid, degree)
        points = self.nodes.points
        self.x: Array = points[:, 0]
        self.potential = problem.potential(points)
        self._element = self.nodes.cell_nodes
        length = np.diff(grid.breaks[0])[:, None]
        self._d = rule.derivative
        self._stiff = rule.weights * 2 / length  # quadrature of u' v' in reference slopes
        self._mass = rule.weights * length / 2
        self._scale = 2 / length
        self._slope = problem.target.gradient(points)[self._element, 0]
        self.weights = self.nodes.weights
        self.log_target = self.normalised(np.log(self.weights) - self.potential)
        # LAPACK's banded storage (3p + 1, n), column by column: entry (i, j) in row 2p + i − j
        i = np.repeat(self._element[:, :, None], degree + 1, axis=2)
        j = np.repeat(self._element[:, None, :], degree + 1, axis=1)
        self._band = (j * (3 * degree + 1) + 2 * degree + i - j).ravel()
        block = np.einsum("eq,qi,qk->eik", self._stiff, self._d, self._d) / self.weights[i]
        self._diffusion = self._banded(block)
        self._drift = self._mass * self._scale / self.weights[self._element]

    def _banded(self, blocks: Array) -> Array:
        rows, n = 3 * self.degree + 1, len(self.weights)
        band = np.bincount(self._band, blocks.ravel(), minlength=rows * n)
        return np.asarray(band.reshape(n, rows).T, dtype=float)

    def __call__(self, u: Array) -> Array:
        """Right-hand side ``(n,)``."""
        return self.equation.alpha * self.transport(u) - self.equation.beta * u

    def transport(self, u: Array) -> Array:
        """``u'' + u'² − V' u'`` in the weak form, divided by the mass."""
        reference = u[self._element] @ self._d.T
        slope = reference * self._scale
        force = -(self._stiff * reference) @ self._d + self._mass * slope * (slope - self._slope)
        return np.bincount(self._element.ravel(), force.ravel()) / self.weights

    def shifted_jacobian(self, u: Array, shift: float) -> Array:
        """``shift I − J`` with the Jacobian J of the right-hand side, in LAPACK's banded storage.

        ``(3p + 1, n)``: the first p rows are room for the factorisation.
        """
        slope = (u[self._element] @ self._d.T) * self._scale
        speed = (2 * slope - self._slope) * self._drift
        band = self._diffusion - self._banded(speed[:, :, None] * self._d)
        band *= self.equation.alpha
        band[2 * self.degree] += self.equation.beta + shift
        return band

    def normalised(self, log_mass: Array) -> Array:
        """Return the nodal log mass shifted so that it sums to 1."""
        return log_mass - self.nodes.logsumexp(log_mass)
