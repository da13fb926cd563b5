"""Rotation speeds mixing up, up to a point: the study that ships as the case `rotation`."""

import numpy as np
import pytest

import wfrpde
from wfrpde import operators
from wfrpde.report.spectrum.tables import sweep_columns


def test_the_gap_against_rotation():
    """(1 + θJ) diag(0.1, 1): real below θ = √2.025, then ½ tr = 0.55 whatever θ, and complex."""
    theta = np.array([0.0, 1.0, 2.0, 4.0])
    # the same target by its name: without a mesh
    well = {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[10.0, 0.0], [0.0, 1.0]]}
    case = wfrpde.load_case("rotation", {"spectrum.count": 3, "target": well})
    found = operators.sweep(case, "dynamics.circulation", theta)
    root = np.sqrt((1.21 - 0.4 * (1 + theta**2)).astype(complex))
    np.testing.assert_allclose(found.rates[:, 1], 0.55 - root.real / 2, rtol=1e-8)
    np.testing.assert_allclose(found.rotations[:, 1], root.imag / 2, atol=1e-8)
    assert (np.abs(found.rates[:, 1] - 0.55 + root.real / 2) <= found.errors[:, 1] + 1e-14).all()
    assert found.rates[-1, 1] == pytest.approx(5.5 * found.rates[0, 1])  # and no faster than that
    assert "rotation_1" in sweep_columns(found)
