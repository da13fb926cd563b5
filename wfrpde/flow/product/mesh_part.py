"""`MeshPart`: a factor that was solved on a mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.case.stored import Result
from wfrpde.discretisation.functionals import Evaluator
from wfrpde.discretisation.interpolation import evaluate
from wfrpde.domain.sides import Sides
from wfrpde.flow.product.lines import BLOCK, Atoms, Line, characteristic
from wfrpde.flow.product.parts import ROUND_OFF, Index
from wfrpde.flow.product.rules import TABLE, PointRule, Table, line_rule
from wfrpde.flow.saved import Estimated
from wfrpde.flow.solution import Solution
from wfrpde.samplers.oracle import Oracle

if TYPE_CHECKING:
    from wfrpde.targets import Target


@dataclass(frozen=True)
class MeshPart(Result):
    """A factor that was solved on a mesh."""

    solution: Solution

    @property
    def dim(self) -> int:
        """Dimension of the factor."""
        return self.solution.dim

    @property
    def times(self) -> Array:
        """Saved times ``(T,)``."""
        return self.solution.times

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""
        return self.solution.complete

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.solution.warnings

    @property
    def target(self) -> Target:
        """Its target."""
        return self.solution.target

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""
        numerics = self.solution.numerics
        return {key: numerics[key] for key in ("formulation", "reason", "nodes")}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""
        return tuple(name for name in self.solution.series if name != "min_density")

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""
        return self.solution.estimated(name, region)

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""
        if index is None:
            value = float(self.solution.numerics["target_mode_mass"][region])
            return value, ROUND_OFF * value
        entry = self.solution.estimated("mode_mass", region)[index]
        return float(entry.value), float(entry.error)

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""
        if index is None:
            return np.zeros(len(x))
        return self.solution.log_relative_density(float(self.times[index]), x)

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""
        if index is None:
            return -self.target.potential(x) - self.solution.log_normalisation
        return self.solution.log_density(float(self.times[index]), x)

    def characteristic(self, index: Index, omega: Array) -> ComplexArray:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""
        rule = self._rules[0]
        log_mass, _ = self._masses(rule, index)
        mass = np.exp(log_mass)
        keep = mass > 1e-18
        points, mass = rule.points[keep], mass[keep]
        if self.dim == 1 and len(omega) > TABLE:
            highest = float(np.abs(omega).max())
            if index not in self._tables or self._tables[index].highest < highest:
                # highest frequency of a table, in units of the highest that is asked for
                self._tables[index] = Table.of(points[:, 0], mass, 1.3 * highest)
            return self._tables[index](omega[:, 0])
        if self.dim == 1:
            return characteristic(points[:, 0], mass, omega[:, 0])
        size = max(1, BLOCK // len(points))
        parts = [np.exp(1j * (omega[k : k + size] @ points.T)) @ mass
                 for k in range(0, len(omega), size)]  # fmt: skip
        return np.concatenate(parts)

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time."""
        first, second = (self._atoms(rule, index, weights) for rule in self._rules)
        automatic = self.solution.case.domain.box is None and self.solution.case.mesh_path is None
        shares = self.solution.numerics.get("cut_off_share", {})
        cut = float(sum(shares.values())) if automatic else 0.0
        return replace(first, second=second, cut=cut, open_ends=automatic)

    @cached_property
    def _rules(self) -> tuple[PointRule, PointRule]:
        """Two rules for integrals that oscillate."""
        interpolation, potential = self.solution.interpolation, self.solution.densities.potential
        if self.dim == 1:
            nodes = interpolation.nodes[:, 0]
            return line_rule(nodes, potential, 6), line_rule(nodes, potential, 5)
        from wfrpde.parallel.mpi import MPI

        first = Evaluator(MPI.COMM_SELF, interpolation, potential, {})
        axes = [np.unique(interpolation.nodes[:, k]) for k in range(self.dim)]
        gaps = np.array([float(np.diff(axis).max()) for axis in axes])
        second = first.second()
        return (
            PointRule(first.points, first.log_target, gaps),
            PointRule(second.points, second.log_target, gaps),
        )

    @cached_property
    def _tables(self) -> dict[Index, Table]:
        return {}

    @cached_property
    def _sampled(self) -> dict[tuple[int, Index], tuple[Array, Array]]:
        return {}

    def _masses(self, rule: PointRule, index: Index) -> tuple[Array, Array]:
        """Return the log masses at the points of a rule, and the defects of log ρ."""
        key = (self._rules.index(rule), index)
        if key not in self._sampled:
            u = self.log_relative_density(index, rule.points)
            log_mass = rule.log_target + u
            top = float(log_mass.max())
            log_mass = log_mass - top - np.log(np.exp(log_mass - top).sum())
            self._sampled[key] = log_mass, self.defect(index, rule.points, u)
        return self._sampled[key]

    def defect(self, index: Index, points: Array, u: Array) -> Array:
        """Return the estimated error of log(ρ/π) ``(n,)``, which is u, at points ``(n, d)``."""
        if index is None:
            return np.zeros(len(points))
        return np.asarray(self.defects([index], points, u[None])[0])

    def defects(self, indices: list[int], points: Array, u: Array) -> Array:
        """Return the same ``(k, n)`` at some times, where log(ρ/π) is u ``(k, n)``."""
        opinions, solution = self.solution.opinions, self.solution
        if solution.distance is not None:
            return MeshPart(solution.distance).defects(indices, solution.distances(points), u)
        defect = np.full(u.shape, np.nan if opinions is None else 0.0)
        if opinions is not None:
            nodes = opinions.interpolation or solution.interpolation
            for field_, share in zip(opinions.log_relative, opinions.shares, strict=True):
                other, _ = evaluate(nodes, field_[indices], points)
                with np.errstate(invalid="ignore"):
                    gap = np.nan_to_num(np.abs(other - u), nan=0.0)
                defect = np.maximum(defect, share[indices][:, None] * gap)
        defect[[index in solution.known for index in indices]] = 0.0
        return defect

    def _atoms(self, rule: PointRule, index: Index, weights: Array) -> Atoms:
        log_mass, defect = self._masses(rule, index)
        gap = float(np.abs(weights) @ rule.gaps)
        points = rule.points[:, weights != 0]
        low, high = points.min(axis=0), points.max(axis=0)
        within = np.minimum(points - low, high - points) / (0.01 * (high - low))
        depth = within.min(axis=1, initial=np.inf)
        return Atoms(rule.points @ weights, log_mass, defect, gap=gap, depth=depth)

    def oracle(self) -> Oracle:
        """Return a table of log(ρ/π), interpolated in time and space."""
        return Oracle.of(self.solution, Sides.of(self.solution.case.domain.sides, self.dim).closed)
