r"""Laws of sums of independent variables, with relative accuracy as deep as 1e-300.

With K(z) = Σ log M_i(z) the inversion of Laplace's transform along a line Re z = a > 0,

.. math:: P(S > c) = \frac{e^{K(a) - ac}}{\pi}\int_0^\infty
          \mathrm{Re}\,\frac{e^{K(a + i\omega) - K(a) - i\omega c}}{a + i\omega}\,d\omega,

is exact for every a; at the saddle point K'(a) = c nothing cancels. The trapezoidal rule with step
2π/L converges faster than any power of 1/L. It is an exponentially tilted convolution that needs
no lattice, so that the summands may have weights of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, ComplexArray
from wfrpde.flow.product.lines import Line

PERIODS = (60.0, 97.0)
"""Lengths L in standard deviations, or in 1/a, of two rules whose distance is their error."""

FREQUENCIES = 64
"""Frequencies that are added at once, until their part is below the round-off."""

SMALLEST = 1e-16
"""Size of the ratio at which an integral over the frequencies ends."""


@dataclass(frozen=True)
class Tail:
    """log P with the estimated *relative* error of P."""

    log_probability: float
    relative_error: float

    @property
    def probability(self) -> float:
        """P, 0 where it is below the smallest number."""
        return float(np.exp(self.log_probability))

    @property
    def error(self) -> float:
        """Estimated absolute error of P."""
        return self.probability * self.relative_error


@dataclass(frozen=True)
class SumLaw:
    """The law of S = Σ n_i S_i with independent S_i.

    Attributes
    ----------
    lines
        The laws that differ.
    counts
        How many summands have each.
    sign
        −1 for the law of −S.
    """

    lines: Sequence[Line]
    counts: Sequence[int]
    sign: float = 1.0

    def tilt(self, a: float) -> tuple[float, float, float]:
        """Return K(a), K'(a) and K''(a)."""
        parts = [line.tilt(self.sign * a) for line in self.lines]
        k, mean, variance = (
            sum(n * p[i] for n, p in zip(self.counts, parts, strict=True)) for i in range(3)
        )
        return float(k), self.sign * float(mean), float(variance)

    def ratio(self, a: float, omega: Array) -> ComplexArray:
        """Return ``e^{K(a + iω) − K(a)}``."""
        product = np.ones(len(omega), dtype=complex)
        for line, n in zip(self.lines, self.counts, strict=True):
            product *= line.ratio(self.sign * a, self.sign * omega) ** n
        return product

    def error(self, a: float) -> float:
        """Estimated relative error of M(a)."""
        pairs = zip(self.lines, self.counts, strict=True)
        return float(sum(n * line.error(self.sign * a) for line, n in pairs))

    @cached_property
    def mean(self) -> float:
        """E S."""
        return self.tilt(0.0)[1]

    @cached_property
    def variance(self) -> float:
        """Var S."""
        return self.tilt(0.0)[2]

    @property
    def ends(self) -> tuple[float, float]:
        """Between which two values S lies."""
        low = sum(n * line.ends[0] for line, n in zip(self.lines, self.counts, strict=True))
        high = sum(n * line.ends[1] for line, n in zip(self.lines, self.counts, strict=True))
        return (low, high) if self.sign > 0 else (-high, -low)

    def above(self, c: float) -> Tail:
        """P(S > c) with its relative error."""
        if c >= self.ends[1]:
            return Tail(-np.inf, np.nan)
        if c < self.mean:
            return _complement(replace(self, sign=-self.sign)._upper(-c))
        return self._upper(c)

    def below(self, c: float) -> Tail:
        """P(S < c) with its relative error."""
        return replace(self, sign=-self.sign).above(-c)

    def saddle(self, c: float) -> float:
        """Return a ≥ 0 with K'(a) = c, for c ≥ K'(0)."""
        from scipy.optimize import brentq

        if c <= self.mean:
            return 0.0
        high = 1 / np.sqrt(self.variance)
        for _ in range(200):
            if self.tilt(high)[1] >= c:
                break
            high *= 2
        return float(brentq(lambda a: self.tilt(a)[1] - c, 0.0, high, rtol=1e-10))

    def _upper(self, c: float) -> Tail:
        if c >= self.ends[1]:
            return Tail(-np.inf, np.nan)
        a = max(self.saddle(c), 1 / np.sqrt(self.variance))
        k, _, variance = self.tilt(a)
        length = max(1 / a, np.sqrt(variance))
        values, rests = zip(
            *(self._integral(a, c, 2 * np.pi / (p * length)) for p in PERIODS), strict=True
        )
        if not values[0] > 0:
            return Tail(k - a * c, np.inf)
        spread = abs(values[1] - values[0]) + max(rests)
        relative = spread / values[0] + self.error(a)
        return Tail(float(k - a * c + np.log(values[0])), float(relative))

    def _integral(self, a: float, c: float, step: float) -> tuple[float, float]:
        """Return the integral over π, and what the frequencies left out may hold."""
        total, rest = 0.0, 0.0
        for omega, ratio in self._blocks(a, step):
            terms = ratio * np.exp(-1j * omega * c) / (a + 1j * omega)
            total += float(terms.real.sum())
            rest = float(np.abs(terms[-8:]).max()) * float(omega[-1])
        rest = rest if rest * a > SMALLEST * 100 else 0.0
        return total * step / np.pi, rest / np.pi

    def _blocks(self, a: float, step: float) -> Iterator[tuple[Array, ComplexArray]]:
        """Frequencies from 0 with their `ratio`, half of it at 0, until it has died away."""
        highest = min(line.highest for line in self.lines)
        # blocks of frequencies after which a law that is not smooth is left as it is
        for block in range(256):
            omega = frequencies(step, block)
            omega = omega[omega <= highest]
            if not omega.size:
                return
            ratio = self.ratio(a, omega)
            if block == 0:
                ratio[0] /= 2
            yield omega, ratio
            if np.abs(ratio[-8:]).max() < SMALLEST:
                return

    def density(self, s: npt.ArrayLike) -> Array:
        """Density at values ``(m,)``, accurate to about 1e-15 of its maximum."""
        points = np.atleast_1d(np.asarray(s, dtype=float))
        width = np.sqrt(self.variance)
        reach = float(np.abs(points - self.mean).max()) / width * 2
        step = 2 * np.pi / (max(PERIODS[0], reach + 30.0) * width)
        total = np.zeros(len(points))
        for omega, ratio in self._blocks(0.0, step):
            total += (np.exp(-1j * np.outer(points, omega)) @ ratio).real
        low, high = self.ends
        return np.where((points >= low) & (points <= high), total * step / np.pi, 0.0)


def _complement(tail: Tail) -> Tail:
    """1 − P."""
    rest = -np.expm1(tail.log_probability)
    if rest <= 0:
        return Tail(-np.inf, np.nan)
    return Tail(float(np.log1p(-tail.probability)), tail.error / rest)


def frequencies(step: float, block: int) -> Array:
    """Return a block of equidistant frequencies."""
    return np.asarray(step * np.arange(block * FREQUENCIES, (block + 1) * FREQUENCIES), dtype=float)
