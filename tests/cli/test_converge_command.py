"""``wfrpde converge``: exit codes, what lies in the folder, and going on from there."""

from __future__ import annotations

import json

import pytest

from wfrpde.cli import main

CASE = """
[target]
kind = "gaussian"
mean = [0.0]
covariance = [[1.0]]
[initial]
mean = [-1.0]
covariance = [[0.3]]
[domain]
box = [[-8.0, 8.0]]
[flow]
save = [0.5]

[[convergence]]
vary = "h"
values = [40, 60, 80]
numerics = { formulation = "spectral", degree = 2, dt = 0.015625 }
"""


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "line.toml"
    path.write_text(CASE, encoding="utf-8")
    return path


def test_a_study_is_written_and_gone_on_with(case, capsys):
    assert main(["converge", str(case)]) == 0
    said = capsys.readouterr()
    assert "h, degree 2" in said.out
    assert "run 3 of 3" in said.err
    folder = case.parent / "wfr-converge-line"
    runs = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert len(runs) == 3
    summary = json.loads((folder / "convergence.json").read_text())
    assert summary["passed"]
    assert summary["studies"][0]["fit"]["order"] == pytest.approx(4, abs=0.1)

    case.write_text(CASE.replace("80]", "80, 120]"), encoding="utf-8")
    assert main(["converge", str(case)]) == 0
    assert "3 of 4 runs were finished before" in capsys.readouterr().err
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert len(after) == 4
    assert runs.items() <= after.items()

    assert main(["converge", str(case), "--force", "--quiet"]) == 0
    anew = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert anew.keys() == after.keys()
    assert not anew.items() & after.items()


def test_a_failed_verdict_is_exit_code_1(case, capsys):
    case.write_text(CASE + "order = 3.0\n", encoding="utf-8")
    assert main(["converge", str(case), "--out", "study", "--set", "output.figures=false"]) == 1
    said = capsys.readouterr()
    assert "expected 3 ± 0.1" in said.out
    assert not (case.parent / "study" / "figures").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[40, 60, 80]", "[80, 40]"), "ascending"),
        (('vary = "h"', 'vary = "q"'), "convergence"),
        (("degree = 2", "degree = 9"), "degree"),
    ],
)
def test_bad_input_is_exit_code_2(case, capsys, change, message):
    case.write_text(CASE.replace(*change), encoding="utf-8")
    assert main(["converge", str(case)]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(case, capsys):
    (case.parent / "taken").mkdir()
    (case.parent / "taken" / "notes.txt").write_text("mine")
    assert main(["converge", str(case), "--out", "taken", "--force"]) == 2
    assert "something else than a convergence study" in capsys.readouterr().err
    assert [p.name for p in (case.parent / "taken").iterdir()] == ["notes.txt"]
