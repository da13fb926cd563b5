"""Action of annealing (arXiv:2502.04575); `validation/literature` in a reduced form."""

import annealing_action as script
import numpy as np
import page
import pytest

from wfrpde.operators.along_path import path_profile


def test_what_annealing_dissipates():
    profile = path_profile(script.case(1.0))
    assert profile.action == pytest.approx(6.9242, abs=2e-4)
    row = script.row(4.0, 100, "even", profile)
    assert row["log(N/ESS)"] == pytest.approx(script.NOTED[4.0], abs=2e-4)
    assert row["T × dissipated"] < profile.action


def test_the_table_of_annealing():
    rows = page.read("annealing-action")
    even = [row for row in rows if row["schedule"] == "even"]
    for row in even:
        if row["T"] in script.NOTED:
            noted = script.NOTED[row["T"]]
            assert row["log(N/ESS)"] == pytest.approx(noted, abs=2e-4)
    for row in rows:
        assert row["T × dissipated"] < row["action"]
    assert (np.diff([row["T × dissipated"] for row in even]) > 0).all()
