r"""Transport of u = log(ρ/π) in the phase space of several positions, by shears.

What `characteristics` does in the plane takes one interpolation in all coordinates at once; with
two positions and two momenta that would be thousands of entries a node. Here the flow of the
Hamiltonian, backwards, is that of kicks and drifts,

.. math:: u(q, p) \leftarrow u(q, p + \alpha\tau\nabla U(q)),\qquad
          u(q, p) \leftarrow u(q - \alpha\tau p, p),

half a kick, a drift and half a kick: each moves one coordinate at a time, by one dense matrix for
each place of another. u = 0 stays 0 to round-off, as it is only moved; the mass shows that the
Hamiltonian is kept to second order in τ alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.characteristics import QUADRATURE, CharacteristicForm
from wfrpde.discretisation.graded import UniformAxis
from wfrpde.engine.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfrpde.case.problem import Problem


AT_ONCE = 200_000
"""Numbers of a block in which the noise is averaged: what the caches hold."""


class ShearForm(CharacteristicForm):
    """Steps of u on uniform nodes of positions q ``(k,)`` and momenta p ``(k,)``, k = 2.

    Parameters
    ----------
    problem
        Of kinetic dynamics with fixed rates; with α = 0 nothing moves.
    axes
        Those of the positions, then those of the momenta.
    degree
        Of the interpolation along each axis.
    """

    def __init__(self, problem: Problem, axes: Sequence[UniformAxis], degree: int) -> None:
        from wfrpde.parallel.mpi import MPI

        self.problem, self.equation, self.degree = problem, problem.equation, degree
        self.dynamics = problem.case.dynamics.build(len(axes))
        self._moves = problem.equation.dynamics is not None
        if problem.equation.dynamics is not None:
            self.dynamics = problem.equation.dynamics
        self.axes = list(axes)
        self.shape = tuple(axis.count for axis in axes)
        alone = (MPI.COMM_SELF, (int(np.prod(self.shape)),), np.zeros(0, dtype=np.int64))
        self.nodes = Layout(*alone)  # type: ignore[assignment]
        self._at_rest = lattice_points([axis.nodes for axis in axes[:2]])
        self._at_rest = np.concatenate([self._at_rest, np.zeros_like(self._at_rest)], axis=1)
        momenta = lattice_points([axis.nodes for axis in axes[2:]])
        level = problem.potential(self._at_rest)
        self.potential = np.add.outer(level, (momenta**2).sum(axis=1) / 2).ravel()
        self.log_target = -self.potential - self.nodes.logsumexp(-self.potential)
        self._shears: dict[float, tuple[list[Array], list[Array]]] = {}
        self._averages: dict[float, list[Array]] = {}
        point, weight = np.polynomial.hermite_e.hermegauss(QUADRATURE)
        self._points, self._log_weight = point, np.log(weight / weight.sum())

    def transported(self, u: Array, dt: float) -> Array:
        """Return u after half a kick, a drift and half a kick."""
        if not self._moves:
            return u
        if dt not in self._shears:
            self._shears[dt] = self._kicks(dt / 2), self._drifts(dt)
        kicks, drifts = self._shears[dt]
        n, m = self.shape[:2], self.shape[2:]
        value = _kicked(u.reshape(-1, *m), kicks).reshape(*n, *m)
        for k, drift in enumerate(drifts):  # q_k by p_k
            front = np.moveaxis(value, (2 + k, k), (0, 1))
            moved = np.matmul(drift, front.reshape(m[k], n[k], -1)).reshape(front.shape)
            value = np.moveaxis(moved, (0, 1), (2 + k, k))
        return _kicked(value.reshape(-1, *m), kicks).ravel()

    def _kicks(self, dt: float) -> list[Array]:
        """For each momentum the matrices ``(n, m, m)``, n the positions."""
        slope = self.problem.target.gradient(self._at_rest)
        force = self.dynamics.alpha * dt * slope
        return [
            _dense(axis, axis.nodes + force[:, k, None], self.degree)
            for k, axis in enumerate(self.axes[2:])
        ]

    def _drifts(self, dt: float) -> list[Array]:
        """For each position the matrices ``(m, n, n)``, m the momenta along its axis."""
        way = self.dynamics.alpha * dt
        return [
            _dense(axis, axis.nodes - way * other.nodes[:, None], self.degree)
            for axis, other in zip(self.axes[:2], self.axes[2:], strict=True)
        ]

    def diffused(self, u: Array, dt: float) -> Array:
        """Return u after friction and noise alone for `dt`."""
        if not self._moves:
            return u
        if dt not in self._averages:
            self._averages[dt] = [
                _dense(axis, factor * axis.nodes + s * self._points[:, None], self.degree)
                for axis, (factor, s) in zip(self.axes[2:], self.spread(dt)[2:], strict=True)
            ]
        value = u.reshape(self.shape)
        for matrix in self._averages[dt]:  # of p₁, and then of p₂
            line = np.ascontiguousarray(np.swapaxes(value, 2, 3))
            value = self._averaged(line.reshape(-1, line.shape[3]), matrix).reshape(line.shape)
        return value.ravel()

    def _averaged(self, lines: Array, matrix: Array) -> Array:
        """Return ``log Σ_k w_k e^{u_k}`` along lines ``(n, m)``; `matrix` is ``(k, m, m)``."""
        count, size, _ = matrix.shape
        flat = matrix.reshape(count * size, size).T
        weight, result = np.exp(self._log_weight), np.empty_like(lines)
        rows = max(1, AT_ONCE // (count * size))
        for start in range(0, len(lines), rows):
            block = slice(start, start + rows)
            every = (lines[block] @ flat).reshape(-1, count, size)
            top = every.max(axis=1)
            every -= top[:, None]
            np.exp(every, out=every)
            result[block] = np.log(np.einsum("k,nkm->nm", weight, every)) + top
        return result


def _kicked(value: Array, kicks: list[Array]) -> Array:
    """Return u ``(n, m, m')`` with both momenta moved."""
    return np.asarray(np.matmul(np.matmul(kicks[0], value), kicks[1].swapaxes(1, 2)))


def _dense(axis: UniformAxis, places: Array, degree: int) -> Array:
    """Return the matrices ``(r, s, count)`` that interpolate at places ``(r, s)``."""
    return np.asarray(axis.matrix(places.ravel(), degree).toarray()).reshape(*places.shape, -1)


def lattice_points(axes: Sequence[Array]) -> Array:
    """Return the points ``(n, d)`` of a lattice, the last coordinate running first."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
