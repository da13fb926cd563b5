"""The Eulerian flows that samplers claim to follow, solved once each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.chain_density import ChainDensity, judged_chain
from wfrpde.comparison.density import density_of
from wfrpde.comparison.meshless import MeshlessDensity
from wfrpde.comparison.noised_flows import process_judge
from wfrpde.comparison.observables import (
    Observable,
    expressions,
    independent,
    known_errors,
    masses,
    moments,
    survival,
)
from wfrpde.comparison.product_density import ProductDensity
from wfrpde.comparison.product_observables import observables_of as product_observables
from wfrpde.comparison.product_observables import shares
from wfrpde.comparison.replicates import Judge
from wfrpde.comparison.visits import Wells
from wfrpde.domain.sides import Sides
from wfrpde.equation import Equation
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.flow.product.solution import ProductSolution
from wfrpde.flow.solution import Solution
from wfrpde.samplers import oracle_times
from wfrpde.samplers.oracle import SumOracle

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.targets import Target

Solved = Solution | ProductSolution | ChainSolution | NoisingSolution


@dataclass
class Flows:
    """Solutions of the flows of a case, each solved when it is first asked for.

    Each rank solves them for itself, which gives every rank the same bits, whatever their number.

    Attributes
    ----------
    closely
        Whether the gradient flow is saved as often as samplers need that ask it for the density.
    timeless
        Whether π alone is judged: then there is a mesh for it, and no flow is solved.
    """

    case: Case
    observer: Callable[[Any], None] | None = None
    closely: bool = False
    timeless: bool = False
    _solved: dict[Equation | None, Solved] = field(default_factory=dict, repr=False)
    _judges: dict[Equation | None, Judge] = field(default_factory=dict, repr=False)

    @cached_property
    def gradient_flow(self) -> Equation | None:
        """The case's own equation without U, if anything is left: what oracles tell."""
        return self.case.equation.claimed("WFR")

    @property
    def oracle(self) -> FlowWhenAsked | ProductWhenAsked | None:
        """The flow that samplers may ask for the density."""
        if self.gradient_flow is None:
            return None
        return ProductWhenAsked(self) if self.case.is_factored else FlowWhenAsked(self)

    @property
    def _still(self) -> Case | None:
        """The case without transport, which is known in closed form; None where π is not all."""
        equation, domain = self.case.equation, self.case.domain
        terms = equation.dynamics is not None and equation.dynamics.terms
        absorbs = Sides.of(domain.sides, self.case.dim).absorbing.any() or domain.absorbing
        if terms or absorbs:
            return None
        return self.case.with_overrides(
            {
                **{"flow.alpha": 0.0, "flow.beta": 1.0, "flow.reaction": None},
                **{"flow.splitting": None, "numerics.formulation": "auto"},
                **({} if self.case.path.power == 1 else {"path.power": 1.0}),
            }
        )

    def solution(self, claims: Equation | None) -> Solved:
        """Give the flow that is claimed; for samplers of π that of the case, or a still one."""
        if claims not in self._solved:
            from wfrpde.flow.noising.solve import solve_noising
            from wfrpde.flow.solve import solve_apart, solve_on_mesh
            from wfrpde.parallel.mpi import MPI

            if self.case.noising is not None:
                own = self.case if claims is None else self.case.with_equation(claims)
                self._solved[claims] = solve_noising(own, MPI.COMM_SELF, self.observer)
                return self._solved[claims]
            still = self._still if claims is None and self.timeless else None
            case = still or (self.case if claims is None else self.case.with_equation(claims))
            if self.closely and claims is not None and claims == self.gradient_flow:
                case = case.with_overrides({"flow.save": list(oracle_times(self.case))})
            alone: Any = {"comm": MPI.COMM_SELF, "observer": self.observer, "on_stop": "return"}
            solve = solve_apart if case.is_factored else solve_on_mesh
            self._solved[claims] = solve(case, **alone)
        return self._solved[claims]

    def judge(self, claims: Equation | None) -> Judge:
        """Make what compares samplers of that claim."""
        if claims not in self._judges:
            solution = self.solution(claims)
            if isinstance(solution, ProductSolution | ChainSolution):
                self._judges[claims] = product_judge(self.case, claims, solution)
                return self._judges[claims]
            if isinstance(solution, NoisingSolution):
                self._judges[claims] = process_judge(self.case, claims, solution)
                return self._judges[claims]
            times = [np.inf] if claims is None else [float(t) for t in self.case.flow.save]
            densities = {t: density_of(solution, t) for t in times}
            self._judges[claims] = Judge(
                claims,
                densities,
                observables_of(self.case, solution),
                {} if claims is None else known_errors(solution),
                metrics=self.case.validation.metrics,
                sides=Sides.of(self.case.domain.sides, self.case.dim),
                wells=Wells.of(solution.target, densities[np.inf]) if claims is None else None,
            )
        return self._judges[claims]


