"""ParaView files of runs on one and on three ranks, read back with VTK."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

pyvista = pytest.importorskip("pyvista")
pytest.importorskip("mpi4py")

CASES = {
    "elements": """
title = "Sub-cells of spectral elements"
[target]
kind = "gaussian"
mean = [0.0, 0.0]
covariance = [[1.0, 0.4], [0.4, 0.7]]
[initial]
mean = [-0.5, 0.5]
covariance = [[0.4, 0.0], [0.0, 0.5]]
[domain]
box = [[-6.0, 6.0], [-6.0, 6.0]]
[flow]
save = [0.1, 0.2]
[numerics]
degree = 4
cells = [6, 6]
dt = 0.1
certify = false
""",
    "tetrahedra": """
title = "Tetrahedra"
[target]
potential = "x**2 + y**2 + z**2"
[initial]
mean = [0.3, 0.0, 0.0]
covariance = [[0.4, 0.0, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 0.4]]
[domain]
box = [[-3.0, 3.0], [-3.0, 3.0], [-3.0, 3.0]]
cell = "simplex"
cut_off_share = 0.01
[flow]
save = [0.1]
[numerics]
cells = [4, 4, 4]
dt = 0.1
certify = false
""",
}

pytestmark = [
    pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun"),
    pytest.mark.skipif(
        "sys.modules.get('mpi4py.MPI') and sys.modules['mpi4py.MPI'].COMM_WORLD.size > 1",
        reason="starts mpirun itself",
    ),
]


@pytest.mark.parametrize("name", CASES)
def test_files_hold_the_solution(name, tmp_path, monkeypatch):
    import wfrpde
    from wfrpde.commands.cli import main

    path = tmp_path / f"{name}.toml"
    path.write_text(CASES[name])
    words = ["solve", path.name, "--no-compare", "--quiet", "--set", "output.figures=false"]
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--out", "run-1"]) == 0
    subprocess.run(
        ["mpirun", "-n", "3", sys.executable, "-m", "wfrpde", *words, "--out", "run-3"],
        check=True, timeout=120,
        env=os.environ | {
            "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
        },
    )  # fmt: skip
    solution = wfrpde.load_solution(tmp_path / "run-1" / "solution.npz")
    for run in ("run-1", "run-3"):
        check(solution, pyvista.PVDReader(tmp_path / run / "solution.pvd"))


def check(solution, reader) -> None:
    """Every time, every node and every cell, with the values of the solution there."""
    assert list(reader.time_values) == solution.times.tolist()
    dim = solution.nodes.shape[1]
    for t in solution.times:
        reader.set_active_time_value(t)
        grid = reader.read()[0]
        assert grid.n_points == len(solution.nodes)
        assert grid.n_cells == len(solution.cells)
        points = grid.points[:, :dim]
        assert not grid.points[:, dim:].any()
        volume = grid.compute_cell_sizes()[["Length", "Area", "Volume"][dim - 1]]
        assert (volume > 0).all()
        values = {
            "density": solution.density(t, points),
            "relative_density": np.exp(solution.log_relative_density(t, points)),
        }
        known = values["density"] > 1e-12
        # a relative density where there is none is round-off, which the order of the nodes decides
        where = {"density": np.ones_like(known), "relative_density": known}
        for field, expected in values.items():
            np.testing.assert_allclose(
                grid.point_data[field][where[field]],
                expected[where[field]],
                rtol=1e-8,
                atol=1e-12,
                err_msg=field,
            )
        relative = grid.point_data["log_relative_density"]
        expected = solution.log_relative_density(t, points)
        np.testing.assert_allclose(relative[known], expected[known], rtol=1e-8, atol=1e-8)
        # the density that was written is one: its integral over the cells, to their accuracy
        nodal = grid.point_data["density"][grid.cells.reshape(grid.n_cells, -1)[:, 1:]]
        assert (volume * nodal.mean(axis=1)).sum() == pytest.approx(1.0, abs=0.15)
