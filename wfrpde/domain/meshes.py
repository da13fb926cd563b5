"""Simplex grids from gmsh's .msh files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wfrpde.domain.grid import SIMPLEX_CELLS, SimplexGrid
from wfrpde.errors import InputError

_MESHIO_NAMES = {"interval": "line", "triangle": "triangle", "tetrahedron": "tetra"}


def read_gmsh(path: Path, dim: int) -> SimplexGrid:
    """Read the simplices of dimension `dim` from a .msh file (any version that meshio reads).

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or holds no simplex of that dimension.
    """
    import meshio

    wanted = _MESHIO_NAMES[SIMPLEX_CELLS[dim]]
    if not path.is_file():
        raise InputError("domain.mesh", f"no file {path}", "a gmsh .msh file")
    try:
        mesh = meshio.gmsh.read(path)
    except Exception as error:  # meshio raises whatever its parser stumbles over
        raise InputError(
            "domain.mesh", f"{path.name}, which cannot be read ({error})", "a gmsh .msh file"
        ) from error
    blocks = [block.data for block in mesh.cells if block.type == wanted]
    if not blocks:
        found = sorted({block.type for block in mesh.cells})
        raise InputError(
            "domain.mesh",
            f"{path.name} with {', '.join(found) or 'no cells'}",
            f"{wanted} cells, since the target has dimension {dim}",
        )
    points = np.asarray(mesh.points, dtype=float)
    if points.shape[1] > dim and np.ptp(points[:, dim:], axis=0).max(initial=0) > 1e-12:
        raise InputError(
            "domain.mesh", f"{path.name}, which is not flat", f"a mesh in {dim} dimensions"
        )
    cells = np.concatenate(blocks).astype(np.int64)
    return SimplexGrid.compressed(np.ascontiguousarray(points[:, :dim]), cells)
