"""Three runs, each twice as fine in space and time, and what they say together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.stored import Result
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.noising.transport import TINY, Evolution, marched
from wfrpde.flow.saved import Estimated

LEVELS = 3
"""Runs of a certified law."""

SHARE, CORRECTION, LEFT_OUT = 0.5, 2e-2, 1e-8
"""error ≤ SHARE·|e₂ − e₁| + CORRECTION·|e₂ − v₂| + LEFT_OUT, of values v₀, v₁, v₂ from coarse to
fine and e_k = v_k + (v_k − v_{k−1})/3; the last is what a box of 6.5 deviations leaves out."""

MENDED_SHARE = 4.0
"""Share of the mass that was kept positive by hand that is added to every error."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run: log ρ at the nodes of a lattice, and what the mass grew by, at saved times."""

    lattice: Lattice
    logs: Array
    growth: Array
    mended: float

    def density(self, index: int) -> Array:
        """Return ρ at one of the times."""
        return np.asarray(np.exp(self.logs[index]))

    def masses(self, index: int) -> Array:
        """Return nodal masses, of sum one."""
        masses = self.density(index) * self.lattice.weights
        return np.asarray(masses / masses.sum())


@dataclass(frozen=True, repr=False)
class Law(Result):
    """A law on a lattice at some times, with errors.

    Attributes
    ----------
    times
        ``(T,)`` in units of the clock.
    axes
        The nodes of the coarsest lattice along each axis.
    logs
        log ρ of each run, coarse to fine, ``(T, …)``.
    growth
        Log of the mass of each run, ``(T,)``.
    mended
        Largest share of mass at nodes where extrapolation in time was left out.
    """

    times: Array
    axes: tuple[Array, ...]
    logs: tuple[Array, ...]
    growth: tuple[Array, ...]
    mended: float

    @cached_property
    def runs(self) -> list[Run]:
        """The runs, coarse to fine."""
        found = []
        for level, (logs, growth) in enumerate(zip(self.logs, self.growth, strict=True)):
            axes = tuple(
                np.linspace(axis[0], axis[-1], (len(axis) - 1) * 2**level + 1) for axis in self.axes
            )
            found.append(Run(Lattice(axes), logs, growth, self.mended))
        return found

    def estimated(self, number: Callable[[Run, int], float | Array]) -> Estimated:
        """Return a number of each run and time, extrapolated, with its error."""
        values = [np.array([number(run, k) for k in range(len(self.times))]) for run in self.runs]
        return self._mended(extrapolated(*values))

    def _mended(self, entry: Estimated) -> Estimated:
        return Estimated(entry.value, entry.error + MENDED_SHARE * self.mended)

    def distance(self, number: Callable[[Run, int], float]) -> Estimated:
        """Return what is least where a law is right, of extrapolated laws, with its error.

        It is of second order in their errors, where extrapolated numbers are of first.
        """
        values = []
        for run, logs in zip(self.runs, (self._coarser, self.best[1]), strict=False):
            own = Run(run.lattice, logs, run.growth, run.mended)
            values.append(np.array([number(own, k) for k in range(len(self.times))]))
        coarse, fine = values
        error = SHARE * np.abs(fine - coarse) + LEFT_OUT * (1 + np.abs(fine))
        return self._mended(Estimated(fine, error))

    def total_growth(self) -> Estimated:
        """Log of the mass of the flow that is not normalised, ``(T,)``."""
        return self._mended(extrapolated(*(run.growth for run in self.runs)))

    @cached_property
    def best(self) -> tuple[Lattice, Array]:
        """Extrapolated log ρ ``(T, …)``, of integral one, at the nodes of the middle lattice."""
        middle, fine = self.runs[-2], self.runs[-1]
        return middle.lattice, self._together(middle, fine)

    @cached_property
    def _coarser(self) -> Array:
        return self._together(self.runs[0], self.runs[1])

    def _together(self, middle: Run, fine: Run) -> Array:
        coarser = fine.logs[(slice(None), *[slice(None, None, 2)] * len(self.axes))]
        logs = coarser + (coarser - middle.logs) / 3
        most = logs.reshape(len(logs), -1).max(axis=1).reshape(-1, *[1] * len(self.axes))
        axes = tuple(range(1, logs.ndim))
        total = (np.exp(logs - most) * middle.lattice.weights).sum(axis=axes, keepdims=True)
        return np.asarray(logs - most - np.log(total))

    @cached_property
    def difference(self) -> Array:
        """|log ρ| apart, of two extrapolated solutions, at the coarsest nodes ``(T, …)``."""
        skip = (slice(None), *[slice(None, None, 2)] * len(self.axes))
        return np.asarray(np.abs(self.best[1][skip] - self._coarser))

    def density_error(self, index: int) -> float:
        """Estimated L1 error of the density at a time."""
        skip = tuple([slice(None, None, 2)] * len(self.axes))
        density = np.exp(self.best[1][index][skip])
        masses = density * self.runs[0].lattice.weights
        apart = float((masses * np.minimum(self.difference[index], 2.0)).sum())
        return SHARE * apart + LEFT_OUT + MENDED_SHARE * self.mended

    def depth(self, index: int) -> float:
        """Levels (kT) below the maximum down to which the solutions agree."""
        skip = tuple([slice(None, None, 2)] * len(self.axes))
        logs = self.best[1][index][skip]
        level = logs.max() - logs
        off = self.difference[index] > 0.05  # difference of log ρ up to which two solutions agree
        return float(level[off].min() if off.any() else level.max())

    def log_density(self, index: int, y: Array) -> Array:
        """Log ρ ``(n,)`` at points ``(n, d)``; −∞ outside of the box."""
        from scipy.ndimage import map_coordinates

        lattice, logs = self.best
        low = np.array([axis[0] for axis in lattice.axes])
        places = ((y - low) / lattice.steps).T
        top = np.array(lattice.shape)[:, None] - 1
        outside = ((places < 0) | (places > top)).any(axis=0)
        value = map_coordinates(logs[index], np.clip(places, 0, top), order=5, mode="mirror")
        return np.where(outside, -np.inf, value)


