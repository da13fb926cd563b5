"""Commands killed at some moment and gone on with give what they give undisturbed.

A fixed sample; `validation/kills.py` does the same at twenty random moments of each.
"""

import shutil
import signal

import pytest

from tests.faults.killing import Bench

pytestmark = [
    pytest.mark.skipif(
        "sys.modules.get('mpi4py.MPI') and sys.modules['mpi4py.MPI'].COMM_WORLD.size > 1",
        reason="starts mpirun itself",
    ),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Commands on so many ranks, which have run once without a kill: what they give and take."""
    known = {}

    def of(command, ranks):
        if ranks > 1 and shutil.which("mpirun") is None:
            pytest.skip("needs mpirun")
        if (command, ranks) not in known:
            one = Bench(tmp_path_factory.mktemp(f"{command}{ranks}"), ranks)
            seconds = one.whole(command, "whole")
            known[command, ranks] = one, seconds, one.numbers(command, "whole")
        return known[command, ranks]

    return of


@pytest.mark.parametrize(
    ("command", "ranks", "number", "moment"),
    [
        ("solve", 1, signal.SIGKILL, 0.8),
        ("spectrum", 1, signal.SIGTERM, 0.8),
        pytest.param("solve", 2, signal.SIGTERM, 0.8, marks=pytest.mark.slow),
        pytest.param("solve", 2, signal.SIGKILL, 0.8, marks=pytest.mark.slow),
        pytest.param("validate", 1, signal.SIGHUP, 0.9, marks=pytest.mark.slow),
        pytest.param("converge", 1, signal.SIGINT, 0.7, marks=pytest.mark.slow),
    ],
)
def test_a_killed_command_goes_on(bench, command, ranks, number, moment):
    one, seconds, numbers = bench(command, ranks)
    out = f"{command}-{number}-{moment}"
    while not one.killed(command, out, number, moment * seconds):
        moment *= 0.8  # it had come to its end: what it takes varies
        shutil.rmtree(one.folder / out)
    one.whole(command, out, *(["--resume"] if command != "converge" else []))
    assert one.numbers(command, out) == numbers
    assert not one.hidden(out)
