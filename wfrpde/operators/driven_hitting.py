r"""Exit times and committors of dynamics with terms of their own, whose generator is not symmetric.

With S = M^{1/2}(−L)M^{−1/2} over all nodes (see `wfrpde.operators.generator_form`), A absorbing and
B where q = 1, and F the free nodes,

.. math:: \alpha S_{FF}\sqrt M\tau = \sqrt M, \qquad S_{FF}\sqrt M q = -S_{FB}\sqrt M.

The rate of exit is the eigenvalue of S_FF closest to 0: a positive semigroup has a real one there,
with a positive left function, the quasi-stationary density over π. The reactive flux
∫πα∇q·D∇q is that of a process in the state π, and so unknown with a further drift. One process
solves, by sparse factors, on spectral elements of two degrees; the others are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.interpolation import Interpolation, evaluate, interpolation_of
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine.nonsymmetric import lowest
from wfrpde.errors import InputError
from wfrpde.operators.absorbing import absorbing_nodes, planes, rough_warnings
from wfrpde.operators.generator_form import GeneratorForm
from wfrpde.operators.irreversible import LEVEL, finest_grid, refuse_simplices
from wfrpde.parallel import collectively

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.equation import Dynamics
    from wfrpde.fields import Region


TAKES = ("diffusion", "circulation", "drift")


@dataclass(frozen=True)
class Answers:
    """Numbers and functions on one degree or two, coarse to fine, the same on every rank.

    Attributes
    ----------
    numbers
        Name → one for each degree.
    functions
        Name → ``(k, n)``, a row for each degree, at the nodes of the finest one in their canonical
        order.
    mass
        ``(n,)`` nodal mass of π there, which sums to 1.
    blur
        Relative error of numbers and functions by round-off.
    """

    numbers: dict[str, list[float]]
    functions: dict[str, Array]
    mass: Array
    log_partition: float
    blur: float
    interpolation: Interpolation
    problem: Problem
    warnings: list[str]
    facts: dict[str, Any]

    def estimated(self, name: str) -> tuple[float, float]:
        """Return a number of the finest degree and its estimated error; NaN without another."""
        *coarser, best = self.numbers[name]
        gap = abs(best - coarser[-1]) if coarser else np.nan
        return best, gap + self.blur * abs(best)


def exit_answers(case: Case, absorbing: Sequence[Region], comm: Comm) -> Answers:
    """Solve for exit into regions: ``rate``, ``mean_time``, and functions (collective)."""
    return _answers(case, list(absorbing), None, comm)


def committor_answers(case: Case, source: Region, sink: Region, comm: Comm) -> Answers:
    """Solve for the committor ``q`` and the reactive flux ``rate`` (collective)."""
    return _answers(case, [source], sink, comm)


def _answers(case: Case, absorbing: list[Region], sink: Region | None, comm: Comm) -> Answers:
    dynamics = case.equation.dynamics
    assert dynamics is not None
    refuse_simplices(case)
    regions = [*absorbing, *case.sinks]
    every = regions if sink is None else [*regions, sink]
    with collectively(comm):
        problem = make_problem(case, at_equilibrium=True, level=LEVEL)
        problem.check_dynamics(TAKES, "an exit or a committor")
        through, smooth = planes(every, problem)
        grid, degree = finest_grid(problem, through)
        solved = None
        if comm.rank == 0:
            solved = _solved(problem, dynamics, grid, degree, regions, sink)
    found = comm.bcast(solved)
    warnings = [*problem.warnings, *rough_warnings(smooth)]
    if found["blur"] > 1e-2:
        warnings.append(
            f"round-off may be {found['blur']:.0e} of the result: the process leaves too rarely"
        )
    facts = {**found.pop("facts"), "ranks": comm.size, "extrapolated": False, **problem.facts}
    interpolation = interpolation_of(grid, degree)
    return Answers(
        **found, interpolation=interpolation, problem=problem, warnings=warnings, facts=facts
    )


def _solved(
    problem: Problem,
    dynamics: Dynamics,
    grid: TensorGrid,
    degree: int,
    regions: list[Region],
    sink: Region | None,
) -> dict[str, Any]:
    from wfrpde.parallel.mpi import MPI

    degrees = [degree - 1, degree] if problem.numerics.certify and degree > 1 else [degree]
    scale = 1.0 / float(np.ptp(problem.box, axis=1).max()) ** 2
    numbers: dict[str, list[float]] = {}
    functions: dict[str, list[Any]] = {}
    finest = interpolation_of(grid, degree).nodes
    blur, nodes, form = 0.0, None, None
    for p in degrees:
        nodes = make_nodes(MPI.COMM_SELF, grid, p)
        form = GeneratorForm.of(nodes, problem.potential(nodes.points), dynamics)
        dead = absorbing_nodes(regions, nodes)
        dead = np.zeros(len(form.mass), dtype=bool) if dead is None else dead
        if sink is None:
            values, fields, blur = _exit(form, nodes, dead, dynamics.alpha, scale)
        else:
            values, fields = _committor(form, nodes, dead, sink, dynamics)
        for name, value in values.items():
            numbers.setdefault(name, []).append(value)
        for name, row in fields.items():
            function = nodes.gather(row)[1]
            if p != degree:
                there = interpolation_of(grid, p)
                function = np.asarray(evaluate(there, function[None], finest, steep=np.inf)[0][0])
            functions.setdefault(name, []).append(np.where(np.isnan(function), 0.0, function))
    assert form is not None
    assert nodes is not None
    return {
        "numbers": numbers,
        "functions": {name: np.stack(rows) for name, rows in functions.items()},
        "mass": nodes.gather(form.mass)[1],
        "log_partition": form.log_partition,
        "blur": blur,
        "facts": {
            "nodes": nodes.n_global,
            "degree": degree,
            "cells": list(grid.active.shape),
            "level": problem.landscape.level,
        },
    }


def _exit(
    form: GeneratorForm, nodes: Nodes, dead: Flags, alpha: float, scale: float
) -> tuple[dict[str, float], dict[str, Array], float]:
    free = ~dead
    matrix = form.matrix[free][:, free].tocsc()
    root = np.sqrt(np.maximum(form.mass[free], 1e-300))
    times, state = np.zeros(len(free)), np.zeros(len(free))
    times[free] = _factorised(matrix)(root) / root / alpha
    pair = lowest(matrix, 1, scale=scale, rotation=lambda _: 0.0)
    rate = alpha * float(pair.values[0].real)
    state[free] = np.abs(pair.left[0].real) / root
    density = np.exp(np.log(np.maximum(form.mass, 1e-300)) - np.log(nodes.weights))
    cells = free[nodes.cell_nodes].any(axis=1)
    outside = float((density[nodes.cell_nodes] * nodes.cell_weights())[cells].sum())
    # perturbation of a matrix by round-off, relative to its norm
    blur = 4e-16 * float(abs(matrix).max()) * float(pair.conditions[0]) / (rate / alpha)
    numbers = {"rate": rate, "mean_time": float(times @ form.mass) / outside}
    quasi_stationary: Array = np.asarray(state / float(state @ form.mass))
    return numbers, {"times": times, "state": quasi_stationary}, blur


def _committor(
    form: GeneratorForm, nodes: Nodes, dead: Flags, sink: Region, dynamics: Dynamics
) -> tuple[dict[str, float], dict[str, Array]]:
    ones = absorbing_nodes([sink], nodes)
    assert ones is not None
    if (ones & dead).any():
        raise InputError(
            f"the region '{sink.text}' and the other one", "that they meet", "two regions apart"
        )
    free = ~(ones | dead)
    root = np.sqrt(np.maximum(form.mass, 1e-300))
    value = ones.astype(float)
    load = -(form.matrix @ (root * value))[free]
    value[free] = _factorised(form.matrix[free][:, free].tocsc())(load) / root[free]
    flux = np.nan
    if dynamics.keeps_target:
        vector = root * value
        flux = dynamics.alpha * float(vector @ (form.matrix @ vector))
    return {"rate": flux}, {"q": value}


def _factorised(matrix: Any) -> Any:
    """Return what solves with a matrix, with one step of refinement."""
    from scipy.sparse.linalg import splu

    factor = splu(
        matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.01, options={"SymmetricMode": True}
    )

    def solve(right: Array) -> Array:
        first = factor.solve(right)
        return np.asarray(first + factor.solve(right - matrix @ first))

    return solve
