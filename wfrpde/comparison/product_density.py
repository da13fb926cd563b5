"""A law of independent factors as samplers are judged by it: exact draws, and linear forms.

No mesh holds a density in d = 100. What a `ProductSolution` knows takes its place: the law of every
linear form, the characteristic function, masses of regions, log(ρ/π), and independent draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from wfrpde.arrays import Array, Flags
from wfrpde.comparison.density import density_of
from wfrpde.comparison.exact_samples import ExactSampler, exact_sampler
from wfrpde.comparison.meshless import GRID, REACH, Form, MeshlessDensity, frequencies_of
from wfrpde.errors import InputError
from wfrpde.fields.product_regions import ProductRegion
from wfrpde.flow.product.gaussian_part import GaussianPart
from wfrpde.flow.product.lines import Atoms
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import Index
from wfrpde.flow.product.phase_part import PhasePart
from wfrpde.flow.product.reduced import ReducedPart
from wfrpde.flow.product.regions import inside, region_mass
from wfrpde.flow.product.solution import ProductSolution
from wfrpde.flow.product.sums import SumLaw
from wfrpde.flow.saved import Estimated, saved_index


@dataclass(frozen=True, eq=False)
class ProductDensity(MeshlessDensity):
    """The law of a product at one of its times, or its target (t = ∞)."""

    solution: ProductSolution
    time: float
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
            omega, error = frequencies_of(law.variance), law.error(0.0)
            values = self.solution.characteristic(self.time, np.multiply.outer(omega, w))
            mean_error = error * (abs(law.mean) + 5 * np.sqrt(law.variance))
            self._forms[key] = Form(
                law.mean, law.variance, mean_error, 25 * error * law.variance, error, omega, values
            )
        return self._forms[key]

    def far_along(self, w: Array) -> tuple[Array, Array]:
        """Return how far ``(n,)`` w·x lies from its mean, far out, and with which masses.

        A sum is as far out as one of its summands alone where their tails are heavy, and as a
        normal number of its own variance where none of them gets out of that.
        """
        law = self.solution.projection(self.time, w)
        gaps, masses = self.parts_along(w)
        if sum(law.counts) == 1:
            return gaps, masses
        edges = np.linspace(-REACH, REACH, GRID)
        normal = np.sqrt(law.variance) * (edges[1:] + edges[:-1]) / 2
        return np.append(gaps, normal), np.append(masses, np.diff(ndtr(edges)))

    def parts_along(self, w: Array) -> tuple[Array, Array]:
        """Return how far ``(n,)`` single summands lie from their means, and with which masses.

        The masses are those of all, together as many as there are. Normal ones make no tail heavy.
        """
        law = self.solution.projection(self.time, w)
        gaps, masses = [], []
        for line, count in zip(law.lines, law.counts, strict=True):
            if isinstance(line, Atoms):
                mass = np.exp(line.log_mass)
                mass /= mass.sum()
                gaps.append(line.places - mass @ line.places)
                masses.append(count * mass)
        if not gaps:
            return super().parts_along(w)
        return np.concatenate(gaps), np.concatenate(masses)

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

    @property
    def total_variance(self) -> tuple[float, float]:
        """E|x − m|², m the mean, and its estimated error."""
        return self.centre[1:]

    def squared_distances(self, x: Array) -> Array:
        """Return |x − m|² ``(n,)`` of points ``(n, d)``."""
        gap = self.solution.factor_coordinates(x) - self.centre[0]
        return np.asarray((gap**2).sum(axis=1))

    @property
    def log_error(self) -> float:
        """Nothing: what log ρ is off is that of the forms."""
        return 0.0

    def number(self, name: str) -> Estimated:
        """Return the flow's ``kl`` or ``reaction_variance`` at the time, with its error."""
        return self.solution.estimated(name)[self.index]

    def mass(self, region: ProductRegion, where: str) -> tuple[float, float]:
        """Return the mass of a region of the product, and its estimated error."""
        tail = region_mass(self.solution.factors, region, self.index, where)
        return tail.probability, float(np.nan_to_num(tail.error))

    def inside(self, region: ProductRegion, x: Array) -> Flags:
        """Return which points ``(n, d)`` lie in a region."""
        return inside(self.solution.factors, region, x)

    def mean_cosines(self, frequency: Array, phase: Array) -> Array:
        """E cos(ω·x + b) ``(k,)`` at the frequencies ``(d, k)``, exact."""
        values = self.solution.characteristic(self.time, frequency.T)
        return np.asarray((np.exp(1j * phase) * values).real)

    def log_relative(self, x: Array) -> Array:
        """Return log(ρ/π) ``(n,)`` at points ``(n, d)``."""
        u = self.solution.log_relative_density(self.time, x)
        # log(ρ/π) of points beyond the domain, where there should be nothing
        return np.where(np.isfinite(u), u, -1e3)

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
