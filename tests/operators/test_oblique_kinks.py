"""Rates of a potential whose kinks lie within the cells, at three degrees."""

from types import SimpleNamespace

import numpy as np

from wfrpde.operators.ladder import Ladder

# 15.4 |u − .207| + .35 u² beside two modes along v, turned by .17: degrees 6, 7 and 8 on 79 × 41
# cells, and sums of the rates of two lines (validation/fuzz, spectra 25)
RATES = [
    [4.97758448, 8.19688910, 9.94679405],
    [4.97512149, 8.19572528, 9.95067233],
    [4.97366033, 8.19723855, 9.95069706],
]
RIGHT = np.array([4.97512438, 8.19672131, 9.95024876])


def test_two_degrees_that_agree_by_chance_are_not_believed():
    """The last rate changes by 2e-5 and is off by 4e-4, as the others."""
    levels = tuple(SimpleNamespace(degree=p) for p in (6, 7, 8))
    for kinked in (False, True):
        ladder = Ladder(levels, smooth=True, kinked=kinked)
        best, error = ladder.value([np.array(row) for row in RATES])
        np.testing.assert_array_equal(best, RATES[-1])
        assert (np.abs(best - RIGHT) <= error).all() == kinked
        assert error.max() < 0.05


def test_soft_walls_that_are_turned_change_less_than_they_are_off():
    """17.7 max(0, |u| − 1.3) beside waves, turned by .58, on 19 × 39 cells (spectra 8)."""
    rows = [
        [0.30961699, 1.04583475, 1.05512208, 1.34248789],
        [0.30975283, 1.0463674, 1.05566218, 1.34044553],
        [0.3097475, 1.0464876, 1.05577884, 1.34153049],
    ]
    right = np.array([0.30998501, 1.04765806, 1.05695263, 1.34059615])
    levels = tuple(SimpleNamespace(degree=p) for p in (6, 7, 8))
    best, error = Ladder(levels, True, kinked=True).value([np.array(row) for row in rows])
    assert (np.abs(best - right) <= error).all()
    assert (error <= 10 * np.abs(best - right)).all()


def test_what_is_not_resolved_makes_its_neighbours_uncertain():
    """One rate that changes by two percent: the change between lower degrees counts for all."""
    levels = tuple(SimpleNamespace(degree=p) for p in (6, 7, 8))
    rows = [[1.0, 4.0], [1.01, 3.9], [1.010001, 3.82]]
    _, error = Ladder(levels, smooth=True).value([np.array(row) for row in rows])
    assert error[0] >= 0.01
    well = [[1.0, 4.0], [1.01, 4.0001], [1.010001, 4.00011]]
    _, error = Ladder(levels, smooth=True).value([np.array(row) for row in well])
    assert error[0] < 1e-5
