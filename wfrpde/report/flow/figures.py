"""Figures of a run. Each module draws one concept from a `FlowRun`, and nothing else."""

from __future__ import annotations

from pathlib import Path

from wfrpde.report.flow.run import FlowRun
from wfrpde.report.pages import Picture

__all__ = ["draw_figures"]


def draw_figures(run: FlowRun, folder: Path) -> list[Picture]:
    """Draw every figure that suits the run into a folder, in the order to look at them.

    Parameters
    ----------
    run
        The run.
    folder
        Where the PNG files go; made if missing.
    """
    # Matplotlib is slow to import, and most commands draw nothing.
    from wfrpde.report import style
    from wfrpde.report.flow import density1d, density2d, density3d
    from wfrpde.report.flow.dissipation import draw_dissipation
    from wfrpde.report.flow.growth import draw_growth
    from wfrpde.report.flow.kl import draw_kl
    from wfrpde.report.flow.modes import draw_modes

    folder.mkdir(exist_ok=True)
    pictures = []
    with style.look():
        densities = {
            1: (density1d.draw_density, density1d.draw_comparison),
            2: (density2d.draw_maps,),
            3: (density3d.draw_rendering, density3d.draw_marginals),
        }[run.solution.dim]
        drawings = [drawing for draw in densities for drawing in draw(run)]
        draws = (draw_growth, draw_kl, draw_modes, draw_dissipation)
        curves = [draw(run) for draw in draws]
        drawings += [drawing for drawing in curves if drawing is not None]
        for drawing in drawings:
            path = style.save(drawing.figure, folder / f"{drawing.name}.png")
            pictures.append(Picture(path, drawing.alt, drawing.caption))
    return pictures
