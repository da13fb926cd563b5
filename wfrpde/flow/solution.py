"""`Solution`: the flow at the saved times, and how well it is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.case.stored import Result, kind_of
from wfrpde.case.terms import Densities
from wfrpde.discretisation.absorption import continued
from wfrpde.discretisation.interpolation import Interpolation, OnNodes, evaluate, points_of
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import Polynomials, TensorInterpolation
from wfrpde.domain.absorption import Absorption
from wfrpde.domain.sides import Sides
from wfrpde.flow.currents import slope_of_distance, slopes, velocity_of_mass
from wfrpde.flow.exact import GeometricMean, gaussian_log_density
from wfrpde.flow.saved import ErrorEstimate, Estimated, SavedLaw

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.flow.product.solution import AnySolution
    from wfrpde.targets import Target


@dataclass(frozen=True)
class Opinions(Result):
    """Other solutions of the same flow, from which errors of further numbers can be told.

    Attributes
    ----------
    log_relative
        ``(k, T, n)`` nodal values of log(ρ/π).
    shares
        ``(k, T)``: share of the distance to each that is the error of the best.
    interpolation
        Their nodes, where these are not those of the solution: elements that are shown in parts.
    """

    log_relative: Array
    shares: Array
    interpolation: TensorInterpolation | Polynomials | SimplexInterpolation | None = None


@dataclass(frozen=True, repr=False)
class Solution(Result, OnNodes, SavedLaw):
    """A flow that was solved, the same on every rank; it cannot be changed, and can be kept.

    Attributes
    ----------
    times
        ``(T,)`` saved model times, 0 first.
    series
        ``kl`` (KL(ρ‖π), nats), ``mass``, ``fisher_information`` (∫ρ|√D∇log(ρ/π)|²),
        ``reaction_variance`` (Var_ρ log(ρ/π)) and ``min_density`` (smallest nodal density), each
        ``(T,)``; with a linear reaction ``log_normalising_constant``, ∫₀^t⟨r⟩ ds. Where something
        absorbs, all are of the conditioned law, ``survival`` is the probability not to have been
        absorbed, ``first_passage_density`` the rate at which it falls, and
        ``fisher_information``, which is infinite, is NaN.
    mean, covariance
        ``(T, d)`` and ``(T, d, d)``.
    mode_mass
        Mass of each named region, ``(T,)``.
    error
        Estimated errors of all these; None where `certify` is off, NaN in a run that was
        interrupted before its second solution.
    log_relative
        ``(T, n)`` nodal values of log(ρ/π); π is normalised.
    log_normalisation
        log Z of π = e^{−V}/Z on the domain.
    history
        ``t``, ``dt``, ``kl``, ``mass`` of every step of the finest run. ``mass`` is what the
        transport alone made of it.
    numerics
        How it was computed, JSON-ready.
    complete
        False if the run was interrupted; then `times` ends early.
    known
        Index of a time → the (θ, shift, t) of `GeometricMean`, where ρ is known in closed form.
    opinions
        The solutions from whose distance `error` was told; None without them.
    gaussian
        Whether ρ and π are Gaussian, so that `mean` and `covariance` are all that there is.
    distance
        The flow of the distance r from `mean`, of what is the same in all directions around it: ρ/π
        is that of r.
    """

    case: Case
    densities: Densities = field(repr=False)
    times: Array
    series: Mapping[str, Array]
    mean: Array
    covariance: Array
    mode_mass: Mapping[str, Array]
    error: ErrorEstimate | None
    log_relative: Array
    log_normalisation: float
    history: Mapping[str, Array]
    numerics: Mapping[str, Any]
    warnings: tuple[str, ...]
    complete: bool
    wall_time: float
    interpolation: Interpolation = field(repr=False)
    known: Mapping[int, tuple[float, float, float]] = field(repr=False)
    opinions: Opinions | None = field(repr=False, default=None)
    gaussian: bool = field(repr=False, default=False)
    distance: Solution | None = field(repr=False, default=None)

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return (
            f"<Solution of {self.case.title or self.target.name!r}: {len(self.times)} times up to "
            f"t = {self.times[-1]:g}, {self.numerics['formulation']}, "
            f"{len(self.nodes)} nodes{state}>"
        )

    @property
    def target(self) -> Target:
        """π, up to its normalisation."""
        return self.densities.target

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.target.dim

    @property
    def box(self) -> Array:
        """Corners ``(d, 2)`` of the domain's bounding box."""
        nodes = self.nodes
        return np.stack([nodes.min(axis=0), nodes.max(axis=0)], axis=1)

    def _number(self, name: str, region: str) -> Estimated:
        if name == "mode_mass":
            value = self.mode_mass[region]
            error = None if self.error is None else self.error.mode_mass[region]
        elif name in ("mean", "covariance"):
            value = getattr(self, name)
            error = None if self.error is None else self.error[name]
        else:
            value = self.series[name]
            error = None if self.error is None else self.error.series.get(name)
        return Estimated(value, np.full(value.shape, np.nan) if error is None else error)

    def exact(self, index: int, x: Array) -> Array | None:
        """Return log(ρ/π) ``(n,)`` at points ``(n, d)`` where a closed form gives it, else None."""
        if self.gaussian:
            assert self.target.gaussian is not None
            log_target = gaussian_log_density(x, *self.target.gaussian)
            return gaussian_log_density(x, self.mean[index], self.covariance[index]) - log_target
        if self.distance is not None:
            return np.asarray(self.distance._relative([index], self.distances(x))[0])
        if index not in self.known:
            return None
        return GeometricMean(self.densities, *self.known[index])(x)

    @property
    def needs_no_mesh(self) -> bool:
        """Whether a formula or the flow of the distance tells all of it, and nodes are for show."""
        return self.gaussian or self.distance is not None

    def distances(self, x: Array) -> Array:
        """Return how far ``(n, 1)`` points ``(n, d)`` are from the mean, as `distance` has it."""
        assert self.distance is not None
        low, high = self.distance.box[0]
        r = np.linalg.norm(x - self.mean[0], axis=1)
        return np.asarray(np.clip(r, low, high)[:, None])

    def log_relative_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log(ρ/π)`` at points ``(n, d)``; t is one of `times`. Not collective.

        −∞ outside the domain.
        """
        return np.asarray(self._relative([self.index_of(t)], x)[0])

    def log_relative_densities(
        self, x: npt.ArrayLike, times: Iterable[float] | None = None
    ) -> Array:
        """``log(ρ/π)`` ``(T, n)`` at points ``(n, d)`` at all `times`, or some. Not collective.

        −∞ outside the domain.
        """
        return self._relative(
            [self.index_of(t) for t in (self.times if times is None else times)], x
        )

    def _relative(self, indices: list[int], x: npt.ArrayLike) -> Array:
        points = self._points(x)
        if self.distance is not None:
            values = self.distance._relative(indices, self.distances(points))
            values[:, ~self.interpolation.covers(points)] = -np.inf
            return values
        values, _ = evaluate(self.interpolation, self._smooth[indices], points)
        outside = np.isnan(values[0])
        left_out = ~outside & ~self.interpolation.covers(points)
        if left_out.any():
            values[:, left_out] -= self._climb(points[left_out])
        for row, index in zip(values, indices, strict=True):
            exact = self.exact(index, points)
            if exact is not None:
                row[:] = exact
            elif self.absorption is not None:
                row += self.absorption.log_distance(points)
        if self.absorption is not None:
            outside |= self.absorption.holds(points)
        values[:, outside] = -np.inf
        return values

    def _climb(self, x: Array) -> Array:
        """How much higher V is at the nodes next to points ``(n, d)`` of cells that were left out.

        u is that of these nodes there. Of a start that is wider than π it is as steep as V, and
        with the lower V of the point e^{−30} became 2: a density is at most that of the nodes.
        """
        there, _ = evaluate(self.interpolation, self._potential[None], x)
        return np.asarray(np.maximum(there[0] - self.target.potential(x), 0.0))

    @cached_property
    def _potential(self) -> Array:
        return np.asarray(self.target.potential(self.nodes))

    @cached_property
    def absorption(self) -> Absorption | None:
        """What absorbs; None where nothing does."""
        case, text = self.case, self.case.domain.absorbing
        region = None if text is None else case.region(text, "domain.absorbing")
        box = self.box if case.domain.box is None else np.array(case.domain.box, dtype=float)
        return Absorption.of(Sides.of(case.domain.sides, self.dim), region, box)

    @cached_property
    def _smooth(self) -> Array:
        """What is interpolated: log(ρ/π), less the log of the distance from what absorbs."""
        if self.absorption is None:
            return self.log_relative
        dead = self.absorption.holds(self.nodes)
        log_distance = np.where(dead, 0.0, self.absorption.log_distance(self.nodes))
        return continued(self.interpolation, self.log_relative - log_distance, dead)

    def log_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log ρ`` at points ``(n, d)``; −∞ outside the domain. Not collective.

        Along a periodic axis points are brought into the box.
        """
        points = self._points(x)
        relative = self.log_relative_density(t, points)
        return relative - self.target.potential(points) - self.log_normalisation

    def _points(self, x: npt.ArrayLike) -> Array:
        return self.interpolation.wrapped(points_of(x, self.dim))

    @property
    def density_error(self) -> Array:
        """Estimated error ``(T,)`` of the density in L2, relative to its norm; NaN without one."""
        return np.full(len(self.times), np.nan) if self.error is None else self.error.density

    def current(self, t: float, x: npt.ArrayLike) -> Array:
        """Probability current ``(n, d)`` per unit time at points ``(n, d)``. Not collective.

        ``j = α(bρ − ∇·(Dρ))``: transport alone is ∂_t ρ = −∇·j; see `wfrpde.flow.currents`. 0
        without transport, and outside the domain.
        """
        points, index = self._points(x), self.index_of(t)
        equation, target = self.densities.equation, self.target
        if equation.dynamics is None:
            return np.zeros_like(points)
        if self.distance is None:
            slope = slopes(self.interpolation, self._smooth[index], points)
        else:
            way, r = points - self.mean[0], self.distances(points)
            line = self.distance
            slope = slopes(line.interpolation, line.log_relative[index], r) * way / r
        if self.absorption is not None:
            slope += slope_of_distance(self.absorption, points)
        if equation.path is not None:  # the unknown is relative to π at the end
            target = equation.path.between(self.densities.initial, target).frozen(t)
            slope += target.gradient(points) - self.target.gradient(points)
        velocity = velocity_of_mass(equation.dynamics.at(t), target, t, points, slope)
        current = self.density(t, points)[:, None] * velocity
        return np.where(np.isfinite(current), current, 0.0)


def load_solution(path: str | Path) -> AnySolution:
    """Read a solution that `Solution.save` has written. Not collective.

    Densities at points are what they were to the last digit. Neither the file of the case nor that
    of its mesh is needed; a target that is Python code is imported when its potential is needed.

    Raises
    ------
    InputError
        If the file holds no solution.
    """
    from wfrpde.flow.chain.solution import ChainSolution
    from wfrpde.flow.product.solution import ProductSolution

    kind = kind_of(path)
    if kind == "ChainSolution":
        return ChainSolution.load(path)
    return (ProductSolution if kind == "ProductSolution" else Solution).load(path)
