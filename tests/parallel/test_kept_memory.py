"""Memory that a process keeps between small arrays."""

import platform
import subprocess
import sys

import pytest

SOLVES = """
import resource, wfrpde
case = wfrpde.Case.from_dict({
    "target": {"potential": "5*(x**2 - 1)**2 + 3*(y - 0.3*x)**2"},
    "initial": {"mean": [-1.0, 0.0], "covariance": 0.02},
    "accuracy": {"tolerance": 1e-2},
})
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    wfrpde.solve(case)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_small_solve_takes_no_pages_anew():
    """It took 5,800 of them, a sixth of its time."""
    done = subprocess.run([sys.executable, "-c", SOLVES], capture_output=True, text=True)
    assert int(done.stdout) < 1000, done.stderr
