"""The part of a solution that output reads, so that output knows nothing of how it was solved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["SolutionLike"]

Array = NDArray[np.float64]


class SolutionLike(Protocol):
    """What output needs of `wfrpde.flow.solution.Solution`.

    Nodal data are the same on every rank, and evaluation at points needs no communication.
    """

    @property
    def case(self) -> Any:
        """The case, with ``title``, ``flow.alpha``, ``flow.beta`` and ``model_dump``."""

    @property
    def target(self) -> Any:
        """The target, with ``potential(x)`` in kT, ``name`` and ``description``."""

    @property
    def times(self) -> Array:
        """Saved flow times, shape (T,)."""

    @property
    def series(self) -> Mapping[str, Array]:
        """Named scalars over time, each (T,)."""

    @property
    def mean(self) -> Array:
        """Means, shape (T, d)."""

    @property
    def covariance(self) -> Array:
        """Covariances, shape (T, d, d)."""

    @property
    def mode_mass(self) -> Mapping[str, Array]:
        """Mass of each named region, each (T,)."""

    @property
    def error(self) -> Any:
        """Estimated errors: ``series``, ``mean``, ``covariance``, ``mode_mass``, ``density``."""

    @property
    def nodes(self) -> Array:
        """Coordinates of the nodes, shape (n, d)."""

    @property
    def cells(self) -> NDArray[np.integer[Any]]:
        """Nodes of each linear cell in VTK's order, shape (m, k)."""

    @property
    def cell_type(self) -> str:
        """``interval``, ``triangle``, ``quadrilateral``, ``tetrahedron`` or ``hexahedron``."""

    @property
    def log_relative(self) -> Array:
        """log(ρ/π) at the nodes, shape (T, n)."""

    @property
    def log_normalisation(self) -> float:
        """Log Z of the target π = exp(-V)/Z on the domain."""

    @property
    def history(self) -> Mapping[str, Array]:
        """``t``, ``dt``, ``kl``, ``mass`` of every accepted step."""

    @property
    def numerics(self) -> Mapping[str, Any]:
        """How it was computed, as JSON-ready data."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know before using the numbers."""

    @property
    def complete(self) -> bool:
        """Whether the end time was reached."""

    @property
    def wall_time(self) -> float:
        """Seconds that it took."""

    def density(self, t: float, x: Array) -> Array:
        """ρ at a saved time and at points (n, d), per unit volume."""

    def log_density(self, t: float, x: Array) -> Array:
        """Log ρ at a saved time and at points (n, d)."""

    def log_relative_density(self, t: float, x: Array) -> Array:
        """log(ρ/π) at a saved time and at points (n, d)."""
