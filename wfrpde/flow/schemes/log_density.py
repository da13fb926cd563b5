"""The log-density form in one dimension: u = log(ρ/π) on GLL elements, stepped by RODASP.

    u_t = α (u'' + u'² − V' u') − β u

(The mean of the reaction only shifts u; ρ is normalised at output.) No exponential of V or u
enters, so that potentials of any height are represented; nothing is conserved structurally, so
that mass and entropy are checked. A few hundred unknowns are solved redundantly on every rank, and
rank 0's result is shared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wfrpde.case.problem import EMPTY, Problem
from wfrpde.discretisation.extrapolation import prolong
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import SolverError
from wfrpde.flow.march import History
from wfrpde.flow.outcome import Context, Outcome, Share, is_free
from wfrpde.flow.steppers.rosenbrock import GAMMA, rodasp_step

Array = npt.NDArray[np.float64]

DEGREE = 8
TOLERANCE = 1e-8
"""Local error of u in a step, where ρ or its target is at least `FLOOR` of its maximum."""
LOCAL_SHARE = 0.18
"""Local error in units of the tolerance of the case, where it has one."""
LOOSER = 32.0
"""How much larger the local error of the second run may be then."""
LARGEST_LIMIT = 6e-5
"""Local error beyond which the looser run no longer tells anything."""
LEAST_TOLERANCE = 1e-13
FINE_SHARE = 1 / 4
"""Share of the distance of the two runs that covers the error of the finer one then."""
FLOOR = 1e-4
RESOLUTION = 1.5
"""Element size in units of the shortest length scale."""
MAX_CELLS = 600
MAX_STEPS = 20_000
FIRST_STEP = 0.1
"""First step in units of ℓ²/α with the shortest length ℓ, times the fourth root of its error."""
STARTING_STEPS = 60
"""Steps that may be tiny at the start."""
CRAWL = 1e7
"""Steps still to go, at the present size, beyond which a run has stalled."""
KL_SLACK = 1e-7
"""Increase of KL by the error of a step that is allowed, relative to KL plus one."""
MAX_RETRIES = 20


class Discretised:
    """Right-hand side and Jacobian of the log-density form on an interval, node by node.

    At both ends u' = 0, which is the no-flux wall: it is the natural condition of the weak form.
    """

    def __init__(self, problem: Problem, grid: TensorGrid, degree: int) -> None:
        rule = gll_rule(degree)
        flow = problem.case.flow
        self.alpha, self.beta = flow.alpha, flow.beta
        self.x = TensorInterpolation(grid, degree).axes[0]
        points = self.x[:, None]
        self.potential = problem.potential(points)
        slope = problem.target.gradient(points)[:, 0]
        cells = len(grid.breaks[0]) - 1
        self._element = np.arange(cells)[:, None] * degree + np.arange(degree + 1)
        length = np.diff(grid.breaks[0])[:, None]
        self._d = rule.derivative
        self._stiff = rule.weights * 2 / length  # quadrature of u' v' in reference slopes
        self._mass = rule.weights * length / 2
        self._scale = 2 / length
        self._slope = slope[self._element]
        self.weights = np.bincount(self._element.ravel(), self._mass.ravel())
        self.degree = degree
        self.log_weights = np.log(self.weights)
        self.log_target = self.log_weights - self.potential
        self.log_target -= _logsumexp(self.log_target)
        # LAPACK's banded storage (3p + 1, n), column by column: entry (i, j) in row 2p + i − j
        i = np.repeat(self._element[:, :, None], degree + 1, axis=2)
        j = np.repeat(self._element[:, None, :], degree + 1, axis=1)
        self._band = (j * (3 * degree + 1) + 2 * degree + i - j).ravel()
        block = np.einsum("eq,qi,qk->eik", self._stiff, self._d, self._d) / self.weights[i]
        self._diffusion = self._banded(block)
        self._drift = self._mass * self._scale / self.weights[self._element]

    def _banded(self, blocks: Array) -> Array:
        rows, n = 3 * self.degree + 1, len(self.x)
        band = np.bincount(self._band, blocks.ravel(), minlength=rows * n)
        return np.asarray(band.reshape(n, rows).T, dtype=float)

    def __call__(self, u: Array) -> Array:
        """Right-hand side ``(n,)``."""
        return self.alpha * self.transport(u) - self.beta * u

    def transport(self, u: Array) -> Array:
        """``u'' + u'² − V' u'`` in the weak form, divided by the mass."""
        reference = u[self._element] @ self._d.T
        slope = reference * self._scale
        force = -(self._stiff * reference) @ self._d + self._mass * slope * (slope - self._slope)
        return np.bincount(self._element.ravel(), force.ravel()) / self.weights

    def shifted_jacobian(self, u: Array, shift: float) -> Array:
        """``shift I − J`` with the Jacobian J of the right-hand side, in LAPACK's banded storage.

        ``(3p + 1, n)``: the first p rows are room for the factorisation.
        """
        slope = (u[self._element] @ self._d.T) * self._scale
        speed = (2 * slope - self._slope) * self._drift
        band = self._diffusion - self._banded(speed[:, :, None] * self._d)
        band *= self.alpha
        band[2 * self.degree] += self.beta + shift
        return band

    def log_density(self, u: Array) -> Array:
        """Normalised log of the nodal mass."""
        value = u + self.log_target
        value -= _logsumexp(value)
        return value


