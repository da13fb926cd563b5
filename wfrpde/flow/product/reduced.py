"""`ReducedPart`: a factor whose flow is that of fewer coordinates, which one mesh holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.stored import Result
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import ROUND_OFF, Index
from wfrpde.flow.saved import Estimated

if TYPE_CHECKING:
    from wfrpde.targets import Target


class ReducedPart(Result, ABC):
    """A factor whose ratio ρ/π is a function of a few coordinates.

    With it KL, Fisher information and the reaction's variance are those of the reduced flow.
    """

    if TYPE_CHECKING:  # fields of those that derive from it

        @property
        def target(self) -> Target:
            """Its target."""

    coordinate: str
    """The reduced coordinates, in words."""

    @property
    @abstractmethod
    def mesh(self) -> MeshPart:
        """The flow of the reduced coordinates."""

    @abstractmethod
    def reduced(self, x: Array) -> Array:
        """Return the reduced coordinates ``(n, k)`` of points ``(n, d)``, within their domain."""

    @abstractmethod
    def placed(self, points: Array, rng: np.random.Generator) -> Array:
        """Draw points ``(n, d)`` that have the given reduced coordinates ``(n, k)``."""

    @abstractmethod
    def seen(self, weights: Array) -> Array:
        """Return what the law of a linear form w·x depends on, of w ``(d,)``."""

    @abstractmethod
    def log_volume(self, points: Array) -> Array:
        """Return the log of how much of space ``(n,)`` has the reduced coordinates ``(n, k)``."""

    @cached_property
    @abstractmethod
    def lost(self) -> float:
        """Share of mass, the largest of all times, that the domain leaves out."""

    @property
    def dim(self) -> int:
        """Dimension of the factor."""
        return self.target.dim

    @property
    def times(self) -> Array:
        """Saved times ``(T,)``."""
        return self.mesh.times

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""
        return self.mesh.complete

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.mesh.warnings

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""
        return {**self.mesh.facts, "coordinate": self.coordinate}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""
        return self.mesh.names

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""
        raise KeyError(region)

    def series(self, name: str) -> Estimated:
        """Return a scalar at all times, with what the domain leaves out in its error."""
        own = self.mesh.estimated(name)
        return Estimated(own.value, own.error + (self.lost + ROUND_OFF) * (1 + np.abs(own.value)))

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""
        return np.asarray(self.mesh.log_relative_density(index, self.reduced(x)))

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""
        points = self.reduced(x)
        return np.asarray(self.mesh.log_density(index, points) - self.log_volume(points))

    def oracle(self) -> Callable[[float, Array], Array]:
        """Return log(ρ/π) by a table over the reduced coordinates."""
        table = self.mesh.oracle()
        return lambda t, x: table(t, self.reduced(x))
