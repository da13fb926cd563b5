"""Bad input that only the solver meets, on two ranks: one message, no hang, nothing left behind."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

pytest.importorskip("mpi4py")

CASE = """
[target]
potential = "x**2 + y**2"
[initial]
mean = [0.5, 0.0]
covariance = [[0.5, 0.0], [0.0, 0.5]]
[domain]
box = [[-4.0, 4.0], [-4.0, 4.0]]
[flow]
save = [0.01]
"""

EDGES = """$MeshFormat
2.2 0 8
$EndMeshFormat
$Nodes
2
1 0 0 0
2 1 0 0
$EndNodes
$Elements
1
1 1 2 0 1 1 2
$EndElements
"""

pytestmark = [
    pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun"),
    pytest.mark.skipif(
        "sys.modules.get('mpi4py.MPI') and sys.modules['mpi4py.MPI'].COMM_WORLD.size > 1",
        reason="starts mpirun itself",
    ),
]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("target.potential=x**2 + y**2 + sqrt(x + 0.3)", "target"),
        ("initial.mean=[90.0, 0.0]", "no mass in the domain"),
        ("initial.covariance=[[1.0, 2.0], [2.0, 1.0]]", "initial.covariance"),
        ("numerics.formulation=rational", "numerics.formulation"),
        ("domain={mesh='edges.msh'}", "edges.msh"),
    ],
    ids=["NaN", "no mass", "indefinite", "formulation", "mesh of edges"],
)
def test_one_message_and_no_hang(tmp_path, assignment, message):
    (tmp_path / "case.toml").write_text(CASE)
    (tmp_path / "edges.msh").write_text(EDGES)
    words = ["-m", "wfrpde", "solve", "case.toml", "--no-compare", "--set", assignment]
    done = subprocess.run(
        ["mpirun", "-n", "2", sys.executable, *words],
        capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error: ") == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"case.toml", "edges.msh"}
