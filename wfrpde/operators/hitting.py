r"""Which region is reached first, and when: committors and mean exit times.

Both are one linear solve with the generator, on functions that vanish in absorbing regions:

.. math:: L q = 0,\ q|_A = 0,\ q|_B = 1, \qquad -\alpha L\tau = 1,\ \tau|_A = 0.

Where a well outside the regions holds the process for long, −L has eigenvalues that round-off of
the matrix would drown. The solution is therefore taken along the lowest eigenfunctions by their
accurate eigenvalues, and only the rest is solved for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.operators.absorbing import absorbing_nodes
from wfrpde.operators.driven_hitting import committor_answers, exit_answers
from wfrpde.operators.eigen import Eigenpairs, Inverse, along, solved
from wfrpde.operators.held import held
from wfrpde.operators.modes import solve_modes
from wfrpde.operators.operator import Operator
from wfrpde.operators.spectra import FromModes, nothing_outside
from wfrpde.parallel import tell_warnings, world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.fields import Region


MODES = 4
"""Lowest eigenfunctions along which a solution is taken by their eigenvalues."""

REACHED = 10.0
"""Level (kT) above the way over the barrier up to which the error of a committor is looked for."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Exit(FromModes):
    """Exit of a process into an absorbing region A, the same on every rank.

    Attributes
    ----------
    region
        Text of A.
    rate, rate_error
        Rate αλ₀ of exit from the quasi-stationary density, per unit time, and its estimated error.
    mean_time, mean_time_error
        Mean exit time from π restricted to the outside of A, and its estimated error.
    times
        ``(n,)`` nodal values of the mean exit time τ.
    """

    region: str
    rate: float
    rate_error: float
    mean_time: float
    mean_time_error: float
    times: Array
    quasi_stationary: Array

    def time_from(self, x: npt.ArrayLike) -> Array:
        """Mean exit time τ ``(n,)`` from points ``(n, d)``; NaN outside. Not collective."""
        return self._at(self.times, x)

    def quasi_stationary_density(self, x: npt.ArrayLike) -> Array:
        """Density ``(n,)`` of what has not left yet, at late times. Not collective."""
        return nothing_outside(np.exp(self._log_target(x)) * self._at(self.quasi_stationary, x))


