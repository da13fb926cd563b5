"""Operators of a case, for those who want to apply them to functions and densities of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.errors import InputError
from wfrpde.operators.absorbing import absorbing_nodes, planes
from wfrpde.operators.dirichlet_form import DirichletForm
from wfrpde.operators.ladder import discretisations
from wfrpde.operators.modes import LEVELS
from wfrpde.operators.operator import Operator
from wfrpde.parallel import collectively, world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.fields import Region


def generator(case: Case, comm: Comm | None = None) -> Operator:
    """Make αL = α(Δ − ∇V·∇) of a case, zero where the case absorbs (collective)."""
    return _assembled(case, comm)[1]


def feynman_kac_operator(case: Case, comm: Comm | None = None) -> Operator:
    """Make αL + U of a case, with U = ``flow.reaction`` (collective).

    Raises
    ------
    InputError
        If the case has none.
    """
    if case.flow.reaction is None:
        raise InputError("flow.reaction", "none", "the rate U(x) of the Feynman-Kac weights")
    problem, operator = _assembled(case, comm)
    return replace(operator, rate=problem.rate(operator.form.nodes.points))


def linearised_flow(case: Case, comm: Comm | None = None) -> Operator:
    """Make αL − β(1 − ⟨·⟩_π), the Wasserstein–Fisher–Rao flow linearised at π (collective)."""
    return replace(_assembled(case, comm)[1], beta=case.flow.beta)


def _assembled(case: Case, comm: Comm | None) -> tuple[Problem, Operator]:
    comm = world_of(comm)
    text = case.spectrum.absorbing
    own: list[Region] = [] if text is None else [case.region(text, "spectrum.absorbing")]
    regions = [*own, *case.sinks]
    with collectively(comm):
        problem = make_problem(case, at_equilibrium=True, level=LEVELS[case.dim])
        problem.check_dynamics((), "an operator")
        through, _ = planes(regions, problem)
    grid, degree = discretisations(problem, through)[-1]
    nodes = make_nodes(comm, grid, degree)
    form = DirichletForm(nodes, problem.potential(nodes.points))
    return problem, Operator(form, case.flow.alpha, absorbing=absorbing_nodes(regions, nodes))
