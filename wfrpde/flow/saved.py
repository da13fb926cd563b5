"""`SavedLaw`: what solutions of every kind answer alike, from numbers with estimated errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.case.stored import Frozen, Result, frozen


@dataclass(frozen=True)
class Estimated:
    """Numbers and their estimated absolute errors, read-only and of one shape; NaN without one."""

    value: Array
    error: Array

    def __post_init__(self) -> None:
        for name in ("value", "error"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def __getitem__(self, index: Any) -> Estimated:
        return Estimated(self.value[index], self.error[index])


def saved_index(times: Array, t: float) -> int:
    """Return which of the saved times ``(T,)`` equals t up to round-off.

    Raises
    ------
    ValueError
        If none does.
    """
    index = int(np.argmin(np.abs(times - t)))
    if not abs(times[index] - t) <= 1e-9 * max(1.0, abs(t)):
        known = ", ".join(f"{time:g}" for time in times)
        raise ValueError(f"t = {t:g} was not saved; the saved times are {known}")
    return index


@dataclass(frozen=True)
class ErrorEstimate(Result):
    """Estimated absolute errors of the numbers of a `Solution`, with the same names and shapes.

    Attributes
    ----------
    series
        Name → ``(T,)``.
    mean, covariance
        ``(T, d)`` and ``(T, d, d)``.
    mode_mass
        Region → ``(T,)``.
    density
        ``(T,)``: error of the density in L2, *relative* to its norm.
    """

    series: Mapping[str, Array]
    mean: Array
    covariance: Array
    mode_mass: Mapping[str, Array]
    density: Array

    def unknown(self) -> ErrorEstimate:
        """Return estimates of the same shapes that say nothing: NaN."""

        def blank(values: Array) -> Array:
            return np.full_like(values, np.nan)

        return ErrorEstimate(
            {name: blank(values) for name, values in self.series.items()},
            blank(self.mean),
            blank(self.covariance),
            {name: blank(values) for name, values in self.mode_mass.items()},
            blank(self.density),
        )

    def __getitem__(self, name: str) -> Any:
        if name in self.series:
            return self.series[name]
        if name in ("mean", "covariance", "mode_mass", "density"):
            return getattr(self, name)
        raise KeyError(name)


class SavedLaw(ABC):
    """The law of a flow at its saved times ``(T,)``."""

    if TYPE_CHECKING:  # a field of one, derived in another

        @property
        def times(self) -> Array:
            """Saved times, 0 first."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension d."""

    @abstractmethod
    def log_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log ρ`` at points ``(n, d)``; t is one of `times`."""

    @abstractmethod
    def _number(self, name: str, region: str) -> Estimated:
        """Return what `estimated` does."""

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at the saved times with its estimated error, NaN without an estimate.

        Parameters
        ----------
        name
            One of ``series``, ``mean``, ``covariance``, or ``mode_mass`` of a `region`.

        Raises
        ------
        KeyError
            If there is no such number.
        """
        return self._number(name, region)

    def density(self, t: float, x: npt.ArrayLike) -> Array:
        """Density with respect to Lebesgue measure ``(n,)`` at points ``(n, d)``. Not collective.

        On a mesh, between the nodes, it is π e^u with the exact π and u = log(ρ/π) interpolated.
        """
        return np.asarray(np.exp(self.log_density(t, x)))

    def at(self, t: float) -> SavedDensity:
        """Return ρ at one of `times`, as a `wfrpde.fields.protocols.Density`.

        Products and chains know the target, too, at t = ∞.
        """
        return SavedDensity(self, np.inf if t == np.inf else float(self.times[self.index_of(t)]))

    def index_of(self, t: float) -> int:
        """Return which of `times` t is; ValueError if it was not saved."""
        return saved_index(self.times, t)


class DerivedNumbers(SavedLaw):
    """A law whose numbers are computed when they are asked for, each with its error."""

    @property
    @abstractmethod
    def _series(self) -> Mapping[str, Estimated]: ...

    @property
    @abstractmethod
    def _means(self) -> Estimated: ...

    @property
    @abstractmethod
    def _covariances(self) -> Estimated: ...

    @property
    @abstractmethod
    def _modes(self) -> Mapping[str, Estimated]: ...

    @cached_property
    def series(self) -> Mapping[str, Array]:
        """Scalar series by name, each ``(T,)``."""
        return Frozen({name: entry.value for name, entry in self._series.items()})

    @property
    def mean(self) -> Array:
        """Mean ``(T, d)``."""
        return self._means.value

    @property
    def covariance(self) -> Array:
        """Covariance ``(T, d, d)``."""
        return self._covariances.value

    @property
    def mode_mass(self) -> Mapping[str, Array]:
        """Mass of each named region, ``(T,)``."""
        return Frozen({name: entry.value for name, entry in self._modes.items()})

    def _error(self, density: Array) -> ErrorEstimate:
        """Return the errors of all numbers, beside that of the density."""
        return ErrorEstimate(
            series={name: entry.error for name, entry in self._series.items()},
            mean=self._means.error,
            covariance=self._covariances.error,
            mode_mass={name: entry.error for name, entry in self._modes.items()},
            density=density,
        )

    def _number(self, name: str, region: str) -> Estimated:
        if name == "mode_mass":
            return self._modes[region]
        if name in ("mean", "covariance"):
            return self._means if name == "mean" else self._covariances
        return self._series[name]


@dataclass(frozen=True)
class SavedDensity:
    """The density of a solution at one of its times."""

    solution: SavedLaw
    t: float

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.solution.dim

    def log_density(self, x: Array) -> Array:
        """``log ρ`` at points ``(n, d)``; −∞ outside the domain. Not collective."""
        return self.solution.log_density(self.t, x)
