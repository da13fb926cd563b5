"""Solutions with walls that matter, neither Gaussian nor polynomial: eigenfunctions on a box.

For V = x on [0, L] the generator u'' − u' with u' = 0 at both ends has the eigenfunctions

    u = e^{x/2} (cos kx − sin kx / 2k),    k = nπ/L,    λ = k² + 1/4,

so that h = 1 + c e^{−λt} u solves Langevin's flow; in 2-D products of them do, with λ₁ + λ₂.
"""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde

LENGTH, SHARE, T = 2.0, 0.2, 0.1
K = np.pi / LENGTH
RATE = K**2 + 0.25
WAVE = f"(exp({{0}}/2)*(cos({K!r}*{{0}}) - sin({K!r}*{{0}})/{2 * K!r}))"


def solve(dim: int, cells: int, domain: dict[str, str], **numerics: object) -> float:
    """Relative L2 error of the density at time T, at points that are no nodes."""
    names = "xy"[:dim]
    slope = " + ".join(names)
    wave = "*".join(WAVE.format(name) for name in names)
    case = wfrpde.Case.model_validate(
        {
            "target": {"potential": slope},
            "initial": {"log_density": f"-({slope}) + log(1 + {SHARE}*{wave})"},
            "domain": {"box": [[0.0, LENGTH]] * dim, **domain},
            "flow": {"beta": 0.0, "save": [T]},
            "numerics": {"cells": [cells] * dim, "certify": False, **numerics},
        }
    )
    solution = wfrpde.solve(case)
    axis = np.linspace(0, LENGTH, 38)
    x = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    factors = np.exp(x / 2) * (np.cos(K * x) - np.sin(K * x) / (2 * K))
    relative = 1 + SHARE * np.exp(-RATE * dim * T) * factors.prod(axis=1)
    exact = relative * np.exp(-x.sum(axis=1)) / (1 - np.exp(-LENGTH)) ** dim
    return float(np.linalg.norm(solution.density(T, x) - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize(
    ("dim", "degree", "cells", "order", "limit"),
    [
        (1, 1, (20, 40), 1.95, 1e-4),
        (1, 2, (8, 16), 2.9, 1e-5),
        (1, 4, (3, 6), 4.8, 1e-6),
        (1, 6, (2, 4), 6.7, 1e-7),
        (2, 2, (8, 16), 2.9, 1e-5),
        (2, 4, (3, 6), 4.8, 1e-6),
    ],
)
def test_gll_elements(dim, degree, cells, order, limit):
    numerics = {"formulation": "spectral", "degree": degree, "dt": T / 16}
    found = [solve(dim, n, {}, **numerics) for n in cells]
    observed = -np.diff(np.log(found)) / np.diff(np.log(cells))
    report = f"errors {found}, orders {observed}"
    assert observed.min() >= order, report
    assert found[-1] <= limit, report


@pytest.mark.parametrize("cell", ["tensor", "simplex"])
@pytest.mark.parametrize("dim", [1, 2])
def test_edge_averaged_fluxes(dim, cell):
    numerics = {"formulation": "edge-averaged", "dt": T / 64}
    found = [solve(dim, n, {"cell": cell}, **numerics) for n in (10, 20)]
    observed = np.log2(found[0] / found[1])
    assert observed >= 1.9, (found, observed)
    assert found[1] <= 5e-4, found
