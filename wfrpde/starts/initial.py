"""Initial densities ρ₀: Gaussians and their mixtures, formulas, uniform, and narrow "points"."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from wfrpde.errors import InputError
from wfrpde.fields.complaints import checked, choose
from wfrpde.fields.parameters import Matrix, Parameters, Positive, Real, Vector
from wfrpde.targets.covariance import covariance_matrix, mean_vector, mixture_arrays
from wfrpde.targets.gaussian import COVARIANCE, COVARIANCES, MEAN, MEANS, WEIGHTS, log_norm
from wfrpde.targets.minima import box_sides, find_minima

if TYPE_CHECKING:
    from wfrpde.targets import Target

Array = npt.NDArray[np.float64]
Sampler = Callable[[int, np.random.Generator], Array]


@dataclass(frozen=True, eq=False)
class InitialDensity:
    r"""The density ρ₀ that the flow starts from, with respect to Lebesgue measure on R^d.

    Attributes
    ----------
    dim
        Dimension d.
    name
        Its kind.
    description
        In words, for reports.
    seeds
        (k, d): a point near every maximum of ρ₀.
    normalised
        Whether `log_density` integrates to one over R^d; it has an unknown constant otherwise.
    gaussian
        (mean (d,), covariance (d, d)) if ρ₀ is Gaussian, else None.
    """

    dim: int
    name: str
    description: str
    seeds: Array
    evaluate: Callable[[Array], Array] = field(repr=False)
    normalised: bool = True
    gaussian: tuple[Array, Array] | None = None
    sampler: Sampler | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        seeds = np.array(self.seeds, dtype=float).reshape(-1, self.dim)
        seeds.setflags(write=False)
        object.__setattr__(self, "seeds", seeds)

    def log_density(self, x: npt.ArrayLike) -> Array:
        """Return log ρ₀ (n,) at the points x (n, d), up to a constant; −∞ where ρ₀ = 0."""
        points = np.asarray(x, dtype=float)
        if points.ndim != 2 or points.shape[1] != self.dim:
            raise ValueError(f"points of shape {points.shape} given, (n, {self.dim}) needed")
        return self.evaluate(points)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points (n, d) of ρ₀.

        Raises
        ------
        InputError
            For a density given as a formula, which has no exact sampler.
        """
        if self.sampler is None:
            found = f"{self.name}, which cannot be sampled exactly"
            raise InputError("initial.kind", found, "gaussian, mixture, uniform or dirac")
        return self.sampler(n, rng)


