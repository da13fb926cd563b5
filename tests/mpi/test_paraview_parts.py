"""Files of large grids: in parts, which the ranks write, and which are one grid to a viewer."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import wfrpde
from wfrpde.parallel.mpi import MPI
from wfrpde.report.flow import write_run
from wfrpde.report.paraview import write_paraview

pyvista = pytest.importorskip("pyvista")

COMM = MPI.COMM_WORLD
CASE = {
    "target": {"potential": "400 * (sqrt(x**2 + y**2) - 2)**2 + z**2"},
    "initial": {"mean": [2.0, 0.0, 0.0], "covariance": np.diag([0.01, 0.3, 0.3]).tolist()},
    "domain": {"box": [[-3.0, 3.0], [-3.0, 3.0], [-2.0, 2.0]], "cut_off_share": 1e-4},
    "flow": {"save": [0.01]},
    "numerics": {
        "formulation": "edge-averaged", "cells": [14, 12, 6], "dt": 0.01, "certify": False,
    },
    "output": {"figures": False},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A folder that all ranks see."""
    return COMM.bcast(tmp_path)


@pytest.fixture
def solution():
    return wfrpde.solve(wfrpde.Case.from_dict(CASE), COMM)


def test_parts_are_one_grid(solution, folder, monkeypatch):
    """Every cell once, with the solution at its corners, though some cells are left out."""
    monkeypatch.setattr("wfrpde.report.paraview.CELLS", 500)
    files = [path for path in write_run(solution, folder, comm=COMM) if "solution_" in path.name]
    whole = len(solution.cells)
    assert whole < solution.interpolation.grid.active.size
    assert len([path for path in files if path.suffix == ".vtu"]) == 2 * 10  # the eleventh is empty
    reader = pyvista.PVDReader(folder / "solution.pvd")
    assert list(reader.time_values) == solution.times.tolist()
    for k, t in enumerate(solution.times):
        reader.set_active_time_value(t)
        grid = reader.read()[0]
        assert grid.n_cells == whole
        centres = np.asarray(solution.nodes)[solution.cells].mean(axis=1)
        for one in (centres, found := np.array(grid.cell_centers().points)):
            assert len(np.unique(one.round(9), axis=0)) == whole
        np.testing.assert_allclose(
            *(one[np.lexsort(one.round(9).T)] for one in (centres, found)), atol=1e-12
        )
        number = {tuple(x): k for k, x in enumerate(np.asarray(solution.nodes).round(9))}
        here = [number[tuple(x)] for x in grid.points.round(9)]
        assert set(here) == set(range(len(solution.nodes)))
        assert (grid["log_relative_density"] == solution.log_relative[k][here]).all()
        assert (grid["density"] > 0).any()


def test_a_part_takes_what_a_part_takes(solution, folder, monkeypatch):
    """Of 8 times as many cells in 8 times as many parts a rank holds their numbers at most.

    In one part it is 160 bytes a node.
    """

    def peak(solution, name):
        (folder / name).mkdir(exist_ok=True)
        tracemalloc.start()
        try:
            write_paraview(solution, folder / name, COMM)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    monkeypatch.setattr("wfrpde.report.paraview.CELLS", 500)
    cells = [20, 6, 3]
    sizes = []
    for factor in (1, 8):
        numerics = {"numerics.cells": [cells[0] * factor, *cells[1:]]}
        sizes.append(wfrpde.solve(wfrpde.Case.from_dict(CASE).with_overrides(numerics), COMM))
    peak(sizes[0], "first")  # what is imported stays
    small, large = (peak(one, f"of-{len(one.nodes)}") for one in sizes)
    assert large - small < 16 * (len(sizes[1].nodes) - len(sizes[0].nodes))
