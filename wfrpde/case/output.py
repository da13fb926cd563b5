"""``[output]``: what a run folder holds."""

from __future__ import annotations

from wfrpde.case.sections import Flag, Section


class OutputSpec(Section):
    """What a run folder holds besides its numbers.

    Attributes
    ----------
    compare
        Also solve with β = 0 (Langevin, W) and α = 0 (Fisher–Rao, FR) and show the three together.
    paraview
        Write the fields for ParaView.
    figures
        Draw figures.
    """

    compare: Flag = True
    paraview: Flag = True
    figures: Flag = True
