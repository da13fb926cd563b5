"""`Ensemble`: weighted particles at one time, and `Trajectory`: ensembles at the saved times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array


@dataclass(frozen=True, eq=False)
class Ensemble:
    r"""Weighted particles, which stand for the measure Σ W_i δ(x − X_i), W_i ∝ exp(log w_i).

    Of an ensemble that is split over MPI ranks, each rank holds its own particles; what concerns
    all of them is computed by `wfrpde.samplers.ranks.Ranks`.

    Parameters
    ----------
    positions
        ``(N, d)``; read-only here.
    log_weights
        ``(N,)`` natural logarithms of weights that need not be normalised; −∞ for a weight of 0.
    counts
        What happened to the particles so far: ``accepted``, ``resampled``, …

    Raises
    ------
    ValueError
        If shapes do not fit, a position is not finite, or no weight is positive and finite.
    """

    positions: Array
    log_weights: Array
    counts: Mapping[str, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        positions, log_weights = _frozen(self.positions), _frozen(self.log_weights)
        if positions.ndim != 2 or 0 in positions.shape:
            raise ValueError(f"positions of shape {positions.shape}; needed (N, d)")
        if log_weights.shape != positions.shape[:1]:
            needed = f"({len(positions)},) for {len(positions)} particles"
            raise ValueError(f"log weights of shape {log_weights.shape}; needed {needed}")
        if not np.isfinite(positions).all():
            lost = int((~np.isfinite(positions).all(axis=1)).sum())
            raise ValueError(f"{lost} of {len(positions)} positions are NaN or infinite")
        top = log_weights.max()
        if not np.isfinite(top):
            raise ValueError(f"log weights whose largest is {top}; needed a finite number")
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "log_weights", log_weights)

    @classmethod
    def equal(cls, positions: npt.ArrayLike, **counts: float) -> Ensemble:
        """Return particles of equal weights at positions ``(N, d)``."""
        array = np.asarray(positions, dtype=float)
        return cls(array, np.zeros(len(array)), counts)

    @property
    def size(self) -> int:
        """Number N of particles (on this rank)."""
        return len(self.positions)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.positions.shape[1])

    @cached_property
    def weights(self) -> Array:
        """Normalised weights W ``(N,)``, whose sum is 1 (on this rank)."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        return np.asarray(weights / weights.sum())

    @property
    def ess(self) -> float:
        """Effective sample size 1 / Σ W_i² (Kong, Liu and Wong, 1994), between 1 and N."""
        return float(1.0 / np.square(self.weights).sum())

    def average(self, values: npt.ArrayLike) -> Any:
        """Weighted average Σ W_i f_i of values ``(N, …)``."""
        return np.tensordot(self.weights, np.asarray(values, dtype=float), axes=1)

    def moved(self, positions: Array, **counts: float) -> Ensemble:
        """Return the ensemble with the particles elsewhere, and with ``counts`` added."""
        return Ensemble(positions, self.log_weights, self._added(counts))

    def reweighted(self, log_weights: Array, **counts: float) -> Ensemble:
        """Return the ensemble with other weights, and with ``counts`` added."""
        return Ensemble(self.positions, log_weights, self._added(counts))

    def _added(self, counts: Mapping[str, float]) -> Mapping[str, float]:
        if not counts:
            return self.counts
        names = {**self.counts, **counts}
        return {name: self.counts.get(name, 0) + counts.get(name, 0) for name in names}

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy that another process sent is checked, and frozen, like any other.
        return Ensemble, (self.positions, self.log_weights, dict(self.counts))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What one replicate of a sampler yields.

    Attributes
    ----------
    times
        ``(T,)`` model times; ``inf`` for samples that are to be judged against π itself.
    ensembles
        The particles at each of them.
    facts
        JSON-ready: steps, step size, acceptance and the like. ``complete`` is false if the run
        was stopped before the last time.
    """

    times: Array
    ensembles: tuple[Ensemble, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = _frozen(np.atleast_1d(np.asarray(self.times, dtype=float)))
        if times.shape != (len(self.ensembles),):
            raise ValueError(f"{len(times)} times for {len(self.ensembles)} ensembles")
        object.__setattr__(self, "times", times)


def _frozen(array: npt.ArrayLike) -> Array:
    view = np.asarray(array, dtype=float).view()
    view.setflags(write=False)
    return view
