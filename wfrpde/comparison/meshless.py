"""`MeshlessDensity`: what a law has to know, in any dimension, for samplers to be judged by it.

No mesh holds a density in many dimensions. Linear forms, regions, log(ρ/π) and independent draws
take its place, each with the error of the flow that it comes from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wfrpde.arrays import Array, ComplexArray, Flags
from wfrpde.fields.product_regions import ProductRegion
from wfrpde.flow.product.lines import characteristic
from wfrpde.flow.saved import Estimated

FREQUENCIES, PERIOD, INVERSION = 600, 40.0, 1e-7
"""Frequencies and period, in standard deviations, of the inversion of a characteristic function,
and its error."""

GRID, REACH = 2001, 9.0
"""Points on which a form's law is tabulated, up to so many standard deviations from its mean."""

DRAWS, SEED = 1000, 7
"""Independent draws that stand for the law in distances, and the seed that they come from."""


@dataclass(frozen=True)
class Form:
    """The law of a linear form.

    Attributes
    ----------
    mean, variance
        Its moments.
    mean_error, variance_error
        Their estimated errors.
    error
        Estimated relative error of its density.
    frequencies, values
        ``(m,)`` and its characteristic function there.
    """

    mean: float
    variance: float
    mean_error: float
    variance_error: float
    error: float
    frequencies: Array
    values: ComplexArray

    @property
    def width(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.variance))

    def above(self, bounds: Array) -> Array:
        """Return P(S > c) by Gil-Pelaez (1951): ½ + ∫ Im(φ(ω)e^{−iωc})/(πω) dω."""
        omega = self.frequencies
        turned = characteristic(-omega, self.values / omega, bounds).imag
        return np.asarray(0.5 + turned * (omega[1] - omega[0]) / np.pi)


def frequencies_of(variance: float) -> Array:
    """Return the frequencies ``(m,)`` at which a `Form` of that variance is known."""
    step = 2 * np.pi / (PERIOD * np.sqrt(variance))
    return np.asarray((np.arange(FREQUENCIES) + 0.5) * step)


class MeshlessDensity(ABC):
    """The law of a flow at one of its times, or its target (t = ∞)."""

    time: float
    survival = 1.0

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension d."""

    @property
    @abstractmethod
    def log_error(self) -> float:
        """Root mean square under the law of what log ρ may be off, beyond the errors of forms."""

    @abstractmethod
    def form(self, w: Array) -> Form:
        """Return the law of w·x, w ``(d,)``."""

    @property
    @abstractmethod
    def total_variance(self) -> tuple[float, float]:
        """E|x − m|², m the mean, and its estimated error."""

    @abstractmethod
    def squared_distances(self, x: Array) -> Array:
        """Return |x − m|² ``(n,)`` of points ``(n, d)``."""

    @abstractmethod
    def mean_cosines(self, frequency: Array, phase: Array) -> Array:
        """E cos(ω·x + b) ``(k,)`` at the frequencies ``(d, k)``."""

    @abstractmethod
    def number(self, name: str) -> Estimated:
        """Return the flow's ``kl`` or ``reaction_variance`` at the time, with its error."""

    @abstractmethod
    def mass(self, region: ProductRegion, where: str) -> tuple[float, float]:
        """Return the mass of a region and its estimated error.

        Raises
        ------
        InputError
            If it is none of this law; the message names `where`.
        """

    @abstractmethod
    def inside(self, region: ProductRegion, x: Array) -> Flags:
        """Return which points ``(n, d)`` lie in a region."""

    @abstractmethod
    def log_relative(self, x: Array) -> Array:
        """Return log(ρ/π) ``(n,)``, finite, at points ``(n, d)``."""

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points ``(n, d)``."""

    @cached_property
    def draws(self) -> Array:
        """Independent points ``(DRAWS, d)``, the same in every process."""
        return self.draw(DRAWS, np.random.default_rng(SEED))

    @property
    def plain_atoms(self) -> tuple[Array, Array]:
        """Points ``(n, d)`` and masses ``(n,)`` that stand for the law in integrals: the draws."""
        return self.draws, np.full(len(self.draws), 1 / len(self.draws))

    @cached_property
    def scales(self) -> Array:
        """Lengths ``(d,)`` in which kernels are wide enough: standard deviations times √d."""
        return np.asarray(self.draws.std(axis=0) * np.sqrt(self.dim))

    def far_along(self, w: Array) -> tuple[Array, Array]:
        """Return how far ``(n,)`` w·x lies from its mean, far out, and with which masses."""
        points, masses = self.along(w)
        return points - self.form(w).mean, masses

    def parts_along(self, w: Array) -> tuple[Array, Array]:
        """Return the same of what one independent part alone adds to w·x."""
        return MeshlessDensity.far_along(self, w)

    def along(self, direction: Array) -> tuple[Array, Array]:
        """Points ``(n,)`` and masses ``(n,)`` that stand for the law of a form in integrals."""
        form = self.form(direction)
        edges = form.mean + form.width * np.linspace(-REACH, REACH, GRID)
        mass = np.maximum(-np.diff(form.above(edges)), 0.0)
        return (edges[1:] + edges[:-1]) / 2, mass / mass.sum()
