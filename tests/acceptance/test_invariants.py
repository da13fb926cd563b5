"""What the flow never breaks, in every case that ships: mass, sign, entropy, equilibrium."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import wfrpde
from wfrpde.case.files import shipped_cases
from wfrpde.case.setup import make_problem
from wfrpde.flow.schemes.edge_averaged import default_cells

EXPENSIVE = {"four-modes", "banana", "ring", "muller-brown", "gaussian-3d"}


def falls(case):
    """Whether it is a gradient flow on a mesh: no reaction, rotation, noise, momenta."""
    if case.flow.reaction is not None or case.is_factored or case.noising is not None:
        return False
    return not case.dynamics.build(case.dim).terms


LARGE = {"forty-modes"}
"""A minute each: tests/flow/test_wide_start.py has what is particular to it."""

GRADIENT_FLOWS = [n for n in shipped_cases() if n not in LARGE and falls(wfrpde.load_case(n))]

shipped = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in EXPENSIVE)) for n in GRADIENT_FLOWS],
)


def elements(solution) -> bool:
    """Whether elements wider than ρ tell of its integrals at the saved times only."""
    return solution.numerics["formulation"] == "log-density" and solution.dim > 1


@cache
def by_steps(name: str):
    """Solve a shipped case by a form that tells of every step, of half the cells that it takes."""
    case = wfrpde.load_case(name, {"numerics.formulation": "edge-averaged"})
    cells = [n // 2 for n in default_cells(make_problem(case))]
    return wfrpde.solve(case.with_overrides({"numerics.cells": cells}))


@shipped
def test_mass_sign_and_entropy(solved, name):
    solution = solved(name)
    if elements(solution):
        assert all(check["passed"] for check in solution.numerics["checks"])
        solution = by_steps(name)
    assert solution.complete
    if solution.numerics["formulation"] == "log-density":
        # not conserved by construction: normalised, and what that mended is reported
        residual = next(
            check["value"]
            for check in solution.numerics["checks"]
            if check["name"] == "normalisation residual"
        )
        assert residual <= 1e-9
    else:
        # of the steps themselves, and of the linear solves before their round-off is scaled away
        assert np.abs(solution.history["mass"] - 1).max() <= 1e-12
        assert max(run["largest_mass_jump"] for run in solution.numerics["runs"]) <= 1e-12
    assert np.abs(solution.series["mass"] - 1).max() <= 1e-9
    assert solution.series["min_density"].min() >= 0.0
    assert np.isfinite(solution.log_relative).all()
    kl = solution.history["kl"]
    assert (np.diff(kl) <= 1e-13 * (1 + kl[0])).all()
    assert (np.diff(solution.series["kl"]) < 0).all()
    assert all(check["passed"] for check in solution.numerics["checks"])


@shipped
def test_kl_falls_at_the_rate_of_dissipation(solved, name):
    """−dKL/dt = α ∫ρ|∇log(ρ/π)|² + β Var log(ρ/π), with the slope of KL from the steps taken."""
    solution = solved(name)
    if "survival" in solution.series:
        pytest.skip("KL of a conditioned law, whose rate is another")
    if elements(solution):
        solution = by_steps(name)
    flow, series, history = solution.case.flow, solution.series, solution.history
    rate = flow.alpha * series["fisher_information"] + flow.beta * series["reaction_variance"]
    for k, t in enumerate(solution.times[1:], 1):
        row = int(np.argmin(np.abs(history["t"] - t)))
        slope = derivative(history["t"], history["kl"], t)
        # the steps are those of the finest run, the rates those of the extrapolated solution
        apart = abs(history["kl"][row] / series["kl"][k] - 1)
        assert -slope == pytest.approx(rate[k], rel=0.03 + 2 * apart), (t, -slope / rate[k])


def derivative(t: np.ndarray, value: np.ndarray, at: float) -> float:
    """Slope, by the quartic through the logarithms at the five steps nearest to a time."""
    first = int(np.clip(np.argmin(np.abs(t - at)) - 2, 0, len(t) - 5))
    near = slice(first, first + 5)
    scale = np.ptp(t[near])
    rate, log_value = np.polyfit((t[near] - at) / scale, np.log(value[near]), 4)[-2:]
    return float(rate * np.exp(log_value)) / scale


@shipped
def test_a_step_from_equilibrium_stays_there(name):
    """Defect in L1 after one step of the h-form, at degree 1 and, in a box, at degree 4."""
    from wfrpde.flow.control import Replay
    from wfrpde.flow.outcome import Context
    from wfrpde.flow.schedule import uniform
    from wfrpde.flow.schemes.relative_density import run
    from wfrpde.flow.steppers.strang import Strang
    from wfrpde.parallel.mpi import MPI
    from wfrpde.starts.initial import InitialDensity

    problem = make_problem(wfrpde.load_case(name))
    if problem.absorption is not None:
        pytest.skip("what absorbs leaves no equilibrium")
    potential = problem.target.potential
    start = InitialDensity(
        problem.dim,
        "target",
        "the target itself",
        problem.target.seeds,
        evaluate=lambda x: -potential(x),
        normalised=False,
    )
    at_rest = replace(problem, initial=start, save=(0.02,))
    context = Context(MPI.COMM_SELF, at_rest, lambda *_: None, lambda: False)
    cells = tuple(max(4, n // 4) for n in default_cells(problem))
    for degree, shape in ((1, cells), (4, tuple(max(4, n // 4) for n in cells))):
        grid = at_rest.grid(shape)
        if np.ptp(potential(grid.points)) > 1300:
            continue  # beyond the h-form; quartic-well-50 is solved in log ρ
        one_step = Replay(uniform(np.array(at_rest.save), 0.02))
        stepped = run(
            context, grid, one_step, degree=degree, stepper=Strang, phase="step", share=1.0
        )
        march = stepped.march
        assert np.abs(march.u[0]).max() <= 1e-10
        assert distance(at_rest, grid, degree, march.u[-1]) <= 1e-13


def distance(problem, grid, degree: int, u: np.ndarray) -> float:
    """L1 distance of π e^u from π, ``Σ π |e^u − 1|`` over the nodes."""
    from wfrpde.discretisation.nodes import make_nodes
    from wfrpde.parallel.mpi import MPI

    nodes = make_nodes(MPI.COMM_SELF, grid, degree)
    log_target = np.log(nodes.weights) - problem.target.potential(nodes.points)
    target = nodes.gather(np.exp(log_target - log_target.max()))[1]
    return float((target * np.abs(np.expm1(u))).sum() / target.sum())
