"""``--resume``: what goes on, and what is refused by one line."""

import os
import signal
import subprocess
import sys

import pytest

import wfrpde
from wfrpde.commands.cli import main
from wfrpde.errors import InputError

CASE = """
[target]
potential = "x**2/2"
[initial]
mean = [-1.0]
covariance = [[0.5]]
[flow]
save = [0.2]
[output]
figures = false
paraview = false
compare = false
"""


@pytest.fixture
def solve(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "case.toml").write_text(CASE)

    def run(*words, command="solve"):
        code = main([command, "case.toml", "--out", "run", *words])
        found = capsys.readouterr()
        return code, found.out, found.err

    return run


def test_a_new_folder_is_begun_and_a_whole_run_is_left_alone(solve, tmp_path):
    assert solve("--resume")[0] == 0
    before = (tmp_path / "run" / "summary.json").read_text()
    code, out, _ = solve("--resume")
    assert code == 0
    assert "run holds the whole run already" in out
    assert (tmp_path / "run" / "summary.json").read_text() == before
    assert not (tmp_path / "run" / "checkpoints").exists()
    code, _, err = solve()
    assert code == 2
    assert "Use --resume to go on with a run, --force" in err


def test_figures_that_failed_are_drawn_by_the_next_run(solve, tmp_path, monkeypatch):
    """It said that the whole run was there, and left checkpoints and no report."""
    monkeypatch.setattr("wfrpde.flow.checkpoints.worth_keeping", lambda *_: True)
    words = ("--resume", "--set", "output.figures=true")
    with monkeypatch.context() as broken:
        broken.setattr("wfrpde.report.flow.files.write_report", lambda *_, **__: 1 / 0)
        code, _, err = solve(*words)
    assert code == 1
    assert "'wfrpde plot run' makes the rest" in err
    held = (tmp_path / "run" / "series.csv").read_text()
    assert (tmp_path / "run" / "checkpoints").is_dir()
    monkeypatch.setattr("wfrpde.flow.solve.solve_from", None)  # nothing is solved again
    assert solve(*words)[0] == 0
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "series.csv").read_text() == held
    assert not (tmp_path / "run" / "checkpoints").exists()


WELL_IN_PYTHON = """
import {helper}
class Well:
    dim = 1
    def potential(self, x):
        return {helper}.stiffness * (x**2).sum(axis=1) / 2
"""


