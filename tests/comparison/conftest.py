"""Eulerian densities that are Gaussian, so that everything about them is known.

The scripts of ``validation`` are modules here.
"""

import sys
from pathlib import Path

import pytest

import wfrpde
from wfrpde.comparison.density import density_of

sys.path.append(str(Path(__file__).parents[2] / "validation"))


@pytest.fixture(scope="session")
def line():
    """A solution on a line: N(0.5, 1) at its start, towards ½N(−1, 0.2) + ½N(1.5, 0.2)."""
    return wfrpde.solve(
        wfrpde.Case.model_validate(
            {
                "target": {
                    "kind": "gaussian_mixture",
                    "means": [-1.0, 1.5],
                    "covariances": [0.2, 0.2],
                },
                "initial": {"mean": [0.5], "covariance": [[1.0]]},
                "flow": {"save": [0.2, 0.5]},
            }
        )
    )


@pytest.fixture(scope="session")
def plane():
    """A solution in the plane: a Gaussian towards a correlated one."""
    return wfrpde.solve(
        wfrpde.Case.model_validate(
            {
                "target": {
                    "kind": "gaussian",
                    "mean": [0.0, 0.0],
                    "covariance": [[1.0, 0.4], [0.4, 0.7]],
                    "modes": {"left": "x < 0"},
                },
                "initial": {"mean": [-1.0, 0.5], "covariance": [[0.3, 0.0], [0.0, 0.5]]},
                "domain": {"box": [[-6.0, 6.0], [-6.0, 6.0]]},
                "flow": {"save": [0.3]},
                "numerics": {"formulation": "spectral", "degree": 6, "cells": [10, 10]},
            }
        )
    )


@pytest.fixture(scope="session")
def start(line):
    """N(0.5, 1) as a density."""
    return density_of(line, 0.0)
