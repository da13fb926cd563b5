"""Random problems of validation/fuzz whose error bars hold against references of another kind.

The tool draws and judges many more; these are a dozen that are quick and once all held.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import pytest

FUZZ = Path(__file__).resolve().parents[2] / "validation" / "fuzz"
COVERED = 0.97
SEEDS = [
    ("1d", 3), ("1d", 8), ("2d", 10), ("2d", 416),
    *(("spectra", seed) for seed in (1, 9, 10, 11, 15, 21, 23, 28, 29)),
]  # fmt: skip

BY_DEFAULT, TO_TOLERANCE = (5003, 5050, 5064, 5191, 5252), (5051, 5056, 5118, 5217)
"""Lines on averaged edges."""


@pytest.fixture(scope="module")
def run():
    sys.path.insert(0, str(FUZZ))
    try:
        import run
    finally:
        sys.path.remove(str(FUZZ))
    return run


@pytest.fixture(scope="module")
def records(run):
    with np.errstate(all="ignore"):
        return {(kind, seed): run.judged({**run.draw(kind, seed)}) for kind, seed in SEEDS}


def test_this_process_may_go_on(records):
    """A limit of CPU time is for processes of their own: here it would end the tests, later."""
    assert records
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    assert soft == hard


def test_a_reference_sees_wells_between_its_probes(run):
    """A well .015 wide in a line of 150 is found, and its mass counts in the density."""
    from lines import solve_line  # where `run` is, and loaded by it

    def potential(x):
        return x**2 / 2 - 3.33 * np.exp(-((x + 0.0467) ** 2) / 0.000233)

    # all of the start is forgotten: π, whose Z takes the well in pieces of its own
    flow = solve_line(potential, lambda x: -(x**2) / 100, (-75.3, 76.8), [60.0], alpha=0.0)
    x = np.linspace(-0.2, 0.2, 40_001)
    depth = np.exp(-potential(x)) - np.exp(-(x**2) / 2)
    z = np.sqrt(2 * np.pi) + np.trapezoid(depth, x)
    right = -potential(np.array([-0.0467, 0.3])) - np.log(z)
    found = flow.log_density(1, np.array([-0.0467, 0.3]))
    np.testing.assert_allclose(found, right, atol=1e-9)  # was off by 0.026
    assert flow.gap[1] < 1e-8


@pytest.mark.parametrize("key", SEEDS, ids=lambda key: "-".join(map(str, key)))
def test_bars_cover(records, run, key):
    rows = records[key]["rows"]
    assert rows
    for r in rows:
        # where the reference is no better than the bar, both errors together have to explain it
        within = run.FAR * (r["bar"] + r["own"])
        assert r["covered"] or r["error"] <= within or r["ratio"] is None, r


def test_coverage_and_sharpness(records):
    judged = [r for record in records.values() for r in record["rows"] if r["judged"]]
    assert len(judged) >= 40, "the references are accurate enough to judge"
    assert np.mean([r["covered"] for r in judged]) >= COVERED
    assert np.median([1 / r["ratio"] for r in judged if r["ratio"]]) < 100


@pytest.mark.parametrize(("seeds", "longest"), [(BY_DEFAULT, 12.0), (TO_TOLERANCE, 26.0)])
def test_bars_of_lines_are_sharp(run, seeds, longest):
    """The distance to the finest run by itself made them 28 and 33 times the errors."""
    with np.errstate(all="ignore"):
        records = [run.judged({**run.draw("1d", seed)}) for seed in seeds]
    assert {record["formulation"] for record in records} == {"edge-averaged"}
    judged = [r for record in records for r in record["rows"] if r["judged"]]
    assert len(judged) >= 50
    assert all(r["covered"] for r in judged)
    assert np.median([1 / r["ratio"] for r in judged if r["ratio"]]) < longest
