"""``wfrpde validate``: exit codes, what is said, what lies in the folder, going on after a stop."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from notation import is_notation_of_pages, is_notation_of_screens

from wfrpde.commands.cli import main

CASE = """
title = "Two wells"
[target]
potential = "(x**2 - 1)**2"
modes = { right = "x >= 0" }
[initial]
mean = [-1.0]
covariance = [[0.1]]
[flow]
save = [0.1, 0.3]
[validation]
particles_ladder = [1, 0.5]
[[sampler]]
kind = "langevin"
particles = 400
dt = 0.01
replicates = 12
expected = "consistent"
"""

DROPPED = """
[[sampler]]
name = "weights dropped"
kind = "langevin"
claims = "WFR"
particles = 1000
dt = 0.01
replicates = 12
"""


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "wells.toml"
    path.write_text(CASE + DROPPED, encoding="utf-8")
    return path


def test_a_validation_leaves_its_folder(case, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["validate", "wells.toml"]) == 0
    text = capsys.readouterr().out
    assert "consistent in all 6 rows" in text
    assert "weights dropped  biased in" in text
    assert "Which equation is it?" in text
    assert "weights dropped: moves like W with" in text
    assert is_notation_of_screens(text)
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"(?m)^ *mean x +0\.1 .* ± .* ± .* consistent within \S+$", text)
    folder = case.parent / "wfr-validate-wells"
    assert {path.name for path in folder.iterdir()} == {
        "validation.json", "validation.npz", "validation.csv", "distances.csv", "bias.csv",
        "ladders.csv", "report.html", "figures", "replicates", ".wfrpde",
    }  # fmt: skip
    figures = {path.stem for path in (folder / "figures").iterdir()}
    assert figures == {"differences", "paths", "bias", "distances", "particles"}
    with (folder / "validation.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    summary = json.loads((folder / "validation.json").read_text(encoding="utf-8"))
    assert len(rows) == len(summary["table"]) == 12
    assert {row["verdict"] for row in rows if row["sampler"] == "langevin"} == {"consistent"}
    for row, entry in zip(rows, summary["table"], strict=True):
        assert float(row["mean"]) == entry["mean"]
        assert float(row["difference"]) == pytest.approx(entry["mean"] - entry["reference"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == 5
    assert is_notation_of_pages(page)
    addresses = set(re.findall(r"https?://[^/\"]+", page))
    assert addresses == {"https://arxiv.org", "http://www.w3.org"}

    pictures = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    shutil.rmtree(folder / "figures")
    (folder / "report.html").unlink()
    assert main(["plot", str(folder)]) == 0
    assert {path.name: path.read_bytes() for path in (folder / "figures").iterdir()} == pictures
    assert (folder / "report.html").read_text(encoding="utf-8").count("<img") == 5
    (folder / "validation.npz").unlink()
    capsys.readouterr()
    assert main(["plot", str(folder)]) == 2
    assert "a validation without validation.npz" in capsys.readouterr().err


def test_an_unexpected_bias_is_exit_code_1(case, capsys):
    case.write_text(CASE + DROPPED + 'expected = "consistent"\n', encoding="utf-8")
    words = ["validate", "wells.toml", "--set", "output.figures=false"]
    words += ["--set", "validation.metrics=false", "--set", "validation.equation=false"]
    assert main(words) == 1
    assert "although the case declares it: weights dropped" in capsys.readouterr().out
    assert main([*words, "--resume"]) == 1
    assert "MPI ranks" in (case.parent / "wfr-validate-wells" / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "validation.level=2.0"], "validation.level"),
        (["--set", "validation.observables.a=q"], "validation.observables.a"),
        (["--set", "sampler=[]"], "no [[sampler]]"),
        (["--out", "/proc/none/run"], "cannot be written"),
        (["--out", "wells.toml"], "needed a folder"),
        (["--out", "full"], "a folder that is not empty"),
    ],
)
def test_bad_input_is_told_once_and_leaves_nothing(case, words, message, capsys):
    (case.parent / "full").mkdir()
    (case.parent / "full" / "notes.txt").write_text("mine")
    assert main(["validate", "wells.toml", *words]) == 2
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert {path.name for path in case.parent.iterdir()} == {"wells.toml", "full"}


def test_force_replaces_only_what_a_validation_wrote(case, capsys):
    folder = case.parent / "full"
    (folder / "replicates").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "replicates" / "mine.npz").write_text("")
    words = ["validate", "wells.toml", "--out", "full", "--force", "--quiet"]
    words += ["--set", "output.figures=false", "--set", "validation.equation=false"]
    assert main(words) == 2
    assert "found replicates, which no run of wfrpde has written" in capsys.readouterr().err
    (folder / "replicates" / "mine.npz").rename(folder / "mine.npz")
    (folder / "replicates").rmdir()
    assert main(words) == 0
    (folder / "replicates" / "old.npz").write_text("")
    (folder / "replicates" / "notes.txt").write_text("mine, too")
    assert main(words) == 0
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "replicates" / "notes.txt").read_text() == "mine, too"
    assert not (folder / "replicates" / "old.npz").exists()
    assert (folder / "mine.npz").exists()
    assert (folder / "validation.csv").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_finished_replicates_survive_a_stop(case, number):
    slow = ["--set", "validation.particles_ladder=[]", "--set", "validation.equation=false"]
    slow += ["--set", "validation.metrics=false", "--set", "output.figures=false"]
    slow += ["--set", "validation.tolerance=0.1"]  # so many particles see the bias of the step
    long = CASE.replace("replicates = 12", "replicates = 30").replace("= 400", "= 10000")
    case.write_text(long, encoding="utf-8")
    command = [sys.executable, "-m", "wfrpde", "validate", "wells.toml", "--out", "run", *slow]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    store = case.parent / "run" / "replicates"
    deadline = time.monotonic() + 60
    while len(list(store.glob("*.npz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=60)
    kept = len(list(store.glob("*.npz")))
    assert 3 <= kept < 30
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "--resume goes on" in output
        summary = json.loads((case.parent / "run" / "validation.json").read_text())
        assert summary["complete"] is False
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads((case.parent / "run" / "validation.json").read_text())
    assert summary["complete"] is True
    assert summary["facts"]["replicates_reused"] == kept
    assert summary["facts"]["replicates_computed"] == 30 - kept
