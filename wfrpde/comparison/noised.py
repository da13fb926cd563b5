"""Samples of score-based processes, judged at intermediate times, and their faults named.

Averages are compared with those of a `NoisingSolution` at one error rate; where they differ, the
laws of samplers with common faults are solved, too, and the one that the samples are likeliest
under is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.comparison.dimensions import REPLICATES, Judgement, compared
from wfrpde.comparison.law_tails import LawTails
from wfrpde.comparison.long_steps import TOO_LONG, long_steps
from wfrpde.comparison.weighed import (
    Means,
    Weighed,
    check_independent,
    check_weights,
)
from wfrpde.errors import InputError
from wfrpde.flow.noising.certified import Law, solved
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.noising.reverse import evolution, flow_law
from wfrpde.flow.noising.setup import Process
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.flow.noising.transport import Evolution
from wfrpde.noising.scores import Wrong

FLOOR = -40.0
"""Least log density that a point counts with."""


class LawInTime(Protocol):
    """A law at the saved times of a process."""

    def log_density(self, index: int, y: Array) -> Array:
        """Log density ``(n,)`` at points ``(n, d)``, in the units of the process."""


@dataclass(frozen=True)
class ProcessJudgement:
    """What was found.

    Attributes
    ----------
    at
        Time of the process → what its averages say.
    fault
        What the samples look like, in words; "" if nothing differs, or nothing known explains it.
    gain
        Nats per point by which that explains them better than what they are meant to be.
    steps
        The same of a right sampler with steps that are too long; nan where none was tried.
    """

    at: Mapping[float, Judgement]
    fault: str
    gain: float
    steps: float = np.nan

    @property
    def passed(self) -> bool:
        """Whether no average differs at any time, and all are decided."""
        return all(judgement.passed for judgement in self.at.values())

    @property
    def doubt(self) -> str:
        """Why nothing is decided at some time, where no average differs at any; else ""."""
        every = self.at.values()
        if any(average.found for judgement in every for average in judgement.averages):
            return ""
        return next((judgement.doubt for judgement in every if judgement.doubt), "")

    def __str__(self) -> str:
        if self.passed:
            return f"no difference at {len(self.at)} times"
        if self.doubt:
            return f"undecided: {self.doubt}"
        first = min(t for t, own in self.at.items() if not (own.passed or own.doubt))
        words = "no known fault explains it"
        if self.fault:
            words = f"it looks most like this: {self.fault}"
            # share of what a fault gains that long steps have to gain, too, to be told beside it
            if not (self.fault.startswith(TOO_LONG) or self.steps < 0.7 * self.gain):
                words += f"; {TOO_LONG} can look so, too"
        return f"differs from t = {first:g} on ({self.at[first]}); {words}"


def judge_process(
    solution: NoisingSolution,
    samples: Mapping[float, Sequence[npt.ArrayLike]],
    log_weights: Mapping[float, Sequence[npt.ArrayLike]] | None = None,
    *,
    level: float = 0.01,
    laws: Mapping[str, LawInTime] | None = None,
) -> ProcessJudgement:
    """Judge samples of a reverse or corrected process at some of its saved times.

    Parameters
    ----------
    solution
        The truth.
    samples
        Time of the process → R independent replicates, points ``(N, d)`` each.
    log_weights
        The same of log weights ``(N,)``, up to a constant each; None for equal weights.
    level
        Probability that a right sample is found wrong at all, all times together.
    laws
        What `faulty_laws` gives, where several samplers are judged; by default it is asked.

    Raises
    ------
    InputError
        If there are too few replicates or effective points, or points that do not fit.
    """
    for t, rows in samples.items():
        if len(rows) < REPLICATES:
            found = f"{len(rows)} replicates at t = {t:g}"
            raise InputError("samples", found, f"at least {REPLICATES}")
        for row in rows:
            x = np.asarray(row, dtype=float)
            if x.ndim != 2 or x.shape[1] != solution.dim or not np.isfinite(x).all():
                needed = f"points (N, {solution.dim}), all finite"
                raise InputError("samples", f"an array of shape {x.shape}", needed)
    if not solution.process.reverse:
        raise InputError("solution", "that of noise alone", "one of a reverse process")
    at = {}
    for t, rows in samples.items():
        if log_weights is not None:
            check_weights(rows, log_weights.get(t, ()), f" at t = {t:g}")
        check_independent([np.asarray(row, dtype=float) for row in rows], f" at t = {t:g}")
        weights = None if log_weights is None else log_weights[t]
        at[t] = _averages(solution, t, rows, weights, level / len(samples))
    judgement = ProcessJudgement(at, "", 0.0)
    if judgement.passed or judgement.doubt:
        return judgement
    likelihoods = {}
    for name, law in (faulty_laws(solution) if laws is None else laws).items():
        total = 0.0
        for t, rows in samples.items():
            index = solution.index_of(t)
            weights = None if log_weights is None else log_weights[t]
            points, share = _pooled(rows, weights)
            logs = law.log_density(index, np.asarray(points / solution.units[index], dtype=float))
            total += float(share @ np.maximum(np.nan_to_num(logs, nan=FLOOR), FLOOR))
        likelihoods[name] = total / len(samples)
    gains = {name: value - likelihoods[""] for name, value in likelihoods.items()}
    best = max(gains, key=lambda name: gains[name])
    steps = max((gains[n] for n in gains if n.startswith(TOO_LONG)), default=np.nan)
    # nats per point by which a fault explains samples better than none, at least, to be named
    fault = best if gains[best] > 1e-3 else ""
    return replace(judgement, fault=fault, gain=gains[best], steps=steps)


def _averages(
    solution: NoisingSolution,
    t: float,
    rows: Sequence[npt.ArrayLike],
    log_weights: Sequence[npt.ArrayLike] | None,
    level: float,
) -> Judgement:
    index = solution.index_of(t)
    mean, covariance = solution.estimated("mean")[index], solution.estimated("covariance")[index]
    names: list[str] = []
    truths: list[tuple[float, float]] = []
    functions: list[Callable[[Array], Array]] = []
    for k, axis in enumerate("xyz"[: solution.dim]):
        centre, variance = float(mean.value[k]), float(covariance.value[k, k])
        names += [f"mean of {axis}", f"variance of {axis}"]
        truths += [(centre, float(mean.error[k])), (variance, float(covariance.error[k, k]))]
        functions += [partial(_power, k=k), partial(_power, k=k, centre=centre, power=2)]
        # where half-spaces begin, in standard deviations from the mean
        for share in (-1.3, -0.5, 0.0, 0.5, 1.3):
            bound = centre + share * np.sqrt(variance)

            def above(x: Array, k: int = k, bound: float = float(bound)) -> Array:
                return np.asarray(x[:, k] > bound)

            mass = solution.mass_of(above)[index]
            names.append(f"P({axis} > {bound:.3g})")
            truths.append((float(mass.value), float(mass.error)))
            functions.append(above)

    def values_at(points: Array) -> Array:
        return np.array([function(points) for function in functions], dtype=float)

    found = []
    for number, row in enumerate(rows):
        points = np.asarray(row, dtype=float)
        values = values_at(points)
        logs = None if log_weights is None else np.asarray(log_weights[number], dtype=float)
        found.append(Weighed.of(points, values, logs))
    means, fine = Means.of(found), solution.law.runs[-1]
    nodes = float(solution.units[index]) * fine.lattice.points.reshape(-1, solution.dim)
    shares = np.array([name.startswith("P(") for name in names])
    tails = LawTails.of(values_at(nodes), fine.masses(index).ravel(), shares)
    missed, heavy = tails.beyond(means.beyond), tails.doubts(means.effective)
    return compared(names, np.array(truths), means, level, missed=missed, heavy=heavy)


def _power(x: Array, k: int, centre: float = 0.0, power: int = 1) -> Array:
    return np.asarray((x[:, k] - centre) ** power)


def _shares(count: int, logs: npt.ArrayLike | None) -> Array:
    if logs is None:
        return np.full(count, 1.0 / count)
    values = np.asarray(logs, dtype=float)
    weights = np.exp(values - values.max())
    return np.asarray(weights / weights.sum())


def _pooled(
    rows: Sequence[npt.ArrayLike], logs: Sequence[npt.ArrayLike] | None
) -> tuple[Array, Array]:
    points = np.concatenate([np.asarray(x, dtype=float) for x in rows])
    shares = [
        _shares(len(np.asarray(x)), None if logs is None else logs[k]) for k, x in enumerate(rows)
    ]
    return points, np.concatenate(shares) / len(rows)


def faulty_laws(solution: NoisingSolution) -> dict[str, LawInTime]:
    """Return the laws of samplers with common faults, by what is wrong; "" for none.

    Of right ones with long steps, too, where a lattice holds them.
    """
    process = solution.process
    found: dict[str, LawInTime] = {
        name: solved_law(solution, own) for name, own in sde_faults(process).items()
    }
    return {**found, **long_steps(solution)}


def solved_law(solution: NoisingSolution, own: Evolution) -> Law:
    """Return the law of a sampler at the times of a solution."""
    process = solution.process
    # 0.5: cells of the lattice for laws with faults, relative to the solution's
    cells = tuple(max(24, int(0.5 * n)) for n in process.cells)
    first = process.noising.unit(process.end)
    return solved(
        own, 1.3 * process.box, cells, lambda y: process.log_start(first * y),
        solution.law.times, process.steps,
    )  # fmt: skip


SCALES = {
    "the score is scaled by 1.1": 1.1,
    "the score is scaled by 0.9": 0.9,
    "the score is scaled by 2": 2.0,
    "the score is scaled by 1/2": 0.5,
}
"""Faults of the score by name."""


def scaled_score(process: Process, factor: float) -> Evolution:
    """Return the process whose score is scaled."""
    right = evolution(process)

    def drift(lattice: Lattice, clock: float) -> Array:
        own = right.drift(lattice, clock) - lattice.points
        return np.asarray(lattice.points + factor * own)

    return replace(right, drift=drift)


def flow_faults(process: Process, clocks: Array) -> dict[str, Callable[[], Law]]:
    """Return what solves the laws of probability flows with common faults, by what is wrong."""

    def scaled(factor: float) -> Law:
        return flow_law(process, clocks, Wrong(process.score, factor))

    return {name: partial(scaled, factor) for name, factor in SCALES.items()}


def sde_faults(process: Process) -> dict[str, Evolution]:
    """Return processes with common faults, by what is wrong; "" for none."""
    right = evolution(process)

    def moved(score: float, linear: float = 1.0, late: bool = False) -> Evolution:
        last = process.noising.clock(process.end)

        def drift(lattice: Lattice, clock: float) -> Array:
            when = max(last - clock, 1e-3) if late else clock
            own = right.drift(lattice, when) - lattice.points
            return np.asarray(linear * lattice.points + score * own)

        return replace(right, drift=drift)

    def noisier(factor: float) -> Evolution:
        return replace(right, diffusion=lambda clock: factor * right.diffusion(clock))

    def slower(factor: float) -> Evolution:
        return replace(
            right,
            drift=lambda lattice, clock: factor * right.drift(lattice, clock),
            diffusion=lambda clock: factor * right.diffusion(clock),
        )

    faults = {
        "": right,
        "the noise is too large by √2": noisier(2.0),
        "the noise is too small by √2": noisier(0.5),
        **{name: moved(factor) for name, factor in SCALES.items()},
        "the linear drift has the wrong sign": moved(1.0, linear=-1.0),
        "the schedule is wrong: the score is that of time t instead of T − t": moved(
            1.0, late=True
        ),
        "the schedule is wrong: steps of half the length": slower(0.5),
        "the schedule is wrong: steps of twice the length": slower(2.0),
    }
    if right.reaction is not None:
        gain = right.reaction
        faults["the weights are dropped"] = replace(right, reaction=None)
        faults["the weights have the wrong sign"] = replace(
            right, reaction=lambda lattice, clock: -gain(lattice, clock)
        )
    return faults
