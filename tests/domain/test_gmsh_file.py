"""Reading simplex meshes from gmsh's files, good and bad."""

import numpy as np
import pytest

from wfrpde.discretisation.nodes import simplex_volumes
from wfrpde.domain.meshes import read_gmsh
from wfrpde.errors import InputError

SQUARE = """$MeshFormat
2.2 0 8
$EndMeshFormat
$Nodes
6
1 0 0 0
2 1 0 0
3 1 1 0
4 0 1 0
5 0.5 0.25 0
6 9 9 0
$EndNodes
$Elements
6
1 1 2 1 1 1 2
2 1 2 1 2 2 3
3 2 2 2 1 1 2 5
4 2 2 2 1 2 3 5
5 2 2 2 1 3 4 5
6 2 2 2 1 4 1 5
$EndElements
"""


@pytest.fixture
def square(tmp_path):
    path = tmp_path / "square.msh"
    path.write_text(SQUARE)
    return path


def test_reads_the_triangles_and_leaves_the_rest(square):
    grid = read_gmsh(square, 2)
    assert grid.cell == "triangle"
    assert grid.n_cells == 4
    assert len(grid.points) == 5  # the node that no triangle uses is left out
    np.testing.assert_array_equal(grid.box, [[0, 1], [0, 1]])
    assert simplex_volumes(grid.points[grid.cells]).sum() == pytest.approx(1.0)


def test_reads_version_4_1_as_well(square, tmp_path):
    import meshio

    path = tmp_path / "new.msh"
    points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1.0, 1, 1]]
    mesh = meshio.Mesh(points, [("tetra", [[0, 1, 2, 3], [1, 2, 3, 4]])])
    meshio.gmsh.write(path, mesh, fmt_version="4.1", binary=False)
    grid = read_gmsh(path, 3)
    assert grid.cell == "tetrahedron"
    np.testing.assert_allclose(simplex_volumes(grid.points[grid.cells]), [1 / 6, 1 / 3])


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"domain\.mesh: found no file .*absent\.msh"):
        read_gmsh(tmp_path / "absent.msh", 2)


@pytest.mark.parametrize("text", ["", "solid ascii\n", "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n"])
def test_garbage(tmp_path, text):
    path = tmp_path / "bad.msh"
    path.write_text(text)
    with pytest.raises(InputError, match=r"domain\.mesh: found bad\.msh"):
        read_gmsh(path, 2)


def test_cut_short(tmp_path):
    path = tmp_path / "short.msh"
    path.write_text(SQUARE[: SQUARE.index("$EndElements") - 30])
    with pytest.raises(InputError, match=r"short\.msh"):
        read_gmsh(path, 2)


def test_wrong_dimension_names_what_is_there(square):
    with pytest.raises(InputError, match=r"line, triangle.*needed tetra cells.*dimension 3"):
        read_gmsh(square, 3)


def test_surface_in_space_is_not_flat(tmp_path):
    path = tmp_path / "roof.msh"
    path.write_text(SQUARE.replace("5 0.5 0.25 0", "5 0.5 0.25 0.3"))
    with pytest.raises(InputError, match="not flat"):
        read_gmsh(path, 2)
