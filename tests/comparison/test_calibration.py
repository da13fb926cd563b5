"""The calibration of ``validation/calibration.py`` in a reduced form."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "validation" / "calibration.py"


@pytest.fixture(scope="module")
def calibration():
    spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def judges(calibration):
    return calibration.judges()


def test_exact_samples_pass_at_the_nominal_rate(calibration, judges):
    """Of 120 validations of exact samples no more cry wolf than 5 % explain (97.5 % quantile)."""
    trials = 120
    family, _, alone, _ = calibration.false_alarms(judges["WFR"], trials, n=150, replicates=12)
    low, high = calibration.interval(trials, calibration.LEVEL)
    assert family <= high
    assert low <= alone <= high


@pytest.mark.parametrize("number", range(5))
def test_planted_mistakes_are_caught(calibration, judges, number):
    plant = calibration.PLANTS[number]
    power, bias = calibration.stated_power(judges[plant.claims], plant)
    assert 0.8 < power < 0.999
    assert 0.01 < bias < 0.3
    trials = 15
    found = calibration.detections(judges[plant.claims], plant, trials)[0]
    assert found >= calibration.interval(trials, power)[0]


def test_without_the_mistake_nothing_is_caught(calibration, judges):
    plant = calibration.Plant("none", "WFR", calibration.wfr, 1000, 16)
    assert calibration.detections(judges["WFR"], plant, 10)[0] <= 3
