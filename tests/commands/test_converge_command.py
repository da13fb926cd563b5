"""``wfrpde converge``: exit codes, what lies in the folder, and going on from there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from wfrpde.commands.cli import main

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
    assert "runs 3 of 3" in said.err
    folder = case.parent / "wfr-converge-line"
    runs = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert len(runs) == 3
    summary = json.loads((folder / "convergence.json").read_text())
    assert summary["passed"]
    assert summary["studies"][0]["fit"]["order"] == pytest.approx(4, abs=0.1)

    picture = folder / "figures" / "h.png"
    drawn = picture.read_bytes()
    picture.unlink()
    assert main(["plot", str(folder)]) == 0
    assert picture.read_bytes() == drawn
    capsys.readouterr()

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
    assert main(["converge", str(case), "--out", "taken"]) == 2
    assert "something else than a convergence study" in capsys.readouterr().err
    assert [p.name for p in (case.parent / "taken").iterdir()] == ["notes.txt"]
    assert main(["converge", str(case), "--out", "taken", "--force", "--quiet"]) == 0
    assert (case.parent / "taken" / "notes.txt").read_text() == "mine"


STEPS = (
    CASE[: CASE.index("[[convergence]]")]
    + """
[[convergence]]
vary = "dt"
values = [0.0625, 0.03125, 1e-7]
numerics = { formulation = "spectral", degree = 8, cells = 24, time_order = 2 }
"""
)


def test_an_interrupt_keeps_the_finished_runs(case, capsys):
    """A real Ctrl-C in the last run, whose steps are so short that it would take minutes."""
    case.write_text(STEPS, encoding="utf-8")
    words = [sys.executable, "-m", "wfrpde", "converge", "line.toml"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "runs 2 of 3" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert "2 of 3 runs are done" in said
    folder = case.parent / "wfr-converge-line"
    assert json.loads((folder / "convergence.json").read_text())["complete"] is False
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert len(kept) == 2

    case.write_text(STEPS.replace("1e-7", "0.015625"), encoding="utf-8")
    assert main(["converge", "line.toml"]) == 0
    assert "2 of 3 runs were finished before" in capsys.readouterr().err
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert kept.items() <= after.items()
    assert len(after) == 3


PARTICLES = """
[target]
kind = "gaussian"
mean = [0.8]
covariance = [[0.6]]
[initial]
mean = [0.0]
covariance = [[1.0]]
[flow]
alpha = 0.0
save = [1.0]
[[sampler]]
kind = "fisher_rao"
replicates = 60
[[convergence]]
vary = "particles"
values = [16, 64, 256]
"""


def test_a_study_in_particles(case, capsys):
    case.write_text(PARTICLES, encoding="utf-8")
    assert main(["converge", "line.toml"]) == 0
    said = capsys.readouterr()
    assert "N, fisher_rao, RMSE of mean x" in said.out
    assert "the Eulerian flow (FR), t = 1" in said.out
    folder = case.parent / "wfr-converge-line"
    assert (folder / "figures" / "particles.png").exists()
    (study,) = json.loads((folder / "convergence.json").read_text())["studies"]
    assert study["fit"]["order"] == pytest.approx(0.5, abs=0.06)
    assert [row["replicates"] for row in study["rows"]] == [960, 240, 60]

    case.write_text(PARTICLES + "order = 1.0\n", encoding="utf-8")
    assert main(["converge", "line.toml"]) == 1
    said = capsys.readouterr()
    assert "3 of 3 blocks of replicates were finished before" in said.err
    assert "expected 1 ± 0.1" in said.out
