r"""Transport of u = log(ρ/π) along characteristics, and its noise by Gauss–Hermite quadrature.

The relative density h = ρ/π obeys the backward equation of the dynamics seen backwards in time,

.. math:: \partial_t h = \alpha\,(D:\nabla\nabla h + w\cdot\nabla h),\qquad
          w = -D\nabla V + \operatorname{div} D - v,\quad v = -J\nabla V + \operatorname{div} J,

so that h(t + dt, x) = E h(t, X) for the process X from x with drift αw and noise √(2αD). Without
noise that is u ∘ Φ, with the flow Φ of αw; the noise alone gives

.. math:: u(x) \leftarrow \log \sum_k w_k \exp u(x + s\,\xi_k),\qquad s^2 = 2\alpha D\,dt.

For kinetic dynamics Φ is the flow of the Hamiltonian, backwards, and friction and noise together
are p → e^{−αγdt} p + s ξ, s² = 1 − e^{−2αγdt}. u = 0 stays 0 to round-off, ρ is positive, and no
equation is solved; mass is kept up to the errors of the splitting and of the interpolation alone.

A drift f whose law is unknown has w and a source along the characteristics,

.. math:: w = -D\nabla V + \operatorname{div} D - v - f,\qquad
          S = f\cdot\nabla V - \operatorname{div} f,

as π e^u solves the equation of the whole drift.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.graded import UniformAxis, tensor_matrix
from wfrpde.discretisation.nodes import make_nodes

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.domain.grid import TensorGrid


QUADRATURE = 9
"""Points of the Gauss–Hermite rule: with s² times the curvature of −u at 0.35 it errs by 4e-8."""


class CharacteristicForm:
    """Steps of u on the nodes of a uniform grid; every rank holds all of them.

    Attributes
    ----------
    nodes
        Those of the grid, of degree 1.
    log_target
        ``(n,)`` log of the nodal mass of π, which sums to 1.
    killing
        None: nothing is absorbed.
    """

    killing: Array | None = None

    def __init__(self, problem: Problem, grid: TensorGrid, degree: int) -> None:
        from wfrpde.parallel.mpi import MPI

        self.problem, self.equation, self.degree = problem, problem.equation, degree
        assert self.equation.dynamics is not None
        self.dynamics = self.equation.dynamics
        self.nodes = make_nodes(MPI.COMM_SELF, grid, 1)
        sides = (*grid.closed, *[False] * grid.dim)
        self.axes = [
            UniformAxis(breaks[0], breaks[-1], len(breaks) - closed, closed)
            for breaks, closed in zip(grid.breaks, sides, strict=False)
        ]
        self.shape = tuple(axis.count for axis in self.axes)
        self.points: Array = self.nodes.points
        self.potential = problem.potential(self.points)
        self.log_weights = np.log(self.nodes.weights)
        unnormalised = self.log_weights - self.potential
        self.log_target = unnormalised - self.nodes.logsumexp(unnormalised)
        self._moved: dict[float, tuple[sparse.csr_matrix, Array | None]] = {}
        self._noise: dict[float, list[sparse.csr_matrix | None]] = {}
        point, weight = np.polynomial.hermite_e.hermegauss(QUADRATURE)
        self._points, self._log_weight = point, np.log(weight / weight.sum())

    # ------------------------------------------------------------- transport
    def velocity(self, x: Array) -> Array:
        """``αw (n, d)`` at points ``(n, d)``, without the friction of kinetic dynamics."""
        dynamics, gradient = self.dynamics, self.problem.target.gradient(x)
        w = -dynamics.circulating(x, gradient)
        if not dynamics.kinetic:
            w += dynamics.downhill(x, gradient)
        if dynamics.drift is not None:
            w -= dynamics.drift(x)
        return np.asarray(dynamics.alpha * w)

    def source(self, x: Array) -> Array:
        """``αS (n,)`` at points ``(n, d)``."""
        drift = self.dynamics.drift
        assert drift is not None
        along = np.einsum("nd,nd->n", drift(x), self.problem.target.gradient(x))
        return np.asarray(self.dynamics.alpha * (along - drift.divergence(x)))

    def foot(self, dt: float) -> tuple[Array, Array | None]:
        """Where the characteristics that end at the nodes were `dt` ago, and what they gather.

        By Runge–Kutta's method of order 4; ∫S along the way by Simpson's rule, None without S.
        """
        # steps of Runge–Kutta along a foot at most
        # 0.04: largest turn of the velocity (see `turning`) in a step of Runge–Kutta along a foot
        count = int(np.clip(np.ceil(dt * self._fastest / 0.04), 2, 400))
        y, h = self.points, dt / count
        drift = self.dynamics.drift
        gathered = None if drift is None else np.zeros(len(y))
        for _ in range(count):
            a = self.velocity(y)
            b = self.velocity(y + h / 2 * a)
            c = self.velocity(y + h / 2 * b)
            d = self.velocity(y + h * c)
            end = y + h / 6 * (a + 2 * b + 2 * c + d)
            if gathered is not None:
                middle = (y + end) / 2 + h / 8 * (a - self.velocity(end))
                ends = self.source(y) + self.source(end)
                gathered += h / 6 * (ends + 4 * self.source(middle))
            y = end
        return y, gathered

    @cached_property
    def _fastest(self) -> float:
        return turning(self.velocity, self.points, np.ptp(self.problem.box, axis=1))

    def transported(self, u: Array, dt: float) -> Array:
        """Return u after transport without noise for `dt`."""
        if dt not in self._moved:
            foot, gathered = self.foot(dt)
            self._moved[dt] = tensor_matrix(self.axes, foot, self.degree), gathered
        matrix, gathered = self._moved[dt]
        moved = matrix @ u
        return np.asarray(moved if gathered is None else moved + gathered)

    # ------------------------------------------------------------- noise
    def spread(self, dt: float) -> list[tuple[float, float]]:
        """Factor of the coordinate, and standard deviation of the noise in `dt`, of each axis."""
        dynamics, dim = self.dynamics, len(self.axes)
        if dynamics.friction is not None:
            decay = float(np.exp(-dynamics.alpha * dynamics.friction * dt))
            momentum = (decay, float(np.sqrt(1 - decay**2)))
            return [(1.0, 0.0)] * (dim // 2) + [momentum] * (dim // 2)
        each = np.ones(dim) if dynamics.diffusion is None else np.diag(dynamics.diffusion.matrix)
        return [(1.0, float(s)) for s in np.sqrt(2 * dynamics.alpha * each * dt)]

    def diffused(self, u: Array, dt: float) -> Array:
        """Return u after noise (and friction) alone for `dt`."""
        if dt not in self._noise:
            self._noise[dt] = [
                None
                if s == 0.0
                else axis.matrix(
                    (factor * axis.nodes + s * self._points[:, None]).ravel(), self.degree
                )
                for axis, (factor, s) in zip(self.axes, self.spread(dt), strict=True)
            ]
        value = u.reshape(self.shape)
        for k, matrix in enumerate(self._noise[dt]):
            if matrix is not None:
                line = np.moveaxis(value, k, 0)
                every = matrix @ line.reshape(len(line), -1)
                every = every.reshape(QUADRATURE, *line.shape)
                value = np.moveaxis(self._mean(every), 0, k)
        return value.ravel()

    def _mean(self, every: Array) -> Array:
        """``log Σ_k w_k e^{u_k}`` over the first axis."""
        top = every.max(axis=0)
        every -= top
        np.exp(every, out=every)
        return np.asarray(np.log(np.tensordot(np.exp(self._log_weight), every, axes=1)) + top)

    def bend(self, u: Array, matters: Flags) -> float:
        """Largest curvature of −u, in units of 1/dt for small dt, along any axis with noise.

        It is s² k/dt, with second differences k at the nodes that matter.
        """
        value, largest = u.reshape(self.shape), 0.0
        inside = matters.reshape(self.shape)
        small = 1e-6
        for k, (axis, (_, s)) in enumerate(zip(self.axes, self.spread(small), strict=True)):
            if s == 0.0:
                continue
            second = -np.diff(value, 2, axis=k) / axis.spacing**2
            middle = np.moveaxis(np.moveaxis(inside, k, 0)[1:-1], 0, k)
            largest = max(largest, float(second[middle].max(initial=0.0)) * s**2 / small)
        return largest


def turning(velocity: Callable[[Array], Array], x: Array, width: Array) -> float:
    """Return how fast a velocity turns and stretches, at most, at points of a box so wide ``(d,)``.

    That is the largest size of an eigenvalue of its gradient, per unit time, by differences.
    """
    slopes = []
    for step in 1e-5 * np.diag(width):
        slopes.append((velocity(x + step) - velocity(x - step)) / (2 * step.max()))
    gradient = np.stack(slopes, axis=2)
    finite = gradient[np.isfinite(gradient).all(axis=(1, 2))]
    return float(np.abs(np.linalg.eigvals(finite)).max(initial=0.0))
