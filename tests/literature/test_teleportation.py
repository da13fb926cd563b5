"""Teleportation of mass (arXiv:2410.03282); `validation/literature` in a reduced form."""

import numpy as np
import page
import pytest
import teleportation as script

from wfrpde.operators.along_path import path_profile


@pytest.mark.parametrize("path", ["geometric", "noised"])
def test_the_action_of_two_paths(path):
    profile = path_profile(script.case(4.0, path))
    assert profile.action == pytest.approx(script.action_by_quadrature(4.0, path, 48), rel=1e-5)
    assert script.least_action(4.0) < profile.length**2 <= profile.action


def test_the_table_of_teleportation():
    rows = page.read("teleportation")
    for row in rows:
        for path in ("geometric", "noised"):
            action = row[f"action, {path}"]
            assert action == pytest.approx(row[f"by quadrature, {path}"], rel=2e-5)
            assert action > row["W₂²"]
        # no more than m²/2, where the other explodes
        assert row["action, noised"] < row["m"] ** 2 / 2
    growth = [row["action, geometric"] / row["action, noised"] for row in rows]
    assert (np.diff(growth) > 0).all()
    assert growth[0] < 1.2
    assert growth[-1] > 400
