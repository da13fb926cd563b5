"""Numbers that several runs of a chain make together, and how far they may be off.

Of the runs, ``steps`` has the steps of the level, ``half`` and ``quarter`` have shorter ones;
``truncation`` leaves out less than ``steps``, ``nodes`` is ``quarter`` with more points a site, and
``quadrature`` is ``steps`` integrated with fewer points. With values s, h, q, t, n, i, a number is

    v + (t − s) + NODES (n − q),    v = (4q − h)/3 + g/15,    g = (4q − 5h + s)/3,

steps being of order two, with even powers alone, as they are symmetric; g is what the two
extrapolations differ by that they allow. Where that is not seen, which is where (s − h)/(h − q)
is not 4 ± 1, v is without g/15. The error is

    SAFETY (c |g| + |t − s| + NODES |n − q| + |i − s|),    c = 1/5 if seen, else 1.

Every step interpolates between the nodes: errors of these grow with the number of steps, and not in
a way that few steps would show: 23 nodes instead of 18 change masses of ten sites by 5e-5 with 15
steps, by up to 1e-3 with 60. That of v is that of ``quarter`` where it has stopped to grow, and 5/4
of it where half the length makes it four times as large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.chain.measure import ALONG, LAW_TOLERANCE, Measurement
from wfrpde.flow.chain.runs import Run
from wfrpde.flow.chain.setting import Setting
from wfrpde.flow.chain.train import values

STEPS = ("steps", "half", "quarter")
"""Runs that differ in their steps alone, from long to short."""

NODES = 1.2
"""Error that v has by the nodes, in units of that of ``quarter``; see above."""

OTHERS = (("truncation", "steps", 1.0), ("nodes", "quarter", NODES))
"""Runs that are finer than others, in one thing each, and how often that counts."""

COARSER = "quadrature"
"""Run that is coarser than ``steps``, whose values are better, so that none are mended by it."""

SAFETY = 2.0
"""Errors are so many times the differences of runs."""

ROUND_OFF = 1e-10
"""Relative error that no number is said to have less than."""


def combined(runs: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return numbers and their estimated errors, from those of the runs by their roles."""
    steps, half, quarter = (runs[role] for role in STEPS)
    changes = [often * (runs[finer] - runs[coarser]) for finer, coarser, often in OTHERS]
    first, second = steps - half, half - quarter
    gap = (first - 4 * second) / 3
    plain = 3 * np.abs(gap) <= np.abs(second)
    value = (4 * quarter - half) / 3 + np.where(plain, gap / 15, 0.0) + sum(changes)
    error = np.where(plain, 0.2, 1.0) * np.abs(gap)
    error = error + sum(np.abs(change) for change in [*changes, runs[COARSER] - steps])
    return value, SAFETY * error + ROUND_OFF * np.abs(value)


def estimated(runs: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return `combined` numbers; of logs where all are positive, so that they stay so."""
    if all((run > 0).all() for run in runs.values()):
        value, error = combined({role: np.log(run) for role, run in runs.items()})
        return np.exp(value), np.exp(value) * np.expm1(error)
    return combined(runs)


def are_all(runs: Sequence[Run], setting: Setting) -> bool:
    """Whether there is each run that an error needs, with all saved times."""
    whole = {run.role for run in runs if len(run.trains) == len(setting.times)}
    return whole >= {*STEPS, *(finer for finer, _, _ in OTHERS), COARSER}


def numbers_of(runs: Sequence[Run], setting: Setting) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return numbers and their errors by name; these are NaN where a run is lacking.

    The first run is that whose numbers are told if there is no estimate.
    """
    first = runs[0]
    names = [name for name in first.numbers if not name.startswith(("target ", "log Z"))]
    if not are_all(runs, setting):
        numbers = {name: first.numbers[name] for name in names}
        errors = {name: np.full_like(number, np.nan) for name, number in numbers.items()}
        return numbers, {**errors, "density": np.full(len(first.trains), np.nan)}
    numbers, errors = {}, {}
    for name in names:
        own = {run.role: run.numbers[name] for run in runs}
        numbers[name], errors[name] = (combined if name in ALONG else estimated)(own)
        if name in ALONG:  # differences of larger numbers, which may be zero
            errors[name] = errors[name] + LAW_TOLERANCE
    # a covariance that is 0 is known to the round-off of the widths
    width = np.sqrt(np.einsum("tii->ti", numbers["covariance"]))
    errors["covariance"] = errors["covariance"] + ROUND_OFF * width[:, :, None] * width[:, None, :]
    errors["mass"] = np.zeros(len(setting.times))
    errors["density"] = density_errors(setting, runs)
    return numbers, errors


def density_errors(setting: Setting, runs: Sequence[Run]) -> Array:
    """Return the root mean square of the error of log ρ under ρ, at fresh random points ``(T,)``.

    The density that is kept is that of the run with the shortest steps: what it lacks counts.
    """
    rng = np.random.default_rng(1)
    best = next(run for run in runs if run.role == STEPS[-1])
    ends = Measurement.of(setting.target, best.nodes, setting.modes).ends
    found = []
    for k in range(len(setting.times)):
        # draws at which the log densities of runs are compared
        at = best.laws[k].sample(200, rng, ends)
        logs = {
            run.role: values(run.trains[k], [run.nodes.interpolation(x) for x in at.T])
            - run.laws[k].log_mass
            for run in runs
        }
        value, error = combined(logs)
        found.append(float(np.sqrt(np.mean((error + np.abs(value - logs[best.role])) ** 2))))
    return np.array(found)
