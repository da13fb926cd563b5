"""Figures of a validation: paths, differences, biases, distances, particles over the density."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wfrpde.report.pages import Picture

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport

__all__ = ["draw_validation"]


def draw_validation(report: ValidationReport, folder: Path) -> list[Picture]:
    """Draw every figure that the report has the numbers for, in the order to look at them."""
    # Matplotlib is slow to import.
    from wfrpde.report import style
    from wfrpde.report.validation.bias import draw_bias
    from wfrpde.report.validation.distances import draw_distances
    from wfrpde.report.validation.particles import draw_particles
    from wfrpde.report.validation.paths import draw_differences, draw_paths

    folder.mkdir(exist_ok=True)
    pictures = []
    with style.look():
        for draw in (draw_differences, draw_paths, draw_bias, draw_distances, draw_particles):
            drawing = draw(report)
            if drawing is not None:
                path = style.save(drawing.figure, folder / f"{drawing.name}.png")
                pictures.append(Picture(path, drawing.alt, drawing.caption))
    return pictures
