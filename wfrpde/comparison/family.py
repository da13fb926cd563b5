"""Averages of observables under flows that a sampler may follow instead of the one it claims."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.domain import COORDINATE
from wfrpde.comparison.density import MeshedDensity, density_of
from wfrpde.comparison.limit import limit_laws
from wfrpde.comparison.replicates import Judge
from wfrpde.equation import Equation
from wfrpde.errors import WfrpdeError
from wfrpde.parallel.screen import logger
from wfrpde.samplers import PathReaction, SamplerContext
from wfrpde.samplers.law import LawStep

if TYPE_CHECKING:
    from wfrpde.case import Case


QUICK = {"numerics.certify": False, "accuracy.tolerance": None, "accuracy.of": None}
"""One run with default numerics, without the others that tell its error."""


@dataclass
class Family:
    """Averages of the observables under flows of other kinds and rates, each computed once.

    Attributes
    ----------
    case, context
        The case and what its samplers are made of.
    judge
        Observables and times; its densities give the centres of second moments.
    dt
        Step of the linear flows.
    quick
        Whether flows are solved without the tolerance of the case.
    failure
        Why the flow that was asked for last could not be solved, now or before, or "".
    """

    case: Case
    context: SamplerContext
    judge: Judge
    dt: float
    quick: bool = True
    failure: str = ""
    _known: dict[tuple[str | float, ...], Array | None] = field(default_factory=dict, repr=False)
    _why: dict[tuple[str | float, ...], str] = field(default_factory=dict, repr=False)

    def gradient_flow(self, alpha: float, beta: float) -> Array | None:
        """Averages ``(T, k)`` under the flow with these rates; None if it cannot be solved."""
        return self._once(("own", alpha, beta), lambda: self._solved(alpha, beta))

    def linear_flow(self, weights: str, alpha: float, rate: float) -> Array | None:
        """Averages ``(T, k)`` under the linear flow; None if it cannot be computed."""
        return self._once((weights, alpha, rate), lambda: self._linear(weights, alpha, rate))

    def scheme(self, alpha: float, beta: float, temperature: float = 1.0) -> Array | None:
        """Averages ``(T, k)`` of infinitely many particles with steps of `dt`; None if unknown.

        Each is the move X ↦ N(X − h∇V(X), 2hT), h = α dt, of temperature T, and the exact reaction
        of rate β, which may be negative.
        """
        key = ("scheme", alpha, beta, temperature)
        return self._once(key, lambda: self._stepped(alpha, beta, temperature))

    def _once(self, key: tuple[str | float, ...], make: Callable[[], Array | None]) -> Array | None:
        rounded = tuple(k if isinstance(k, str) else float(f"{k:.6g}") for k in key)
        how = self.quick, *rounded  # samplers share a family, and ask for one or the other
        if how not in self._known:
            try:
                self._known[how] = make()
            except WfrpdeError as error:
                self._why[how] = str(error)
                self._known[how] = None
        if self._known[how] is None:
            self.failure = self._why.get(how, "")
        return self._known[how]

    def other_flow(self, name: str, overrides: Mapping[str, Any]) -> Array | None:
        """Averages ``(T, k)`` under the flow with other keys of the case, which `name` tells."""
        changes = dict(overrides)
        if self.case.domain.turns and any(key.startswith("dynamics") for key in changes):
            changes["domain.axes"] = COORDINATE  # what is solved along others has none of its own
        return self._once((name,), lambda: self._solved_case(self.case.with_overrides(changes)))

    def under(self, name: str, laws: Callable[[], Iterable[MeshedDensity]]) -> Array | None:
        """Averages ``(T, k)`` under other laws, which `name` tells; None if they are unknown."""
        return self._once((name,), lambda: self.judge.averages(laws()))

    def solved(self, name: str, case: Case) -> Array | None:
        """Averages ``(T, k)`` under the flow of another case, which `name` tells."""
        return self._once((name,), lambda: self._solved_case(case))

    def _solved(self, alpha: float, beta: float) -> Array | None:
        equation = Equation.of(alpha, beta, conserve=self.case.equation.conserve)
        return self._solved_case(self.case.with_equation(equation))

    def _solved_case(self, case: Case) -> Array | None:
        from wfrpde.flow.solve import solve_on_mesh
        from wfrpde.parallel.mpi import MPI

        case = case.with_overrides({"sampler": [], **(QUICK if self.quick else {})})
        level = logger.level
        logger.setLevel(logging.ERROR)  # the person is told of the flows of the case only
        try:
            solution = solve_on_mesh(case, comm=MPI.COMM_SELF, on_stop="return")
        finally:
            logger.setLevel(level)
        if not solution.complete:
            return None
        return self.judge.averages(density_of(solution, t) for t in self.judge.times)

    def _linear(self, weights: str, alpha: float, rate: float) -> Array | None:
        target, initial = self.context.target, self.context.initial
        known: list[Array] = []

        def growth(t: float, x: Array) -> Array:
            """U on the lattice, which is the same in every step."""
            if not known:
                surplus = target.potential(x)
                if weights == "start":
                    surplus = surplus + np.maximum(initial.log_density(x), -700.0)
                # where there is nothing the weights would overflow
                known.append(np.clip(-rate * surplus, -700.0, 300.0))
            return known[0]

        step = PathReaction(growth).law(alpha)
        laws = limit_laws(step, self.context, self.dt, self.judge.times, rough=True)
        return None if laws is None else self.judge.averages_of_laws(laws)

    def _stepped(self, alpha: float, beta: float, temperature: float) -> Array | None:
        def react(_: Array, mass: Array, __: float, dt: float, log_target: Array) -> Array:
            kept = np.exp(-beta * dt)
            # share of the largest mass below which no reaction brings any back
            held = mass > 1e-250 * mass.max()
            new = kept * np.log(mass[held]) + (1 - kept) * log_target[held]
            grown = np.zeros_like(mass)
            grown[held] = np.exp(new - new.max())
            return grown

        after = None if beta == 0.0 else react
        step = LawStep(alpha, after=after, temperature=temperature)
        laws = limit_laws(step, self.context, self.dt, self.judge.times, rough=True)
        return None if laws is None else self.judge.averages_of_laws(laws)
