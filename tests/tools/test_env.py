"""The logic of tools/env: which place it chooses, what it says, how it passes a command on.

No tree is made here. The script is copied beside its list of packages, and run with a PATH that
holds only what a test gives it, so that the outcome does not depend on this machine.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

# What the script may count on everywhere. Not here: python3, mmdebstrap, bwrap, apt-get, git.
ORDINARY_TOOLS = (
    "awk bash cat chmod cut df dirname env flock grep mkdir mv printf readlink rm rmdir "
    "sed sha256sum sleep sort tail tar touch true uname"
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a checkout that holds the script and its list of packages."""
    clone = tmp_path / "a clone"
    (clone / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools/env", clone / "tools/env")
    for name in ("packages.lock", "pip.lock", "pip-test.lock"):
        shutil.copy(ROOT / "tools" / name, clone / "tools")
    return clone


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return the folder that is the whole PATH of the script."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ORDINARY_TOOLS.split():
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def run(clone: Path, programs: Path, tmp_path: Path) -> Run:
    """Return a function that runs the script of ``clone``, outside any place it has made."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(programs),
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        return subprocess.run(
            [clone / "tools/env", *arguments],
            env=environment | variables,
            cwd=clone,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def function(name: str, *arguments: str, **variables: str) -> list[str]:
    """Run one function of the script, and return the lines that it prints."""
    text = (ROOT / "tools/env").read_text()
    body = text[text.index(f"\n{name}() {{\n") :].split("\n}\n")[0]
    return subprocess.run(
        ["bash", "-c", f'set -euo pipefail\n{body}\n}}\n{name} "$@"', "-", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
    path.chmod(0o755)


def shown(result: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert result.returncode == 0, result.stderr
    return dict(line.split(": ", 1) for line in result.stdout.splitlines())


def test_no_command_is_an_error_with_the_usage(run: Run) -> None:
    result = run()
    assert result.returncode == 2
    assert "no command given" in result.stderr
    assert "usage: tools/env" in result.stderr


def test_unknown_option_is_named(run: Run) -> None:
    result = run("--newest", "true")
    assert result.returncode == 2
    assert "unknown option: --newest" in result.stderr


def test_help_goes_to_standard_output(run: Run) -> None:
    result = run("--help")
    assert result.returncode == 0
    assert "usage: tools/env" in result.stdout
    assert not result.stderr


def test_options_after_the_command_belong_to_the_command(run: Run) -> None:
    result = run("printf", "%s\n", "--latest", WFRPDE_ENV="trixie")
    assert result.stdout == "--latest\n"


@pytest.mark.parametrize("argument", ["", "a b", "$HOME", "*", "it's", '"', "\\", "a\nb", "ρ/π"])
def test_inside_a_place_arguments_arrive_as_they_are(run: Run, argument: str) -> None:
    result = run("printf", "<%s>", "first", argument, WFRPDE_ENV="trixie")
    assert result.stdout == f"<first><{argument}>"


def test_inside_a_place_the_exit_code_is_that_of_the_command(run: Run) -> None:
    assert run("bash", "-c", "exit 7", WFRPDE_ENV="trixie").returncode == 7


def test_latest_is_refused_inside_another_place(run: Run) -> None:
    result = run("--latest", "true", WFRPDE_ENV="trixie")
    assert result.returncode == 1
    assert "inside 'trixie'" in result.stderr
    assert run("--latest", "true", WFRPDE_ENV="sid").returncode == 0


def test_a_machine_without_dolfinx_gets_a_tree(run: Run, tmp_path: Path) -> None:
    place = shown(run("--show"))
    assert place["route"] == "tree"
    assert place["suite"] == "trixie"
    assert place["state"] == "to be made"
    assert Path(place["place"]).parent == tmp_path / "cache/wfrpde"
    assert not (tmp_path / "cache").exists(), "--show makes nothing"


def test_latest_has_a_tree_of_its_own(run: Run) -> None:
    latest = shown(run("--latest", "--show"))
    assert latest["suite"] == "sid"
    assert latest["place"] != shown(run("--show"))["place"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tools/env", "python3-scipy", "python3-scipy python3-h5py"),
        ("tools/packages.lock", "\nmeshio==", "\nmeshio==99."),
    ],
    ids=["Debian", "PyPI"],
)
def test_a_changed_list_of_packages_makes_a_new_tree(
    run: Run, clone: Path, file: str, old: str, new: str
) -> None:
    before = shown(run("--show"))["place"]
    assert shown(run("--show"))["place"] == before
    text = (clone / file).read_text()
    assert old in text
    (clone / file).write_text(text.replace(old, new))
    assert shown(run("--show"))["place"] != before


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("packages", "test lint docs mesh plot3d"), ("pip", ""), ("pip-test", "test")],
)
def test_everything_that_a_place_needs_is_pinned_with_hashes(lock: str, extras: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *itertools.chain(*(optional[e] for e in extras.split()))]
    text = (ROOT / f"tools/{lock}.lock").read_text()
    pins = re.findall(
        r"^([\w.-]+)==([^ ;]+)(?: ;[^\\]*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
        text,
        re.MULTILINE,
    )
    pinned = {name: version for name, version, _ in pins}
    for requirement in map(Requirement, wanted):
        if lock != "packages" or requirement.name not in ("numpy", "scipy"):  # with DOLFINx
            assert requirement.specifier.contains(pinned[requirement.name]), requirement
    assert len(re.findall(r"^[\w.-]+==", text, re.MULTILINE)) == len(pins), "one without a hash"


@pytest.mark.parametrize("variable", ["CONDA_PREFIX", "VIRTUAL_ENV"])
def test_an_active_environment_with_dolfinx_is_used(
    run: Run, programs: Path, variable: str
) -> None:
    program(programs, "python3", "echo 0.10.0")
    place = shown(run("--show", **{variable: "/somewhere"}))
    assert place == {"route": "active", "dolfinx": "0.10.0"}


@pytest.mark.parametrize(
    ("version", "usable"),
    [("0.8.0", False), ("0.9.0", True), ("0.10.0.post5", True), ("0.11.0", True)],
)
def test_dolfinx_before_0_9_is_too_old(tmp_path: Path, version: str, usable: bool) -> None:
    for name in "dolfinx", "petsc4py", "slepc4py", "mpi4py":
        (tmp_path / f"{name}.py").touch()
    information = tmp_path / "fenics_dolfinx-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Name: fenics-dolfinx\nVersion: {version}\n")
    found = function("usable_dolfinx", sys.executable, PYTHONPATH=str(tmp_path))
    assert found == ([version] if usable else [])


def test_an_active_environment_that_lacks_packages_is_left_alone(
    run: Run, programs: Path, tmp_path: Path
) -> None:
    program(programs, "python3", '[[ $1 == - ]] && echo 0.10.0 || { echo "no pydantic"; exit 1; }')
    result = run("true", CONDA_PREFIX="/somewhere")
    assert result.returncode == 1
    assert "/somewhere has DOLFINx but not all that wfrpde needs" in result.stderr
    assert "environment.yml" in result.stderr
    assert not (tmp_path / "cache").exists()


def test_a_distribution_with_dolfinx_is_used(run: Run, programs: Path) -> None:
    program(programs, "python3", "echo 0.9.0")
    place = shown(run("--show"))
    assert place["route"] == "system"
    assert "/system-" in place["place"]


def test_an_active_environment_without_dolfinx_does_not_count(run: Run, programs: Path) -> None:
    program(programs, "python3", "exit 1")
    assert shown(run("--show", CONDA_PREFIX="/somewhere"))["route"] == "tree"


def test_pip_makes_a_virtual_environment(run: Run, programs: Path) -> None:
    program(programs, "python3", "echo 3.13")
    place, test = (shown(run(option, "--show")) for option in ("--pip", "--pip-test"))
    assert place["route"] == test["route"] == "pip"
    assert place["state"] == "to be made"
    assert "/pip-test-" in test["place"]
    assert "/pip-test-" not in place["place"]


def test_a_package_that_is_not_the_locked_one_is_told(run: Run, programs: Path) -> None:
    refuse = "echo ERROR: THESE PACKAGES DO NOT MATCH THE HASHES; exit 1"
    make_venv = f"""
        [[ $1 == -m && $2 == venv ]] || {{ echo 3.13; exit; }}
        mkdir -p "$3/bin"
        printf '#!/bin/sh\\n{refuse}\\n' >"$3/bin/python3"
        chmod +x "$3/bin/python3"
    """
    program(programs, "python3", make_venv)
    result = run("--pip", "true")
    assert result.returncode == 1
    assert "| ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" in result.stderr
    assert "A file is not the one that tools/pip.lock was written for" in result.stderr
    assert "reachable" not in result.stderr
    assert shown(run("--pip", "--show"))["state"] == "to be made"


def test_the_quickest_place(run: Run, programs: Path, tmp_path: Path) -> None:
    """An activated environment, else what is there, else one by pip, else the tree."""
    assert shown(run("--quick", "--show"))["route"] == "tree"
    has = 'case "$*" in (*numpy*) exit {};; (*) [[ -z ${{1#-}} ]] && cat >/dev/null; exit 0;; esac'
    program(programs, "python3", has.format(1))
    chosen = shown(run("--quick", "--show", VIRTUAL_ENV="/somewhere"))
    assert chosen["route"] == "pip"
    tree = Path(shown(run("--show"))["place"])
    tree.mkdir(parents=True)
    assert shown(run("--quick", "--show"))["place"] == str(tree)
    Path(chosen["place"]).mkdir()
    assert shown(run("--quick", "--show"))["route"] == "pip"
    program(programs, "python3", has.format(0))
    assert shown(run("--quick", "--show", VIRTUAL_ENV="/somewhere")) == {"route": "active"}
    assert shown(run("--quick", "--show"))["route"] == "pip"


def test_pip_is_refused_inside_another_place(run: Run) -> None:
    assert run("--pip", "true", WFRPDE_ENV="trixie").returncode == 1
    assert run("--pip", "true", WFRPDE_ENV="pip").returncode == 0
    assert run("--quick", "true", WFRPDE_ENV="trixie").returncode == 0


def test_missing_tools_are_named_with_what_to_do(run: Run, tmp_path: Path) -> None:
    result = run("true")
    assert result.returncode == 1
    assert "mmdebstrap" in result.stderr
    assert "bubblewrap" in result.stderr
    assert "conda env create -f environment.yml" in result.stderr
    assert not (tmp_path / "cache").exists()


def test_without_root_the_command_to_install_them_is_printed(run: Run, programs: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root gets the tools installed")
    program(programs, "apt-get", "exit 99")
    result = run("true")
    assert result.returncode == 1
    assert "sudo apt-get install -y --no-install-recommends" in result.stderr


def test_a_failed_installation_shows_the_end_of_the_log(
    run: Run, programs: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gets the tools installed")
    program(programs, "apt-get", 'echo "E: no such mirror"; exit 100')
    result = run("true")
    assert result.returncode == 1
    assert "| E: no such mirror" in result.stderr
    assert str(tmp_path / "cache/wfrpde/host-tools.log") in result.stderr


def test_no_tree_is_made_where_bubblewrap_cannot_work(
    run: Run, programs: Path, tmp_path: Path
) -> None:
    for name in "mmdebstrap", "newuidmap":
        program(programs, name, f"touch '{tmp_path}/{name}-was-run'")
    program(programs, "bwrap", "exit 1")
    program(programs, "apt-get", "exit 0")
    result = run("true")
    assert result.returncode == 1
    assert "bubblewrap cannot make a namespace here" in result.stderr or os.geteuid() != 0
    assert not (tmp_path / "mmdebstrap-was-run").exists()


@pytest.fixture
def making(programs: Path, tmp_path: Path) -> Path:
    """Return the log of the calls of a mmdebstrap and a bwrap that only seem to work."""
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        pytest.skip("Debian's keys are not installed")
    calls = tmp_path / "calls"
    make_tree = f"""
        echo mmdebstrap >>'{calls}'
        tree='{tmp_path}/as-archive'
        [[ " $* " == *' --format=tar '* ]] || for a; do [[ $a != */debian ]] || tree=$a; done
        mkdir -p "$tree"/usr "$tree"/etc
        [[ " $* " != *' --format=tar '* ]] || tar -c -C "$tree" .
    """
    program(programs, "mmdebstrap", make_tree)
    program(programs, "newuidmap", "exit 0")
    make_venv = f"""
        echo bwrap >>'{calls}'
        for a; do [[ $a != */*/venv ]] || mkdir -p "$a/bin"; done
    """
    program(programs, "bwrap", make_venv)
    return calls


def test_two_clones_make_one_tree(run: Run, making: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, ["true", "true"]))
    assert [result.returncode for result in results] == [0, 0], results
    assert making.read_text().split().count("mmdebstrap") == 1
    place = shown(run("--show"))
    assert place["state"] == "ready"
    folders = [path for path in (tmp_path / "cache/wfrpde").iterdir() if path.is_dir()]
    assert folders == [Path(place["place"])]


def test_what_an_interrupted_run_left_is_removed(run: Run, making: Path) -> None:
    place = Path(shown(run("--show"))["place"])
    left = Path(f"{place}.partial.1")
    (left / "debian/usr").mkdir(parents=True)
    assert run("true").returncode == 0
    assert making.exists()
    assert place.exists()
    assert not left.exists()


@pytest.mark.usefixtures("making")
def test_a_failed_tree_is_removed_and_its_log_named(
    run: Run, programs: Path, tmp_path: Path
) -> None:
    program(programs, "mmdebstrap", 'echo "E: no route to the mirror"; exit 25')
    result = run("true")
    assert result.returncode == 1
    assert "| E: no route to the mirror" in result.stderr
    assert "WFRPDE_DEBIAN_MIRROR" in result.stderr
    place = shown(run("--show"))
    assert place["state"] == "to be made"
    assert f"Log: {place['place']}.log" in result.stderr
    assert not [path for path in (tmp_path / "cache/wfrpde").iterdir() if path.is_dir()]


@pytest.mark.usefixtures("making")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_making_at_once(
    clone: Path, programs: Path, tmp_path: Path, number: signal.Signals
) -> None:
    program(programs, "mmdebstrap", f"touch '{tmp_path}/began'; sleep 60; touch '{tmp_path}/ended'")
    process = subprocess.Popen(
        [clone / "tools/env", "true"],
        env={"PATH": str(programs), "HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 10
    while not (tmp_path / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert not (tmp_path / "ended").exists()
    assert not [path for path in (tmp_path / ".cache/wfrpde").iterdir() if path.is_dir()]


@pytest.fixture
def made(run: Run, programs: Path) -> Path:
    """Return a tree that seems to be made already, and a bwrap that prints its arguments."""
    program(programs, "bwrap", "printf '%s\\0' \"$@\"")
    place = Path(shown(run("--show"))["place"])
    for folder in "usr", "etc", "bin", "lib":
        (place / "debian" / folder).mkdir(parents=True)
    (place / "venv").mkdir()
    return place


@pytest.mark.usefixtures("made")
def test_arguments_reach_the_tree_as_they_are(run: Run) -> None:
    command = ["python", "-c", "print('a  b')", "", "$HOME", "a\nb", "--latest"]
    arguments = run(*command).stdout.split("\0")[:-1]
    assert arguments[-len(command) :] == command


def test_the_tree_is_read_only_and_the_checkout_is_itself(
    run: Run, made: Path, clone: Path, tmp_path: Path
) -> None:
    arguments = run("true").stdout.split("\0")
    bound = {
        arguments[i + 2]: (arguments[i], arguments[i + 1])
        for i, argument in enumerate(arguments)
        if argument in ("--bind", "--ro-bind")
    }
    assert bound["/usr"] == ("--ro-bind", str(made / "debian/usr"))
    assert bound["/etc"] == ("--ro-bind", str(made / "debian/etc"))
    for folder in "/tmp", str(tmp_path), str(clone):
        assert bound[folder] == ("--bind", folder)
    assert arguments[arguments.index("PYTHONPATH") + 1] == str(clone)
    assert arguments[arguments.index("--chdir") + 1] == str(clone)


def test_folders_that_pip_is_configured_with_are_found(tmp_path: Path) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://localhost/packages\ncert = /etc/mine.crt\n"
        "extra-index-url = file:///wheelhouse/simple\n    file:///mirror/simple\n"
    )
    found = function("pip_folders", PIP_CONFIG_FILE=str(configuration), PIP_FIND_LINKS="/shared/a")
    assert {"/wheelhouse", "/mirror", "/shared"} <= set(found)
    assert not {"/etc", "/localhost", "/packages", "/simple"} & set(found)


@pytest.mark.usefixtures("made")
def test_what_the_user_has_set_for_openmp_stays(run: Run, programs: Path) -> None:
    program(programs, "bwrap", 'echo "$OMP_NUM_THREADS $OPENBLAS_NUM_THREADS"')
    assert run("true").stdout.split() == ["1", "1"]
    assert run("true", OMP_NUM_THREADS="4").stdout.split() == ["4", "1"]


def test_remove_deletes_the_places_and_nothing_else(run: Run, made: Path) -> None:
    cache = made.parent
    interrupted = cache / "sid-0123456789ab.partial.42"
    interrupted.mkdir()
    other = cache / "notes"
    other.mkdir()
    result = run("--remove")
    assert result.returncode == 0, result.stderr
    assert sorted(cache.iterdir()) == [other]
    assert "nothing to delete" in run("--remove").stderr


def test_remove_leaves_a_place_that_is_being_made(run: Run, made: Path) -> None:
    with (made.parent / f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run("--remove")
    assert result.returncode == 1
    assert "is being made by another process" in result.stderr
    assert made.exists()
