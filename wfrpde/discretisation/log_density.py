r"""The log-density form on boxes: its right-hand side and Jacobian on GLL elements.

.. math:: \partial_t u = \alpha\,(\Delta u + |\nabla u|^2 - \nabla V\cdot\nabla u) - \beta u,
          \qquad u = \log(\rho/\pi)

(The mean of the reaction only shifts u; ρ is normalised at output.) No exponential of V or u
enters, so that potentials of any height are represented.

At walls :math:`\partial_n u = 0`, the natural condition of the weak form. Where a box ends only
because nothing matters beyond, this would bend u, and with large elements all over the box. There
the sides are *open*: the equation itself holds up to them, as if elements went on. Where ρ and π
are Gaussian u is then a polynomial of degree 2 at all times, on any elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.lattice import cell_extents, lattice_shape
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.engine.serial import Solve, pattern_of

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.domain.grid import TensorGrid


KEPT, FEW = 16, 2_000
"""How many grids are remembered with their elements, of how many nodes at most: on more of them
making elements is a small part of a run."""


class Elements:
    """What the form knows of a grid and a degree alone.

    Attributes
    ----------
    nodes
        GLL nodes of the grid, all of them on this rank.
    element, own
        ``(cells, p + 1, …, p + 1)``, an axis of space each after the first: numbers of the nodes of
        each cell, and their weights in it.
    scale
        For each axis what slopes on the unit cell are multiplied by.
    pattern
        Where the entries of the Jacobian are stored, which come axis by axis.
    """

    def __init__(self, grid: TensorGrid, degree: int) -> None:
        from wfrpde.parallel.mpi import MPI

        dim = grid.dim
        self.nodes = make_nodes(MPI.COMM_SELF, grid, degree)
        cells = self.nodes.cell_nodes
        self.element = cells.reshape(-1, *[degree + 1] * dim)
        self.own = self.nodes.cell_weights().reshape(self.element.shape)
        extents = cell_extents(grid, cells, self.nodes.points)
        self.scale = [2 / _along(extents[:, k], None, dim) for k in range(dim)]
        rows, columns = map(np.concatenate, zip(*self._couplings(), strict=True))
        band = degree if dim == 1 and not grid.closed_axes else None
        self.pattern = pattern_of(rows, columns, len(self.nodes.points), band)

    def _couplings(self) -> Iterator[tuple[Integers, Integers]]:
        """Rows and columns of the entries along each axis."""
        for k in range(1, self.element.ndim):
            line = np.moveaxis(self.element, k, -1)
            shape = (*line.shape, line.shape[-1])
            yield (
                np.broadcast_to(line[..., :, None], shape).ravel(),
                np.broadcast_to(line[..., None, :], shape).ravel(),
            )


def elements_of(grid: TensorGrid, degree: int) -> Elements:
    """Return the elements of a grid, which are made once for several flows."""
    few = np.prod(lattice_shape(grid, degree)) <= FEW
    return kept_elements(grid, degree) if few else Elements(grid, degree)


@lru_cache(maxsize=KEPT)
def kept_elements(grid: TensorGrid, degree: int) -> Elements:
    """Return the elements of a grid of few nodes."""
    return Elements(grid, degree)


def _along(values: Array, axis: int | None, dim: int) -> Array:
    """Values by cell, or by node along an axis, as they multiply a field of all cells."""
    shape = [1] * (dim + 1)
    shape[0 if axis is None else axis + 1] = -1
    return values.reshape(shape)


class LogDensityForm:
    """Right-hand side and Jacobian of the log-density form on a tensor grid, node by node.

    Some hundreds or thousands of unknowns: every rank holds all of them. With `open_sides` the box
    has no walls.

    Attributes
    ----------
    nodes
        GLL nodes of the grid, all of them on this rank.
    potential
        ``(n,)`` V at the nodes.
    log_target
        ``(n,)`` log of the nodal mass of π, which sums to 1.
    killing
        None: nothing absorbs.
    """

    killing: Array | None = None

    def __init__(
        self, problem: Problem, grid: TensorGrid, degree: int, *, open_sides: bool = False
    ) -> None:
        self.equation, self.degree = problem.equation, degree
        self._alpha, self._beta = problem.equation.alpha, problem.equation.beta
        elements = elements_of(grid, degree)
        self.nodes, self._element, self._own = elements.nodes, elements.element, elements.own
        self._scale, self._pattern = elements.scale, elements.pattern
        points = self.nodes.points
        self.potential = problem.potential(points)
        self.weights = self.nodes.weights
        self.log_target = self.normalised(np.log(self.weights) - self.potential)
        self._rule, self._dim = gll_rule(degree), grid.dim
        self._flat = self._element.ravel()
        gradient = self._gradient(problem)
        # what slopes along the axes of the unit cell, their squares, and both together count
        self._square = [self._own * scale**2 for scale in self._scale]
        self._linear = [-self._own * scale * gradient[k] for k, scale in enumerate(self._scale)]
        if open_sides:
            self._linear = [part + self._ends(grid, k) for k, part in enumerate(self._linear)]
        self._bend = [self._alpha * square / self.weights[self._element] for square in self._square]
        self._known: tuple[Array | None, list[Array]] = None, []
        fixed = [self._linear_part(k) for k in range(grid.dim)]
        self._fixed = self._pattern.stored(np.concatenate(fixed))

    def __call__(self, u: Array) -> Array:
        """Right-hand side ``(n,)``."""
        return self._alpha * self.transport(u) - self._beta * u

    def transport(self, u: Array) -> Array:
        """``Δu + |∇u|² − ∇V·∇u`` in the weak form, divided by the mass."""
        force: Array | float = 0.0
        for k, slope in enumerate(self._slopes(u)):
            flux = self._square[k] * slope
            force = force + (flux + self._linear[k]) * slope
            force -= self._applied(self._rule.derivative.T, flux, k)
        return np.bincount(self._flat, np.ravel(force), len(u)) / self.weights

    def bend(self, change: Array) -> Array:
        """``α |∇w|²`` of a change w of u: what the right-hand side changes by beyond ``J w``."""
        square: Array | None = None
        local, derivative = change[self._element], self._rule.derivative
        for k, factor in enumerate(self._bend):
            other = self._applied(derivative, local, k)
            other *= other
            other *= factor
            square = other if square is None else np.add(square, other, out=square)
        assert square is not None
        return np.bincount(self._flat, square.ravel(), len(change)).astype(np.float64, copy=False)

    def shifted_jacobian(self, u: Array, shift: float) -> Solve | None:
        """Return what solves with ``shift I − J``, J the Jacobian of the right-hand side."""
        derivative = -2 * self._rule.derivative
        blocks = [
            self._line(factor * slope, k, derivative)
            for k, (factor, slope) in enumerate(zip(self._bend, self._slopes(u), strict=True))
        ]
        stored = self._pattern.stored(np.concatenate(blocks))
        stored += self._fixed
        return self._pattern.factored(stored, self._beta + shift)

    def normalised(self, log_mass: Array) -> Array:
        """Return the nodal log mass shifted so that it sums to 1."""
        return log_mass - self.nodes.logsumexp(log_mass)

    def _gradient(self, problem: Problem) -> list[Array]:
        """∇V along each axis at the nodes of each cell, as the cell has it where V has a kink."""
        points = self.nodes.points
        gradient = list(problem.target.gradient(points).T[:, self._element])
        for k, kinks in enumerate(problem.kinks.planes):
            if len(kinks):
                near = 1e-12 * np.ptp(problem.box[k])
                here = np.any(np.abs(points[:, [k]] - kinks) < near, axis=1)
                local = self._applied(self._rule.derivative, self.potential[self._element], k)
                gradient[k] = np.where(here[self._element], self._scale[k] * local, gradient[k])
        return gradient

    def _slopes(self, u: Array) -> list[Array]:
        """Slopes along the axes of the unit cell, at the nodes of each cell: kept of the last u."""
        if self._known[0] is not u:
            local, derivative = u[self._element], self._rule.derivative
            self._known = u, [self._applied(derivative, local, k) for k in range(self._dim)]
        return self._known[1]

    @staticmethod
    def _applied(matrix: Array, local: Array, axis: int) -> Array:
        """Apply a matrix ``(p+1, p+1)`` along an axis of the cells."""
        size = len(matrix)
        if axis + 2 == local.ndim:
            return np.asarray(np.dot(local.reshape(-1, size), matrix.T).reshape(local.shape))
        across = local.reshape(len(local) * size**axis, size, -1)
        return np.asarray((matrix @ across).reshape(local.shape))

    @staticmethod
    def _line(values: Array, axis: int, matrix: Array) -> Array:
        """Entries ``values_i matrix_ij`` of the lines along an axis, in the order of `Elements`."""
        last = values if axis + 2 == values.ndim else np.moveaxis(values, axis + 1, -1)
        return np.asarray((last[..., None] * matrix).ravel())

    def _linear_part(self, k: int) -> Array:
        """Entries of ``−α (Δu − ∇V·∇u)`` along an axis."""
        derivative, weight = self._rule.derivative, self._rule.weights
        stiffness = np.einsum("q,qi,qj->ij", weight, derivative, derivative)
        # a node's share of its mass, over its own weight along the axis, is that of the line
        entries = self._line(self._bend[k] / _along(weight, k, self._dim), k, stiffness)
        speed = self._alpha * self._linear[k] / self.weights[self._element]
        return entries - self._line(speed, k, derivative)

    def _ends(self, grid: TensorGrid, k: int) -> Array:
        """Return what slopes count at nodes at the two ends of the box: their areas, − and +."""
        area = np.zeros(self._own.shape)
        cell = np.nonzero(grid.active)[k]
        for end, sign, last in ((0, -1.0, 0), (-1, 1.0, grid.active.shape[k] - 1)):
            index: list[Any] = [slice(None)] * (self._dim + 1)
            index[0], index[k + 1] = cell == last, end
            at = tuple(index)
            area[at] = (sign * self._square[k] / self._rule.weights[0])[at]
        return area
