"""Means of observables over particles, over infinitely many particles, and over the solved flow.

Two ways to measure what few particles do:

* `replicates`: independent runs of N particles. The noise is that of all particles together.
* `halves`: N particles, and the same N as two ensembles of N/2, on the same paths (the halves draw
  their noise from a stream in the same state, one after the other). Whatever is linear in the
  empirical law cancels in the difference of the whole and the mean of its halves, D(N); what stays
  is the expectation E(N) − E(N/2), with a noise of order 1/N, not 1/√N. A bias c/N^q shows as
  D(N) = c (1 − 2^q)/N^q: of the same order. Particles must not be resampled, or paths would part.

Ensembles that interact are coupled like this in multilevel Monte Carlo for McKean–Vlasov equations
(A.-L. Haji-Ali and R. Tempone, 2018, Statistics and Computing 28).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

import wfrpde
from wfrpde.comparison.limit import limit_laws
from wfrpde.equation import Equation
from wfrpde.samplers import DensitySource, SamplerContext, make_sampler, oracle_times

Array = np.ndarray[Any, Any]
Runner = Any

ORDERS = np.linspace(-1.0, 4.0, 1001)
"""Orders that a fit tries."""


@dataclass(frozen=True)
class Problem:
    """A target, a start, and two observables: (x/m)² and the share of a mode, with a soft edge.

    The edge is a tenth of ``scale`` wide: a lattice of infinitely many particles cannot tell where
    between two nodes a sharp one is.
    """

    target: dict[str, Any]
    initial: dict[str, Any]
    scale: float
    barrier: float
    times: tuple[float, ...]
    reaction: str

    def case(self, **changes: Any) -> wfrpde.Case:
        """Return the case, its flow with α = β = 1 saved as an oracle needs it."""
        data = {"target": self.target, "initial": self.initial, "flow": {"save": list(self.times)}}
        case = wfrpde.Case.model_validate(data).with_overrides(changes)
        return case.with_overrides({"flow.save": list(oracle_times(case))})

    def observed(self, positions: Array) -> Array:
        """Return both observables ``(2, N)`` at positions ``(N, 1)``."""
        x = positions[:, 0]
        edge = np.clip((x - self.barrier) * 10 / self.scale, -500, 500)
        return np.stack([(x / self.scale) ** 2, 1 / (1 + np.exp(-edge))])


WELL = {"kind": "double_well", "barrier": 4.0, "tilt": 0.5}
MIXTURE = {
    "kind": "gaussian_mixture",
    "means": [[0.0], [6.0]],
    "covariances": [[[1.0]], [[1.0]]],
}
PROBLEMS = {
    "mixture": Problem(
        MIXTURE,
        {"mean": [0.0], "covariance": [[1.0]]},
        6.0,
        3.0,
        (0.2, 0.5, 1.0),
        "2*exp(-(x - 3)**2/2)",
    ),
    "well": Problem(
        WELL, {"mean": [1.0], "covariance": [[0.05]]}, 1.0, 0.0, (0.5, 1.0), "4*exp(-4*x**2)"
    ),
    # half of the density in either mode, slightly wider than those: no front, nothing to fill
    "mixture, near π": Problem(
        MIXTURE,
        {"density": "exp(-x**2/2.4) + 2*exp(-(x - 6)**2/2.4)"},
        6.0,
        3.0,
        (0.5, 1.0),
        "2*exp(-(x - 3)**2/2)",
    ),
}


@dataclass(frozen=True)
class Bench:
    """A problem with its solved flows."""

    problem: Problem

    @cached_property
    def context(self) -> SamplerContext:
        """What WFR samplers are made of."""
        case = self.problem.case()
        return SamplerContext.of(case, wfrpde.solve(case))

    @cached_property
    def reacting(self) -> SamplerContext:
        """What a linear Feynman–Kac sampler is made of."""
        changes = {"flow.beta": 0.0, "flow.reaction": self.problem.reaction}
        return SamplerContext.of(self.problem.case(**changes))

    def runner(self, table: dict[str, Any]) -> Runner:
        """Make a sampler from its table in a case."""
        context = self.reacting if table["kind"] == "feynman_kac" else self.context
        case = self.problem.case(sampler=[table])
        return make_sampler(case.samplers[0], context)

    def truth(self, claims: Equation, t: float) -> tuple[Array, float]:
        """Observables ``(2,)`` of the flow that is claimed, and the largest error of the flow."""
        solution: Any = self.context.solution
        if claims != self.context.equation:
            solution = wfrpde.solve(self.problem.case().with_equation(claims))
        saved = float(solution.times[np.argmin(np.abs(solution.times - t))])
        assert np.isclose(saved, t)
        low, high = solution.box[0]
        x = np.linspace(low, high, 20001)[1:-1, None]
        density = solution.density(saved, x)
        values = self.problem.observed(x) @ density / density.sum()
        return values, float(np.max(solution.error.density))

    def infinite(self, runner: Runner, t: float, dt: float) -> Array | None:
        """Observables ``(2,)`` of infinitely many particles; None where they are not known."""
        step = runner.law()
        laws = None if step is None else limit_laws(step, self.context, dt, [t])
        if laws is None:
            return None
        return np.asarray(self.problem.observed(laws[0].lattice.points) @ laws[0].masses)

    def average(self, ensemble: Any) -> Array:
        """Observables ``(2,)`` of an ensemble."""
        observed = self.problem.observed(ensemble.positions)
        return np.array([float(ensemble.average(row)) for row in observed])


@dataclass(frozen=True)
class Few:
    """Means ``(sizes, 2)`` of N particles and what they differ by from N/2, with their errors."""

    mean: Array
    mean_error: Array
    change: Array
    change_error: Array


def replicates(
    bench: Bench, runner: Runner, n: int, count: int, t: float, dt: float, seed: int
) -> tuple[Array, Array]:
    """Mean ``(2,)`` over independent runs, and its standard error."""
    seeds = np.random.SeedSequence([seed, n]).spawn(count)
    made = [bench.average(runner.run(one, n, dt, [t]).ensembles[0]) for one in seeds]
    return mean_and_error(np.array(made))


def halves(
    bench: Bench, sampler: Any, n: int, count: int, t: float, dt: float, seed: int
) -> tuple[Array, Array]:
    """Mean ``(2, 2)`` of N particles and of D(N), and standard errors; see the module's text."""
    steps = 1 if getattr(sampler, "exact_in_time", False) else round(t / dt)
    made = []
    for one in np.random.SeedSequence([seed, n]).spawn(count):
        start, noise = one.spawn(2)
        x = bench.context.initial.sample(n, np.random.default_rng(start))
        rng, again = np.random.default_rng(noise), np.random.default_rng(noise)
        whole, parts = sampler.init(x, rng), [sampler.init(p, again) for p in np.split(x, 2)]
        for k in range(steps):
            whole = sampler.step(whole, t * k / steps, t / steps, rng)
            parts = [sampler.step(p, t * k / steps, t / steps, again) for p in parts]
        value = bench.average(whole)
        made.append([value, value - np.mean([bench.average(p) for p in parts], axis=0)])
    return mean_and_error(np.array(made))


