"""What a case can get wrong: told once, by the name of the key or file, leaving nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfrpde.commands.cli import main

CASE = """
[target]
potential = "x**2 + y**2"
[initial]
mean = [0.5, 0.0]
covariance = [[0.5, 0.0], [0.0, 0.5]]
[flow]
save = [0.01]
[numerics]
cells = [8, 8]
"""

TRIANGLE = """
$MeshFormat
2.2 0 8
$EndMeshFormat
$Nodes
3
1 0 0 0
2 1 0 0
3 0 1 0
$EndNodes
$Elements
{elements}
$EndElements
"""
MESHES = {
    "edges.msh": TRIANGLE.format(elements="2\n1 1 2 0 1 1 2\n2 1 2 0 1 2 3"),
    "broken.msh": "$MeshFormat\nnothing of the kind\n",
}

# what is set, which key or file the message names, and what else it says
BAD = {
    "unknown key": ("flow.tend=1", "flow.tend", "Did you mean t_end?"),
    "unknown table": ("flows.t_end=1", "flows", ""),
    "unknown parameter": ("initial.meen=[0, 0]", "initial.meen", ""),
    "syntax": ("target.potential=x**2 + ", "target.potential", ""),
    "unbalanced": ("target.potential=(x**2", "target.potential", ""),
    "import": ("target.potential=__import__('os').system('x')", "target.potential", ""),
    "attribute": ("target.potential=x.__class__", "target.potential", ""),
    "unknown name": ("target.potential=x**2 + y**2 + w", "target.potential", "w"),
    "NaN": ("target.potential=x**2 + y**2 + sqrt(x + 0.3)", "target", "nan"),
    "minus infinity": ("target.potential=x**2 + y**2 + log(abs(x))", "target", "∞"),
    "region": ("target.modes.left=x <", "target.modes.left", ""),
    "not symmetric": ("initial.covariance=[[1.0, 0.5], [0.2, 1.0]]", "initial.covariance", ""),
    "indefinite": ("initial.covariance=[[1.0, 2.0], [2.0, 1.0]]", "initial.covariance", ""),
    "wrong size": ("initial.covariance=[[1.0]]", "initial.covariance", ""),
    "mean of three": ("initial.mean=[0.0, 0.0, 0.0]", "initial.", "3"),
    "no mass": ("initial.mean=[90.0, 0.0]", "initial", "no mass in the domain"),
    "start NaN": ("initial={kind='expression', density='log(x)'}", "initial", ""),
    "box": ("domain.box=[[2.0, -2.0], [-2.0, 2.0]]", "domain.box[0]", "lo < hi"),
    "flat box": ("domain.box=[[-2.0, 2.0]]", "domain.box", "2"),
    "t_end zero": ("flow.t_end=0", "flow.t_end", ""),
    "t_end negative": ("flow.t_end=-1.0", "flow.t_end", ""),
    "t_end text": ("flow.t_end=soon", "flow.t_end", ""),
    "unsorted": ("flow.save=[0.02, 0.01]", "flow.save", "ascending"),
    "nothing flows": ("flow={alpha=0.0, beta=0.0}", "flow", ""),
    "degree": ("numerics.degree=9", "numerics.degree", ""),
    "formulation": ("numerics.formulation=finite", "numerics.formulation", ""),
    "no mesh": ("domain.mesh=none.msh", "domain.mesh", "none.msh"),
    "mesh of edges": ("domain.mesh=edges.msh", "domain.mesh", "edges.msh"),
    "broken mesh": ("domain.mesh=broken.msh", "domain.mesh", "broken.msh"),
}

BOX = "domain.box=[[-4.0, 4.0], [-4.0, 4.0]]"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with a case and meshes that do not fit it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "case.toml").write_text(CASE)
    for name, text in MESHES.items():
        (tmp_path / name).write_text(text.lstrip())
    return tmp_path


@pytest.mark.parametrize(("assignment", "key", "more"), BAD.values(), ids=BAD)
def test_one_clear_message(folder, assignment, key, more, capsys):
    before = {path.name for path in folder.iterdir()}
    words = ["solve", "case.toml", "--no-compare", "--quiet", "--set", assignment]
    if ".msh" in assignment:
        pytest.importorskip("dolfinx")
        (folder / "case.toml").write_text(CASE.split("[numerics]")[0])
    elif "box" not in assignment:
        words += ["--set", BOX]
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("error:") == 1
    assert len(message.splitlines()) <= 3, message
    assert key in message
    assert more in message
    assert "needed" in message
    assert "Traceback" not in message
    assert {path.name for path in folder.iterdir()} == before


def test_a_box_that_cuts_off_too_much_is_told_with_the_share(folder, capsys):
    """Not an error: the truncated problem is solved, and the summary says what was cut off."""
    import json
    import math

    width = 2.0  # in standard deviations of the target √2 · 2: erfc(2) lies beyond, on each axis
    words = ["solve", "case.toml", "--no-compare", "--set", "output.figures=false"]
    box = f"domain.box=[[-{width}, {width}], [-6.0, 6.0]]"
    assert main([*words, "--set", box]) == 0
    captured = capsys.readouterr()
    summary = json.loads((folder / "wfr-case" / "summary.json").read_text())
    share = summary["numerics"]["cut_off_share"]["target"]
    assert share == pytest.approx(math.erfc(width), rel=0.05)
    warning = next(text for text in summary["warnings"] if "cuts off" in text)
    assert f"{share:.1e}" in warning
    assert "domain.cut_off_share" in warning
    assert f"{share:.1e}" in captured.err + captured.out
