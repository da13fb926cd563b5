r"""What a path of targets costs: gaps, friction, action, and how far a flow lags behind.

With :math:`g = \partial_t V_t - \langle\partial_t V_t\rangle_{\pi_t}`, slow driving dissipates

.. math:: \dot W_{diss} = \langle g, (-\alpha L_t)^{-1} g\rangle_{\pi_t} ,

per unit time; the friction is that per unit of path length s = t/t_end, with α = 1. A flow towards
π_t lags behind by χ, (β − αL_t) χ = g, that is, KL(ρ_t‖π_t) ≈ ½⟨χ²⟩: the adiabatic limit. Fisher–
Rao alone would lag by g/β.

References
----------
Sivak and Crooks, Phys. Rev. Lett. 108 (2012) 190602; Guo, Tao and Chen, arXiv:2502.04575.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.case.loading import require_case
from wfrpde.case.setup import make_problem
from wfrpde.case.stored import Result
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.discretisation.semi_discrete import SemiDiscrete
from wfrpde.engine import Wish
from wfrpde.errors import InputError
from wfrpde.fields.schedules import value_at
from wfrpde.parallel import world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.case.problem import Problem


STATIONS = 33
"""Times along a path by default, closer to each other at the ends, where friction changes fast."""

BLOCK, ITERATIONS = 4, 12
"""Vectors and iterations in search of the gap."""

CELLS = {1: 600, 2: 48}
"""Cells along each axis of the coarser grid, by dimension."""


@dataclass(frozen=True, repr=False)
class PathProfile(Result):
    """What is asked along a path of targets, ``(T,)`` each, and the same of its estimated errors.

    Attributes
    ----------
    times
        Model times.
    gap
        λ₁ of −L_t, per unit time with α = 1.
    friction
        ⟨g, (−L)⁻¹ g⟩ with g = ∂_s V, s = t/t_end: dissipation per unit s² and time with α = 1.
    variance
        ⟨g²⟩ per unit s².
    lag
        ½⟨χ²⟩: KL(ρ_t‖π_t) that slow driving leads to, with α and β of the flow, in nats.
    errors
        ``(4, T)``: estimated errors of the four.
    """

    times: Array
    gap: Array
    friction: Array
    variance: Array
    lag: Array
    errors: Array

    @property
    def action(self) -> float:
        """``∫ friction ds``: dissipated work times the duration of slow driving (kT)."""
        return self._integral(1.0)

    @property
    def length(self) -> float:
        """``∫ √friction ds``, whose square is the least action that a schedule can have."""
        return self._integral(0.5)

    def _integral(self, power: float) -> float:
        """∫ friction^power ds, by a spline of the logarithm: friction spans decades."""
        from scipy.interpolate import CubicSpline

        through = CubicSpline(self._share, np.log(self.friction))
        fine = np.linspace(0.0, 1.0, 20_001)  # points of the integrals over a path
        return float(np.trapezoid(np.exp(power * through(fine)), fine))

    def schedule(self, duration: float) -> list[list[float]]:
        """Return a table [t, s] for ``path.schedule`` that dissipates as much at all times.

        s as a share of the present path, run through at a speed of 1/√friction.
        """
        speed = np.sqrt(self.friction)
        steps = np.diff(self._share) * (speed[1:] + speed[:-1]) / 2
        passed = np.concatenate([[0.0], np.cumsum(steps)])
        clock = duration * passed / passed[-1]
        pairs = zip(clock, self._share, strict=True)
        return [[float(t), float(s)] for t, s in pairs]

    @property
    def _share(self) -> Array:
        return np.asarray(self.times / self.times[-1])


def path_profile(
    case: Case, times: npt.ArrayLike | None = None, comm: Comm | None = None
) -> PathProfile:
    """Compute gaps, friction and the lag along the path of a case (collective).

    Two grids give the errors; in one and two dimensions.

    Parameters
    ----------
    times
        Ascending model times from 0 to the end; by default `STATIONS` of them.

    Raises
    ------
    InputError
        If the case has no path, or is one in space.
    """
    require_case(case, "path_profile")
    if case.path.kind is None:
        raise InputError("path", "none", "a target that moves")
    if case.dim > max(CELLS):
        raise InputError("target.dim", str(case.dim), "at most two dimensions for this question")
    problem = make_problem(case)
    lobatto = problem.t_end * (1 - np.cos(np.pi * np.linspace(0, 1, STATIONS))) / 2
    own = lobatto if times is None else times
    at = np.atleast_1d(np.asarray(own, dtype=float))
    cells = case.numerics.cells or (CELLS[case.dim],) * case.dim
    coarse = problem.grid(tuple(cells))
    comm = world_of(comm)
    first = _on(problem, make_nodes(comm, coarse, 1), at)
    second = _on(problem, make_nodes(comm, coarse.refined(), 1), at)
    best = second + (second - first) / 3
    gap, friction, variance, lag = best
    return PathProfile(at, gap, friction, variance, lag, np.abs(second - first) / 3)


def _on(problem: Problem, nodes: Nodes, times: Array) -> Array:
    """Return gap, friction, variance and lag ``(4, T)`` on a grid."""
    path, equation = problem.equation.path, problem.equation
    assert path is not None
    owned = nodes.points[: nodes.n_owned]
    moving = problem.moving(nodes.points)
    assert moving is not None
    found = []
    transport = equation if equation.dynamics is not None else equation.with_rates(1.0, 0.0)
    for t in map(float, times):
        wish = Wish.of(problem.numerics)
        with SemiDiscrete(transport, nodes, moving(t), wish=wish) as semi:
            root = np.exp(semi.log_target / 2)
            rate: Array = path.in_time(owned, t)
            rate = rate - nodes.sum(root**2 * rate)
            y = root * rate
            gap = _gap(semi, root)
            # c in (I + cS)⁻¹ c, times the largest relaxation time, that stands for S⁻¹
            far = 1e9 / gap
            assert semi.solver is not None
            relaxed = _mean_free(nodes, far * semi.solver.solve(far, y), root)
            alpha, beta = value_at(equation.alpha, t), value_at(equation.beta, t)
            if alpha == 0.0 or beta == 0.0:
                lag = np.asarray(relaxed / alpha if beta == 0.0 else y / beta)
            else:
                lag = semi.solver.solve(alpha / beta, np.asarray(y / beta))
            lag = _mean_free(nodes, lag, root)
            unit = problem.t_end**2
            found.append([
                gap, unit * nodes.sum(y * relaxed), unit * nodes.sum(y**2), nodes.sum(lag**2) / 2
            ])  # fmt: skip
    return np.array(found).T


def _mean_free(nodes: Nodes, y: Array, root: Array) -> Array:
    return np.asarray(y - nodes.sum(root * y) * root)


def _gap(semi: SemiDiscrete, root: Array) -> float:
    """Return the smallest eigenvalue of S beside 0, by inverse iteration of a block."""
    nodes = semi.nodes
    assert semi.solver is not None
    owned = nodes.points[: nodes.n_owned]
    centre = [nodes.sum(root**2 * owned[:, k]) for k in range(nodes.dim)]
    x = owned - centre
    basis = [root * x[:, 0] ** k for k in range(1, BLOCK + 1)]
    basis += [root * x[:, k] for k in range(1, nodes.dim)]
    shift = 1.0
    value = np.inf
    for _ in range(ITERATIONS):
        basis = _orthonormal(nodes, [_mean_free(nodes, y, root) for y in basis])
        images = [semi.solver.solve(shift, y) for y in basis]
        gram = np.array([[nodes.sum(a * b) for b in images] for a in basis])
        theta, vectors = np.linalg.eigh((gram + gram.T) / 2)
        value = (1 / theta[-1] - 1) / shift
        basis = [np.asarray(sum(v * y for v, y in zip(column, images, strict=True)))
                 for column in vectors.T]  # fmt: skip
        shift = max(shift, 10.0 / value) if value > 0 else shift
    return float(value)


def _orthonormal(nodes: Nodes, basis: list[Array]) -> list[Array]:
    made: list[Array] = []
    for y in basis:
        for _ in range(2):
            for other in made:
                y = y - nodes.sum(other * y) * other
        made.append(np.asarray(y / np.sqrt(nodes.sum(y * y))))
    return made
