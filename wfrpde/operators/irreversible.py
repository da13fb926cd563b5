"""Eigenpairs of generators that are not symmetric: D(x), circulation, a further drift.

One process solves, on spectral elements of two degrees; the others are told. Modes that the coarser
degree does not know are artefacts of the mesh: they are left out, and named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, ComplexArray, Flags
from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.fluxes import STEEP_LINE
from wfrpde.discretisation.interpolation import Interpolation, evaluate, interpolation_of
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine.nonsymmetric import Eigenpairs, lowest
from wfrpde.equation import Dynamics
from wfrpde.errors import InputError, SolverError
from wfrpde.operators.absorbing import absorbing_nodes, planes, rough_warnings
from wfrpde.operators.generator_form import GeneratorForm, rotation_bound
from wfrpde.operators.ladder import cells_for, vague_warnings
from wfrpde.operators.walls import wall_nodes
from wfrpde.parallel import Progress, collectively, watched
from wfrpde.parallel.screen import logger

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.fields import Region


LEVEL, HIGHEST_LEVEL = 45.0, 100.0
"""Levels (kT) that the mesh reaches at first, and at most: steep cells have modes of their own."""

EXTRA = 3
"""Modes beyond those asked for, since some may be artefacts."""

ROUND_OFF = 4e-16
"""Perturbation of the matrix by round-off, relative to its norm; conditions multiply it."""


@dataclass(frozen=True)
class Rotating:
    """Eigenpairs λ of −L, ascending in their real part; the same on every rank.

    Attributes
    ----------
    values, errors, residuals, conditions
        ``(k,)``: λ, its estimated absolute error, ‖−Lu − λu‖ in L²(π), and the condition number.
    functions, left
        ``(k, n)`` at the nodes in their canonical order: u with ∫π|u|² = 1, and w with
        ∫π w̄_a u_b = δ_ab; π w̄ are the densities that decay with e^{−λt}.
    mass
        ``(n,)`` nodal mass of π, which sums to 1.
    """

    problem: Problem
    values: ComplexArray
    errors: Array
    residuals: Array
    conditions: Array
    functions: ComplexArray
    left: ComplexArray
    mass: Array
    log_partition: float
    interpolation: Interpolation
    warnings: list[str]
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Level:
    grid: TensorGrid
    degree: int
    nodes: Nodes
    form: GeneratorForm
    pairs: Eigenpairs

    def gathered(self, rows: ComplexArray) -> ComplexArray:
        """Functions ``(k, n)`` in the canonical order."""
        real, imaginary = (
            np.array([self.nodes.gather(row)[1] for row in part]) for part in (rows.real, rows.imag)
        )
        return np.asarray(real + 1j * imaginary)

    @property
    def right(self) -> ComplexArray:
        return self.gathered(self.form.functions(self.pairs.right))

    @property
    def left(self) -> ComplexArray:
        return self.gathered(self.form.functions(self.pairs.left))


def solve_irreversible(
    case: Case, comm: Comm, dynamics: Dynamics, count: int, absorbing: Sequence[Region] = ()
) -> Rotating:
    """Compute the `count` lowest modes of −L, at α = 1, of some dynamics (collective).

    Raises
    ------
    InputError
        If the domain is not a box of tensor cells, or a region holds no node.
    SolverError
        If the eigensolver does not converge, or no mode is known to both degrees.
    """
    level = LEVEL
    automatic = case.domain.box is None
    refuse_simplices(case)
    while True:
        with collectively(comm):
            problem = make_problem(case, at_equilibrium=True, level=level)
            through, smooth = planes(absorbing, problem)
            solved = None
            if comm.rank == 0:
                with watched(None, comm, "eigenvalues") as observer:
                    solved = _solved(problem, dynamics, count, absorbing, through, observer)
        rotating, wall_share = comm.bcast(None if solved is None else solved[1:])
        interpolation = interpolation_of(*finest_grid(problem, through))
        # weight of a mode at the walls up to which an automatic box is wide enough
        if not automatic or wall_share < 1e-10 or level >= HIGHEST_LEVEL:
            break
        level *= 1.3
    warnings = [*problem.warnings, *rotating.pop("warnings"), *rough_warnings(smooth)]
    return Rotating(
        problem=problem, interpolation=interpolation, warnings=warnings,
        facts={**rotating.pop("facts"), "level": level, "wall_share": wall_share,
               "ranks": comm.size, **problem.facts},
        **rotating,
    )  # fmt: skip


def refuse_simplices(case: Case) -> None:
    """Refuse what is no box of tensor cells."""
    if case.domain.mesh is not None or case.domain.cell == "simplex":
        raise InputError(
            "domain",
            "simplices, with a [dynamics] whose generator takes spectral elements",
            "a box of intervals, quadrilaterals or hexahedra",
        )


def finest_grid(problem: Problem, through: tuple[Array, ...]) -> tuple[TensorGrid, int]:
    """Return the grid of spectral elements, whose cells end at planes, and the higher degree."""
    # degree by dimension, where the case names none; the other one is less by one
    degree = problem.numerics.degree or {1: 8, 2: 8, 3: 4}[problem.dim]
    cells = problem.numerics.cells or cells_for(problem, degree)
    return problem.tensor_grid(cells, through), degree


def _solved(
    problem: Problem,
    dynamics: Dynamics,
    count: int,
    absorbing: Sequence[Region],
    through: tuple[Array, ...],
    observer: Callable[[Progress], None] | None,
) -> tuple[list[_Level], dict[str, Any], float]:
    from wfrpde.parallel.mpi import MPI

    grid, degree = finest_grid(problem, through)
    scale = 1.0 / float(np.ptp(problem.box, axis=1).max()) ** 2
    degrees = [degree - 1, degree] if problem.numerics.certify and degree > 1 else [degree]
    levels = []
    for done, p in enumerate(degrees):
        if observer is not None:
            observer(Progress.count(f"degree {p}", done, len(degrees), "discretisations"))
        nodes = make_nodes(MPI.COMM_SELF, grid, p)
        form = GeneratorForm.of(
            nodes,
            problem.potential(nodes.points),
            dynamics,
            absorbing_nodes(absorbing, nodes) if absorbing else None,
        )
        # levels (kT) within which the rotation of modes is bounded
        near = problem.landscape.levels(nodes.points) < 20.0
        rotation = _rotation(dynamics, nodes.points[near], count)
        wanted = min(count + EXTRA, form.matrix.shape[0] - 2)
        if count > wanted:
            found = f"{count} with {form.matrix.shape[0]} unknowns"
            raise InputError("spectrum.count", found, f"at most {wanted}", "Take more cells.")
        pairs = lowest(form.matrix, wanted, scale=scale, rotation=rotation, left=p == degree)
        levels.append(_Level(grid, p, nodes, form, pairs))
        logger.debug("degree %d, %d nodes: %d shifts", p, nodes.n_global, pairs.shifts)
    combined = _combined(levels, count, scale)
    walls = levels[-1].nodes.gather(wall_nodes(levels[-1].nodes).astype(float))[1] > 0
    weight = (np.abs(combined["functions"][:, walls]) ** 2 * combined["mass"][walls]).sum(axis=1)
    return levels, combined, float(weight.max(initial=0.0))


def _rotation(dynamics: Dynamics, points: Array, count: int) -> Callable[[ComplexArray], float]:
    """Bound |Im λ| by the real parts of the first `count`; see `rotation_bound`."""
    skew, push = rotation_bound(dynamics, points)

    def bound(values: ComplexArray) -> float:
        real = max(float(values[:count][-1].real), 0.0) if len(values) else 0.0
        root = (push + np.sqrt(push**2 + 4 * real)) / 2  # √E of E − g √E = Re λ
        return float(skew * root**2 + push * root)

    return bound


def _combined(levels: list[_Level], count: int, scale: float) -> dict[str, Any]:
    """Compare the degrees, leave out what only the finer one knows, and fix phases."""
    fine = levels[-1]
    values, pairs = fine.pairs.values.copy(), fine.pairs
    mass = fine.nodes.gather_masses(fine.form.mass)
    functions, left = fine.right, fine.left
    norm = float(abs(fine.form.matrix).max())
    if fine.form.conservative:  # constants
        values[0], functions[0], left[0] = 0.0, 1.0, left[0] / functions[0].mean().conj()
    algebraic = pairs.conditions * (pairs.residuals + ROUND_OFF * np.sqrt(norm))
    discretisation: Array = np.full(len(values), np.nan)
    known: Flags = np.ones(len(values), dtype=bool)
    if len(levels) > 1:
        discretisation, known = _compared(levels, functions, mass, scale)
    # share of a mode in cells too steep to be resolved from which it is an artefact: two degrees
    # may agree about those
    known &= _steep_share(fine) < 0.3
    errors = algebraic + discretisation
    if fine.form.conservative:
        errors[0], known[0] = 0.0, True
    chosen = np.flatnonzero(known)[:count]
    if len(chosen) == 0:
        raise SolverError(
            f"none of the {len(known)} lowest modes is known to the coarser degree: they are "
            "artefacts of the mesh. Take more cells"
        )
    looked_at = chosen[-1] + 1 if len(chosen) == count else len(known)
    dropped = values[:looked_at][~known[:looked_at]]
    values, errors = values[chosen], errors[chosen]
    functions, left = phased(functions[chosen], left[chosen], mass)
    warnings = []
    if len(dropped):
        named = ", ".join(_word(v) for v in dropped[:4]) + ", …" * (len(dropped) > 4)
        warnings.append(
            f"{len(dropped)} eigenvalues ({named}) are left out: the coarser discretisation does "
            "not know their modes, which are artefacts of the mesh"
        )
    if not pairs.complete:
        warnings.append(
            f"modes that rotate faster than |Im λ| = {pairs.searched:.3g} were not looked for: "
            "some with as small a rate may be missing"
        )
    warnings += vague_warnings(values, errors, scale)
    return {
        "values": values,
        "errors": errors,
        "residuals": pairs.residuals[chosen],
        "conditions": pairs.conditions[chosen],
        "functions": functions,
        "left": left,
        "mass": mass,
        "log_partition": fine.form.log_partition,
        "warnings": warnings,
        "facts": {
            "nodes": fine.nodes.n_global,
            "degree": fine.degree,
            "cells": list(fine.grid.active.shape),
            "runs": [
                {"degree": x.degree, "nodes": x.nodes.n_global, "shifts": x.pairs.shifts}
                for x in levels
            ],
            "searched_rotation": float(pairs.searched),
            "spurious": [[float(v.real), float(v.imag)] for v in dropped],
            "extrapolated": False,
        },
    }


def _compared(
    levels: list[_Level], functions: ComplexArray, mass: Array, scale: float
) -> tuple[Array, Flags]:
    """Distances to the eigenvalues of the coarser degree, and whether it knows the modes."""
    coarse, fine = levels[-2], levels[-1]
    there = interpolation_of(coarse.grid, coarse.degree)
    nodes = interpolation_of(fine.grid, fine.degree).nodes
    own = coarse.right
    parts = [
        np.nan_to_num(evaluate(there, np.ascontiguousarray(part), nodes, steep=np.inf)[0])
        for part in (own.real, own.imag)
    ]
    root = np.sqrt(mass)
    others = (parts[0] + 1j * parts[1]) * root
    values, theirs = fine.pairs.values, coarse.pairs.values
    gap = np.abs(values[:, None] - theirs[None, :])
    distance, known = np.full(len(values), np.inf), np.zeros(len(values), dtype=bool)
    for k, function in enumerate(functions * root):
        # distance of eigenvalues that may be one, relative to their size
        near = gap[k] < 0.1 * abs(values[k]) + scale
        if not near.any():
            continue
        basis = np.linalg.qr(others[near].T)[0]
        share = np.linalg.norm(basis.conj().T @ function) ** 2 / np.linalg.norm(function) ** 2
        # share of a mode that modes of the coarser degree with similar eigenvalues must hold
        known[k], distance[k] = share > 0.5, gap[k][near].min()
    return distance, known


def _steep_share(level: _Level) -> Array:
    """Share ``(k,)`` of each mode at nodes whose cells are all too steep to be resolved."""
    nodes, form = level.nodes, level.form
    value = (np.log(nodes.weights) - np.log(np.maximum(form.mass, 1e-300)))[nodes.cell_nodes]
    block = value.reshape(-1, *[level.degree + 1] * nodes.dim)
    change = np.max(
        [
            np.ptp(block, axis=a + 1).max(axis=tuple(range(1, nodes.dim)))
            if nodes.dim > 1
            else np.ptp(block, axis=1)
            for a in range(nodes.dim)
        ],
        axis=0,
    )
    smooth = np.zeros(len(form.mass), dtype=bool)
    smooth[nodes.cell_nodes[change <= STEEP_LINE]] = True
    rough = ~smooth[form.free]
    return np.asarray((np.abs(level.pairs.right[:, rough]) ** 2).sum(axis=1))


def phased(
    functions: ComplexArray, left: ComplexArray, mass: Array
) -> tuple[ComplexArray, ComplexArray]:
    """Give u norm 1, and make it real and positive where |u|√M is largest; w follows."""
    height = np.abs(functions) * np.sqrt(mass)
    high = height > 0.9 * height.max(axis=1, keepdims=True)
    last = high.shape[1] - 1 - high[:, ::-1].argmax(axis=1)
    at = functions[np.arange(len(functions)), last]
    factor = at / np.abs(at) * np.sqrt((np.abs(functions) ** 2 * mass).sum(axis=1))
    functions = functions / factor[:, None]
    pairing = (left.conj() * functions * mass).sum(axis=1)
    return functions, left / pairing.conj()[:, None]


def _word(value: complex) -> str:
    return f"{value.real:.4g}" + (f" {value.imag:+.3g}i" if value.imag else "")
