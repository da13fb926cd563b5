"""On several ranks one of them writes, all learn what was written, and nobody waits for ever."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wfrpde.report.flow import read_run

PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace
from mpi4py import MPI
sys.path.insert(0, sys.argv[1])
from closed_form import closed_form
from wfrpde.report.flow import write_run

comm, folder = MPI.COMM_WORLD, Path(sys.argv[2])
solution = closed_form("gauss-2d-tri")
options = SimpleNamespace(figures=False, paraview=True)
files = write_run(solution, folder / "run", {}, options=options)
assert all(path.is_file() for path in files), files
(folder / "file").touch()
comm.barrier()
try:
    write_run(solution, folder / "file" / "run", {}, options=options)
except OSError as error:
    (folder / f"raised-{comm.rank}").touch()
"""


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="there is no mpirun")
def test_three_ranks(tmp_path):
    pytest.importorskip("mpi4py")
    pyvista = pytest.importorskip("pyvista")
    here = str(Path(__file__).parent)
    command = ["mpirun", "-n", "3", sys.executable, "-c", PROGRAM, here, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("raised-*")} == {f"raised-{r}" for r in range(3)}
    assert read_run(tmp_path / "run").ranks == 3
    reader = pyvista.PVDReader(tmp_path / "run" / "solution.pvd")
    assert list(reader.time_values) == read_run(tmp_path / "run").solution.times.tolist()
    assert reader.read()[0].n_points > 0
