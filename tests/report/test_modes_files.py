"""``modes.pvd`` read back with VTK's reader, and the other files of a spectral study."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from wfrpde.commands.cli import main

pyvista = pytest.importorskip("pyvista")

CASES = {
    "plane": """
title = "Coupled wells"
[target]
potential = "3*(x**2 - 1)**2 + 0.3*x + (y - x/2)**2"
modes = { left = "x < 0", right = "x >= 0" }
[numerics]
degree = 4
cells = [6, 4]
[spectrum]
count = 4
committor = ["x < -0.9", "x > 0.9"]
""",
    "triangles": """
title = "Wells on triangles"
[target]
potential = "3*(x**2 - 1)**2 + 0.3*x + (y - x/2)**2"
[domain]
cell = "simplex"
[numerics]
cells = [10, 8]
[spectrum]
count = 3
""",
    "line": """
title = "Paths that are rewarded"
[target]
kind = "double_well"
barrier = 4.0
tilt = 0.5
[flow]
reaction = "x"
[spectrum]
count = 5
tilts = [-1.0, 0.0, 1.0]
""",
}


def run(folder, name: str, ranks: int, *words: str):
    """Write a case and its run folder by the command, on some ranks."""
    case, out = folder / f"{name}.toml", folder / f"run-{ranks}"
    case.write_text(CASES[name])
    command = ["spectrum", str(case), "--quiet", "--out", str(out), *words]
    if ranks == 1:
        assert main(command) == 0
        return out
    subprocess.run(
        ["mpirun", "-n", str(ranks), sys.executable, "-m", "wfrpde", *command],
        check=True, timeout=240,
        env=os.environ | {
            "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
            "OMPI_MCA_rmaps_base_oversubscribe": "1",
        },
    )  # fmt: skip
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "several"), [("plane", 2), ("triangles", 3)])
@pytest.mark.skipif(
    "sys.modules.get('mpi4py.MPI') and sys.modules['mpi4py.MPI'].COMM_WORLD.size > 1",
    reason="starts mpirun itself",
)
def test_modes_are_the_eigenfunctions(name, several, tmp_path):
    import wfrpde
    from wfrpde.operators import committor

    (tmp_path / f"{name}.toml").write_text(CASES[name])
    case = wfrpde.load_case(tmp_path / f"{name}.toml", start=False)
    spectrum = wfrpde.spectrum(case)
    for ranks in (1, several) if shutil.which("mpirun") else (1,):
        folder = run(tmp_path, name, ranks, "--set", "output.figures=false")
        reader = pyvista.PVDReader(folder / "modes.pvd")
        assert list(reader.time_values) == [0.0]
        grid = reader.read()[0]
        assert grid.n_points == len(spectrum.nodes)
        assert grid.n_cells == len(spectrum.cells)
        assert (grid.compute_cell_sizes()["Area"] > 0).all()
        points = grid.points[:, :2]
        potential = np.asarray(spectrum.target.potential(points))
        near = potential - potential.min() < 12  # beyond, modes are round-off
        for i in range(len(spectrum.rates)):
            exact = spectrum.eigenfunction(i, points)
            np.testing.assert_allclose(
                grid.point_data[f"mode_{i}"][near], exact[near], rtol=1e-6, atol=1e-6
            )
        np.testing.assert_allclose(grid.point_data["potential"], potential, rtol=1e-12)
        target = np.exp(-potential - spectrum.log_normalisation)
        np.testing.assert_allclose(grid.point_data["target"], target, rtol=1e-9)
        # π-normalised, also as written
        weights = spectrum.mass
        order = np.lexsort(np.round(points, 9).T)
        back = np.lexsort(np.round(spectrum.nodes, 9).T)
        for i in range(len(spectrum.rates)):
            mode = grid.point_data[f"mode_{i}"][order]
            assert mode**2 @ weights[back] == pytest.approx(1.0, rel=1e-6)
        sets = [grid.point_data[k] for k in grid.point_data if k.startswith("set_")]
        if sets:
            np.testing.assert_allclose(np.sum(sets, axis=0), 1.0, atol=1e-9)
        if case.spectrum.committor:
            q = committor(case, *case.spectrum.committor)
            np.testing.assert_allclose(
                grid.point_data["committor"][near], q(points)[near], atol=1e-7
            )
            assert np.nanmax(grid.point_data["exit_time_left"][near]) > 1.0


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Folder of a study in one dimension."""
    return run(tmp_path_factory.mktemp("line"), "line", 1)


def test_files_of_a_study(line):
    summary = json.loads((line / "summary.json").read_text())
    results = summary["results"]
    rates = np.array(results["rates"]["value"])
    with (line / "spectrum.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["rate"]) for row in rows] == rates.tolist()
    assert [float(row["residual"]) for row in rows] == results["residuals"]
    assert results["wfr_rate"] == pytest.approx(2 * (rates[1] + summary["case"]["flow"]["beta"]))
    # θ(0) = 0, θ'(0) is the mean of x, and θ(1) = Λ
    curve = results["cumulants"]
    assert curve["values"]["value"][1] == 0
    principal = results["feynman_kac"]["principal_eigenvalue"]["value"]
    assert curve["values"]["value"][2] == pytest.approx(principal, rel=1e-10)
    assert set(results["exits"]) == {"left", "right"}
    names = {path.name for path in (line / "figures").iterdir()}
    assert names == {"levels.png", "modes.png", "sets.png", "cumulants.png"}
    grid = pyvista.read(line / "modes.vtu")
    left, right = (grid.point_data[f"feynman_kac_{k}"] for k in ("left", "right"))
    np.testing.assert_allclose(left, right * grid.point_data["target"], rtol=1e-9, atol=1e-300)


def test_report_of_a_study(line):
    page = (line / "report.html").read_text(encoding="utf-8")
    for words in (
        "Paths that are rewarded", "λ₁ = ", "metastable sets", "Λ = ", "θ(k)", "Exit times",
        "modes.pvd",
    ):  # fmt: skip
        assert words in page
    assert page.count("data:image/png;base64,") == 4
    assert 'src="http' not in page
