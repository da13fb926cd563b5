"""The meshes in meshes/ are what their README says."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from wfrpde.domain.meshes import read_gmsh

MESHES = Path(__file__).parents[2] / "meshes"

#: dimension, volume of the domain, and the share of it that straight-sided cells may leave out
DOMAINS = {
    "disk": (2, 16 * math.pi, 0.002),
    "annulus": (2, 40 * math.pi, 1e-4),
    "l-shape": (2, 3.0, 1e-12),
    "ball": (3, 4 / 3 * math.pi * 4**3, 0.01),
}


def volumes(corners):
    dim = corners.shape[2]
    return np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / math.factorial(dim)


def largest_angle(triangles):
    cosines = []
    for k in range(3):
        a = triangles[:, (k + 1) % 3] - triangles[:, k]
        b = triangles[:, (k + 2) % 3] - triangles[:, k]
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines.append((a * b).sum(axis=1) / lengths)
    return math.degrees(math.acos(np.min(cosines)))


@pytest.mark.parametrize("name", DOMAINS)
def test_mesh_fills_its_domain(name):
    dim, volume, left_out = DOMAINS[name]
    grid = read_gmsh(MESHES / f"{name}.msh", dim)
    filled = volumes(grid.points[grid.cells]).sum()
    assert volume * (1 - left_out) <= filled <= volume * (1 + 1e-12)


@pytest.mark.parametrize("name", [name for name, domain in DOMAINS.items() if domain[0] == 2])
def test_no_obtuse_triangle(name):
    grid = read_gmsh(MESHES / f"{name}.msh", 2)
    assert largest_angle(grid.points[grid.cells]) <= 90


@pytest.mark.parametrize("name", DOMAINS)
def test_numbers_of_the_readme(name):
    text = (MESHES / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{name}\.msh` .*\| (\d+) \w+ \| (\d+) \|$", text, re.MULTILINE)
    grid = read_gmsh(MESHES / f"{name}.msh", DOMAINS[name][0])
    assert (grid.n_cells, len(grid.points)) == tuple(map(int, row.groups()))


def test_every_mesh_has_its_geometry_and_is_small():
    stems = {path.stem for path in MESHES.glob("*.msh")}
    assert stems == {path.stem for path in MESHES.glob("*.geo")} == set(DOMAINS)
    assert all(path.stat().st_size < 300_000 for path in MESHES.glob("*.msh"))
