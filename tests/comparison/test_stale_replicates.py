"""``--resume`` does not take replicates that other code has made."""

import hashlib
import importlib
import sys

import numpy as np
import pytest

pytest.importorskip("dolfinx")

import wfrpde
from wfrpde.errors import InputError
from wfrpde.fields.user_code import changed_code, loaded_code

HELPER = "def shift():\n    return {}\n"
SAMPLER = """
import numpy as np
def exact(target, n, times, rng):
    import {helper}  # only when it is called
    return {helper}.shift() + rng.standard_normal((len(times), n, 1))
"""
CASE = {
    "target": {"potential": "x**2/2"},
    "initial": {"mean": [0.0], "covariance": [[1.0]]},
    "flow": {"save": [0.1], "beta": 0.0},
    "validation": {"metrics": False, "equation": False, "limit": False},
}


def validated(folder, *samplers):
    case = wfrpde.Case.from_dict({**CASE, "sampler": list(samplers)}, folder / "case.toml")
    return wfrpde.validate(case, resume=folder / "kept")


def test_an_edit_of_a_module_that_the_sampler_imports(tmp_path, caplog):
    table = {"python": "own_sampler:exact", "particles": 50, "replicates": 3}
    (tmp_path / "own_sampler.py").write_text(SAMPLER.format(helper="own_helper"))
    (tmp_path / "own_helper.py").write_text(HELPER.format("0.0"))
    first = validated(tmp_path, table)
    assert first.facts["replicates_computed"] == 3
    again = validated(tmp_path, table)
    assert again.facts["replicates_reused"] == 3
    (tmp_path / "own_helper.py").write_text(HELPER.format("100.0"))
    third = validated(tmp_path, table)
    assert third.facts["replicates_reused"] == 0
    assert "own_helper.py has changed" in caplog.text
    (row,) = third.rows("own_sampler:exact", "mean x")
    assert row.mean == pytest.approx(100, abs=1)
    assert validated(tmp_path, table).facts["replicates_reused"] == 3


def test_replicates_without_what_this_version_keeps(tmp_path, caplog):
    """They are made anew, and that is told."""
    (tmp_path / "own_older.py").write_text(SAMPLER.format(helper="own_help"))
    (tmp_path / "own_help.py").write_text(HELPER.format("0.0"))
    table = {"python": "own_older:exact", "particles": 50, "replicates": 2}
    first = validated(tmp_path, table)
    for file in (tmp_path / "kept").rglob("*.npz"):
        with np.load(file) as data:
            older = {key: data[key] for key in data.files if not key.endswith(":summed")}
            assert len(older) < len(data.files)
        np.savez(file, **older)
    again = validated(tmp_path, table)
    assert again.facts["replicates_reused"] == 0
    assert again.table == first.table
    assert "made anew: a replicate of another version, without summed" in caplog.text


PROGRAM = """
import json, sys
import numpy as np
request = json.load(sys.stdin)
rng = np.random.default_rng(request["seed"])
shape = (len(request["times"]), request["particles"], 1)
np.savez(request["output"], positions=rng.standard_normal(shape))
"""


def test_what_a_command_consists_of_has_to_be_named(tmp_path, caplog):
    (tmp_path / "program.py").write_text(PROGRAM)
    table = {"command": [sys.executable, "program.py"], "particles": 50, "replicates": 2}
    validated(tmp_path, table)
    assert validated(tmp_path, table).facts["replicates_reused"] == 0
    assert "sampler.depends" in caplog.text
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("1")
    named = {**table, "depends": ["data"]}
    validated(tmp_path, named)
    assert validated(tmp_path, named).facts["replicates_reused"] == 2
    (tmp_path / "data" / "a.txt").write_text("2")
    assert validated(tmp_path, named).facts["replicates_reused"] == 0
    with pytest.raises(InputError, match="depends: found nowhere"):
        validated(tmp_path, {**table, "depends": ["nowhere"]})


def test_a_sampler_that_cannot_be_imported_fails_before_anything_is_solved(tmp_path, monkeypatch):
    from wfrpde.flow import solve

    with monkeypatch.context() as never:
        never.setattr(solve, "solve", lambda *_, **__: pytest.fail("a flow was solved"))
        with pytest.raises(InputError, match="no_such_module"):
            validated(tmp_path, {"python": "no_such_module:f"})
    good = {"kind": "langevin", "particles": 20, "replicates": 2}
    report = validated(tmp_path, {"python": "no_such_module:f", "name": "lost"}, good)
    assert "no_such_module" in report.failed["lost"]
    assert report.verdicts["lost"].startswith("failed: ")
    assert len(report.rows("langevin")) > 0


def test_the_code_that_is_loaded_is_told(tmp_path, monkeypatch):
    (tmp_path / "some_code_of_mine.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    import some_code_of_mine  # noqa: F401

    found = loaded_code()
    path = str(tmp_path / "some_code_of_mine.py")
    assert path in found
    assert "numpy==" in found
    assert not any("site-packages" in name or "/wfrpde/fields" in name for name in found)
    mine = {path: found[path]}
    assert changed_code(mine) == []
    (tmp_path / "some_code_of_mine.py").write_text("x = 2")
    assert changed_code(mine) == ["some_code_of_mine.py"]
    assert loaded_code()[path] == found[path], "what was loaded is what was read then"
    (tmp_path / "some_code_of_mine.py").unlink()
    assert changed_code(mine) == ["some_code_of_mine.py"]
    assert changed_code({"numpy==": "0.1", "no-such-package==": "1"}) == [
        "numpy", "no-such-package",
    ]  # fmt: skip
    sys.modules.pop("some_code_of_mine")


def test_a_module_that_was_loaded_again_is_what_it_is_now(tmp_path, monkeypatch):
    """Notebooks do so: what was kept thereafter was refused, though nobody had edited anything."""
    path = tmp_path / "code_loaded_twice.py"
    path.write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("code_loaded_twice")
    before = loaded_code()[str(path)]
    path.write_text("x = 10")
    importlib.reload(module)
    now = loaded_code()[str(path)]
    assert now != before
    assert changed_code({str(path): now}) == []
    assert changed_code({str(path): before}) == ["code_loaded_twice.py"]
    sys.modules.pop("code_loaded_twice")


def test_code_in_a_folder_that_was_moved_or_copied(tmp_path, monkeypatch):
    """Moved code was refused, and edits of a copy were not seen: the original was looked at."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "code_that_moves.py").write_text("x = 1")
    known = hashlib.sha256(b"x = 1").hexdigest()[:16]
    noted = {str(old / "code_that_moves.py"): known}
    monkeypatch.syspath_prepend(str(new))
    importlib.import_module("code_that_moves")
    assert changed_code(noted) == []
    (new / "code_that_moves.py").write_text("x = 10")
    assert changed_code(noted) == ["code_that_moves.py"]
    (new / "code_that_moves.py").write_text("x = 1")
    (old / "code_that_moves.py").unlink()
    assert changed_code(noted) == []
    sys.modules.pop("code_that_moves")


def test_packages_are_not_taken_for_each_other(tmp_path, monkeypatch):
    """Each has a file of the same name; one that nobody has imported yet was called changed."""
    for name in ("first_package", "second_package"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"name = {name!r}")
    later = tmp_path / "second_package" / "__init__.py"
    noted = {str(later): hashlib.sha256(later.read_bytes()).hexdigest()[:16]}
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("first_package")
    assert changed_code(noted) == []
    later.write_text("name = 'another'")
    assert changed_code(noted) == ["__init__.py"]
    sys.modules.pop("first_package")