@dataclass(frozen=True)
class LogDensityRun:
    """Fields at the times reached, and what the run cost."""

    u: Array
    times: Array
    residual: Array
    history: History
    accepted: int
    rejected: int
    smallest_dt: float
    kl_increase: float
    complete: bool


def suits(problem: Problem) -> bool:
    """Whether u is smooth on a line: no zero of ρ₀, no kink, no ridge too sharp to resolve."""
    if not problem.starts_positive or problem.landscape.has_kink(problem.stretch):
        return False
    sharpest = problem.landscape.sharpest(problem.stretch)
    return float(np.ptp(problem.stretch)) / sharpest <= MAX_CELLS


def solve_log_density(context: Context) -> Outcome:
    """Solve at degree 8, and at degree 6 with a looser tolerance for the error (collective)."""
    problem = context.problem
    numerics = problem.numerics
    if problem.dim != 1:
        raise SolverError("the log-density form is for one dimension")
    degree = numerics.degree or DEGREE
    tolerance, looser = problem.tolerance, 10.0
    limit = TOLERANCE
    if tolerance is not None:
        limit, looser = min(LOCAL_SHARE * tolerance, LARGEST_LIMIT), LOOSER
    grid = problem.tensor_grid(numerics.cells or (default_cells(problem),))
    degrees = [degree, max(1, degree - 2)] if numerics.certify else [degree]
    runs: list[_Run] = []
    for k, p in enumerate(degrees):
        share = p**2 / sum(q**2 for q in degrees)
        runs.append(_run(context, grid, p, limit * looser**k, share))
        if not runs[-1].result.complete:
            break
    return _outcome(context, runs)


def default_cells(problem: Problem) -> int:
    """Return the number of elements, from the shortest length scale."""
    width, tolerance = float(np.ptp(problem.box[0])), problem.tolerance
    size, least, length = RESOLUTION, 24, float(problem.scales[0])
    if tolerance is not None:
        size, least = float(np.clip(RESOLUTION * (tolerance / 1e-9) ** (1 / 9), 1.0, 4.5)), 6
        # a ridge between two modes is where u is hardest to represent
        length = min(length, problem.landscape.sharpest(problem.stretch, ridges=True))
    return int(np.clip(np.ceil(width / (size * length)), least, MAX_CELLS))


@dataclass(frozen=True)
class _Run:
    """A run and what it was made on; the result is that of rank 0."""

    grid: TensorGrid
    degree: int
    limit: float
    result: LogDensityRun

    @property
    def interpolation(self) -> TensorInterpolation:
        return TensorInterpolation(self.grid, self.degree)


def _run(context: Context, grid: TensorGrid, degree: int, limit: float, share: float) -> _Run:
    observe = context.on_step(f"degree {degree}", share)
    result = _integrate(context, Discretised(context.problem, grid, degree), limit, observe)
    comm = context.comm
    return _Run(grid, degree, limit, comm.bcast(result if comm.rank == 0 else None))


def _refined(context: Context, coarse: _Run) -> Outcome:
    """Add a run with smaller elements and a smaller limit of the local error (collective)."""
    context.done = 0.0
    cells = int(np.ceil(1.5 * len(coarse.grid.active)))
    grid = context.problem.tensor_grid((cells,))
    fine = _run(context, grid, coarse.degree, coarse.limit / LOOSER, 1.0)
    return _outcome(context, [fine, coarse])


def _outcome(context: Context, runs: list[_Run]) -> Outcome:
    """Put together the finer run and, where it is complete, the coarser one."""
    best, interpolation, problem = runs[0].result, runs[0].interpolation, context.problem
    others: tuple[tuple[Array, Share], ...] = ()
    if len(runs) > 1 and runs[1].result.complete:
        second = prolong(runs[1].interpolation, runs[1].result.u, interpolation)
        others = ((second, 1.0 if problem.tolerance is None else FINE_SHARE),)
    complete = all(run.result.complete for run in runs)
    facts: dict[str, Any] = {
        "degree": runs[0].degree,
        "cells": [len(runs[0].grid.active)],
        "runs": [
            {
                "degree": run.degree,
                "nodes": run.result.u.shape[1],
                "steps": run.result.accepted,
                "rejected": run.result.rejected,
                "smallest_dt": run.result.smallest_dt,
            }
            for run in runs
        ],
        "time_order": 4,
        "extrapolated": False,
    }
    finest = runs[0].limit / LOOSER >= LEAST_TOLERANCE
    refine = partial(_refined, context, runs[0]) if is_free(problem) and finest else None
    return Outcome(
        best.times,
        interpolation,
        best.u,
        others,
        np.exp(best.residual),
        best.history.arrays(),
        facts,
        max(run.result.kl_increase for run in runs),
        complete,
        refine=refine,
    )


