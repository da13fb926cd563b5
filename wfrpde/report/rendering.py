"""Off-screen rendering of iso-surfaces with PyVista, as a program of its own.

Run as ``python -m wfrpde.report.rendering FOLDER``: reads ``in.npz`` there (log densities
on a regular grid), writes one image array ``0.npy``, ``1.npy``, … a time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfrpde.arrays import Array
from wfrpde.report.levels import enclosing_levels

SIZE = 900


def render(
    log_density: NDArray[np.floating],
    log_target: NDArray[np.floating],
    axes: tuple[Array, ...],
) -> NDArray[np.uint8]:
    """Render the surfaces that enclose 50 and 90 % of the mass, inside the target's 90 %.

    Parameters
    ----------
    log_density, log_target
        Natural logarithms on the tensor grid of ``axes``; NaN outside the domain.
    axes
        Three uniform coordinate arrays.

    Returns
    -------
    array, shape (SIZE, SIZE, 3)
        The image.
    """
    import pyvista as pv

    grid = pv.ImageData(
        dimensions=log_density.shape,
        spacing=tuple(float(a[1] - a[0]) for a in axes),
        origin=tuple(float(a[0]) for a in axes),
    )
    plotter: Any = pv.Plotter(off_screen=True, window_size=[SIZE, SIZE])
    plotter.set_background("white")
    plotter.enable_depth_peeling(8)
    _surface(plotter, grid, log_target, 0.9, color="#E69F00", opacity=0.2)
    _surface(plotter, grid, log_density, 0.9, color="#56B4E9", opacity=0.4)
    _surface(plotter, grid, log_density, 0.5, color="#0072B2", opacity=1.0)
    plotter.add_mesh(grid.outline(), color="#999999", line_width=1.5)
    _name_edges(plotter, axes)
    plotter.camera_position = "iso"
    plotter.enable_anti_aliasing("ssaa")
    plotter.camera.zoom(0.95)
    image = np.asarray(plotter.screenshot(return_img=True))
    plotter.close()
    return image


def _surface(
    plotter: Any, grid: Any, log_values: NDArray[np.floating], share: float, **look: Any
) -> None:
    values = np.where(np.isfinite(log_values), log_values, -1e3).astype(float)
    if not np.isfinite(log_values).any():
        return
    level = enclosing_levels(log_values, [share])[0]
    # The logarithm is close to quadratic between grid points, so its iso-surfaces are smooth.
    field = grid.copy()
    field["log"] = np.maximum(values, level - 60).ravel(order="F")
    surface = field.contour([level], scalars="log")
    if surface.n_points:
        plotter.add_mesh(
            surface, smooth_shading=True, show_scalar_bar=False, ambient=0.4, diffuse=0.65, **look
        )


def _name_edges(plotter: Any, axes: tuple[Array, ...]) -> None:
    """Write x, y, z beside the three lower or outer edges that face the isometric camera."""
    low = np.array([a[0] for a in axes])
    high = np.array([a[-1] for a in axes])
    middle, gap = 0.5 * (low + high), 0.1 * (high - low).max()
    plotter.add_point_labels(
        np.array(
            [
                [middle[0], high[1] + gap, low[2]],
                [high[0] + gap, middle[1], low[2]],
                [high[0] + 0.7 * gap, low[1] - 0.7 * gap, middle[2]],
            ]
        ),
        ["x", "y", "z"], font_size=30, text_color="#444444", shape=None, show_points=False,
        always_visible=True, italic=True,
    )  # fmt: skip


def main(folder: Path) -> None:
    """Render every time of ``folder/in.npz``."""
    with np.load(folder / "in.npz") as data:
        axes = (data["axis_0"], data["axis_1"], data["axis_2"])
        for index, log_density in enumerate(data["log_density"]):
            np.save(folder / f"{index}.npy", render(log_density, data["log_target"], axes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
