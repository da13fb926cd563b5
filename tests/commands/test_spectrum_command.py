"""``wfrpde spectrum`` as a person types it."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from notation import is_notation_of_pages, is_notation_of_screens

from wfrpde.case.files import parse_sweep
from wfrpde.commands.cli import main
from wfrpde.errors import InputError

CASE = """
title = "A shallow well"
[target]
kind = "double_well"
barrier = 3.0
modes = { left = "x < 0", right = "x >= 0" }
[numerics]
degree = 6
cells = [30]
[spectrum]
count = 4
"""


@pytest.fixture
def case(tmp_path, monkeypatch) -> Path:
    """A case file without a start; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "well.toml"
    path.write_text(CASE, encoding="utf-8")
    return path


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"well.toml", ".wfrpde"}


# --- sweeps as text ----------------------------------------------------------------------------


def test_a_sweep_includes_both_ends():
    assert parse_sweep("target.barrier=2:40:20") == ("target.barrier", [*range(2, 41, 2)])
    assert parse_sweep(" a.b = 0.1 : 0.5 : 5 ")[1] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert parse_sweep("k=3:1:3")[1] == [3.0, 2.0, 1.0]
    assert parse_sweep("k=0.01:100:5:log")[1] == [0.01, 0.1, 1.0, 10.0, 100.0]


@pytest.mark.parametrize(
    "text",
    [
        "", "k", "k=", "=1:2:3", "k=1:2", "k=1:2:3:4", "k=1:2:3:lin", "k=1:1:3", "k=1:2:1",
        "k=a:2:3", "k=1:2:3.5", "k=nan:2:3", "k=1:inf:3", "k=0:2:3:log", "k=-1:2:3:log",
        "k=1:2:1000000",
    ],
)  # fmt: skip
def test_what_is_no_sweep(text):
    with pytest.raises(InputError, match=r"--sweep: found .*key=start:stop:count"):
        parse_sweep(text)


# --- bad input ---------------------------------------------------------------------------------