def beside_langevin(
    bench: Bench, mala: Runner, n: int, count: int, t: float, dt: float, seed: int
) -> tuple[Array, Array]:
    """Mean of MALA less that of Langevin moves with the same proposals, and its standard error."""
    langevin = bench.runner({"kind": "langevin"}).sampler
    steps, made = round(t / dt), []
    for number in range(count):
        key = [seed, n, number]
        x = bench.context.initial.sample(n, np.random.default_rng(key))
        one, other = mala.sampler.init(x, None), langevin.init(x, None)
        for k in range(steps):
            one = mala.sampler.step(one, 0.0, t / steps, np.random.default_rng([*key, k]))
            other = langevin.step(other, 0.0, t / steps, np.random.default_rng([*key, k]))
        made.append(bench.average(one) - bench.average(other))
    return mean_and_error(np.array(made))


def mean_and_error(values: Array) -> tuple[Array, Array]:
    """Mean over the first axis, and its standard error."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def fitted_order(sizes: Array, biases: Array, errors: Array) -> tuple[float, float, float]:
    """Order q of c/N^q by least squares, and the interval in which χ² rises by less than 3.84.

    The values are fitted, not their logarithms, so that all sizes count, seen or not.
    """
    powers = (np.asarray(sizes, dtype=float) / sizes[0]) ** -ORDERS[:, None]
    weight = errors**-2.0
    explained = (powers @ (weight * biases)) ** 2 / (powers**2 @ weight)
    chi2 = biases**2 @ weight - explained
    near = ORDERS[chi2 <= chi2.min() + 3.84]
    return float(ORDERS[chi2.argmin()]), float(near[0]), float(near[-1])


def richardson(values: Array) -> tuple[float, float]:
    """Limit of values at h, h/2, h/4, …, free of h and h² at the end, and how much it moved."""
    first = 2 * values[1:] - values[:-1]
    second = (4 * first[1:] - first[:-1]) / 3
    return float(second[-1]), float(abs(second[-1] - second[-2]))


@dataclass(frozen=True, eq=False)
class KnownWhereFew(DensitySource):
    """A density from the particles' mesh, but from their law where few particles are expected.

    Nodes on which fewer than ``least`` of N particles are to be expected take log(ρ/π) from the
    law of infinitely many particles: what is left of the bias in N is that of the other nodes.
    """

    mesh: Any
    laws: dict[float, Array]
    least: float

    def log_relative(self, positions: Array, weights: Array, t: float) -> Array:
        """Return log(ρ/π) ``(N,)`` at positions ``(N, 1)``."""
        stencil = self.mesh.lattice.stencil(positions)
        mass = self.mesh._smooth(stencil.gathered(weights))
        known = self.laws[round(t, 9)]
        mass = np.where(known * len(positions) < self.least, known, mass)
        return np.asarray(stencil.read(np.log(np.maximum(mass, 1e-300)) - self.mesh._log_target))


def known_where_few(
    bench: Bench, sampler: Any, t: float, dt: float, least: float
) -> Callable[[], Any]:
    """Return a maker of the sampler with `KnownWhereFew` for its mesh."""
    mesh, context = sampler.reaction.source, bench.context
    laws: dict[float, Array] = {}
    step = sampler.law()
    after = step.after

    def kept(x: Array, mass: Array, now: float, size: float, log_target: Array) -> Array:
        gathered = mesh.lattice.stencil(x).gathered(mass / mass.sum())
        laws[round(now + size, 9)] = mesh._smooth(gathered)
        return after(x, mass, now, size, log_target)

    limit_laws(replace(step, after=kept), context, dt, [t])
    source = KnownWhereFew(mesh, laws, least)
    return replace(sampler, reaction=replace(sampler.reaction, source=source))
