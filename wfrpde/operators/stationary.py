r"""The stationary density of dynamics with a further drift, which is not π.

Transport is written as ∂_t ρ = −∇·(aρ − D∇ρ), a = b − div D, with the flux of Scharfetter and
Gummel along every edge of a grid: from i to j mass goes at the rate

.. math:: r_{ij} = \frac{\kappa_{ij} D_{ij}}{w_i}\,B(-z), \qquad z = \int_i^j a\,dl/D, \quad
          B(z) = \frac{z}{e^z - 1},

positive whatever the drift. The stationary masses solve a singular system with the signs of an
M-matrix: with that of the heaviest node given, LU factors without pivoting lose no digit of any
entry relative to itself, however small it is. Logarithms are extrapolated over three nested grids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Integers
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.edges import cell_lines, line_edges
from wfrpde.discretisation.extrapolation import extrapolate, prolong
from wfrpde.discretisation.fluxes import bernoulli
from wfrpde.discretisation.interpolation import Interpolation, interpolation_of
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.errors import InputError
from wfrpde.flow.currents import slopes, velocity_of_mass
from wfrpde.operators.irreversible import LEVEL, refuse_simplices
from wfrpde.operators.ladder import cells_for
from wfrpde.operators.spectra import FromModes
from wfrpde.operators.walls import wall_nodes
from wfrpde.parallel import collectively, tell_warnings, world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.case.problem import Problem
    from wfrpde.equation import Dynamics


SHARE = 0.25
"""Share of the distance of two results, extrapolated once each, that is the error of the best."""


@dataclass(frozen=True, repr=False, kw_only=True)
class StationaryDensity(FromModes):
    """What dynamics keep, where that is not π; the same on every rank.

    Attributes
    ----------
    log_relative, log_error
        ``(n,)`` nodal values of log(p/π) of the stationary density p, and their estimated errors.
    mean, mean_error
        ``(d,)`` its mean.
    kl, kl_error
        KL(p‖π), nats: how far from the target the drift leads.
    """

    log_relative: Array
    log_error: Array
    mean: Array
    mean_error: Array
    kl: float
    kl_error: float
    case: Case

    def log_density(self, x: npt.ArrayLike) -> Array:
        """Log p ``(n,)`` at points ``(n, d)``; NaN outside. Not collective."""
        return self._log_target(x) + self._at(self.log_relative, x)

    def density(self, x: npt.ArrayLike) -> Array:
        """Density p ``(n,)`` at points ``(n, d)``; NaN outside. Not collective."""
        return np.asarray(np.exp(self.log_density(x)))

    def current(self, x: npt.ArrayLike) -> Array:
        """Stationary current ``(n, d)`` per unit time at points ``(n, d)``. Not collective."""
        points = np.asarray(x, dtype=float).reshape(-1, self.target.dim)
        slope = slopes(self.interpolation, self.log_relative, points)
        dynamics = self.case.equation.dynamics
        assert dynamics is not None
        velocity = velocity_of_mass(dynamics, self.target, 0.0, points, slope)
        return self.density(points)[:, None] * velocity


def stationary_density(case: Case, comm: Comm | None = None) -> StationaryDensity:
    """Compute what the dynamics of a case keep (collective; one process solves).

    Raises
    ------
    InputError
        If the dynamics are kinetic or their diffusion is a full matrix, if something absorbs, in
        three dimensions, or on simplices.
    """
    comm = world_of(comm)
    dynamics = case.equation.dynamics
    if dynamics is None:
        raise InputError("flow.alpha", "0", "a positive value", "Without transport all is kept.")
    refuse_simplices(case)
    objection = dynamics.objection(("diffusion", "circulation", "drift"), "a stationary density")
    if objection is not None:
        raise objection
    if dynamics.diffusion is not None and not dynamics.diffusion.is_diagonal:
        found = "a full matrix, for a stationary density"
        raise InputError("dynamics.diffusion", found, "one along each axis")
    if case.sinks or case.dim > 2:
        which = "what absorbs" if case.sinks else "three dimensions"
        raise InputError("domain", f"{which}, for a stationary density", "one or two, and no sinks")
    with collectively(comm):
        problem = make_problem(case, at_equilibrium=True, level=LEVEL)
        cells = problem.numerics.cells or cells_for(problem, 1, 2)
        grids = [problem.tensor_grid(cells)]
        for _ in range(2):
            grids.append(grids[-1].refined())
        spaces: list[Interpolation] = []
        for k, grid in enumerate(grids):
            spaces.append(interpolation_of(grid, 1, grids[k - 1] if k else None))
        solved = None
        if comm.rank == 0:
            solved = _solved(problem, dynamics, grids, spaces)
    result = comm.bcast(solved)
    warnings = [*problem.warnings, *result.pop("warnings")]
    tell_warnings(warnings, comm)
    return StationaryDensity(
        target=problem.target,
        numerics={"nodes": len(spaces[-1].nodes), "ranks": comm.size, **problem.facts},
        warnings=tuple(warnings),
        interpolation=spaces[-1],
        case=case,
        **result,
    )


def _solved(
    problem: Problem, dynamics: Dynamics, grids: list[Any], spaces: list[Interpolation]
) -> dict[str, Any]:
    from wfrpde.parallel.mpi import MPI

    fields, nodes, log_partition = [], None, 0.0
    for grid in grids:
        nodes = make_nodes(MPI.COMM_SELF, grid, 1)
        log_target = np.log(nodes.weights) - problem.potential(nodes.points)
        log_partition = nodes.logsumexp(log_target)
        log_mass = np.log(stationary_masses(problem, dynamics, nodes))
        fields.append(nodes.gather(log_mass - (log_target - log_partition))[1][None])
    assert nodes is not None
    coarse, middle, fine = spaces
    once = extrapolate(coarse, fields[0], middle, fields[1])
    twice = extrapolate(middle, fields[1], fine, fields[2])
    other = prolong(middle, once, fine)
    best = extrapolate(middle, once, fine, twice, order=4)
    log_target = nodes.gather(np.log(nodes.weights) - problem.potential(nodes.points))[1]
    numbers = nodes.gather(np.arange(len(nodes.points), dtype=float))[1]
    single = np.isin(np.arange(len(numbers)), np.unique(numbers, return_index=True)[1])
    mass = np.where(single, np.exp(log_target - log_partition), 0.0)

    def normalised(u: Array) -> tuple[Array, Array, float]:
        row = u[0] - np.log(mass @ np.exp(u[0]))
        share = mass * np.exp(row)
        return row, share @ fine.nodes, float(share @ row)

    row, mean, kl = normalised(best)
    second, mean_of_other, kl_of_other = normalised(other)
    walls = nodes.gather(wall_nodes(nodes).astype(float))[1] > 0
    beyond = float((mass * np.exp(row))[walls].sum())
    warnings = []
    # share of the mass at the walls of the box from which it is told
    if beyond > 1e-8 and problem.domain.box is None:
        warnings.append(
            f"{beyond:.0e} of the stationary mass is at the walls of the box, which follows the "
            "target: the drift leads farther. Give [domain] box"
        )
    return {
        "log_normalisation": float(log_partition),
        "log_relative": row,
        "log_error": SHARE * np.abs(row - second),
        "mean": mean,
        "mean_error": SHARE * np.abs(mean - mean_of_other),
        "kl": kl,
        "kl_error": SHARE * abs(kl - kl_of_other),
        "warnings": warnings,
    }


def stationary_masses(problem: Problem, dynamics: Dynamics, nodes: Nodes) -> Array:
    """Return the stationary mass ``(n,)`` of every node, each to its own relative accuracy."""
    import scipy.sparse as sparse
    from scipy.sparse.linalg import splu

    start, end, forth, back = _rates(problem, dynamics, nodes)
    n = len(nodes.points)
    rows = np.concatenate([start, end, end, start])
    columns = np.concatenate([start, start, end, end])
    values = np.concatenate([forth, -forth, back, -back])
    matrix = sparse.csc_matrix((values, (rows, columns)), shape=(n, n))
    anchor = int(np.argmin(problem.potential(nodes.points)))
    mass: Array = np.ones(n)
    for _ in range(3):  # nodes that are tried as the heaviest one at most
        free = np.arange(n) != anchor
        factor = splu(
            matrix[free][:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )  # fmt: skip
        mass[free] = factor.solve(-matrix[free][:, [anchor]].toarray().ravel())
        mass[anchor] = 1.0
        heaviest = int(np.argmax(mass))
        if heaviest == anchor or mass[heaviest] < 10.0:
            break
        anchor = heaviest
    return np.asarray(mass / mass.sum())


def _rates(
    problem: Problem, dynamics: Dynamics, nodes: Nodes
) -> tuple[Integers, Integers, Array, Array]:
    """Return the ends of all edges, and the rates at which mass goes forth and back."""
    found = []
    width = np.ptp(problem.box, axis=1)
    for axis, lines in enumerate(cell_lines(nodes)):
        edges = line_edges(lines, 1)
        first, last = nodes.points[edges.i], nodes.points[edges.j].copy()
        around = last[:, axis] < first[:, axis]  # where an axis closes
        last[around, axis] += width[axis]
        middle = (first + last) / 2
        length = last[:, axis] - first[:, axis]
        push, spread = zip(*(_along(problem, dynamics, x, axis) for x in (first, middle, last)),
                           strict=True)  # fmt: skip
        ratio = [a / d for a, d in zip(push, spread, strict=True)]
        z = length / 6 * (ratio[0] + 4 * ratio[1] + ratio[2])
        size = edges.conductance * spread[1]
        forth = size * bernoulli(-z) / nodes.weights[edges.i]
        back = size * bernoulli(z) / nodes.weights[edges.j]
        found.append((edges.i, edges.j, forth, back))
    start, end, forth, back = (np.concatenate(part) for part in zip(*found, strict=True))
    return start, end, forth, back


def _along(problem: Problem, dynamics: Dynamics, x: Array, axis: int) -> tuple[Array, Array]:
    """Return a = b − div D and D along an axis at points ``(n, d)``."""
    push = dynamics.velocity(x, problem.target.gradient(x))[:, axis]
    if dynamics.diffusion is not None:
        push = push - dynamics.diffusion.divergence(x)[:, axis]
    return push, dynamics.diffusion_at(x)[:, axis, axis]