BAD = [
    (["none.toml"], "none.toml: found no such file"),
    (["well.toml", "--set", "spectrum.count=0"], "well.toml: spectrum.count"),
    (["well.toml", "--set", "spectrum.count=5000"], "spectrum.count: found 5000 with"),
    (["well.toml", "--set", "spectrum.absorbing=lef"], "one of the modes (left, right)"),
    (["well.toml", "--set", "spectrum.absorbing=x > 50"], "no node of the mesh in it"),
    (["well.toml", "--set", "spectrum.absorbing=x > -50"], "some room outside"),
    (["well.toml", "--set", 'spectrum.committor=["x < 0.5", "0.2 < x < 0.8"]'], "that they meet"),
    (["well.toml", "--set", 'spectrum.committor=["x < 0.5"]'], "spectrum.committor"),
    (["well.toml", "--set", "spectrum.tilts=[1.0]"], "tilts without a flow.reaction"),
    (["well.toml", "--set", "spectrum.sets=9"], "at least as many modes as sets"),
    (["well.toml", "--set", "spectrum.observe=true"], "well.toml: initial: found nothing"),
    (["well.toml", "--sweep", "target.barrier=2:4"], "--sweep: found 'target.barrier=2:4'"),
    (["well.toml", "--sweep", "target.barier=2:4:3"], "Did you mean barrier?"),
    (["well.toml", "--sweep", "target.barrier=-4:4:3"], "target.barrier"),
    (["well.toml", "--sweep", "domain.box=1:2:3"], "domain.box: found 1; needed a list"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_told_once_and_leaves_nothing(case, words, message, capsys):
    assert main(["spectrum", *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("error:") == 1
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert left_behind(case.parent) == set()


def test_a_folder_that_is_not_empty_is_kept(case, capsys):
    (case.parent / "run").mkdir()
    (case.parent / "run" / "notes.txt").write_text("mine")
    assert main(["spectrum", "well.toml", "--out", "run"]) == 2
    assert "--force" in capsys.readouterr().err
    assert left_behind(case.parent / "run") == {"notes.txt"}


# --- what computes -----------------------------------------------------------------------------


def test_spectrum_says_what_it_found(case, capsys):
    pytest.importorskip("vtkmodules")
    assert main(["spectrum", "well.toml"]) == 0
    captured = capsys.readouterr()
    for words in ("2αλ₁", "2(αλ₁ + β)", "Exit times", "Eyring-Kramers", "wfr-spectrum-well/report"):
        assert words in captured.out
    assert is_notation_of_screens(captured.out)
    folder = case.parent / "wfr-spectrum-well"
    files = {"summary.json", "spectrum.csv", "modes.pvd", "modes.vtu", "figures", "report.html"}
    files |= {"spectrum.npz"}
    assert left_behind(folder) == files
    assert left_behind(case.parent) == {"wfr-spectrum-well"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["complete"] is True
    rate = summary["results"]["rates"]["value"][1]
    assert str(rate)[:8] in captured.out
    # a symmetric well: both are left alike, and the sets have half of the mass each
    exits = summary["results"]["exits"]
    left, right = (exits[name]["mean_time"]["value"] for name in ("left", "right"))
    assert left == pytest.approx(right, rel=1e-6)
    np.testing.assert_allclose(summary["results"]["metastable_sets"]["weights"], 0.5, rtol=1e-6)
    assert is_notation_of_pages((folder / "report.html").read_text(encoding="utf-8"))
    drawn = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    shutil.rmtree(folder / "figures")
    assert main(["plot", str(folder)]) == 0
    assert {path.name: path.read_bytes() for path in (folder / "figures").iterdir()} == drawn


def test_an_absorbing_region_asks_for_the_exit(case, capsys):
    words = ["--set", "spectrum.absorbing=right", "--set", "output.paraview=false"]
    assert main(["spectrum", "well.toml", *words]) == 0
    assert "2αλ₁" not in capsys.readouterr().out
    folder = case.parent / "wfr-spectrum-well"
    assert "modes.pvd" not in left_behind(folder)
    results = json.loads((folder / "summary.json").read_text())["results"]
    (found,) = results["exits"].values()
    assert found["rate"]["value"] == pytest.approx(results["rates"]["value"][0], rel=1e-9)
    assert results["langevin_rate"] is None


def test_a_sweep_writes_its_table(case, capsys):
    import wfrpde

    assert main(["spectrum", "well.toml", "--sweep", "target.barrier=2:6:3"]) == 0
    assert "Eyring–Kramers" in capsys.readouterr().out
    folder = case.parent / "wfr-spectrum-well"
    assert left_behind(folder) == {
        "summary.json",
        "sweep.csv",
        "sweep.npz",
        "figures",
        "report.html",
    }
    with (folder / "sweep.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["target.barrier"]) for row in rows] == [2.0, 4.0, 6.0]
    well = wfrpde.load_case("well.toml", {"target.barrier": 4}, start=False)
    alone = wfrpde.spectrum(well).rates
    assert float(rows[1]["rate_1"]) == pytest.approx(alone[1], rel=1e-10)
    assert float(rows[2]["rate_1"]) < float(rows[1]["rate_1"]) < float(rows[0]["rate_1"])

    (picture,) = (folder / "figures").iterdir()
    drawn = picture.read_bytes()
    picture.unlink()
    assert main(["plot", str(folder)]) == 0
    assert picture.read_bytes() == drawn


def test_a_value_that_cannot_be_solved_leaves_the_others(case, capsys):
    words = ["--sweep", "spectrum.count=3:400:2", "--quiet"]
    assert main(["spectrum", "well.toml", *words]) == 0
    assert "spectrum.count = 400: " in capsys.readouterr().err
    with (case.parent / "wfr-spectrum-well" / "sweep.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["rate_1"]) > 0
    assert rows[1]["rate_1"] == ""


def test_an_interrupted_sweep_keeps_what_is_finished(case):
    command = [sys.executable, "-m", "wfrpde", "spectrum", "well.toml", "--sweep"]
    process = subprocess.Popen(
        [*command, "target.barrier=2:9:500"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("sweep: values") and " values 0 of" not in line:
            break
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "of 500 values are solved" in said
    folder = case.parent / "wfr-spectrum-well"
    assert json.loads((folder / "summary.json").read_text())["complete"] is False
    assert "This run is incomplete" in (folder / "report.html").read_text(encoding="utf-8")
    with (folder / "sweep.csv").open() as stream:
        solved = [row["rate_1"] != "" for row in csv.DictReader(stream)]
    assert 0 < sum(solved) < 500
    assert left_behind(case.parent) == {"wfr-spectrum-well"}


def test_the_target_of_a_path_at_a_time(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    numerics = ["--set", "numerics.cells=[60]", "--quiet"]
    for time, gap in (("0.0", 1.563), ("t=1", 0.718)):
        assert main(["spectrum", "annealed-double-well", "--at", time, "--force", *numerics]) == 0
        with Path("wfr-spectrum-annealed-double-well/spectrum.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert float(rows[1]["rate"]) == pytest.approx(gap, abs=1e-3)
    assert main(["spectrum", "annealed-double-well", "--at", "soon", *numerics]) == 2
    assert "--at" in capsys.readouterr().err
