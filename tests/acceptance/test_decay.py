"""Rates at which KL decays: those of the solved flows against those of the spectrum."""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde
from wfrpde.studies.spectral.decay import CEILING, FLOOR, observe_decay


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (1.0, 1.0), (1.0, 0.2), (0.3, 2.0)])
def test_the_flows_decay_as_the_spectrum_says(alpha, beta):
    case = wfrpde.Case.model_validate(
        {
            "target": {"kind": "double_well", "barrier": 3.0, "tilt": 0.3},
            "initial": {"mean": [-1.0], "covariance": [[0.1]]},
            "flow": {"alpha": alpha, "beta": beta},
        }
    )
    spectrum = wfrpde.spectrum(case)
    rows = {row.flow: row for row in observe_decay(case, spectrum)}
    assert set(rows) == ({"W", "WFR"} if beta > 0 else {"W"})
    first = float(spectrum.rates[1])
    assert rows["W"].predicted == pytest.approx(2 * alpha * first, rel=1e-12)
    if beta > 0:
        assert rows["WFR"].predicted == pytest.approx(2 * (alpha * first + beta), rel=1e-12)
    for row in rows.values():
        assert abs(row.difference) < 1e-3
        start, end = row.window
        # the window spans decades of KL, all of them between the two limits of the rule
        assert np.exp(row.predicted * (end - start)) > 100
        assert row.predicted * (end - start) < np.log(CEILING / FLOOR) * 1.01


def test_a_flow_that_shows_no_window_says_so(monkeypatch):
    case = wfrpde.Case.model_validate(
        {
            "target": {"kind": "double_well", "barrier": 3.0},
            "initial": {"mean": [-1.0], "covariance": [[0.1]]},
            "flow": {"beta": 0.0},
        }
    )
    monkeypatch.setattr("wfrpde.studies.spectral.decay.CEILING", 2 * FLOOR)
    monkeypatch.setattr("wfrpde.studies.spectral.decay.LEAST", 50)
    (row,) = observe_decay(case, wfrpde.spectrum(case))
    assert np.isnan(row.observed)
    assert "saved times" in row.remark
