"""`Line`: the law of a linear form of one factor, by its moment generating function.

M(z) = E e^{zS} for complex z is all that the law of a sum of independent S needs; see `sums`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wfrpde.arrays import Array, ComplexArray

BLOCK = 2_000_000
"""Exponentials that are computed at once."""


class Line(Protocol):
    """The law of a real random variable S."""

    @property
    def ends(self) -> tuple[float, float]:
        """Between which two values S lies."""

    @property
    def highest(self) -> float:
        """Largest frequency for which `ratio` is right."""

    def tilt(self, a: float) -> tuple[float, float, float]:
        """Return log M(a), and mean and variance under the law ∝ e^{as}."""

    def ratio(self, a: float, omega: Array) -> ComplexArray:
        """Return ``M(a + iω)/M(a)`` at the frequencies ``(m,)``."""

    def error(self, a: float) -> float:
        """Estimated relative error of M(a), where errors of different places do not cancel."""


@dataclass(frozen=True)
class Normal:
    """The law N(mean, variance), known up to `defect` of mean and variance."""

    mean: float
    variance: float
    mean_error: float = 0.0
    variance_error: float = 0.0

    @property
    def ends(self) -> tuple[float, float]:
        """Between which two values S lies."""
        return -np.inf, np.inf

    @property
    def highest(self) -> float:
        """Largest frequency for which `ratio` is right."""
        return np.inf

    def tilt(self, a: float) -> tuple[float, float, float]:
        """Return log M(a), and mean and variance under the law ∝ e^{as}."""
        return (
            a * self.mean + a * a * self.variance / 2,
            self.mean + a * self.variance,
            self.variance,
        )

    def ratio(self, a: float, omega: Array) -> ComplexArray:
        """Return ``M(a + iω)/M(a)`` at the frequencies ``(m,)``."""
        mean = self.mean + a * self.variance
        return np.asarray(np.exp(1j * omega * mean - omega**2 * self.variance / 2))

    def error(self, a: float) -> float:
        """Estimated relative error of M(a)."""
        scale = np.sqrt(self.variance)
        relative = self.variance_error / self.variance * (1 + a * a * self.variance)
        return float(abs(a) * self.mean_error + self.mean_error / scale + relative)


@dataclass(frozen=True)
class Atoms:
    """A law as masses at points, which a quadrature of its density has made of it.

    Attributes
    ----------
    places
        ``(n,)`` values of S.
    log_mass
        ``(n,)``, normalised.
    defect
        ``(n,)`` estimated absolute error of the log density at each.
    second
        The same law by another rule, whose distance is the error of this one; None without one.
    cut
        Share of the mass that the range lost.
    gap
        Distance between neighbours of the quadrature: it knows nothing of shorter waves.
    open_ends
        Whether the range was cut off where a density goes on, so that a law tilted against an end
        of it is wrong there.
    depth
        ``(n,)`` distance of each from where the range was cut off, in hundredths of the range;
        None where that is the distance of the places from the end that a law is tilted to.
    """

    places: Array
    log_mass: Array
    defect: Array
    second: Atoms | None = None
    cut: float = 0.0
    open_ends: bool = True
    gap: float = 0.0
    depth: Array | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Between which two values S lies."""
        return float(self.places.min()), float(self.places.max())

    @property
    def highest(self) -> float:
        """Largest frequency for which `ratio` is right."""
        return np.pi / self.gap if self.gap > 0 else np.inf

    def _tilted(self, a: float) -> tuple[float, Array]:
        exponent = self.log_mass + a * self.places
        top = float(exponent.max())
        mass = np.exp(exponent - top)
        total = float(mass.sum())
        return top + float(np.log(total)), mass / total

    def tilt(self, a: float) -> tuple[float, float, float]:
        """Return log M(a), and mean and variance under the law ∝ e^{as}."""
        log_mgf, mass = self._tilted(a)
        mean = float(mass @ self.places)
        return log_mgf, mean, float(mass @ (self.places - mean) ** 2)

    def ratio(self, a: float, omega: Array) -> ComplexArray:
        """Return ``M(a + iω)/M(a)`` at the frequencies ``(m,)``."""
        _, mass = self._tilted(a)
        keep = mass > 1e-18
        return characteristic(self.places[keep], mass[keep], omega)

    def error(self, a: float) -> float:
        """Estimated relative error of M(a)."""
        log_mgf, mass = self._tilted(a)
        error = float(mass @ np.minimum(self.defect, 1.0)) + self.cut
        if self.second is not None:
            error += abs(self.second.tilt(a)[0] - log_mgf)
        if self.open_ends and a != 0:
            low, high = self.ends
            within = high - self.places if a > 0 else self.places - low
            depth = within / (0.01 * (high - low)) if self.depth is None else self.depth
            error += _beyond(float(mass[depth < 1].sum()), float(mass[depth // 1 == 1].sum()))
        return error


def _beyond(outer: float, inner: float) -> float:
    """Return what may lie in and beyond the outer of two margins of a range, by their masses.

    A geometric series: the tail of a law that is log-concave there is lighter.
    """
    if outer < inner:
        return outer / (1 - outer / inner)
    # a law that rises towards the end; so little of it that it is an error of the density is none
    return np.inf if outer > 1e-9 else 1e3 * outer


def characteristic(places: Array, mass: Array | ComplexArray, omega: Array) -> ComplexArray:
    """Return Σ m_k e^{iωx_k} at the frequencies ``(m,)``.

    Equidistant ones, ω_j = ω_0 + jΔ with j = pB + q, take a product of matrices e^{i(ω_0 + pBΔ)x}
    and m e^{iqΔx}: 2 √m exponentials for each x, not m.
    """
    block = int(np.sqrt(len(omega))) or 1
    gaps = np.diff(omega)
    if len(omega) < 4 or np.ptp(gaps) > 1e-12 * np.abs(omega).max():
        block = 1
    far, near = omega[::block], omega[:block] - omega[:1]
    total = np.zeros((len(far), len(near)), dtype=complex)
    size = max(1, BLOCK // (len(far) + len(near) + 1))
    for k in range(0, len(places), size):
        x, m = places[k : k + size], mass[k : k + size]
        total += np.exp(1j * np.outer(far, x)) @ (m * np.exp(1j * np.outer(near, x))).T
    return total.ravel()[: len(omega)]