def extrapolated(*values: Array) -> Estimated:
    """Extrapolate values of three runs, whose error is of order 2; see `SHARE`."""
    first, second, third = values
    coarse, fine = second + (second - first) / 3, third + (third - second) / 3
    error = SHARE * np.abs(fine - coarse) + CORRECTION * np.abs(fine - third)
    return Estimated(fine, error + LEFT_OUT * (1 + np.abs(fine)))


def solved(
    evolution: Evolution,
    box: Array,
    cells: tuple[int, ...],
    log_start: Callable[[Array], Array],
    saved: Array,
    steps: Callable[[float, float], Array],
    tell: Callable[[float], None] | None = None,
) -> Law:
    """Solve a law by `LEVELS` runs.

    Parameters
    ----------
    evolution
        What moves the mass.
    box, cells
        Box ``(d, 2)`` and cells along each axis of the coarsest run.
    log_start
        Log density at the first time, up to a constant, of points ``(n, d)``.
    saved
        Times ``(T,)`` at which the law is kept; the first is the start.
    steps
        Gives the times of the coarsest run from one time to another, both included.
    tell
        Is told which share of the work is done.
    """
    logs, growths, mended = [], [], 0.0
    work = [2.0 ** (level * (len(cells) + 1)) for level in range(LEVELS)]
    for level in range(LEVELS):
        lattice = Lattice.of(box, tuple(n * 2**level for n in cells))
        start = log_start(lattice.points).reshape(lattice.shape)
        masses = np.exp(start - start.max()) * lattice.weights
        masses = np.maximum(masses / masses.sum(), TINY)
        kept, growth, grown = [np.log(masses / lattice.weights)], [0.0], 0.0
        for here, there in pairwise(saved):
            times = refined(steps(float(here), float(there)), level)
            for stretch in marched(evolution, lattice, masses, times):
                masses, mended = stretch.masses, max(mended, stretch.mended)
            grown += stretch.growth
            kept.append(np.log(np.maximum(masses, TINY) / lattice.weights))
            growth.append(grown)
            if tell is not None:
                done = sum(work[:level]) + work[level] * (there - saved[0]) / (saved[-1] - saved[0])
                tell(done / sum(work))
        logs.append(np.array(kept))
        growths.append(np.array(growth))
    axes = Lattice.of(box, cells).axes
    return Law(saved, axes, tuple(logs), tuple(growths), mended)


def refined(times: Array, level: int) -> Array:
    """Halve the steps between times, so often as the level says."""
    for _ in range(level):
        both = np.empty(2 * len(times) - 1)
        both[::2], both[1::2] = times, (times[:-1] + times[1:]) / 2
        times = both
    return times
