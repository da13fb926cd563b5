"""A law of independent factors as samplers are judged by it: exact draws, and linear forms.

No mesh holds a density in d = 100. What a `ProductSolution` knows takes its place: the law of every
linear form, the characteristic function, masses of regions, log(ρ/π), and independent draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.comparison.density import density_of
from wfrpde.comparison.exact_samples import ExactSampler, exact_sampler
from wfrpde.errors import InputError
from wfrpde.flow.product.gaussian_part import GaussianPart
from wfrpde.flow.product.lines import characteristic
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import Index
from wfrpde.flow.product.phase_part import PhasePart
from wfrpde.flow.product.reduced import ReducedPart
from wfrpde.flow.product.solution import ProductSolution
from wfrpde.flow.product.sums import SumLaw
from wfrpde.flow.saved import saved_index

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
    error
        Estimated relative error of its density.
    frequencies, values
        ``(m,)`` and its characteristic function there.
    """

    mean: float
    variance: float
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


@dataclass(frozen=True, eq=False)
class ProductDensity:
    """The law of a product at one of its times, or its target (t = ∞)."""

    solution: ProductSolution
    time: float
    survival: float = 1.0
    _forms: dict[bytes, Form] = field(default_factory=dict, repr=False)
    _kinds: dict[bytes, bytes] = field(default_factory=dict, repr=False)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.solution.dim

    @property
    def index(self) -> Index:
        """Number of the saved time, None for the target."""
        return None if np.isinf(self.time) else saved_index(self.solution.times, self.time)

    def form(self, w: Array) -> Form:
        """Return the law of w·x, w ``(d,)``; forms of one law are worked out once."""
        asked = w.tobytes()
        if asked not in self._kinds:
            self._kinds[asked] = self._kind(w)
        key = self._kinds[asked]
        if key not in self._forms:
            law = self.solution.projection(self.time, w)
            omega = (np.arange(FREQUENCIES) + 0.5) * (2 * np.pi / (PERIOD * np.sqrt(law.variance)))
            values = self.solution.characteristic(self.time, np.multiply.outer(omega, w))
            self._forms[key] = Form(law.mean, law.variance, law.error(0.0), omega, values)
        return self._forms[key]

    def _kind(self, w: Array) -> bytes:
        """Return what linear forms of one law have in common."""
        factors = self.solution.factors
        inner = factors.turned(w) + 0.0  # no −0
        blocks = []
        for kind, at in factors:
            block = inner[at]
            part = self.solution.parts[kind]
            if isinstance(part, ReducedPart) and block.any():  # not all of it counts
                block = part.seen(block)
            if block.any():
                blocks.append(kind.to_bytes(4, "big") + block.tobytes())
        return b"".join(sorted(blocks))

    @cached_property
    def centre(self) -> tuple[Array, float, float]:
        """Mean ``(d,)`` in the factors' coordinates, total variance, and estimated error of it."""
        factors, mean = self.solution.factors, np.empty(self.dim)
        total = error = 0.0
        for part, columns in zip(factors.parts, factors.columns, strict=True):
            for k in range(part.dim):
                law = SumLaw((part.line(self.index, np.eye(1, part.dim, k)[0]),), (1,))
                mean[columns[:, k]] = law.mean
                total += len(columns) * law.variance
                error += len(columns) * 25 * law.error(0.0) * law.variance
        return mean, total, error

    def along(self, direction: Array) -> tuple[Array, Array]:
        """Points ``(n,)`` and masses ``(n,)`` that stand for the law of a form in integrals."""
        form = self.form(direction)
        edges = form.mean + form.width * np.linspace(-REACH, REACH, GRID)
        mass = np.maximum(-np.diff(form.above(edges)), 0.0)
        return (edges[1:] + edges[:-1]) / 2, mass / mass.sum()

    @cached_property
    def scales(self) -> Array:
        """Lengths ``(d,)`` in which kernels are wide enough: standard deviations times √d."""
        return np.asarray(self.draws.std(axis=0) * np.sqrt(self.dim))

    def mean_cosines(self, frequency: Array, phase: Array) -> Array:
        """E cos(ω·x + b) ``(k,)`` at the frequencies ``(d, k)``, exact."""
        values = self.solution.characteristic(self.time, frequency.T)
        return np.asarray((np.exp(1j * phase) * values).real)

    def log_relative(self, x: Array) -> Array:
        """Return log(ρ/π) ``(n,)`` at points ``(n, d)``."""
        u = self.solution.log_relative_density(self.time, x)
        # log(ρ/π) of points beyond the domain, where there should be nothing
        return np.where(np.isfinite(u), u, -1e3)

    @cached_property
    def draws(self) -> Array:
        """Independent points ``(DRAWS, d)``, the same in every process."""
        return self.draw(DRAWS, np.random.default_rng(SEED))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points ``(n, d)``."""
        factors = self.solution.factors
        y = np.empty((n, self.dim))
        for number, columns in enumerate(factors.columns):
            points = self._of_part(number, n * len(columns), rng)
            y[:, columns] = points.reshape(n, *columns.shape)
        return y if factors.rotation is None else y @ factors.rotation.T

    def _of_part(self, number: int, n: int, rng: np.random.Generator) -> Array:
        part = self.solution.parts[number]
        if isinstance(part, GaussianPart):
            mean, covariance = part.moments(self.index)
            noise = rng.standard_normal((n, part.dim))
            return np.asarray(mean + noise @ np.linalg.cholesky(covariance).T)
        if isinstance(part, MeshPart):
            return self._samplers[number].draw(n, rng)
        if isinstance(part, PhasePart):
            needed = "one position, or a product of factors with one"
            raise InputError("dynamics.kind", "samples of two positions and momenta", needed)
        return part.placed(self._samplers[number].draw(n, rng), rng)

    @cached_property
    def _samplers(self) -> dict[int, ExactSampler]:
        found = {}
        for number, part in enumerate(self.solution.parts):
            if not isinstance(part, GaussianPart | PhasePart):
                mesh = part if isinstance(part, MeshPart) else part.mesh
                found[number] = exact_sampler(density_of(mesh.solution, self.time))
        return found