class InitialParameters(Parameters, ABC):
    """Parameters of one kind of initial density."""

    kind: ClassVar[str]

    @abstractmethod
    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions; ``box`` (d, 2) is the domain if it is set."""


class GaussianInitial(InitialParameters):
    """ρ₀ = N(mean, covariance)."""

    kind: ClassVar[str] = "gaussian"
    mean: Real | Vector = Field(description=MEAN)
    covariance: Real | Vector | Matrix = Field(default=1.0, description=COVARIANCE)

    @model_validator(mode="after")
    def _check(self) -> GaussianInitial:
        self.moments()
        return self

    def moments(self) -> tuple[Array, Array]:
        """Return the mean (d,) and the covariance (d, d)."""
        mean = mean_vector(self.mean, "mean")
        return mean, covariance_matrix(self.covariance, mean.size, "covariance")

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        mean, covariance = self.moments()
        _require(mean.size, dim, "mean")
        words = f"Gaussian with mean {mean.tolist()}, covariance {covariance.tolist()}"
        return _gaussian(self.kind, words, mean, covariance)


class DiracInitial(InitialParameters):
    """All mass near one point: a Gaussian of standard deviation ``width`` in every direction."""

    kind: ClassVar[str] = "dirac"
    point: Real | Vector = Field(description="a number (1-D), or a list of 1 to 3 numbers")
    width: Positive = Field(default=0.05, description="a positive standard deviation")

    @model_validator(mode="after")
    def _check(self) -> DiracInitial:
        mean_vector(self.point, "point")
        return self

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        point = mean_vector(self.point, "point")
        _require(point.size, dim, "point")
        words = f"point mass at {point.tolist()}, of width {self.width:g}"
        return _gaussian(self.kind, words, point, self.width**2 * np.eye(dim))


class MixtureInitial(InitialParameters):
    """ρ₀ = Σ w_k N(m_k, C_k), with weights that are normalised."""

    kind: ClassVar[str] = "mixture"
    weights: Vector | None = Field(default=None, description=WEIGHTS)
    means: tuple[Real | Vector, ...] = Field(description=MEANS)
    covariances: tuple[Real | Vector | Matrix, ...] = Field(description=COVARIANCES)

    @model_validator(mode="after")
    def _check(self) -> MixtureInitial:
        mixture_arrays(self.weights, self.means, self.covariances)
        return self

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        weights, means, covariances = mixture_arrays(self.weights, self.means, self.covariances)
        _require(means.shape[1], dim, "means")
        factors = np.linalg.cholesky(covariances)
        inverses = np.linalg.inv(factors)
        constants = [math.log(w) + log_norm(c) for w, c in zip(weights, covariances, strict=True)]

        def log_density(x: Array) -> Array:
            terms = np.stack(
                [
                    _log_gaussian(x, m, inverse, constant)
                    for m, inverse, constant in zip(means, inverses, constants, strict=True)
                ]
            )
            return np.asarray(np.logaddexp.reduce(terms, axis=0))

        def sample(n: int, rng: np.random.Generator) -> Array:
            component = rng.choice(len(weights), size=n, p=weights)
            normal = rng.standard_normal((n, dim))
            spread = np.einsum("nij,nj->ni", factors[component], normal)
            return np.asarray(means[component] + spread)

        return InitialDensity(
            dim, self.kind, f"mixture of {len(weights)} Gaussians", means, log_density,
            sampler=sample,
        )  # fmt: skip


class UniformInitial(InitialParameters):
    """ρ₀ constant on ``box``, zero elsewhere; the domain's box where none is given."""

    kind: ClassVar[str] = "uniform"
    box: tuple[tuple[Real, Real], ...] | None = Field(
        default=None, description="a list of [low, high], one for each dimension"
    )

    @model_validator(mode="after")
    def _check(self) -> UniformInitial:
        for k, (low, high) in enumerate(self.box or ()):
            if not low < high:
                raise InputError(f"box[{k}]", f"[{low:g}, {high:g}]", "[low, high] with low < high")
        return self

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        sides = box if self.box is None else np.array(self.box)
        if sides is None:
            do = "Or give [domain] box, which is used then."
            raise InputError("initial.box", "nothing", "the box of the uniform density", do)
        _require(len(sides), dim, "box")
        low, high = sides[:, 0], sides[:, 1]
        height = -float(np.log(high - low).sum())

        def log_density(x: Array) -> Array:
            inside = np.all((x >= low) & (x <= high), axis=1)
            return np.where(inside, height, -np.inf)

        def sample(n: int, rng: np.random.Generator) -> Array:
            return rng.uniform(low, high, size=(n, dim))

        words = f"uniform on {sides.tolist()}"
        centre = (low + high)[None] / 2
        return InitialDensity(dim, self.kind, words, centre, log_density, sampler=sample)


