"""What was seen to use no engine is left out of a folder, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
from engine_use import EngineUse
from engine_use import add_options as pytest_addoption
def pytest_configure(config):
    config.pluginmanager.register(EngineUse(config))
"""

TESTS = """
import subprocess
import pytest
@pytest.fixture(scope="module")
def answer():
    return subprocess.run(["true"]).returncode
def test_first(answer): assert answer == 0
def test_second_of_a_fixture(answer): assert answer == 0
def test_process(): subprocess.run(["true"])
def test_matrix():
    import wfrpde
    plane = {"target": {"potential": "x**2 + y**2"}, "numerics": {"degree": 2, "cells": [4, 4]}}
    wfrpde.spectrum(wfrpde.Case.from_dict(plane | {"initial": {"kind": "uniform"}}))
def test_alone(): pass
def test_skipped(): pytest.importorskip("no_module_of_this_name")
"""


def test_what_used_no_engine_is_left_out_of_a_folder(tmp_path):
    pytest.importorskip("petsc4py")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for folder in ("flow", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "flow" / "test_flow.py").write_text(TESTS)
    (tmp_path / "other" / "test_other.py").write_text("def test_alone(): pass")

    def outcome(*words):
        here = Path(__file__).parent
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--rootdir", ".", "flow", "other", *words],
            cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": f"{here}:{here.parent}", "PYTEST_ADDOPTS": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()[-1].partition(" in ")[0]

    assert outcome("--note-engine", "-n", "1") == "6 passed, 1 skipped"
    (tmp_path / "flow" / "test_new.py").write_text("def test_not_seen_yet(): pass")
    assert outcome("--by-engine", "flow") == "6 passed, 1 skipped, 1 deselected"
