"""The index of a folder: every run within, what it found, and no file of anyone else replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from closed_form import two_mode_solution

from wfrpde.commands.cli import main
from wfrpde.errors import InputError
from wfrpde.report.flow import write_run
from wfrpde.report.index import write_index

NO_FIGURES = SimpleNamespace(figures=False, paraview=False)


@pytest.fixture
def runs(tmp_path):
    """A run, one that was stopped, and one that cannot be read, in folders of other depths."""
    solution = two_mode_solution(1)
    write_run(solution, tmp_path / "b & c", options=NO_FIGURES)
    stopped = replace(solution, complete=False, warnings=("interrupted",))
    write_run(stopped, tmp_path / "deep" / "a", options=NO_FIGURES)
    write_run(solution, tmp_path / "torn", options=NO_FIGURES)
    (tmp_path / "torn" / "summary.json").write_text("{")
    write_run(solution, tmp_path / ".wfrpde-part", options=NO_FIGURES)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.html").write_text("not ours")
    return tmp_path


def test_every_run_is_listed(runs):
    page, found = write_index(runs)
    assert [run.place for run in found] == ["b & c", "deep/a", "torn"]
    assert [run.trouble for run in found] == [
        "", "incomplete, 1 warnings", "summary.json cannot be read",
    ]  # fmt: skip
    assert found[0].kind == "WFR flow in 1-D"
    assert found[0].result == "KL 0.00418459 ± 4×10⁻⁸ at t = 2"
    html = page.read_text(encoding="utf-8")
    assert 'href="b%20%26%20c/report.html"' in html
    assert write_index(runs)[0] == page, "a page of ours is written anew"


def test_kinds_of_runs(tmp_path):
    contents = {
        "validation.json": {
            "title": "V", "complete": True, "unexpected": ["x"],
            "samplers": [{"verdict": "biased"}, {"verdict": "consistent"}, {"verdict": "biased"}],
        },
        "convergence.json": {
            "title": "C", "complete": True, "passed": False,
            "studies": [{"verdict": "passed"}, {"verdict": "failed"}],
        },
    }  # fmt: skip
    for name, content in contents.items():
        folder = tmp_path / name.removesuffix(".json")
        folder.mkdir()
        (folder / "report.html").write_text("")
        (folder / name).write_text(json.dumps(content))
    convergence, validation = write_index(tmp_path)[1]
    assert (convergence.result, convergence.trouble) == ("1 of 2 orders as expected", "failed")
    assert validation.result == "samplers: 2 biased, 1 consistent"
    assert validation.trouble == "not what the case declares"


def test_what_is_refused(tmp_path, capsys):
    with pytest.raises(InputError, match="no such folder"):
        write_index(tmp_path / "nothing")
    with pytest.raises(InputError, match="no run in it"):
        write_index(tmp_path)
    (tmp_path / "index.html").write_text("<html>mine</html>")
    with pytest.raises(InputError, match="has not written"):
        write_index(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<html>mine</html>"
    assert main(["index", str(tmp_path)]) == 2
    assert "Move it away" in capsys.readouterr().err


def test_the_command(runs, capsys):
    assert main(["index", str(runs)]) == 0
    assert "3 runs" in capsys.readouterr().out
