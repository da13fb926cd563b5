"""ParaView files are read back with VTK's own reader and compared with the solution."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from wfrpde.report.paraview import VTK_CELL, write_paraview

pyvista = pytest.importorskip("pyvista")


def test_nodal_values_are_the_solution(solution, tmp_path):
    files = write_paraview(solution, tmp_path)
    collection = ElementTree.parse(files[0]).getroot().find("Collection")
    members = collection.findall("DataSet")
    assert [float(m.get("timestep")) for m in members] == solution.times.tolist()
    assert [m.get("file") for m in members] == [path.name for path in files[1:]]
    for t, member in zip(solution.times, members, strict=True):
        grid = pyvista.read(tmp_path / member.get("file"))
        points = grid.points[:, : solution.nodes.shape[1]]
        np.testing.assert_array_equal(points, solution.nodes)
        assert set(grid.celltypes) == {VTK_CELL[solution.cell_type]}
        assert grid.n_cells == len(solution.cells)
        exact = {
            "density": solution.density(t, points),
            "log_density": solution.log_density(t, points),
            "relative_density": np.exp(solution.log_relative_density(t, points)),
            "log_relative_density": solution.log_relative_density(t, points),
            "potential": solution.target.potential(points),
        }
        assert set(grid.point_data.keys()) == set(exact)
        for name, values in exact.items():
            scale = 1e-13 * max(1.0, np.abs(solution.log_relative).max())
            np.testing.assert_allclose(
                grid.point_data[name], values, rtol=1e-12, atol=scale * ("log" in name)
            )


def test_cells_fill_the_box(solution, tmp_path):
    write_paraview(solution, tmp_path)
    sizes = pyvista.read(tmp_path / "solution_0000.vtu").compute_cell_sizes()
    kind = ["Length", "Area", "Volume"][solution.nodes.shape[1] - 1]
    expected = np.prod(solution.box[:, 1] - solution.box[:, 0])
    # A cell whose nodes come in the wrong order has a wrong or negative size.
    assert (sizes[kind] > 0).all()
    assert sizes[kind].sum() == pytest.approx(expected, rel=1e-12)


def test_a_density_beyond_the_range_of_a_double_is_marked(modes_1d, tmp_path, caplog):
    steep = modes_1d.log_relative + 900 * modes_1d.nodes[:, 0] ** 2
    with caplog.at_level("INFO", logger="wfrpde"):
        write_paraview(replace(modes_1d, log_relative=steep), tmp_path)
    grid = pyvista.read(tmp_path / "solution_0000.vtu")
    relative = grid.point_data["relative_density"]
    assert np.isnan(relative).any()
    assert not np.isinf(relative).any()
    assert np.isfinite(grid.point_data["log_relative_density"]).all()
    assert "log_relative_density" in caplog.text


def test_no_unfinished_file_is_left(modes_1d, tmp_path):
    write_paraview(modes_1d, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_full_disk_is_told_once(solution, tmp_path, capfd):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))  # of every file
    try:
        with pytest.raises(OSError, match=r"disk full|too large"):
            write_paraview(solution, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capfd.readouterr().err == ""
