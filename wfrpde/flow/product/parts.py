"""`Part`: a factor's flow, as a product needs it: solved on a mesh, or known in closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from wfrpde.arrays import Array, ComplexArray
from wfrpde.flow.product.lines import Line
from wfrpde.flow.saved import Estimated

if TYPE_CHECKING:
    from wfrpde.targets import Target


Index = int | None
"""Number of a saved time, or None for the target."""

ROUND_OFF = 1e-12
"""Relative error that no number of a closed form is said to have less than."""


class Part(Protocol):
    """The flow of one factor."""

    @property
    def dim(self) -> int:
        """Dimension of the factor."""

    @property
    def times(self) -> Array:
        """Saved times ``(T,)``."""

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""

    @property
    def target(self) -> Target:
        """Its target."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time."""

    def characteristic(self, index: Index, omega: Array) -> ComplexArray:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""

    def oracle(self) -> Callable[[float, Array], Array]:
        """Return a function of a time and points ``(n, d)`` that tells log(ρ/π) ``(n,)``."""
