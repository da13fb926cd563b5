"""Ranks end when what has started them is killed."""

import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import sys, time
from wfrpde.commands.launcher import end_with_launcher, launcher
if sys.argv[1:]:
    end_with_launcher()
print(launcher(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process")
def test_a_rank_ends_with_its_launcher(tmp_path):
    """A shell of that name starts a process, tells its id, and is killed: nobody reads its output.

    The pipe of the output ends when the last process that holds it has.
    """
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    shell = tmp_path / "prterun"
    shell.symlink_to(shutil.which("bash"))
    command = f'"{sys.executable}" -c "$PROGRAM" go & wait'
    process = subprocess.Popen(
        [shell, "-c", command], env={"PROGRAM": PROGRAM, "PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == f"{process.pid}\n"
    process.kill()
    assert process.communicate(timeout=30)[0] == ""


def test_what_no_launcher_has_started_is_left_alone():
    from wfrpde.commands.launcher import end_with_launcher, launcher

    assert launcher() is None
    end_with_launcher()