class ExpressionInitial(InitialParameters):
    """ρ₀ as formula: exactly one of ``log_density`` and ``density``, up to a constant factor.

    Where ``density`` is zero or negative, log ρ₀ is −∞.
    """

    kind: ClassVar[str] = "expression"
    log_density: str | None = Field(default=None, description="a formula for log ρ₀")
    density: str | None = Field(default=None, description="a formula for ρ₀ ≥ 0")

    @model_validator(mode="after")
    def _check(self) -> ExpressionInitial:
        if (self.log_density is None) == (self.density is None):
            found = "neither" if self.density is None else "both"
            raise InputError("log_density", f"{found} of log_density and density", "exactly one")
        from wfrpde.fields import parse_expression

        key = "density" if self.log_density is None else "log_density"
        parse_expression(getattr(self, key), 3, key)
        return self

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        from wfrpde.fields import (
            numpy_function,
            numpy_gradient,
            parse_expression,
        )
        from wfrpde.fields.stability import logarithm

        if self.log_density is not None:
            text, key = self.log_density, "initial.log_density"
            expression = parse_expression(text, dim, key)
        else:
            text, key = str(self.density), "initial.density"
            density = parse_expression(text, dim, key)
            if density.is_nonpositive:
                raise InputError(key, f"{text!r}, which is nowhere positive", "a density ≥ 0")
            expression = logarithm(density)
        try:
            value, slope = numpy_function(expression, dim), numpy_gradient(-expression, dim)
            negative = numpy_function(density, dim) if self.log_density is None else None
        except Exception as error:  # SymPy raises many kinds, from formulas that no one means
            found = f"an expression without a derivative ({type(error).__name__}: {error})"
            raise InputError(key, found, "a density with a gradient") from error

        def log_density(x: Array) -> Array:
            result = value(x)
            if negative is not None:
                # log of a product may hide the sign of its factors; a density below 0 counts as 0.
                result = np.where(negative(x) < 0, -np.inf, result)
            return result

        seeds = find_minima(
            lambda x: _barred(-log_density(np.asarray(x, dtype=float))),
            slope,
            dim,
            where=key,
            box=box,
            quantity="log density",
        )
        return InitialDensity(
            dim, self.kind, " ".join(text.split()), seeds, log_density, normalised=False
        )


KINDS: dict[str, type[InitialParameters]] = {
    model.kind: model
    for model in (
        GaussianInitial,
        MixtureInitial,
        ExpressionInitial,
        UniformInitial,
        DiracInitial,
    )
}


def validate_initial(kind: str, parameters: Mapping[str, Any]) -> InitialParameters:
    """Check the parameters of an initial density and return them as its model.

    Raises
    ------
    InputError
        Names ``initial.kind`` and lists the kinds, or names ``initial.<key>``.
    """
    return checked(KINDS[choose(kind, KINDS, "initial.kind")], parameters, "initial")


def make_initial(
    *,
    kind: str,
    parameters: Mapping[str, Any],
    target: Target,
    box: npt.ArrayLike | None = None,
) -> InitialDensity:
    """Return the initial density that a case describes, in the dimension of its target.

    Parameters
    ----------
    kind, parameters
        As in ``[initial]``.
    box
        (d, 2) domain of the case, if it sets one: where a uniform density lives by default.

    Raises
    ------
    InputError
        With the key of ``[initial]`` that is wrong.
    """
    sides = None if box is None else box_sides(box, target.dim)
    return validate_initial(kind, parameters).build(target.dim, sides)


def _require(found: int, dim: int, key: str) -> None:
    if found != dim:
        needed = f"{dim}, the dimension of the target"
        raise InputError(f"initial.{key}", f"{found} dimension(s)", needed)


def _barred(height: Array) -> Array:
    """Replace −∞ and nan by +∞: the search for maxima of ρ₀ has nothing to find there."""
    return np.where(np.isfinite(height), height, np.inf)


def _log_gaussian(x: Array, mean: Array, whitening: Array, constant: float) -> Array:
    scaled = whitening @ (x - mean).T
    return np.asarray(constant - 0.5 * np.einsum("in,in->n", scaled, scaled))


def _gaussian(kind: str, words: str, mean: Array, covariance: Array) -> InitialDensity:
    factor = np.linalg.cholesky(covariance)
    whitening, constant = np.linalg.inv(factor), log_norm(covariance)
    return InitialDensity(
        mean.size,
        kind,
        words,
        mean[None],
        lambda x: _log_gaussian(x, mean, whitening, constant),
        gaussian=(mean, covariance),
        sampler=lambda n, rng: mean + rng.standard_normal((n, mean.size)) @ factor.T,
    )
