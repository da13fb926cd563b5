"""The search for the minima of an arbitrary potential."""

import time

import numpy as np
import pytest

from wfrpde.errors import InputError
from wfrpde.targets import make_target

WELLS = [
    ("8*(x**2 - 1)**2 + 0.5*x", [[-1.0077], [0.9921]]),
    ("50*(x**2 - 1)**2", [[-1], [1]]),
    ("(x - 20)**2/0.2", [[20]]),
    ("(x - 90.3)**2*1e4", [[90.3]]),
    ("(x - 5000)**2", [[5000]]),
    ("(x-1)**4", [[1]]),
    ("abs(x - 0.3)", [[0.3]]),
    ("((x - 5)**2 + (y + 30)**2)/2", [[5, -30]]),
    ("(y - x**2)**2 + (1 - x)**2/4", [[1, 1]]),
    ("20*((x**2 - 1)**2 + (y**2 - 1)**2)", [[a, b] for a in (-1, 1) for b in (-1, 1)]),
    ("-log(exp(-((x-2)**2 + y**2)/0.02) + exp(-((x+2)**2 + y**2)/0.02))", [[-2, 0], [2, 0]]),
    ("20*((x**2-1)**2 + (y**2-1)**2 + (z**2-1)**2)",
     [[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]),
    ("(x**2 - 1)**2*80 + 100*x", [[-1.1288]]),  # the right well holds less than e^-60
]  # fmt: skip


@pytest.mark.parametrize(("text", "wells"), WELLS)
def test_every_well_is_found_once(text, wells):
    seeds = make_target(potential=text).seeds
    wells = np.array(wells, dtype=float)
    assert seeds.shape == wells.shape
    distances = np.linalg.norm(wells[:, None] - seeds, axis=2)
    assert distances.min(axis=1).max() < 0.02 * (1 + np.abs(wells).max() / 100)


def test_a_ring_gets_seeds_all_around():
    seeds = make_target(potential="((sqrt(x**2 + y**2) - 5)/0.25)**2").seeds
    np.testing.assert_allclose(np.hypot(*seeds.T), 5, atol=1e-3)
    angles = np.sort(np.arctan2(seeds[:, 1], seeds[:, 0]))
    assert np.diff(angles, append=angles[0] + 2 * np.pi).max() < np.pi / 2 + 1e-6


def test_the_search_is_deterministic_and_quick():
    text = "20*((x**2-1)**2 + (y**2-1)**2 + (z**2-1)**2) + sin(3*x*y*z)"
    make_target(potential=text)
    start = time.perf_counter()
    first = make_target(potential=text).seeds
    assert time.perf_counter() - start < 1.0
    np.testing.assert_array_equal(first, make_target(potential=text).seeds)


@pytest.mark.parametrize(
    ("text", "box", "well"),
    [
        ("1e14*(x - 1e-6)**2 - 2e12", [[0.0, 2e-6]], 1e-6),
        ("1e14*(x - 1e-6)**2 - 2e12", None, 1e-6),
        ("1e20*(x - 1e-9)**2 - 1e13", [[-1e-8, 1e-8]], 1e-9),
        ("1e14*(x - 1)**2 - 2e12", None, 1.0),
        ("-1e13/(1 + (x - 3)**2)", None, 3.0),
        ("1e-14*(x - 1e6)**2", [[-1e8, 1e8]], 1e6),
        ("(x - 1e7)**2", None, 1e7),
        ("-1e13*x", [[0.0, 1.0]], 1.0),
    ],
)
def test_a_deep_or_far_minimum_is_one(text, box, well):
    """A constant in V, or the unit of length, says nothing of whether it is bounded below."""
    seeds = make_target(potential=text, box=box).seeds
    assert seeds.shape == (1, 1)
    assert abs(seeds[0, 0] - well) < 1e-6 * well


@pytest.mark.parametrize(
    ("text", "box"),
    [("-x**2", None), ("-x**4 + x**2", None), ("x**3", None), ("1e3/(x - 0.123)", [[-1.0, 1.0]])],
)
def test_what_falls_without_bound_is_refused(text, box):
    with pytest.raises(InputError, match="falls without bound"):
        make_target(potential=text, box=box)
