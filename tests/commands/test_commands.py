"""The commands as a person types them: exit codes, messages, and what lies on the disk after."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wfrpde.commands import demo
from wfrpde.commands.cli import main

CASE = """
title = "A shallow well"
[target]
potential = "(x**2 - 1)**2"
modes = { left = "x < 0", right = "x >= 0" }
[initial]
mean = [-1.0]
covariance = [[0.05]]
[flow]
t_end = 0.5
save = [0.1, 0.5]
"""


@pytest.fixture
def case(tmp_path, monkeypatch) -> Path:
    """A case file; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "well.toml"
    path.write_text(CASE, encoding="utf-8")
    return path


def command(*words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wfrpde", *words], capture_output=True, text=True, **options
    )


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"well.toml", ".wfrpde"}


# --- what needs no solver ----------------------------------------------------------------------


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for name in ("solve", "demo", "cases", "plot", "info"):
        assert name in text


def test_help_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from wfrpde.commands.cli import main\n"
        "try:\n    main(['solve', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'numpy', 'scipy', 'sympy', 'pydantic', 'matplotlib', 'dolfinx', 'mpi4py'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("words", [["sovle"], ["solve"], ["solve", "x", "--fast\x1b[2J"]])
def test_a_wrong_command_line_is_bad_input(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert "usage: wfrpde" in message
    assert "\x1b" not in message


def test_the_list_of_cases_fits_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["cases"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_cases_lists_and_shows(capsys):
    assert main(["cases"]) == 0
    text = capsys.readouterr().out
    assert re.search("tilted-double-well +Tilted double well", text)
    assert main(["cases", "--show", "ring"]) == 0
    assert "[target]" in capsys.readouterr().out
    assert main(["cases", "--show", "rung"]) == 2
    assert "Did you mean ring?" in capsys.readouterr().err


def test_info_says_what_was_found(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert "wfrpde" in text
    assert "dolfinx" in text
    assert "Linear algebra: " in text


def test_the_schema_is_json(capsys):
    assert main(["info", "--schema"]) == 0
    assert "target" in json.loads(capsys.readouterr().out)["properties"]


BAD = [
    (["well.toml", "--set", "flow.t_end=-1"], "well.toml: flow.t_end: found -1"),
    (["well.toml", "--set", "flow.tend=1"], "Did you mean t_end?"),
    (["well.toml", "--set", "flow.tend"], "--set: found 'flow.tend'"),
    (["well.toml", "--set", "flow.save=[1.0, 0.5]"], "well.toml: flow.save"),
    (["well.toml", "--set", "target.potential=x**"], "well.toml: target.potential"),
    (["well.toml", "--set", "target.potential=__import__('os').system('x')"], "target.potential"),
    (["well.toml", "--set", "target.potential=x.__class__"], "target.potential"),
    (["well.toml", "--set", "domain.mesh=none.msh"], "domain.mesh: found no file"),
    (["none.toml"], "none.toml: found no such file"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_bad_input_is_told_once_and_leaves_nothing(case, words, message, capsys):
    assert main(["solve", *words]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.err.count("error:") == 1
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert left_behind(case.parent) == set()


def test_a_folder_that_is_not_empty_is_kept(case, capsys):
    folder = case.parent / "wfr-well"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert main(["solve", "well.toml"]) == 2
    message = capsys.readouterr().err
    assert "a folder that is not empty" in message
    assert "--force" in message
    assert left_behind(folder) == {"notes.txt"}
    assert left_behind(case.parent) == {"wfr-well"}


def test_a_file_in_the_place_of_the_folder(case, capsys):
    (case.parent / "run").write_text("")
    assert main(["solve", "well.toml", "--out", "run"]) == 2
    assert "needed a folder" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["/proc/none/run", "well.toml/run"])
def test_a_folder_that_cannot_be_written(case, out, capsys):
    assert main(["solve", "well.toml", "--out", out]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert left_behind(case.parent) == set()


def test_bad_input_in_a_process_of_its_own(case):
    done = command("solve", str(case), "--set", "flow.t_end=0")
    assert done.returncode == 2
    assert done.stderr.startswith("error: well.toml: flow.t_end: found 0")


def test_plot_of_what_is_no_run(case, capsys):
    assert main(["plot", "none"]) == 2
    assert "none: found no such folder" in capsys.readouterr().err
    assert main(["plot", "well.toml"]) == 2
    assert "well.toml: found a file" in capsys.readouterr().err
    (case.parent / "demo" / "ring").mkdir(parents=True)
    assert main(["plot", "demo"]) == 2
    assert "demo: found a folder that holds no run" in capsys.readouterr().err
    (case.parent / "demo" / "ring" / "summary.json").write_text("{")
    assert main(["plot", "demo"]) == 2
    message = capsys.readouterr().err
    assert f"It holds runs: {Path('demo') / 'ring'}." in message
    (case.parent / "demo" / "ring" / "solution.npz").write_text("")
    assert main(["plot", "demo/ring"]) == 2
    assert "a run that cannot be read" in capsys.readouterr().err


def test_code_that_a_case_names_is_told_before_it_runs(case, capsys):
    (case.parent / "told_well.py").write_text("print('I ran')\nclass Well:\n    dim = 1\n")
    case.write_text(
        CASE.replace('potential = "(x**2 - 1)**2"', 'python = "told_well:Well"')
        + "[[sampler]]\nname = 'mine'\ncommand = ['./mine', 'fast']\n"
    )
    assert main(["solve", "well.toml"]) == 2  # without a potential
    said = capsys.readouterr().out
    told = "target.python = 'told_well:Well', sampler[0].command = ['./mine', 'fast']"
    assert said == f"code that the case names, and that runs with your rights: {told}\nI ran\n"
    assert main(["solve", "well.toml", "--set", "target={potential='x'}", "--quiet"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("part", ["target", "sampler"])
def test_errors_of_a_user_s_code_steer_no_screen(part, case, capsys):
    """Their words were told as they stand: one cleared the screen, one turned what followed."""
    (case.parent / f"loud_{part}.py").write_text(
        "class Well:\n    dim = 1\n    def potential(self, x):\n"
        "        raise ValueError('a\\x1b[2Jb\\u202ec')\n"
        "def sampler(target, n, times, rng):\n    raise ValueError('a\\x1b[2Jb\\u202ec')\n"
    )
    if part == "target":
        words = ["solve", "--set", "target={python='loud_target:Well'}"]
    else:
        table = "python='loud_sampler:sampler', particles=9, replicates=2"
        words = ["validate", "--set", f"sampler=[{{{table}}}]", "--set", "output.figures=false"]
    assert main([words[0], "well.toml", *words[1:]]) in (1, 2)
    told = capsys.readouterr()
    assert "a\\x1b[2Jb\\u202ec" in told.err
    assert not {"\x1b", "\u202e"} & {*told.err, *told.out}


# --- what solves -------------------------------------------------------------------------------


def test_solve_writes_its_folder_and_says_where(case, capsys):
    assert main(["solve", "well.toml"]) == 0
    captured = capsys.readouterr()
    assert "KL" in captured.out
    assert "mass left" in captured.out
    assert "Formulation: " in captured.out
    assert "wfr-well/report.html" in captured.out
    folder = case.parent / "wfr-well"
    assert left_behind(folder) >= {"summary.json", "series.csv", "figures", "report.html"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["complete"] is True
    assert left_behind(case.parent) == {"wfr-well"}
    assert folder.stat().st_mode & 0o777 == 0o777 & ~_umask()


def test_solve_quietly_alone_over_an_old_run(case, capsys):
    pytest.importorskip("vtkmodules")
    words = ["solve", "well.toml", "--out", "a/b", "--no-compare", "--quiet", "--set"]
    assert main([*words, "output.figures=false"]) == 0
    folder = case.parent / "a" / "b"
    assert (folder / "solution.pvd").exists()
    assert main([*words, "flow.beta=0"]) == 2
    capsys.readouterr()
    assert main([*words, "flow.beta=0", "--force", "--set", "output.paraview=false"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert not (folder / "solution.pvd").exists(), "a run replaces a run as a whole"
    assert left_behind(folder.parent) == {"b"}


def test_plot_draws_the_figures_of_a_run_anew(case, capsys):
    assert main(["solve", "well.toml", "--no-compare", "--quiet"]) == 0
    figures = case.parent / "wfr-well" / "figures"
    drawn = left_behind(figures)
    for path in figures.iterdir():
        path.unlink()
    assert main(["plot", "wfr-well"]) == 0
    assert left_behind(figures) == drawn


def test_an_interrupt_leaves_a_readable_incomplete_run(case):
    words = [sys.executable, "-m", "wfrpde", "solve", "well.toml", "--no-compare"]
    # Steps so small that it would take minutes.
    words += ["--set", "numerics.dt=1e-7", "--set", "flow.save=[1e-5, 0.5]"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "t = " in line:
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert left_behind(case.parent) == {"wfr-well"}
    folder = case.parent / "wfr-well"
    assert json.loads((folder / "summary.json").read_text())["complete"] is False
    assert left_behind(folder) >= {"summary.json", "series.csv"}
    assert "saved up to t = 1e-05 of 0.5" in said
    assert "not estimated" in said
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "saved up to t = 10⁻⁵ of 0.5" in report or "saved up to t = 1e-05 of 0.5" in report
    assert "not estimated" in report


@pytest.mark.slow
def test_demo_shows_the_barrier_being_crossed(case, capsys, monkeypatch):
    # a coarser plane: tools/check_package runs the demo as it is
    coarse = tuple(replace(scene, tolerance=scene.tolerance and 0.2) for scene in demo.SCENES)
    monkeypatch.setattr(demo, "SCENES", coarse)
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    assert "KL W" in text
    assert "right WFR" in text
    assert "bottom WFR" in text
    assert text.count("Estimated errors: at most ") == 2
    assert "wfr-demo/index.html" in text
    folder = case.parent / "wfr-demo"
    assert left_behind(folder) == {"index.html", "tilted-double-well", "four-modes"}
    page = (folder / "index.html").read_text(encoding="utf-8")
    for name in ("tilted-double-well", "four-modes"):
        assert f'href="{name}/report.html"' in page
        assert (folder / name / "report.html").is_file()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_product_is_solved_and_drawn_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text(
        '[target]\nkind = "product"\nmodes = { right = "all(x > 0)" }\n'
        "[[factor]]\nrepeat = 7\ntarget = { potential = 'x**2' }\n"
        "initial = { mean = [1.0], covariance = [[0.3]] }\n[flow]\nsave = [0.5]\n"
    )
    assert main(["solve", "p.toml", "-o", "out", "--quiet"]) == 0
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {
        "kl.png", "marginals.png", "modes.png",
    }  # fmt: skip
    assert "product of 7 ×" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert main(["plot", "out"]) == 0
    capsys.readouterr()
    assert main(["spectrum", "p.toml", "-o", "spec"]) == 0
    # seven equal oscillators: C(n + 6, 6) states of rate 2n
    assert "8 different rates belong to 3432 states." in capsys.readouterr().out
    assert (tmp_path / "spec" / "report.html").exists()
    assert main(["converge", "p.toml", "-o", "study"]) == 2
    assert not (tmp_path / "study").exists()


def test_without_a_command_help_is_printed(capsys):
    assert main([]) == 0
    assert "wfrpde demo" in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    import wfrpde

    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"wfrpde {wfrpde.__version__}\n"
