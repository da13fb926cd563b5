"""Orders in the time step, on meshes so fine that space does not show."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import LINE, PLANE

import wfrpde


@pytest.mark.parametrize(
    ("flow", "stepper", "steps", "order", "limit"),
    [
        (LINE, "strang", (8, 16, 32, 64), 1.95, 3e-6),
        (LINE, "extrapolated", (4, 8, 16), 3.75, 1.5e-8),
        (PLANE, "strang", (8, 16, 32), 1.95, 3e-5),
        (PLANE, "extrapolated", (8, 16, 32), 3.85, 3e-9),
    ],
)
@pytest.mark.parametrize("rates", [(1.0, 1.0), (0.5, 2.0)])
def test_splitting(flow, stepper, steps, order, limit, rates):
    flow = flow.rates(*rates)
    numerics = {
        "formulation": "spectral",
        "degree": 8,
        "cells": [16 if flow.dim == 1 else 12] * flow.dim,
        "certify": False,
        "stepper": stepper,
    }
    found = []
    for n in steps:
        case = flow.case(
            1.0,
            domain={"box": [[-6.0, 6.0]] * flow.dim},
            numerics={**numerics, "dt": 1.0 / n},
        )
        solution = wfrpde.solve(case)
        assert solution.numerics["runs"][0]["steps"] == n
        found.append(flow.error(solution, 1.0, 4.0, 61))
    observed = np.log2(np.array(found[:-1]) / found[1:])
    report = f"steps {steps}: errors {found}, orders {observed}"
    assert observed.min() >= order, report
    assert found[-1] <= limit * rates[1], report
