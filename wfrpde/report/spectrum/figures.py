"""The figures of a spectral study, or of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wfrpde.report.pages import Picture

if TYPE_CHECKING:
    from wfrpde.operators import Sweep
    from wfrpde.report.drawing import Drawing
    from wfrpde.studies.spectral.study import SpectralStudy

__all__ = ["draw_study", "draw_sweep_figure"]


def draw_study(study: SpectralStudy, folder: Path) -> list[Picture]:
    """Draw every figure that suits a study into a folder, in the order to look at them."""
    from wfrpde.report import style
    from wfrpde.report.spectrum.curves import draw_cumulants
    from wfrpde.report.spectrum.levels import draw_levels
    from wfrpde.report.spectrum.mode_curves import draw_curves, draw_sets
    from wfrpde.report.spectrum.mode_maps import draw_maps, draw_projections, draw_set_maps
    from wfrpde.report.spectrum.window import window_of

    with style.look():
        window = window_of(study)
        drawings: list[Drawing | None] = [draw_levels(study)]
        if len(window.axes) == 1:
            drawings += [draw_curves(study, window), draw_sets(study, window)]
        elif len(window.axes) == 2:
            drawings += [draw_maps(study, window), draw_set_maps(study, window)]
        else:
            drawings.append(draw_projections(study, window))
        drawings.append(draw_cumulants(study))
        return _saved([d for d in drawings if d is not None], folder)


def draw_sweep_figure(sweep: Sweep, folder: Path) -> list[Picture]:
    """Draw the figure of a sweep, if two values or more were solved."""
    from wfrpde.report import style
    from wfrpde.report.spectrum.curves import draw_sweep

    with style.look():
        drawing = draw_sweep(sweep)
        return [] if drawing is None else _saved([drawing], folder)


def _saved(drawings: list[Drawing], folder: Path) -> list[Picture]:
    from wfrpde.report import style

    folder.mkdir(exist_ok=True)
    return [
        Picture(style.save(d.figure, folder / f"{d.name}.png"), d.alt, d.caption) for d in drawings
    ]
