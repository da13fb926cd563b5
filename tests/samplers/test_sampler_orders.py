"""Orders in dt and in N: ``validation/samplers/orders.py`` in a reduced form."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "validation" / "samplers" / "measure.py"

WEIGHTED = {"kind": "weighted", "resampling": "none"}
SMC = {"kind": "smc_wfr", "resampling": "none"}
SHARE = 1


@pytest.fixture(scope="module")
def measure():
    spec = importlib.util.spec_from_file_location("measure", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def benches(measure):
    return {name: measure.Bench(problem) for name, problem in measure.PROBLEMS.items()}


def changes(measure, bench, table, counts=(200, 150, 100), seed=7):
    """E(N) − E(N/2) of the share, and its error, for N = 100, 400, 1600 at t = 0.5."""
    sampler = bench.runner(table).sampler
    made = [
        measure.halves(bench, sampler, n, count, 0.5, 0.1, seed)
        for n, count in zip((100, 400, 1600), counts, strict=True)
    ]
    return np.array([[mean[1, SHARE], error[1, SHARE]] for mean, error in made]).T


@pytest.mark.parametrize(
    ("problem", "table"),
    [
        ("mixture", {**WEIGHTED, "cells": 12}),
        ("mixture, near π", WEIGHTED),
        ("mixture, near π", {**WEIGHTED, "density": "kde", "bandwidth": 0.5}),
        ("mixture, near π", SMC),
    ],
    ids=["wide mesh", "mesh", "kernel", "moves"],
)
def test_bias_of_estimated_densities_is_one_over_n(measure, benches, problem, table):
    """Where every particle has neighbours; the standard error of the order is below 0.06."""
    change, error = changes(measure, benches[problem], table)
    order, low, high = measure.fitted_order(np.array([100, 400, 1600]), change, error)
    assert order == pytest.approx(1.0, abs=0.2)
    assert high - low < 0.4


def test_a_front_is_slower_than_one_over_n(measure, benches):
    """From N(0, 1) the right mode is filled from its farthest particles, which have no neighbours.

    Known there, the density leaves what weights of the true density have, which is far less.
    """
    bench, sizes = benches["mixture"], np.array([100, 400, 1600])
    change, error = changes(measure, bench, WEIGHTED)
    _, _, high = measure.fitted_order(sizes, change, error)
    assert high < 0.5
    sampler = measure.known_where_few(bench, bench.runner(WEIGHTED).sampler, 0.5, 0.1, 20.0)
    mean, spread = measure.halves(bench, sampler, 1600, 100, 0.5, 0.1, 7)
    assert abs(mean[1, SHARE]) + 2 * spread[1, SHARE] < 0.25 * change[2]


def test_weights_of_the_true_density_have_no_bias_of_its_estimate(measure, benches):
    """Near π weights hardly differ, so that what normalising them brings is small, too."""
    bench = benches["mixture, near π"]
    estimated, _ = changes(measure, bench, WEIGHTED)
    known, error = changes(measure, bench, {**WEIGHTED, "density": "oracle"})
    assert (np.abs(known) + 2 * error < 0.2 * np.abs(estimated)).all()


def test_bias_of_birth_and_death_is_one_over_n(measure, benches):
    """Jumps part the paths of whole and halves: independent runs. An order of ½ is excluded.

    The bias is that of weights with the same density, N × bias = 0.6 from N = 400 on.
    """
    bench, sizes, counts = benches["mixture, near π"], (25, 100, 400), (1500, 1500, 1000)
    runner = bench.runner({"kind": "birth_death"})
    law = bench.infinite(runner, 0.5, 0.1)
    found = [
        measure.replicates(bench, runner, n, count, 0.5, 0.1, 5)
        for n, count in zip(sizes, counts, strict=True)
    ]
    bias = np.array([mean[SHARE] - law[SHARE] for mean, _ in found])
    error = np.array([spread[SHARE] for _, spread in found])
    order, low, _ = measure.fitted_order(np.array(sizes), bias, error)
    assert order == pytest.approx(1.0, abs=0.3)
    assert low > 0.5
    assert 400 * bias[2] == pytest.approx(0.6, abs=3 * 400 * error[2])


@pytest.mark.parametrize("problem", ["mixture", "well"])
@pytest.mark.parametrize(
    ("table", "key", "widths", "within"),
    [
        ({"kind": "langevin"}, "", (), 2e-5),
        ({"kind": "feynman_kac"}, "", (), 2e-5),
        ({"kind": "weighted", "density": "oracle"}, "", (), 5e-5),
        ({"kind": "smc_wfr"}, "", (), 5e-5),
        ({"kind": "weighted"}, "cells", (96, 192), 1e-4),
    ],
    ids=["langevin", "feynman_kac", "oracle", "smc_wfr", "mesh"],
)
def test_extrapolated_to_no_step_and_no_smoothing_the_flow_remains(
    measure, benches, problem, table, key, widths, within
):
    """Errors of the extrapolations are below ``within``; the longest step is wrong by far more."""
    bench, t = benches[problem], {"mixture": 1.0, "well": 0.5}[problem]
    longest = {"mixture": 0.1, "well": 0.005}[problem]
    steps = longest / 2.0 ** np.arange(4)
    truth, _ = bench.truth(bench.runner(table).claims, t)
    rest, first = [], []
    for width in widths or (None,):
        own = bench.runner(table if width is None else {**table, key: width})
        biases = np.array([bench.infinite(own, t, dt) - truth for dt in steps])
        rest.append([measure.richardson(column)[0] for column in biases.T])
        first.append(np.abs(biases[0]).max())
    left = np.array(rest[-1] if len(rest) == 1 else (4 * np.array(rest[1]) - rest[0]) / 3)
    assert np.abs(left).max() < within
    assert max(first) > 4 * within


def test_mala_follows_langevin_dynamics_to_first_order(measure, benches):
    """Differences from Langevin moves with the same proposals; standard errors are some 4 %."""
    bench, steps = benches["mixture"], (0.1, 0.05, 0.025)
    runner = bench.runner({"kind": "mala"})
    truth, _ = bench.truth(runner.claims, 1.0)
    langevin = bench.runner({"kind": "langevin"})
    found = []
    for dt in steps:
        gap, _ = measure.beside_langevin(bench, runner, 20_000, 6, 1.0, dt, 3)
        found.append(bench.infinite(langevin, 1.0, dt)[SHARE] + gap[SHARE] - truth[SHARE])
    assert np.log2(found[0] / found[2]) / 2 == pytest.approx(1.0, abs=0.15)
    assert abs(found[0]) > 1e-3
