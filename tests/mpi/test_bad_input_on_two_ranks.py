"""Bad input that only the solver meets, on two ranks: one message, no hang, nothing left behind."""

from __future__ import annotations

import shutil

import pytest
from two_ranks import complaints

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


BAD = {
    "NaN": ("target.potential=x**2 + y**2 + sqrt(x + 0.3)", "target"),
    "no mass": ("initial.mean=[90.0, 0.0]", "no mass in the domain"),
    "indefinite": ("initial.covariance=[[1.0, 2.0], [2.0, 1.0]]", "initial.covariance"),
    "formulation": ("numerics.formulation=rational", "numerics.formulation"),
    "mesh of edges": ("domain={mesh='edges.msh'}", "edges.msh"),
}


def test_one_message_and_no_hang(tmp_path):
    (tmp_path / "case.toml").write_text(CASE)
    (tmp_path / "edges.msh").write_text(EDGES)
    commands = {
        name: ["solve", "case.toml", "--no-compare", "--set", assignment]
        for name, (assignment, _) in BAD.items()
    }
    for name, message in complaints(commands, tmp_path).items():
        assert BAD[name][1] in message
    assert {path.name for path in tmp_path.iterdir()} == {"case.toml", "edges.msh"}
