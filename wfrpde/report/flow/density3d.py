"""Densities in space: rendered iso-surfaces, and the three marginal maps."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfrpde._compat import how
from wfrpde.numbers import number
from wfrpde.parallel.screen import logger
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun
from wfrpde.report.levels import enclosing_levels

CONTOUR = "#E69F00"


def draw_rendering(run: FlowRun) -> Drawing | None:
    """Render iso-surfaces at the first, a middle and the last time; nothing if that fails.

    Rendering runs in a process of its own: without a working OpenGL, VTK does not raise, it
    crashes, and the run must survive that.
    """
    if importlib.util.find_spec("pyvista") is None:
        logger.warning("maps stand in for iso-surfaces, which need PyVista: %s", how("plot3d"))
        return None
    pictures = run.pictures
    shown = pictures.spread(3)  # times that are rendered
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays: dict[str, Any] = {f"axis_{i}": axis for i, axis in enumerate(pictures.axes)}
        arrays["log_density"] = pictures.log_density[run.equation.label][shown]
        arrays["log_target"] = pictures.log_target
        np.savez(folder / "in.npz", **arrays)
        command = [sys.executable, "-m", "wfrpde.report.rendering", name]
        try:
            # seconds after which a rendering is given up
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=300.0, check=False
            )
            problem = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [""])[-1]
            failed = done.returncode != 0
        except (OSError, subprocess.TimeoutExpired) as error:
            failed, problem = True, str(error)
        if failed:
            logger.warning(
                "the off-screen rendering failed (%s); the report shows marginal maps instead",
                problem or "the renderer crashed",
            )
            return None
        images = _cropped([np.load(folder / f"{i}.npy") for i in range(len(shown))])
    height, width = images[0].shape[:2]
    figure = style.new_figure(10.5, 0.5 + 10.5 / len(images) * height / width, maps=True)
    grid = figure.subplots(1, len(images), squeeze=False)
    for axes, image, t in zip(grid.flat, images, pictures.times[shown], strict=True):
        axes.imshow(image, interpolation="antialiased")
        axes.set_axis_off()
        axes.set_title(f"{run.equation.label}, t = {number(float(t), 3, trim=True)}")
    frame = ", ".join(
        f"{number(float(axis[0]), 3, trim=True)} ≤ {name} ≤ {number(float(axis[-1]), 3, trim=True)}"
        for name, axis in zip("xyz", pictures.axes, strict=True)
    )
    return Drawing(
        "density",
        figure,
        "Iso-surfaces of the density at the first, a middle and the last saved time",
        "Blue surfaces enclose 50 % (dark) and 90 % (pale) of the mass at the first, a middle "
        "and the last saved time; the orange veil encloses 90 % of the target's mass. "
        f"The frame spans {frame}.",
    )


def _cropped(images: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Cut the white margin that all images share."""
    ink = np.any([(image < 250).any(axis=2) for image in images], axis=0)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        return images
    return [i[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] for i in images]


def draw_marginals(run: FlowRun) -> Drawing:
    """Draw the density integrated over each coordinate in turn."""
    pictures = run.pictures
    shown = pictures.spread(6)  # times whose marginals are drawn
    density = pictures.log_density[run.equation.label][shown]
    names = "xyz"
    figure = style.new_figure(9.6, 2.9 * len(shown), maps=True)
    spans = [float(np.ptp(axis)) for axis in pictures.axes]
    equal = max(spans) <= 3 * min(spans)
    grid = figure.subplots(len(shown), 3, squeeze=False)
    target = np.exp(np.where(np.isfinite(pictures.log_target), pictures.log_target, -np.inf))
    for row, t in enumerate(pictures.times[shown]):
        finite = np.where(np.isfinite(density[row]), density[row], -np.inf)
        if not np.isfinite(finite).any():
            continue
        rho = np.exp(finite - finite.max())
        for column, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
            axes = grid[row, column]
            along = 3 - i - j
            marginal = rho.sum(axis=along)
            first, second = pictures.axes[i], pictures.axes[j]
            axes.imshow(
                (marginal / marginal.max()).T, origin="lower", cmap=style.density_map(), vmin=0,
                vmax=1, extent=(first[0], first[-1], second[0], second[-1]),
                aspect="equal" if equal else "auto",
                interpolation="bilinear",
            )  # fmt: skip
            with np.errstate(divide="ignore"):
                log_marginal = np.log(target.sum(axis=along))
            axes.contour(
                first, second, np.maximum(log_marginal, -1e3).T,
                levels=enclosing_levels(log_marginal, (0.5, 0.9, 0.99)), colors=CONTOUR,
                linewidths=[0.5, 0.75, 1.0], linestyles="solid",
            )  # fmt: skip
            axes.grid(False)
            axes.set_xlabel(names[i])
            axes.set_ylabel(names[j])
            if column == 0:
                axes.set_title(f"t = {number(float(t), 3, trim=True)}")
    return Drawing(
        "marginals",
        figure,
        "Two-dimensional marginals of the density",
        "The density integrated over one coordinate at a time, each panel scaled to its own "
        "maximum. Orange contours enclose 50, 90 and 99 % of the target's marginal.",
    )
