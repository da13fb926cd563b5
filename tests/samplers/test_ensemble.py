"""What an ensemble accepts, and its weighted averages."""

import numpy as np
import pytest

from wfrpde.samplers import Ensemble, Trajectory


def test_weights_average_and_effective_size():
    ensemble = Ensemble(np.array([[0.0], [1.0], [2.0]]), np.log([1.0, 1.0, 2.0]) + 800.0)
    assert np.allclose(ensemble.weights, [0.25, 0.25, 0.5], rtol=1e-14)
    assert ensemble.ess == pytest.approx(1 / (1 / 16 + 1 / 16 + 1 / 4), rel=1e-14)
    assert ensemble.average(ensemble.positions)[0] == pytest.approx(1.25, rel=1e-14)
    assert (ensemble.size, ensemble.dim) == (3, 1)


def test_equal_weights_and_a_particle_of_no_weight():
    assert Ensemble.equal(np.zeros((5, 2))).ess == pytest.approx(5.0, rel=1e-14)
    ensemble = Ensemble(np.zeros((2, 1)), np.array([-np.inf, 3.0]))
    assert ensemble.weights.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("positions", "log_weights", "words"),
    [
        (np.zeros(3), np.zeros(3), r"shape \(3,\); needed \(N, d\)"),
        (np.zeros((0, 2)), np.zeros(0), "needed"),
        (np.zeros((3, 1)), np.zeros(2), r"log weights of shape \(2,\); needed \(3,\)"),
        (np.array([[0.0], [np.nan]]), np.zeros(2), "1 of 2 positions are NaN"),
        (np.array([[0.0], [np.inf]]), np.zeros(2), "1 of 2 positions"),
        (np.zeros((2, 1)), np.array([0.0, np.nan]), "largest is nan"),
        (np.zeros((2, 1)), np.array([0.0, np.inf]), "largest is inf"),
        (np.zeros((2, 1)), np.array([-np.inf, -np.inf]), "largest is -inf"),
    ],
)
def test_what_is_no_ensemble(positions, log_weights, words):
    with pytest.raises(ValueError, match=words):
        Ensemble(positions, log_weights)


def test_an_ensemble_is_immutable_and_leaves_the_callers_array_alone():
    positions = np.zeros((4, 1))
    ensemble = Ensemble.equal(positions)
    with pytest.raises(ValueError, match="read-only"):
        ensemble.positions[0] = 1.0
    positions[0] = 1.0
    with pytest.raises(AttributeError):
        ensemble.positions = positions


def test_counts_add_up():
    ensemble = Ensemble.equal(np.zeros((4, 1)), accepted=1)
    later = ensemble.moved(np.ones((4, 1)), accepted=2).reweighted(np.zeros(4), resampled=1)
    assert dict(later.counts) == {"accepted": 3, "resampled": 1}
    assert dict(ensemble.counts) == {"accepted": 1}


def test_a_trajectory_has_an_ensemble_for_each_time():
    with pytest.raises(ValueError, match="2 times for 1 ensembles"):
        Trajectory(np.array([0.1, 0.2]), (Ensemble.equal(np.zeros((1, 1))),))
