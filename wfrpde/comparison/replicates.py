"""What is kept of one replicate: numbers at the saved times, not the particles.

A `Judge` turns the ensembles of a replicate into the values of the observables and the distances
to the density that the sampler claims to follow. It is the same for all replicates, and has no
part in the sampler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.comparison.autocorrelation import chains_error
from wfrpde.comparison.density import Density
from wfrpde.comparison.metrics import METRICS, Yardstick, yardstick
from wfrpde.comparison.observables import (
    Observable,
    ReferenceValue,
    reference_values,
    values,
)
from wfrpde.errors import SamplerError

if TYPE_CHECKING:
    from wfrpde.samplers import Trajectory

Array = npt.NDArray[np.float64]

SHOWN = 2000
"""Particles that are kept of a first replicate, for the pictures."""


@dataclass(frozen=True)
class Replicate:
    """The numbers of one replicate at T times.

    Attributes
    ----------
    times
        ``(T,)``.
    values
        ``(T, k)`` weighted averages of the observables.
    errors, effective
        ``(T, k)`` standard error of each within the replicate, and how many independent points it
        is worth, where the points are those of a Markov chain; NaN elsewhere.
    metrics
        ``(T, m)`` distances, in the order of `METRICS`; NaN where they are not wanted.
    ess, weight_variance
        ``(T,)`` effective sample size, and variance of N × weight.
    seconds
        Wall time.
    particles
        Number of particles.
    shown
        ``(T, n, d + 1)``: some particles, and their weights; empty but for the first replicate.
    """

    times: Array
    values: Array
    errors: Array
    effective: Array
    metrics: Array
    ess: Array
    weight_variance: Array
    seconds: float
    particles: int
    shown: Array

    def arrays(self) -> dict[str, Any]:
        """As named arrays, for a file."""
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def of(cls, arrays: dict[str, Array]) -> Replicate:
        """From named arrays."""
        data: dict[str, Any] = dict(arrays)
        data["seconds"], data["particles"] = float(data["seconds"]), int(data["particles"])
        return cls(**data)


@dataclass(frozen=True)
class Judge:
    """Compares ensembles with the densities that a sampler claims to follow.

    Attributes
    ----------
    claims
        Name of the equation.
    densities
        Its density at each time.
    observables
        What is averaged.
    known
        Errors of observables that the solver has estimated: time → name → error.
    metrics
        Whether distances are wanted.
    """

    claims: str
    densities: dict[float, Density]
    observables: list[Observable]
    known: dict[float, dict[str, float]]
    metrics: bool = True
    _yardsticks: dict[tuple[float, int], Yardstick] = field(default_factory=dict, repr=False)

    @property
    def times(self) -> list[float]:
        """The times that are judged."""
        return list(self.densities)

    @cached_property
    def references(self) -> dict[float, list[ReferenceValue]]:
        """Eulerian values of the observables at each time."""
        return {
            t: reference_values(self.observables, density, self.known.get(t, {}))
            for t, density in self.densities.items()
        }

    def density_at(self, t: float) -> tuple[float, Density] | None:
        """Find the judged time that equals ``t`` up to round-off, and its density."""
        for time, density in self.densities.items():
            if time == t or abs(time - t) <= 1e-9 * max(1.0, abs(t)):
                return time, density
        return None

    def assess(
        self, name: str, trajectory: Trajectory, seconds: float, *, show: bool = False
    ) -> Replicate:
        """Reduce a replicate to its numbers.

        Raises
        ------
        SamplerError
            If its times or its dimension are not those of the case.
        """
        rows = []
        for t, ensemble in zip(trajectory.times, trajectory.ensembles, strict=True):
            found = self.density_at(float(t))
            if found is None:
                known = ", ".join(f"{time:g}" for time in self.times)
                raise SamplerError(name, f"gave samples for t = {t:g}; the times are {known}")
            if ensemble.dim != found[1].dim:
                what = f"gave points of dimension {ensemble.dim} instead of {found[1].dim}"
                raise SamplerError(name, what)
            rows.append((*found, ensemble))
        averages, errors, effective, metrics, shown = [], [], [], [], []
        for t, density, ensemble in rows:
            x, weights = ensemble.positions, ensemble.weights
            phi = values(self.observables, x, density.moments[0])
            mean = weights @ phi
            if not np.isfinite(mean).all():
                bad = self.observables[int(np.argmin(np.isfinite(mean)))].name
                raise SamplerError(name, f"observable {bad} is not finite at its particles")
            averages.append(mean)
            if np.isinf(t):
                chains = int(trajectory.facts.get("chains", 1))
                error, worth = chains_error(phi, weights, chains)
            else:
                error = worth = np.full(len(mean), np.nan)
            errors.append(error)
            effective.append(worth)
            if self.metrics:
                distances = self._yardstick(t, density, len(x)).distances(x, weights)
                metrics.append([distances[metric] for metric in METRICS])
            else:
                metrics.append([np.nan] * len(METRICS))
            if show:
                stride = -(-len(x) // SHOWN)
                some = np.concatenate([x[::stride], weights[::stride, None]], axis=1)
                shown.append(some)
        return Replicate(
            times=np.array([t for t, _, _ in rows]),
            values=np.array(averages),
            errors=np.array(errors),
            effective=np.array(effective),
            metrics=np.array(metrics),
            ess=np.array([e.ess for _, _, e in rows]),
            weight_variance=np.array([float((e.size * e.weights).var()) for _, _, e in rows]),
            seconds=seconds,
            particles=rows[0][2].size if rows else 0,
            shown=np.array(shown) if shown else np.empty((0, 0, 0)),
        )

    def _yardstick(self, t: float, density: Density, n: int) -> Yardstick:
        key = (t, n)
        if key not in self._yardsticks:
            self._yardsticks[key] = yardstick(density, n)
        return self._yardsticks[key]