@dataclass(frozen=True)
class FlowWhenAsked:
    """The gradient flow of a case, which is solved when something of it is asked for."""

    flows: Flows = field(repr=False)

    @property
    def _solution(self) -> Solution:
        found = self.flows.solution(self.flows.gradient_flow)
        assert isinstance(found, Solution)
        return found

    @property
    def target(self) -> Target:
        """The density π that it tends to."""
        return self._solution.target

    @property
    def times(self) -> Array:
        """``(T,)`` saved times, ascending."""
        return self._solution.times

    @property
    def box(self) -> Array:
        """Corners ``(d, 2)`` of the domain's bounding box."""
        return self._solution.box

    def log_relative_densities(self, x: Array) -> Array:
        """Return log(ρ/π) ``(T, n)`` at points ``(n, d)`` at all times; −∞ outside the domain."""
        return self._solution.log_relative_densities(x)


@dataclass(frozen=True)
class ProductWhenAsked:
    """The gradient flow of a product, which is solved when it is asked for log(ρ/π)."""

    flows: Flows = field(repr=False)

    @property
    def oracle(self) -> SumOracle:
        """What tells log(ρ/π) at any time."""
        found = self.flows.solution(self.flows.gradient_flow)
        assert isinstance(found, ProductSolution)
        return found.oracle


def meshless_density(solution: ProductSolution | ChainSolution, t: float) -> MeshlessDensity:
    """Return the law of a flow without a mesh at one of its times, of π at t = ∞.

    Raises
    ------
    InputError
        If its errors are not estimated.
    """
    if isinstance(solution, ChainSolution):
        return ChainDensity(judged_chain(solution), t)
    return ProductDensity(solution, t)


def product_judge(
    case: Case, claims: Equation | None, solution: ProductSolution | ChainSolution
) -> Judge:
    """Make what compares samplers with a flow without a mesh."""
    if not solution.complete:  # it was stopped
        raise KeyboardInterrupt
    spec = case.validation
    found: list[Observable] = []
    if spec.moments:
        found += product_observables(
            solution.dim,
            moving=claims is not None,
            directions=spec.directions,
            coordinates=spec.coordinates,
            seed=spec.seed,
            names=case.coordinates if case.dim > 1 else ("x",),
        )
    if spec.modes:
        found += shares(case.target.modes, "mass", "target.modes")
    found += shares(spec.probabilities, "P", "validation.probabilities")
    times = [np.inf] if claims is None else [float(t) for t in case.flow.save]
    densities = {t: meshless_density(solution, t) for t in times}
    return Judge(claims, densities, found, {}, metrics=spec.metrics)


def observables_of(case: Case, solution: Solution) -> list[Observable]:
    """Everything that the case wants to be compared."""
    from wfrpde.fields import parse_region

    spec, dim = case.validation, case.dim
    result = moments(case.coordinates) if spec.moments else []
    if "survival" in solution.series:
        result.append(survival())
    if spec.modes:
        own = solution.target.regions, solution.mode_mass, solution.series["mass"]
        result += masses(independent(*own))
    regions = {
        name: parse_region(text, dim, f"validation.probabilities.{name}")
        for name, text in spec.probabilities.items()
    }
    result += masses(regions, "P")
    return result + expressions(spec.observables, dim, "validation.observables")