@pytest.mark.parametrize("command", ["solve", "sweep", "converge"])
def test_what_a_target_in_python_imports_has_changed(command, solve, tmp_path):
    """Nothing of an earlier target is taken: a whole run and a study were."""
    target, helper = f"target_of_{command}", f"helper_of_{command}"
    (tmp_path / f"{target}.py").write_text(WELL_IN_PYTHON.format(helper=helper))
    (tmp_path / f"{helper}.py").write_text("stiffness = 1.0\n")
    words = {
        "solve": ["solve", "--resume"],
        "sweep": ["spectrum", "--resume", "--sweep", "flow.alpha=1:2:2"],
        "converge": ["converge", "--set", "convergence=[{vary='h', values=[8, 16, 32]}]"],
    }[command]
    words[1:1] = ["case.toml", "--out", "run", "--set", f"target={{python='{target}:Well'}}"]

    def run():
        done = subprocess.run(
            [sys.executable, "-m", "wfrpde", *words], capture_output=True, text=True
        )
        return done.returncode, " ".join(done.stderr.split())

    def held():
        return {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.csv")}

    assert run()[0] in (0, 1)
    before = held()
    assert run()[0] in (0, 1)
    if command != "converge":  # which notes how long runs take
        assert held() == before
    (tmp_path / f"{helper}.py").write_text("stiffness = 3.0\n")
    code, told = run()
    if command == "solve":
        assert code == 2
        assert f"{helper}.py has changed" in told
    else:
        assert code in (0, 1)
        assert held() != before


def test_checkpoints_know_what_a_target_in_python_imports(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "resumed_target.py").write_text(WELL_IN_PYTHON.format(helper="resumed_helper"))
    (tmp_path / "resumed_helper.py").write_text("stiffness = 1.0\n")
    case = wfrpde.Case.from_dict(
        {
            "target": {"python": "resumed_target:Well"},
            "initial": {"mean": [-1.0], "covariance": [[0.5]]},
            "flow": {"save": [0.1, 0.2]},
        }
    )

    def observer(event):
        if event.t > 0.1:
            os.kill(os.getpid(), signal.SIGINT)

    wfrpde.solve(case, observer=observer, on_stop="return", resume=tmp_path / "kept")
    (tmp_path / "resumed_helper.py").write_text("stiffness = 3.0\n")
    with pytest.raises(InputError, match=r"resumed_helper.py has changed"):
        wfrpde.solve(case, resume=tmp_path / "kept")


SCRIPT = """
import os, signal, sys, wfrpde
class Well:
    dim = 1
    def potential(self, x):
        return STIFFNESS * (x**2).sum(axis=1) / 2
def observer(event):
    if event.t > 0.1 and "stop" in sys.argv:
        os.kill(os.getpid(), signal.SIGINT)
case = wfrpde.Case.from_dict(dict(
    target=dict(python=Well()), initial=dict(mean=[-1.0], covariance=[[0.5]]), flow=dict(save=[0.2])
))
wfrpde.solve(case, observer=observer, on_stop="return", resume="kept")
"""


def test_checkpoints_know_the_script_that_made_an_object(tmp_path):
    def run(stiffness, *words):
        (tmp_path / "script.py").write_text(SCRIPT.replace("STIFFNESS", stiffness))
        done = subprocess.run(
            [sys.executable, "script.py", *words], cwd=tmp_path, capture_output=True, text=True
        )
        return done.returncode, done.stderr

    assert run("1.0", "stop")[0] == 0
    code, told = run("3.0")
    assert code == 1
    assert "what another computation has left (the target's module: " in told
    assert run("1.0")[0] == 0


def test_the_run_of_another_case_is_refused(solve, tmp_path):
    solve()
    before = (tmp_path / "run" / "summary.json").read_text()
    code, _, err = solve("--resume", "--set", "flow.beta=0.5")
    assert code == 2
    assert err.count("error: ") == 1
    assert "flow.beta: 1.0 there, 0.5 here" in err
    assert (tmp_path / "run" / "summary.json").read_text() == before
    assert solve("--force", "--set", "flow.beta=0.5")[0] == 0


def test_a_spectrum_alone_cannot_be_gone_on_with(solve, tmp_path):
    code, _, err = solve("--resume", command="spectrum")
    assert code == 2
    assert "needed --sweep with it" in err
    assert not (tmp_path / "run").exists()


def test_a_sweep_goes_on(solve, tmp_path, monkeypatch):
    from wfrpde.operators import parameter_sweep

    real, seen = parameter_sweep._point, []

    def point(case):
        if case.flow.alpha == 2.0 and not seen:
            seen.append(case)
            raise RuntimeError("the third value kills the process")
        return real(case)

    words = ("--sweep", "flow.alpha=1:2:3", "--resume")
    monkeypatch.setattr(parameter_sweep, "_point", point)
    with pytest.raises(Exception, match="kills"):
        solve(*words, command="spectrum")
    made = sorted(path.name for path in (tmp_path / "run" / "checkpoints").glob("*.npz"))
    assert len(made) == 3
    assert "flow-alpha-1.5.npz" in made[1]
    code, _, err = solve(*words, "--set", "spectrum.count=3", command="spectrum")
    assert code == 2
    assert "spectrum.count" in err

    def last(case):
        assert case.flow.alpha == 2.0, "the others are known"
        return real(case)

    monkeypatch.setattr(parameter_sweep, "_point", last)
    assert solve(*words, command="spectrum")[0] == 0
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert len((tmp_path / "run" / "sweep.csv").read_text().splitlines()) == 4


def test_a_failed_check_changes_the_exit_code(solve, monkeypatch):
    from wfrpde.flow import evaluation

    red = {"name": "normalisation residual", "value": 1.0, "limit": 0.01, "passed": False}
    monkeypatch.setattr(evaluation, "invariants", lambda *_, **__: [red])
    code, _, err = solve()
    assert code == 1
    assert "check failed: normalisation residual is 1.0e+00" in err


def test_a_spectrum_of_a_target_in_python_is_drawn_again(solve, tmp_path, monkeypatch, capsys):
    import sys

    lines = (
        "class V:",
        "    dim = 1",
        "    def potential(self, x):",
        "        return x[:, 0]**2/2",
    )
    (tmp_path / "well_of_mine.py").write_text("\n".join(lines))
    text = CASE.replace('potential = "x**2/2"', 'python = "well_of_mine:V"')
    (tmp_path / "case.toml").write_text(text)
    assert solve(command="spectrum")[0] == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    sys.modules.pop("well_of_mine")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])
    assert main(["plot", str(tmp_path / "run")]) == 0
    assert "mode" in capsys.readouterr().out