@dataclass(frozen=True, repr=False, kw_only=True)
class Committor(FromModes):
    """Probability q(x) that a process from x reaches B before A, the same on every rank.

    Attributes
    ----------
    source, sink
        Texts of A (q = 0) and B (q = 1).
    values
        ``(n,)`` nodal values of q.
    rate, rate_error
        Reactive flux ∫π α∇q·D∇q: transitions from A to B per unit time in the state π, and its
        estimated error; NaN with a further drift, under which π is not that state.
    error
        Largest difference of q to its value on the coarser discretisation, up to `REACHED`
        kT above the lowest point at which it is undecided.
    """

    source: str
    sink: str
    values: Array
    error: float
    rate: float
    rate_error: float

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Return q ``(n,)`` at points ``(n, d)``; NaN outside. Not collective."""
        return self._at(self.values, x)


def mean_exit_time(case: Case, region: str, comm: Comm | None = None) -> Exit:
    """Compute rate and mean time of exit into a region (collective).

    Parameters
    ----------
    case
        The target, the domain, the numerics, and α.
    region
        The absorbing region: a condition such as ``"x > 0"``, or the name of a mode.

    Raises
    ------
    InputError
        If the region cannot be read, or holds no node or all of them.
    """
    comm = world_of(comm)
    alpha = _positive_alpha(case)
    absorbing = case.region(region, "region")
    if _has_terms(case):
        return _driven_exit(case, absorbing, comm)

    def waited(operator: Operator, pairs: Eigenpairs, inverse: Inverse) -> Array:
        return _solved(operator, pairs, inverse, operator.form.mass)

    modes = solve_modes(case, comm, MODES, alpha=alpha, absorbing=[absorbing], further=waited)
    tell_warnings(modes.warnings, comm)
    times, means = [], []
    for level in modes.ladder.levels:
        form, solution = level.operator.form, level.pairs.further
        assert solution is not None
        times.append(level.gathered(solution)[None])
        means.append(float(form.mean(solution[None])[0]) / _mass_outside(level.operator))
    mean, error = modes.ladder.value(means)
    first = modes.functions[0] * np.sign(modes.functions[0] @ modes.mass)
    return Exit(
        region=absorbing.text,
        rate=float(modes.values[0]),
        rate_error=float(modes.errors[0]),
        mean_time=float(mean),
        mean_time_error=float(error),
        times=modes.ladder.function(times)[0],
        quasi_stationary=first / float(first @ modes.mass),
        **held(modes),
    )


def committor(case: Case, source: str, sink: str, comm: Comm | None = None) -> Committor:
    """Compute the committor from region A (`source`) to region B (`sink`) (collective).

    Parameters
    ----------
    case
        The target, the domain, the numerics, and α.
    source, sink
        Conditions such as ``"x < -0.9"``, or names of modes. They must not meet.

    Raises
    ------
    InputError
        If a region cannot be read or holds no node, or if the two meet.
    """
    comm = world_of(comm)
    alpha = _positive_alpha(case)
    first, second = case.region(source, "source"), case.region(sink, "sink")
    if _has_terms(case):
        return _driven_committor(case, first, second, comm)

    def decided(operator: Operator, pairs: Eigenpairs, inverse: Inverse) -> Array:
        form, nodes = operator.form, operator.form.nodes
        ones, zeros = (absorbing_nodes([region], nodes) for region in (second, first))
        assert ones is not None
        assert zeros is not None
        if nodes.sum((ones & zeros)[: nodes.n_owned].astype(float)) > 0:
            raise InputError(
                f"the regions '{first.text}' and '{second.text}'",
                "that they meet",
                "two regions apart from one another",
            )
        lift = ones.astype(float)
        return lift + _solved(operator, pairs, inverse, -alpha * form.stiffness(lift[None])[0])

    modes = solve_modes(case, comm, MODES, alpha=alpha, absorbing=[first, second], further=decided)
    tell_warnings(modes.warnings, comm)
    fields, fluxes = [], []
    for level in modes.ladder.levels:
        value = level.pairs.further
        assert value is not None
        fields.append(level.gathered(value)[None])
        fluxes.append(alpha * float(level.operator.form.energy(value[None])[0, 0]))
    rate, rate_error = modes.ladder.value(fluxes)
    best = modes.ladder.function(fields)[0]
    error = np.nan
    if len(fields) > 1:
        error = _undecided(best, modes.ladder.from_coarser(fields[-2])[0], modes.mass)
    return Committor(
        source=first.text,
        sink=second.text,
        values=best,
        error=error,
        rate=float(rate),
        rate_error=float(rate_error),
        **held(modes),
    )


def _has_terms(case: Case) -> bool:
    dynamics = case.equation.dynamics
    return dynamics is not None and bool(dynamics.terms)


def _driven_exit(case: Case, absorbing: Region, comm: Comm) -> Exit:
    found = exit_answers(case, [absorbing], comm)
    tell_warnings(found.warnings, comm)
    rate, rate_error = found.estimated("rate")
    mean, error = found.estimated("mean_time")
    return Exit(
        region=absorbing.text,
        rate=rate,
        rate_error=rate_error,
        mean_time=mean,
        mean_time_error=error,
        times=found.functions["times"][-1],
        quasi_stationary=found.functions["state"][-1],
        **held(found),
    )


def _driven_committor(case: Case, source: Region, sink: Region, comm: Comm) -> Committor:
    found = committor_answers(case, source, sink, comm)
    tell_warnings(found.warnings, comm)
    rate, rate_error = found.estimated("rate")
    *coarser, best = found.functions["q"]
    return Committor(
        source=source.text,
        sink=sink.text,
        values=best,
        error=_undecided(best, coarser[-1], found.mass) if coarser else np.nan,
        rate=rate,
        rate_error=rate_error,
        **held(found),
    )


def _undecided(best: Array, coarse: Array, mass: Array) -> float:
    """Largest distance of a committor to a coarser one where it is decided, and a way above."""
    level = -np.log(np.maximum(mass, np.finfo(float).tiny))
    undecided = (best > 0.2) & (best < 0.8)
    top = level[undecided].min() if undecided.any() else level.min()
    return float(np.abs(best - coarse)[level < top + REACHED].max())


def _solved(operator: Operator, pairs: Eigenpairs, inverse: Inverse, functional: Array) -> Array:
    """Return f ``(n,)`` with −αL f = b in the weak sense, f = 0 on absorbing nodes (collective)."""
    # share of the highest computed eigenvalue below which a mode counts as slow. The others are
    # left to the linear solver: their own round-off, far from the wells, would be kept in the
    # solution.
    slow = pairs.values < 1e-2 * pairs.values[-1]
    basis = pairs.functions[slow]
    rhs = np.where(operator.free, functional, 0.0)
    start = (along(operator.form.nodes, basis, rhs) / pairs.values[slow]) @ basis
    return solved(operator, inverse, rhs, basis, start=start)


def _mass_outside(operator: Operator) -> float:
    """Mass of π on the cells outside the absorbing region: their share of boundary nodes, too."""
    form, nodes = operator.form, operator.form.nodes
    density = np.exp(-form.potential - form.log_partition)[nodes.cell_nodes]
    outside = operator.free[nodes.cell_nodes].any(axis=1)
    local = float((density * nodes.cell_weights())[outside].sum())
    return float(nodes.comm.allreduce(local))


def _positive_alpha(case: Case) -> float:
    if case.flow.alpha == 0:
        raise InputError(
            "flow.alpha", "0", "a positive value", "Without diffusion nothing is ever reached."
        )
    return float(case.flow.alpha)
