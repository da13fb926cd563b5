"""Every row of the table of malformed inputs: one message, exit code 2, and nothing written."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bad_inputs import BAD, LINE
from two_ranks import complaints

from wfrpde.commands.cli import main


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def test_the_table_is_long():
    assert len(BAD) >= 400


@pytest.mark.parametrize("row", BAD.values(), ids=[name[:60] for name in BAD])
def test_one_message_and_nothing_written(row, tmp_path, monkeypatch, capfd):
    if any(name.endswith(".msh") for name in row.files):
        pytest.importorskip("dolfinx")
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, row.files)
    before = files_in(tmp_path)
    assert main(row.words) == 2
    message = capfd.readouterr().err
    assert message.startswith("error: "), message
    assert message.count("error:") == 1
    assert "Traceback" not in message
    assert "\x1b" not in message
    assert "needed" in message
    assert len(message.splitlines()) <= 3, message
    assert len(message) < 1500
    for fragment in row.says:
        assert fragment in message
    assert files_in(tmp_path) == before


PARALLEL = (
    "TOML: not TOML", "TOML: nested lists", "TOML: 5000 digits", "keys: unknown key",
    "numbers: flow.alpha nan", "types: domain.box [[1.0, 1.0]]", "potentials: V falls",
    "potentials: NaN of V", "sizes: cells", "control: title", "arguments: out with NUL",
    "meshes: repeated cells", "meshes: no area", "arguments: no such case", "runs: empty folder",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun")
@pytest.mark.skipif(
    "sys.modules.get('mpi4py.MPI') and sys.modules['mpi4py.MPI'].COMM_WORLD.size > 1",
    reason="starts mpirun itself",
)
def test_once_on_two_ranks(tmp_path):
    words = {}
    for number, name in enumerate(PARALLEL):
        # each row has a folder of its own, so that its files need not be told apart
        folder = tmp_path / str(number)
        folder.mkdir()
        write_files(folder, BAD[name].files)
        known = {*BAD[name].files, "run", "nowhere.toml"}
        words[name] = [str(folder / w) if w in known else w for w in BAD[name].words]
    before = files_in(tmp_path)
    for name, message in complaints(words, tmp_path).items():
        assert message.startswith("error: ")
        for fragment in BAD[name].says:
            assert fragment in message
    assert files_in(tmp_path) == before


def test_a_byte_order_mark_is_no_part_of_a_case(tmp_path):
    import wfrpde

    path = tmp_path / "case.toml"
    path.write_bytes(b"\xef\xbb\xbf" + LINE.encode())
    assert wfrpde.load_case(path).dim == 1


def test_tables_that_hold_themselves_are_refused():
    import wfrpde
    from wfrpde.errors import InputError

    endless: dict[str, object] = {}
    endless["flow"] = endless
    with pytest.raises(InputError, match="within themselves"):
        wfrpde.Case.from_dict(endless)


LINE_OF_TABLES = {
    "target": {"potential": "x**2"},
    "initial": {"mean": [0.5], "covariance": [[0.5]]},
    "flow": {"save": [0.01]},
}


@pytest.mark.parametrize(
    ("where", "given", "says"),
    [
        ("", None, "case: found None; needed a table"),
        ("", [1], "case: found .1.; needed a table"),
        ("", "banana", "case: found 'banana'; needed a table"),
        ("", {1: 2, None: 3}, "target: found nothing"),
        ("initial.mean", {0.5}, "initial.mean: found a set"),
        ("initial.mean", np.array([np.nan]), "initial.mean"),
        ("initial.mean", np.array([1e300]), r"initial.mean\[0\]: found 1e\+300"),
        ("initial.mean", np.ma.masked_array([1.0], [True]), "initial.mean: found .None."),
        ("initial.mean", np.zeros((1, 1, 1)), "initial.mean"),
        ("initial.mean", [1j], "initial.mean"),
        ("flow.save", np.ones((2, 2)), "flow.save"),
        ("flow.save", np.linspace(0.01, 1, 200_000), "flow.save: found 200000 times"),
        ("target.potential", lambda x: x, "target.potential: found <function"),
        ("target.python", int, "target.python"),
        ("target.parameters", 3, "target.parameters: found 3"),
        ("title", "\ud800", "title: found the control character"),
    ],
)
def test_tables_of_a_notebook(where, given, says):
    import wfrpde
    from wfrpde.errors import InputError

    data = {table: dict(keys) for table, keys in LINE_OF_TABLES.items()}
    if not where:
        data = given
    elif "." in where:
        table, key = where.split(".")
        data[table][key] = given
        if key == "python":
            del data[table]["potential"]
    else:
        data[where] = given
    for read in (wfrpde.Case.from_dict, wfrpde.Case.model_validate):
        with pytest.raises(InputError, match=says):
            read(data)


@pytest.mark.parametrize(
    "potential", [lambda x: 1j * x[:, 0], lambda x: ["a"] * len(x), lambda x: None, lambda x: x]
)
def test_potentials_that_are_no_numbers(potential):
    import wfrpde
    from wfrpde.errors import InputError

    target = type("Odd", (), {"dim": 1, "potential": staticmethod(potential)})()
    with pytest.raises(InputError, match=r"target.python: found .*potential that returns"):
        wfrpde.Case.from_dict({**LINE_OF_TABLES, "target": {"python": target}})


def test_a_case_is_a_case():
    import wfrpde

    case = wfrpde.Case.from_dict(LINE_OF_TABLES)
    assert wfrpde.Case.model_validate(case) is case


@pytest.mark.parametrize("function", ["solve", "spectrum", "feynman_kac", "validate", "converge"])
@pytest.mark.parametrize("value", [None, {}, "banana", 3])
def test_what_is_no_case_is_named(function, value):
    import wfrpde

    with pytest.raises(TypeError, match="needs a Case, not"):
        getattr(wfrpde, function)(value)


@pytest.mark.parametrize("words", [["cases"], ["info"], ["cases", "--show", "banana"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_the_screen(words, unbuffered):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wfrpde", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: what is said cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    "change", [{"HOME": None}, {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}]
)
def test_a_bare_environment_is_no_obstacle(change, tmp_path):
    kept = {k: v for k, v in os.environ.items() if k not in change}
    environment = kept | {k: v for k, v in change.items() if v is not None}
    done = subprocess.run(
        [sys.executable, "-m", "wfrpde", "solve", "banana", "--set", "flow.t_end=-1"],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_screen_without_the_letters_shows_others(monkeypatch):
    from wfrpde.commands import cli

    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    said = {name: lambda arguments: print("0.7 ± 1e-3") or 0 for name in cli.COMMANDS}
    monkeypatch.setattr(cli, "COMMANDS", said)
    assert cli.main(["cases"]) == 0
    screen.flush()
    assert screen.buffer.getvalue() == b"0.7 ? 1e-3\n"


@pytest.mark.parametrize("words", [["cases"], ["info"]])
def test_a_screen_that_is_closed_is_no_obstacle(words):
    line = [sys.executable, "-m", "wfrpde", *words]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *line], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_a_file_is_not_taken_for_the_screen(monkeypatch, capfd):
    from wfrpde.commands import cli

    def full(arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli, "_close_output", lambda: None)
    monkeypatch.setattr(cli, "COMMANDS", dict.fromkeys(cli.COMMANDS, full))
    assert cli.main(["cases"]) == 1
    assert capfd.readouterr().err == "error: a file cannot be written: No space left on device\n"
