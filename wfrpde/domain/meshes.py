"""Simplex grids from gmsh's .msh files."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import NoReturn

import numpy as np

from wfrpde import _compat
from wfrpde.domain.grid import SIMPLEX_CELLS, SimplexGrid
from wfrpde.errors import InputError, place

LARGEST = 1e100
"""Largest coordinate: squares stay finite."""

_COHERENT = "Gmsh: 'Coherence;' before the mesh is made, or Tools > Mesh > Remove duplicates."
_UNITS = "Choose other units."

_OTHERS = {
    1: ("line3", "line4"),
    2: ("triangle6", "triangle7", "triangle10", "quad", "quad8", "quad9"),
    3: ("tetra10", "tetra20", "hexahedron", "hexahedron20", "hexahedron27", "wedge", "pyramid"),
}
"""Cells of a dimension that are no simplices of first order."""


def read_gmsh(path: Path, dim: int) -> SimplexGrid:
    """Read the simplices of dimension `dim` from a .msh file (any version that meshio reads).

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or holds no simplex of that dimension.
    DependencyMissingError
        If DOLFINx or meshio is not installed.
    """
    _compat.require_dolfinx()
    meshio = _compat.extra("meshio", "mesh")

    def refuse(found: str, needed: str, do: str = "") -> NoReturn:
        raise InputError("domain.mesh", f"{path.name} {found}", needed, do)

    wanted = {"interval": "line", "triangle": "triangle", "tetrahedron": "tetra"}[
        SIMPLEX_CELLS[dim]
    ]
    if not path.is_file():
        raise InputError("domain.mesh", f"no file {path}", "a gmsh .msh file")
    try:
        with redirect_stderr(StringIO()):  # meshio's warnings are no message of ours
            mesh = meshio.gmsh.read(path)
    except Exception as error:  # meshio raises whatever its parser stumbles over
        raise InputError(
            "domain.mesh", f"{path.name}, which cannot be read ({error})", "a gmsh .msh file"
        ) from error
    blocks = [block.data for block in mesh.cells if block.type == wanted]
    kinds = sorted({block.type for block in mesh.cells})
    others = [kind for kind in kinds if kind in _OTHERS[dim]]
    if others or not blocks:
        refuse(
            f"with {', '.join(others or kinds) or 'no cells'}",
            f"{wanted} cells of first order, since the target has dimension {dim}",
            f"'gmsh -{dim} -order 1 NAME.geo' saves them; without 'Recombine' in the .geo file."
            if others
            else "",
        )
    points = np.asarray(mesh.points, dtype=float)
    if points.shape[1] > dim and np.ptp(points[:, dim:], axis=0).max(initial=0) > 1e-12:
        raise InputError(
            "domain.mesh", f"{path.name}, which is not flat", f"a mesh in {dim} dimensions"
        )
    cells = np.concatenate(blocks).astype(np.int64)
    if cells.min() < 0 or cells.max() >= len(points):
        refuse("with cells of points that are not there", "the points of every cell")
    used = points[np.unique(cells), :dim]
    if not np.isfinite(used).all():
        refuse("with coordinates that are nan or infinite", "numbers")
    if np.abs(used).max() > LARGEST:
        refuse(f"with coordinates up to {np.abs(used).max():g}", f"some below {LARGEST:g}", _UNITS)
    if len(np.unique(np.sort(cells, axis=1), axis=0)) < len(cells):
        refuse("with a cell that stands there twice", "every cell once", _COHERENT)
    edges = points[cells[:, 1:], :dim] - points[cells[:, :1], :dim]
    size = np.abs(np.linalg.det(edges))
    flat = size <= 1e-12 * np.linalg.norm(edges, axis=2).max(axis=1) ** dim
    if flat.any():
        where = place(points[cells[np.argmax(flat)], :dim].mean(axis=0))
        what = ("length", "area", "volume")[dim - 1]
        refuse(f"with a cell without {what} at {where}", f"cells with {what}", _COHERENT)
    faces = np.concatenate([np.delete(cells, k, axis=1) for k in range(dim + 1)])
    if np.unique(np.sort(faces, axis=1), axis=0, return_counts=True)[1].max() > 2:
        refuse("with three cells that meet at one side", "cells that do not overlap", _COHERENT)
    return SimplexGrid.compressed(np.ascontiguousarray(points[:, :dim]), cells)
