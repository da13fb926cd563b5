r"""The Feynman–Kac operator αL + U: its principal eigenvalue, and the process that it tilts to.

.. math:: \Lambda(U) = \lim_{t\to\infty} \frac1t \log
          \mathbb{E}\exp\int_0^t U(X_s)\,ds, \qquad (\alpha L + U)\varphi = \Lambda\varphi.

The weighted particles of dX = −α∇V dt + √(2α) dW with weights exp ∫U tend to the density ∝ πφ, at
the rate of the gap between Λ and the next eigenvalue. The trajectories that carry the weight are
those of the Doob transform, with drift −α∇V + 2α∇log φ and density φ²π. The scaled cumulant
generating function θ(k) = Λ(kU) holds what the time average of U does at long times: θ'(0) is its
mean and θ''(0) its variance times the length of time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.case.loading import require_case
from wfrpde.case.stored import Result
from wfrpde.discretisation.interpolation import gradient, points_of
from wfrpde.errors import InputError
from wfrpde.operators.eigen import Inverse, solved
from wfrpde.operators.held import held
from wfrpde.operators.ladder import Level
from wfrpde.operators.modes import Modes, solve_modes
from wfrpde.operators.spectra import FELT, FromModes, nothing_outside
from wfrpde.parallel import tell_warnings, world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case


COUNT = 4
"""Fewest eigenvalues that are computed: the principal one and what says how far the next is."""


@dataclass(frozen=True, repr=False, kw_only=True)
class FeynmanKac(FromModes):
    """The principal eigenpair of αL + U and the eigenvalues below, the same on every rank.

    Attributes
    ----------
    principal_eigenvalue, error
        Λ, per unit time, and its estimated absolute error.
    eigenvalues, errors, residuals
        ``(k,)`` of αL + U, descending, Λ first; the residuals in L²(π).
    functions
        ``(k, n)`` nodal values of the right eigenfunctions, ∫π φ² = 1; the first is positive.
    mean_rate
        ∫φ²π U: what U averages to along the trajectories that carry the weight.
    """

    case: Case
    principal_eigenvalue: float
    error: float
    eigenvalues: Array
    errors: Array
    residuals: Array
    functions: Array
    mass: Array
    mean_rate: float
    wall_time: float

    def __repr__(self) -> str:
        return (
            f"<FeynmanKac of {self.case.title or self.target.name!r}: principal eigenvalue "
            f"{self.principal_eigenvalue:.6g}, gap {self.gap:.4g}>"
        )

    @property
    def gap(self) -> float:
        """Distance of Λ to the next eigenvalue: the rate at which the weighted law settles.

        NaN where no second eigenvalue is resolved.
        """
        if len(self.eigenvalues) < 2:
            return float("nan")
        return float(self.eigenvalues[0] - self.eigenvalues[1])

    def right_eigenfunction(self, x: npt.ArrayLike) -> Array:
        """Return φ > 0 ``(n,)`` at points ``(n, d)``, ∫π φ² = 1; NaN outside. Not collective."""
        # of the logarithm: φ grows and falls by orders of magnitude
        return np.asarray(np.exp(self._at(self._log_nodal, x)))

    def left_eigenfunction(self, x: npt.ArrayLike) -> Array:
        """Return πφ ``(n,)`` at points ``(n, d)``, with ∫ (left)(right) = 1. Not collective.

        π is normalised on the domain.
        """
        return nothing_outside(np.exp(self._at(self._log_nodal, x) + self._log_target(x)))

    def quasi_stationary_density(self, x: npt.ArrayLike) -> Array:
        """Density ∝ πφ ``(n,)`` that the weighted particles tend to. Not collective."""
        total = float(self.functions[0] @ self.mass)
        return np.asarray(self.left_eigenfunction(x) / total, dtype=np.float64)

    def tilted_density(self, x: npt.ArrayLike) -> Array:
        """Density φ²π ``(n,)`` of the Doob-transformed process. Not collective."""
        return nothing_outside(np.exp(2 * self._at(self._log_nodal, x) + self._log_target(x)))

    def doob_drift(self, x: npt.ArrayLike) -> Array:
        """Drift −α∇V + 2α∇log φ ``(n, d)`` at points ``(n, d)``; NaN outside. Not collective."""
        points = points_of(x, self.target.dim)
        alpha = self.case.flow.alpha
        slope = gradient(self.interpolation, self._log_nodal, points)
        return np.asarray(-alpha * self.target.gradient(points) + 2 * alpha * slope)

    @property
    def _log_nodal(self) -> Array:
        return np.asarray(np.log(np.maximum(self.functions[0], np.finfo(float).tiny)))


@dataclass(frozen=True)
class Cumulants(Result):
    """The scaled cumulant generating function θ(k) = Λ(kU), each array ``(m,)``.

    Attributes
    ----------
    tilts
        Factors k.
    values, errors
        θ(k), per unit time, and its estimated absolute error.
    means, mean_errors
        θ'(k) = ∫φ²π U; at k = 0 the mean of U in equilibrium.
    variances, variance_errors
        θ''(k) ≥ 0; at k = 0 the variance of ∫U dt over a long time, per unit time.
    """

    tilts: Array
    values: Array
    errors: Array
    means: Array
    mean_errors: Array
    variances: Array
    variance_errors: Array
    warnings: tuple[str, ...]


def feynman_kac(case: Case, comm: Comm | None = None) -> FeynmanKac:
    """Compute the principal eigenpair of αL + U, with U = ``flow.reaction`` (collective).

    Parameters
    ----------
    case
        The target, the domain, the numerics, α and U.

    Raises
    ------
    InputError
        If the case has no ``flow.reaction``, or α = 0.
    SolverError
        If the eigensolver does not converge.
    """
    comm = world_of(comm)
    began = time.perf_counter()
    require_case(case, "feynman_kac")
    _check(case)
    wanted = max(COUNT, case.spectrum.count)
    modes = solve_modes(case, comm, wanted, alpha=case.flow.alpha, tilt=1.0)
    if len(modes.values) < wanted:
        modes.warnings.append(
            f"{len(modes.values)} of {wanted} eigenvalues are resolved by both discretisations"
        )
    _warn_of_truncation(modes)
    tell_warnings(modes.warnings, comm)
    functions = modes.functions.copy()
    functions[0] *= np.sign(functions[0] @ modes.mass)
    means = [_mean_rate(level, modes) for level in modes.ladder.levels]
    return FeynmanKac(
        case=case,
        principal_eigenvalue=-float(modes.values[0]),
        error=float(modes.errors[0]),
        eigenvalues=-modes.values,
        errors=modes.errors,
        residuals=modes.residuals,
        functions=functions,
        mass=modes.mass,
        mean_rate=float(modes.ladder.value(means)[0]),
        wall_time=time.perf_counter() - began,
        **held(modes),
    )


def cumulants(case: Case, tilts: Sequence[float], comm: Comm | None = None) -> Cumulants:
    """Compute θ(k) = Λ(kU) and its two derivatives for some k (collective).

    θ'(k) = ∫φ²π U (Hellmann–Feynman), and θ''(k) = 2 ∫φ π (U − θ') χ, where χ solves
    (Λ − αL − kU) χ = (U − θ') φ without a part along φ.

    Raises
    ------
    InputError
        As `feynman_kac`.
    """
    comm = world_of(comm)
    _check(case)
    columns: list[tuple[float, ...]] = []
    warnings: list[str] = []
    for k in tilts:
        modes = solve_modes(case, comm, COUNT, alpha=case.flow.alpha, tilt=float(k))
        _warn_of_truncation(modes)
        warnings += [f"k = {k:g}: {text}" for text in modes.warnings]
        levels = modes.ladder.levels
        means = modes.ladder.value([_mean_rate(level, modes) for level in levels])
        variances = modes.ladder.value([_variance(level, modes) for level in levels])
        columns.append(
            (-modes.values[0], modes.errors[0], *map(float, means), *map(float, variances))
        )
    tell_warnings(warnings, comm)
    value, error, *rest = np.array(columns).reshape(-1, 6).T
    mean, mean_error, variance, variance_error = rest
    every = np.array(tilts, dtype=float)
    return Cumulants(
        every, value, error, mean, mean_error, variance, variance_error, tuple(warnings)
    )


def _check(case: Case) -> None:
    if case.flow.reaction is None:
        raise InputError(
            "flow.reaction",
            "none",
            "the rate U(x) of the Feynman-Kac weights",
            'For example: reaction = "-x**2".',
        )
    if case.flow.alpha == 0:
        raise InputError("flow.alpha", "0", "a positive value", "U alone has no eigenfunctions.")


def _principal(level: Level) -> Array:
    """Principal function ``(n,)`` on this rank: of the pairs, or the constant without a U."""
    if level.operator.conservative:
        return np.ones(len(level.operator.form.nodes.points))
    return np.asarray(level.pairs.functions[0])


def _rate(level: Level, modes: Modes) -> Array:
    return modes.problem.rate(level.operator.form.nodes.points)


def _mean_rate(level: Level, modes: Modes) -> float:
    function = _principal(level)[None]
    return float(level.operator.form.product(function, by=_rate(level, modes))[0, 0])


def _variance(level: Level, modes: Modes) -> float:
    operator = level.operator
    form, phi = operator.form, _principal(level)
    value = 0.0 if operator.conservative else float(level.pairs.values[0])
    rhs = form.mass * (_rate(level, modes) - _mean_rate(level, modes)) * phi
    nodes, n = form.nodes, form.nodes.n_owned
    gap = float(level.pairs.values[0 if operator.conservative else 1]) - value
    shift = value - 1e-3 * min(gap, modes.scale)
    with Inverse(operator, shift, level.wish) as inverse:
        chi = solved(operator, inverse, rhs, phi[None], value=value)
    return 2 * nodes.sum(rhs[:n] * chi[:n])


def _warn_of_truncation(modes: Modes) -> None:
    """Warn where a box that the case gives decides the result."""
    domain = modes.problem.domain
    if domain.box is None and domain.mesh is None:
        return  # such a box was widened, and warned of
    if modes.wall_share > FELT:
        modes.warnings.append(
            f"the modes have a share of {modes.wall_share:.0e} at the walls: the result is that of "
            "this box and depends on where its walls are. Widen [domain] box, or check that U "
            "does not grow faster than the potential confines"
        )
