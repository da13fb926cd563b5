"""A start so wide that cells where the potential is high are left out says so."""

from __future__ import annotations

import wfrpde


def warnings_of(width: float, cells: int) -> str:
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "30*(x**2 + y**2)", "dim": 2},
            "initial": {"mean": [0.0, 0.0], "covariance": width**2},
            "flow": {"save": [0.001]},
            "numerics": {
                "formulation": "edge-averaged",
                "cells": [cells, cells],
                "certify": False,
            },
        }
    )
    return " ".join(wfrpde.solve(case).warnings)


def test_a_wide_start_on_steep_walls_is_not_called_narrow():
    text = warnings_of(4.0, 24)
    assert "no cell is kept" in text
    assert "too narrow" not in text


def test_a_narrow_start_is():
    text = warnings_of(0.02, 8)
    assert "too narrow" in text
