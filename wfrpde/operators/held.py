"""What every result that answers a question about a generator holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.discretisation.interpolation import Interpolation


class Found(Protocol):
    """Functions on a mesh, whatever solved for them."""

    @property
    def problem(self) -> Problem:
        """Whose they are."""
        ...

    @property
    def log_partition(self) -> float:
        """Log of Z of π on the mesh."""
        ...

    @property
    def interpolation(self) -> Interpolation:
        """Polynomials between the finest nodes."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """JSON-ready: how they were computed."""
        ...


def held(found: Found) -> dict[str, Any]:
    """Return target, log Z, interpolation, numerics and warnings by the names of results."""
    return {
        "target": found.problem.target,
        "log_normalisation": found.log_partition,
        "numerics": found.facts,
        "warnings": tuple(found.warnings),
        "interpolation": found.interpolation,
    }
