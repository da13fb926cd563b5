"""`Level`: how finely a chain is solved, by the tolerance of its case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wfrpde.case.case import Case


@dataclass(frozen=True)
class Level:
    """How finely a chain is solved.

    Attributes
    ----------
    nodes, cells
        Points of a site, and cells between two of them on the coarser grid on which it diffuses.
    truncation
        Root mean square of log(ρ/π) that a bond may leave out, in a sweep of the coarsest run.
    per_octave
        Time steps from t to 2t, of the coarsest run.
    longest
        Longest step of the coarsest run, in units of 1/(α ⟨|∂²w/∂x∂y|⟩), w being the coupling.
    """

    nodes: int
    cells: int
    truncation: float
    per_octave: int
    longest: float

    def with_more_nodes(self) -> Level:
        """Return the level with a quarter more nodes."""
        return replace(self, nodes=self.nodes + -(-self.nodes // 4))

    def less_truncated(self) -> Level:
        """Return the level with a fifth of the truncation."""
        return replace(self, truncation=self.truncation / 5)


LEVELS = ((1e-2, Level(18, 3, 1e-4, 1, 0.25)), (1e-3, Level(24, 3, 4e-6, 2, 0.125)))
"""Levels for tolerances of at least so much; the second is that of cases without one."""

FINEST = Level(30, 3, 1e-6, 2, 0.0625)
"""Level of smaller tolerances."""


def tolerance_of(case: Case) -> float:
    """Return the tolerance above which errors are remarked upon."""
    # up to which errors are not remarked upon where no tolerance is asked for
    return case.accuracy.tolerance or 1e-3


def level_of(case: Case) -> Level:
    """Return how finely a case is solved."""
    tolerance = tolerance_of(case)
    level = next((own for least, own in LEVELS if tolerance >= least), FINEST)
    cells = case.numerics.cells
    return level if cells is None else replace(level, nodes=cells[0] + 1)
