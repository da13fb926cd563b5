"""The folder of a run: what is replaced, what stays, and who may write."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from wfrpde.commands.cli import main
from wfrpde.commands.folder import MARKER, STAGE, RunFolder, add_files
from wfrpde.errors import InputError, SolverError, WfrpdeError

CASE = """
[target]
potential = "(x**2 - 1)**2"
[initial]
mean = [-1.0]
covariance = [[0.05]]
[flow]
save = [0.1]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a case."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "well.toml").write_text(CASE, encoding="utf-8")
    return tmp_path


def files(folder):
    """What lies in a folder, but for the marker."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return found - {MARKER}


def run(folder, *names, command="solve", **options):
    """Write files as a command does."""
    with RunFolder(folder, command, **options) as output:
        for name in names:
            path = output.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a run's")


# --- whose files they are ----------------------------------------------------------------------


def test_a_run_replaces_its_files_one_by_one(tmp_path):
    folder = tmp_path / "run"
    run(folder, "summary.json", "figures/kl.png", "fields/old/a.vtu")
    (folder / "figures" / "thesis.tex").write_text("mine")
    (folder / "index.html").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        run(folder, "summary.json")
    run(folder, "summary.json", "figures/density.png", force=True)
    assert files(folder) == {
        "summary.json", "figures/density.png", "figures/thesis.tex", "index.html",
    }  # fmt: skip
    assert not (folder / "fields").exists()
    assert (folder / "figures" / "thesis.tex").read_text() == "mine"
    marker = json.loads((folder / MARKER).read_text())
    assert marker["files"] == ["figures/density.png", "summary.json"]


def test_what_no_run_wrote_is_never_replaced(tmp_path):
    (tmp_path / "index.html").write_text("a web site")
    (tmp_path / "summary.json").write_text("{}")
    for command, name in (("demo", "index.html"), ("solve", "summary.json")):
        with pytest.raises(InputError, match=f"found {name}, which no run of wfrpde"):
            run(tmp_path, command=command, force=True)
    assert files(tmp_path) == {"index.html", "summary.json"}
    assert not (tmp_path / MARKER).exists()


def test_what_comes_in_the_way_meanwhile_stays(tmp_path):
    folder = tmp_path / "run"
    with RunFolder(folder, "solve") as output:
        (output.path / "summary.json").write_text("a run's")
        (folder / "summary.json").write_text("mine")
    assert (folder / "summary.json").read_text() == "mine"
    assert (folder / "summary.json.new").read_text() == "a run's"
    assert json.loads((folder / MARKER).read_text())["files"] == ["summary.json.new"]


@pytest.mark.parametrize("content", ["notes", "[]", '{"files": ["a"]}', '{"wfrpde": 1}'])
def test_a_marker_of_someone_else(tmp_path, content):
    (tmp_path / MARKER).write_text(content)
    with pytest.raises(InputError, match="that no run has written"):
        run(tmp_path, force=True)
    assert (tmp_path / MARKER).read_text() == content


def test_a_marker_removes_nothing_outside(tmp_path):
    folder = tmp_path / "run"
    run(folder, "summary.json")
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("mine")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    marker = json.loads((folder / MARKER).read_text())
    marker["files"] += ["../mine.txt", str(tmp_path / "mine.txt"), "link/a.txt"]
    (folder / MARKER).write_text(json.dumps(marker))
    run(folder, "series.csv", force=True)
    assert files(folder) == {"series.csv"}
    assert (tmp_path / "mine.txt").exists()
    assert (tmp_path / "elsewhere" / "a.txt").exists()


def test_figures_that_were_drawn_later_are_the_run_s(tmp_path):
    run(tmp_path / "run", "summary.json")
    (tmp_path / "run" / "kl.png").write_text("")
    add_files(tmp_path / "run", [tmp_path / "run" / "kl.png"])
    run(tmp_path / "run", "summary.json", force=True)
    assert files(tmp_path / "run") == {"summary.json"}
    add_files(tmp_path, [tmp_path / "run" / "summary.json"])
    assert not (tmp_path / MARKER).exists()


def test_a_demo_replaces_a_demo_and_nothing_else(tmp_path):
    run(tmp_path / "demo", "index.html", "ring/report.html", command="demo")
    run(tmp_path / "demo", "index.html", command="demo")
    assert files(tmp_path / "demo") == {"index.html"}
    run(tmp_path / "run", "summary.json")
    with pytest.raises(InputError, match="not empty"):
        run(tmp_path / "run", command="demo")


# --- who may write -----------------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
def test_of_two_runs_into_one_folder_the_second_is_refused(tmp_path, force):
    folder = tmp_path / "new" / "run"
    with RunFolder(folder, "solve") as first:
        with pytest.raises(InputError, match="another run is about to write"):
            run(folder, "summary.json", force=force)
        (first.path / "summary.json").write_text("first")
    assert (folder / "summary.json").read_text() == "first"


def test_a_run_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(SolverError), RunFolder(tmp_path / "a" / "b", "solve"):
        raise SolverError("no")
    assert list(tmp_path.iterdir()) == []
    run(tmp_path / "run", "summary.json")
    with pytest.raises(SolverError), RunFolder(tmp_path / "run", "solve", force=True):
        raise SolverError("no")
    assert files(tmp_path / "run") == {"summary.json"}


def test_what_a_killed_run_left_is_cleaned_up(tmp_path):
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from wfrpde.commands.folder import RunFolder\n"
        "from wfrpde.parallel.files import atomic\n"
        "with RunFolder(Path('run'), 'validate', resume=True) as output:\n"
        "    (output.path / 'validation.json').write_text('half')\n"
        "    output.store.mkdir(exist_ok=True)\n"
        "    (output.store / 'a.npz').write_text('')\n"
        "    with atomic(output.store / 'b.npz', 'wb'):\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path)
    assert done.returncode == -9
    folder = tmp_path / "run"
    assert len(files(folder)) == 3
    with pytest.raises(InputError, match="--resume"):
        run(folder, command="validate")
    run(folder, "validation.json", command="validate", resume=True)
    assert files(folder) == {"validation.json", "replicates/a.npz"}
    assert {path.name for path in folder.iterdir()} == {"validation.json", "replicates", MARKER}
    run(folder, "validation.json", command="validate", force=True)
    assert files(folder) == {"validation.json"}
    run(folder, "convergence.json", command="converge", force=True)
    assert files(folder) == {"convergence.json"}


def test_a_killed_run_that_wrote_nothing_needs_no_force(tmp_path):
    folder = tmp_path / "run"
    script = (
        "import os\nfrom pathlib import Path\n"
        "from wfrpde.commands.folder import RunFolder\n"
        "with RunFolder(Path('run'), 'solve'):\n    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path).returncode == -9
    run(folder, "summary.json")
    assert files(folder) == {"summary.json"}


# --- places ------------------------------------------------------------------------------------


def test_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    run(tmp_path / "link", "summary.json")
    assert files(tmp_path / "real") == {"summary.json"}
    with pytest.raises(InputError, match="a link that leads nowhere"):
        run(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be written"):
        run(tmp_path / "nowhere" / "inner")
    (tmp_path / "marked").mkdir()
    (tmp_path / "marked" / MARKER).symlink_to(tmp_path / "real" / MARKER)
    with pytest.raises(InputError, match="cannot be written"):
        run(tmp_path / "marked")


def test_the_current_folder_twice(here):
    words = ["solve", "well.toml", "--no-compare", "--quiet", "--set", "output.figures=false"]
    assert main([*words, "--out", "."]) == 2
    for _ in range(2):
        assert main([*words, "--out", ".", "--force"]) == 0
    assert files(here) >= {"well.toml", "summary.json"}
    assert main(["plot", "."]) == 0
    assert (here / "figures" / "kl.png").exists()
    assert main([*words, "--out", ".", "--force"]) == 0
    assert not (here / "figures").exists()


# --- what fails at the end ---------------------------------------------------------------------


def test_numbers_stay_when_the_rest_fails(tmp_path):
    def half():
        with RunFolder(tmp_path / "run", "solve") as output:
            (output.path / "summary.json").write_text("numbers")
            raise OSError(28, "disk full")

    with pytest.raises(WfrpdeError, match=r"disk full.*'wfrpde plot .*run' makes the rest"):
        half()
    assert files(tmp_path / "run") == {"summary.json"}
    assert not (tmp_path / "run" / STAGE).exists()


@pytest.mark.parametrize("command", ["solve", "converge", "validate", "sweep"])
def test_no_figures_are_no_reason_to_lose_a_run(here, command):
    """The words of the process as a person sees them, with a backend that Matplotlib refuses."""
    more = {
        "solve": ["--no-compare"],
        "converge": [
            "--set", "convergence=[{vary='h', values=[8, 16], numerics={degree=2, dt=0.05}}]",
        ],
        "validate": ["--set", "sampler=[{kind='langevin', particles=50, replicates=3, dt=0.05}]",
                     "--set", "validation={metrics=false, equation=false, limit=false}"],
        "sweep": ["--sweep", "flow.alpha=1:2:2"],
    }  # fmt: skip
    name = {"sweep": "spectrum"}.get(command, command)
    words = [sys.executable, "-m", "wfrpde", name, "well.toml", "--out", "run", *more[command]]
    broken = os.environ | {"MPLBACKEND": "nonsense"}
    done = subprocess.run(words, env=broken, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("error: ") == 1
    assert "'wfrpde plot run' makes the rest" in done.stderr
    assert "Traceback" not in done.stderr
    held = files(here / "run")
    assert {"summary.json", "convergence.json", "validation.json"} & held
    assert main(["plot", "run"]) == 0
    assert files(here / "run") > held
