r"""The spectrum of the generator: how fast a target is sampled, and along what.

.. math:: -L u = \lambda u, \qquad L = \Delta - \nabla V\cdot\nabla, \qquad
          0 = \lambda_0 < \lambda_1 \le \dots

Langevin dynamics forgets its start like e^{−2αλ₁t} in KL, the Wasserstein–Fisher–Rao flow like
e^{−2(αλ₁+β)t}. With an absorbing region λ₀ > 0 is the rate of exit into it, from the
quasi-stationary density ∝ π u₀.

Dynamics with a circulation or a further drift have complex eigenvalues λ with Re λ ≥ 0: a mode
rotates while it decays. Left and right eigenfunctions differ then, and the condition number of λ
tells by how much transients may outgrow e^{−Re λ t}.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, ComplexArray
from wfrpde.case.loading import require_case
from wfrpde.case.stored import Result
from wfrpde.discretisation.interpolation import Interpolation, OnNodes, evaluate, points_of
from wfrpde.operators.held import held
from wfrpde.operators.irreversible import Rotating, solve_irreversible
from wfrpde.operators.kinetic import solve_kinetic
from wfrpde.operators.modes import Modes, solve_modes
from wfrpde.operators.ornstein_uhlenbeck import is_linear, solve_linear
from wfrpde.parallel import tell_warnings, world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.targets import Target

Values = npt.NDArray[Any]
"""Real numbers, or complex ones where a mode rotates."""

FELT = 1e-6
"""Share of a mode at the walls of a given box from which its rate depends on where they are."""


@dataclass(frozen=True, repr=False, kw_only=True)
class FromModes(Result, OnNodes):
    """What follows from the modes of an operator on a target, the same on every rank.

    Attributes
    ----------
    log_normalisation
        log Z of π = e^{−V}/Z on the domain.
    numerics
        How it was computed, JSON-ready.
    """

    target: Target
    log_normalisation: float
    numerics: Mapping[str, Any]
    warnings: tuple[str, ...]
    interpolation: Interpolation = field(repr=False)

    def _at(self, function: Array, x: npt.ArrayLike) -> Array:
        """Evaluate a nodal function at points: polynomials everywhere, NaN outside the mesh."""
        return evaluated(self.interpolation, function, points_of(x, self.target.dim))

    def _log_target(self, x: npt.ArrayLike) -> Array:
        """Log π ``(n,)`` at points ``(n, d)``."""
        points = points_of(x, self.target.dim)
        return np.asarray(-self.target.potential(points) - self.log_normalisation)


@dataclass(frozen=True, repr=False, kw_only=True)
class Spectrum(FromModes):
    """The lowest modes of a generator, the same on every rank.

    Attributes
    ----------
    eigenvalues
        ``(k,)`` complex eigenvalues λ of −L, ascending in their real part; of a pair that with the
        positive imaginary part comes first.
    rates, errors, residuals, conditions
        ``(k,)``: Re λ; the estimated absolute errors of λ; ‖−Lu − λu‖ in L²(π); condition numbers
        of λ, 1 for reversible dynamics. Without an absorbing region the first λ is 0.
    functions
        ``(k, n)`` nodal values of the eigenfunctions u (right, backward), ∫π|u|² = 1; complex where
        one of them rotates. The phase of each makes it positive at the last of its highest peaks,
        in the order of the coordinates. Of kinetic dynamics: averages over the momenta.
    left_functions
        ``(k, n)`` those of the adjoint, w, with ∫π w̄_a u_b = δ_ab; u itself for reversible
        dynamics.
    mass
        ``(n,)`` mass of π at the nodes, which sums to 1.
    absorbing
        Text of the absorbing region, or None.
    """

    case: Case
    eigenvalues: ComplexArray
    rates: Array
    errors: Array
    residuals: Array
    conditions: Array
    functions: Values
    left_functions: Values
    mass: Array
    absorbing: str | None
    wall_time: float

    def __repr__(self) -> str:
        rates = ", ".join(f"{rate:.4g}" for rate in self.rates[:4])
        return (
            f"<Spectrum of {self.case.title or self.target.name!r}: {len(self.rates)} rates "
            f"({rates}, …), {len(self.nodes)} nodes>"
        )

    @property
    def gap(self) -> float:
        """λ₁ − λ₀."""
        if len(self.rates) < 2:
            raise ValueError("the gap needs two rates: set spectrum.count to 2 or more")
        return float(self.rates[1] - self.rates[0])

    @property
    def langevin_rate(self) -> float:
        """2αλ₁, at which KL decays at the end under Langevin dynamics (W)."""
        return 2 * self.case.flow.alpha * self.gap

    @property
    def wfr_rate(self) -> float:
        """2(αλ₁ + β), at which KL decays at the end under the Wasserstein–Fisher–Rao flow."""
        return self.langevin_rate + 2 * self.case.flow.beta

    @property
    def rotates(self) -> bool:
        """Whether an eigenvalue is not real."""
        return bool(np.any(self.eigenvalues.imag != 0))

    def eigenfunction(self, i: int, x: npt.ArrayLike) -> Values:
        """Right eigenfunction u_i ``(n,)`` at points ``(n, d)``; NaN outside. Not collective."""
        return self._complex_at(self.functions[i], x)

    def density(self, i: int, x: npt.ArrayLike) -> Values:
        """Left (forward) eigenfunction π w̄_i ``(n,)`` at points ``(n, d)``. Not collective."""
        left = np.conj(self._complex_at(self.left_functions[i], x))
        return nothing_outside(np.exp(self._log_target(x)) * left)

    def _complex_at(self, function: Values, x: npt.ArrayLike) -> Values:
        if not np.iscomplexobj(function):
            return self._at(function, x)
        return self._at(function.real.copy(), x) + 1j * self._at(function.imag.copy(), x)

    def quasi_stationary_density(self, x: npt.ArrayLike) -> Array:
        """Density ∝ π u₀ ``(n,)`` of what has not been absorbed, at late times. Not collective."""
        total = np.conj(self.left_functions[0]) @ self.mass
        return np.asarray(np.real(self.density(0, x) / total), dtype=np.float64)


def spectrum(case: Case, comm: Comm | None = None) -> Spectrum:
    """Compute the lowest ``spectrum.count`` rates of a case's generator (collective).

    The case's start plays no part. In ``spectrum.absorbing``, in ``domain.absorbing`` and at
    absorbing sides functions vanish.

    Parameters
    ----------
    case
        The target, the domain and the numerics.
    comm
        MPI communicator; all of MPI.COMM_WORLD by default.

    Raises
    ------
    InputError
        If the case cannot be solved as it stands.
    SolverError
        If the eigensolver does not converge.
    """
    comm = world_of(comm)
    began = time.perf_counter()
    require_case(case, "spectrum")
    text = case.spectrum.absorbing
    absorbing = None if text is None else case.region(text, "spectrum.absorbing")
    regions = [] if absorbing is None else [absorbing]
    name = None if absorbing is None else absorbing.text
    dynamics = case.dynamics.build(case.dim)
    if dynamics.friction is not None:
        rotating = solve_kinetic(case, comm, dynamics.friction, case.spectrum.count)
        return _spectrum_of(case, comm, rotating, name, began)
    if not dynamics.reversible or dynamics.diffusion is not None:
        count, known = case.spectrum.count, None
        if is_linear(case, dynamics):
            known = solve_linear(case, comm, dynamics, count)
        rotating = known or solve_irreversible(case, comm, dynamics, count, [*regions, *case.sinks])
        return _spectrum_of(case, comm, rotating, name, began)
    modes = solve_modes(case, comm, case.spectrum.count, absorbing=regions)
    return _spectrum_of(case, comm, modes, case.absorbing, began)


def _spectrum_of(
    case: Case, comm: Comm, modes: Modes | Rotating, absorbing: str | None, began: float
) -> Spectrum:
    count = case.spectrum.count
    if len(modes.values) < count:
        modes.warnings.append(
            f"{len(modes.values)} of {count} modes are resolved by both discretisations: take more "
            "cells for the others"
        )
    functions: Values = modes.functions
    left: Values = functions
    conditions: Array = np.ones(len(modes.values))
    if isinstance(modes, Rotating):
        left, conditions = modes.left, modes.conditions
        if not modes.values.imag.any():
            functions, left = functions.real, left.real
    else:
        _warn_of_truncation(modes)
    tell_warnings(modes.warnings, comm)
    return Spectrum(
        case=case,
        eigenvalues=modes.values.astype(complex),
        rates=modes.values.real,
        errors=modes.errors,
        residuals=modes.residuals,
        conditions=conditions,
        functions=functions,
        left_functions=left,
        mass=modes.mass,
        absorbing=absorbing,
        wall_time=time.perf_counter() - began,
        **held(modes),
    )


def _warn_of_truncation(modes: Modes) -> None:
    """Warn where a given box holds all but a little of π, yet not the modes.

    A box that cuts off more has been warned of; one that holds all of a target without tails is
    the domain that was meant.
    """
    domain, share = modes.problem.domain, modes.facts["cut_off_share"]["target"]
    if domain.box is not None and 0 < share <= domain.cut_off_share and modes.wall_share > FELT:
        modes.warnings.append(
            f"a mode has a share of {modes.wall_share:.0e} at the walls of the box: it is wider "
            "than the box, and its rate that of the truncated problem. Widen [domain] box"
        )


def evaluated(interpolation: Interpolation, function: Array, points: Array) -> Array:
    """Evaluate a nodal function at points: polynomials everywhere, NaN outside the mesh."""
    return np.asarray(evaluate(interpolation, function[None], points, steep=np.inf)[0][0])


def nothing_outside(density: Values) -> Values:
    """Density ``(n,)`` with 0 where the mesh has no cell, in place of NaN."""
    result = density.copy()
    result[np.isnan(result)] = 0.0
    return result
