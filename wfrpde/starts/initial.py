"""`InitialDensity`: the density ρ₀ that a flow starts from, and what its kinds have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.parameters import Parameters
from wfrpde.targets.target import Target

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
    spread
        (d,) largest standard deviations of what is wrapped around a periodic axis; None of what is
        meant as it stands there.
    blur
        Standard deviation of what stands for a point; 0 if ρ₀ is what is meant.
    gradient
        ∇log ρ₀ (n, d) at points (n, d), where it has a formula; None elsewhere.
    recipe
        What `make_initial` made it from, as plain data; None if it was made by hand.
    """

    dim: int
    name: str
    description: str
    seeds: Array
    evaluate: Callable[[Array], Array] = field(repr=False)
    normalised: bool = True
    gaussian: tuple[Array, Array] | None = None
    spread: Array | None = None
    blur: float = 0.0
    sampler: Sampler | None = field(default=None, repr=False)
    gradient: Callable[[Array], Array] | None = field(default=None, repr=False)
    recipe: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        seeds = np.array(self.seeds, dtype=float).reshape(-1, self.dim)
        seeds.setflags(write=False)
        object.__setattr__(self, "seeds", seeds)

    def log_density(self, x: npt.ArrayLike) -> Array:
        """Return log ρ₀ (n,) at the points x (n, d), up to a constant; −∞ where ρ₀ = 0."""
        from wfrpde.fields.rendering import as_points

        return self.evaluate(as_points(x, self.dim))

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

    def fitted(self, target: Target, box: Any) -> dict[str, Any]:
        """Return parameters that were left out and follow from target and box, if it is set."""
        return {}

    @abstractmethod
    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` that names ``initial.<key>`` unless the parameters fit ``dim``."""

    @abstractmethod
    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions; ``box`` (d, 2) is the domain if it is set."""