def _integrate(
    context: Context, system: Discretised, tolerance: float, observe: Any
) -> LogDensityRun:
    problem = context.problem
    start = problem.log_initial(system.x[:, None])
    if start.min() <= EMPTY:
        raise SolverError("the log-density form needs a start that is positive everywhere")
    u = start + system.potential
    # nodal normalisation to the initial mass
    u += np.log(problem.initial_mass) - _logsumexp(system.log_target + u)
    log_mass = system.log_density(u)
    save, t_end = problem.save, problem.save[-1]
    history, kl = History(), _kl(system, log_mass)
    history.append(0.0, 0.0, kl, 1.0)
    fields, times, residuals = [u], [0.0], [0.0]
    longest = problem.numerics.dt or t_end
    relaxation = float(problem.scales[0]) ** 2 / system.alpha
    first = max(1e-7 * t_end, FIRST_STEP * relaxation * tolerance**0.25)
    t, dt, residual, increase = 0.0, min(longest, first), 0.0, 0.0
    accepted = rejected = retries = 0
    smallest, complete = np.inf, True
    for end in save:
        while end - t > 1e-12 * end:
            if context.stop():
                complete = False
                break
            step = min(dt, end - t)
            outcome = _trial(system, u, step, t_end - t - step)
            error = np.inf if outcome is None else outcome.error
            if not error <= tolerance:
                rejected += 1
                factor = (
                    0.2 if not np.isfinite(error) else max(0.1, 0.9 * (tolerance / error) ** 0.25)
                )
                dt = step * factor
                if dt < 1e-14 * t_end:
                    raise SolverError(f"the log-density form stalls at t = {t:.4g} (step {dt:.1e})")
                continue
            assert outcome is not None
            after = _kl(system, outcome.log_mass)
            if not after <= kl + KL_SLACK * (1 + kl):
                retries += 1
                dt = step / 4
                if retries > MAX_RETRIES:
                    raise SolverError(f"KL rises from {kl:.6g} to {after:.6g} at t = {t:.4g}")
                continue
            rate = outcome.slope + system.beta * u  # what transport alone does
            residual += step * float(np.exp(log_mass) @ rate)
            u, log_mass = outcome.u, outcome.log_mass
            reached = end if end - t - step <= 1e-12 * end else t + step
            t, accepted, smallest = reached, accepted + 1, min(smallest, step)
            # a blow-up ends in ever smaller steps, which may all be accepted
            stalled = accepted > STARTING_STEPS and (end - t) > CRAWL * step
            if longest == t_end and (stalled or accepted + rejected > MAX_STEPS):
                raise SolverError(f"the log-density form stalls at t = {t:.4g} (step {step:.1e})")
            before, kl = kl, after
            increase = max(increase, kl - before)
            history.append(t, step, kl, float(np.exp(np.clip(residual, -50, 50))))
            observe(t, step, kl)
            grown = step * min(6.0, max(0.2, 0.9 * (tolerance / max(error, 1e-300)) ** 0.25))
            dt = min(longest, max(grown, dt) if step < 0.9 * dt else grown)
        if not complete:
            break
        fields.append(u)
        times.append(end)
        residuals.append(residual)
    return LogDensityRun(
        np.array(fields),
        np.array(times),
        np.array(residuals),
        history,
        accepted,
        rejected,
        float(smallest),
        increase,
        complete,
    )


class Trial(NamedTuple):
    """A step that was tried.

    State and log of the nodal mass after it, its weighted error, and the right-hand side before it.
    """

    u: Array
    log_mass: Array
    error: float
    slope: Array


def _trial(system: Discretised, u: Array, dt: float, left: float) -> Trial | None:
    """State after `dt` and its weighted error; None if the arithmetic breaks down."""
    from scipy.linalg import lapack

    p = system.degree
    with np.errstate(all="ignore"):
        band = system.shifted_jacobian(u, 1 / (GAMMA * dt))
        factors, pivots, info = lapack.dgbtrf(band, p, p, overwrite_ab=1)
        if info != 0:
            return None

        def solve(rhs: Array) -> Array:
            return np.asarray(lapack.dgbtrs(factors, p, p, rhs, pivots, overwrite_b=1)[0])

        slope = system(u)
        new, gap = rodasp_step(u, slope, system, solve, dt)
        # what is wrong now matters where there is mass, or where the reaction will bring it
        now = new - system.potential
        later = math.exp(-system.beta * left) * new - system.potential
        weight = np.exp(np.maximum(now - now.max(), later - later.max()))
        np.maximum(weight, FLOOR, out=weight)
        share = weight * system.weights
        centred = gap - (share @ gap) / (weight @ system.weights)
        error = float(np.abs(weight * centred).max())
        if not math.isfinite(error):
            return None
        return Trial(new, system.log_density(new), error, slope)


def _kl(system: Discretised, log_mass: Array) -> float:
    return float(np.exp(log_mass) @ (log_mass - system.log_target))


def _logsumexp(value: Array) -> float:
    top = float(value.max())
    return top + math.log(float(np.exp(value - top).sum()))
