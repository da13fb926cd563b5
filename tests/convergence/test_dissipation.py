"""The dissipation identity −dKL/dt = αI + βVar, which no scheme here imposes, to the order of each.

The slope of KL is a difference of fourth order between five saved times; what it leaves is a few
millionths of the slope.
"""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import PLANE

import wfrpde

T, GAP = 0.2, 0.01
TIMES = [T + k * GAP for k in range(-2, 3)]


def well(dim: int, alpha: float, beta: float, **numerics: object) -> wfrpde.Case:
    """A double well, in 2-D with a valley that is coupled to it."""
    along, across = "2*(x**2 - 1)**2 + 0.25*x", " + 2*(y - x/2)**2"
    return wfrpde.Case.model_validate(
        {
            "target": {"potential": along + (across if dim == 2 else "")},
            "initial": {
                "mean": [-0.8, -0.4][:dim],
                "covariance": (0.1 * np.eye(dim)).tolist(),
            },
            "domain": {"box": [[-2.4, 2.4], [-3.2, 3.2]][:dim]},
            "flow": {"alpha": alpha, "beta": beta, "save": TIMES},
            "numerics": numerics,
        }
    )


def defect(case: wfrpde.Case) -> float:
    """By how much of itself KL falls faster than it should."""
    solution = wfrpde.solve(case)
    series = {name: values[1:] for name, values in solution.series.items()}
    kl = series["kl"]
    slope = (kl[0] - 8 * kl[1] + 8 * kl[3] - kl[4]) / (12 * GAP)
    rate = case.flow.alpha * series["fisher_information"][2]
    rate += case.flow.beta * series["reaction_variance"][2]
    return float(-slope / rate - 1)


@pytest.mark.parametrize("rates", [(1.0, 1.0), (1.0, 0.0), (0.5, 2.0)])
@pytest.mark.parametrize(("dim", "limit"), [(1, 2e-4), (2, 1.5e-3)])
def test_edge_averaged(dim, limit, rates):
    numerics = {"formulation": "edge-averaged"}
    raw, extrapolated = [], []
    for level, n in enumerate((24, 48)):
        numerics = {**numerics, "cells": [n] * dim, "dt": GAP / 2**level}
        raw.append(abs(defect(well(dim, *rates, **numerics, certify=False))))
        extrapolated.append(abs(defect(well(dim, *rates, **numerics))))
    assert np.log2(raw[0] / raw[1]) >= 1.8, raw
    assert raw[1] <= limit, raw
    assert extrapolated[1] <= limit / 4, (raw, extrapolated)


TILTED = np.array([[1.0, 0.6], [0.6, 0.5]])
LINE = {"mean": [-0.8], "covariance": [[0.05]]}
MOVING = {"mean": [1.0, 0.5], "covariance": [[0.3, 0.05], [0.05, 0.2]]}


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize(
    ("potential", "start", "dynamics", "numerics"),
    [
        ("3*(x**2 - 1)**2", LINE, {"diffusion": "1 + 0.8*sin(3*x)"}, {}),
        ("(x**2 + x*y + y**2)/2", MOVING, {"diffusion": TILTED}, {"cells": [24, 20]}),
        ("(x**2 + x*y + y**2)/2", MOVING, {"circulation": 3.0}, {"cells": [44, 44], "dt": 0.01}),
        ("x**4/4", MOVING, {"kind": "kinetic", "friction": 2.0}, {"cells": [44, 44], "dt": 0.01}),
    ],
    ids=["D(x)", "full D", "circulation", "kinetic"],
)
def test_terms_of_the_dynamics(potential, start, dynamics, numerics, beta):
    """I = ∫ρ ∇u·D∇u: circulation and momenta turn u along, and lower nothing."""
    case = {
        "target": {"potential": potential}, "initial": start, "dynamics": dynamics,
        "flow": {"beta": beta, "save": TIMES}, "numerics": {**numerics, "certify": False},
    }  # fmt: skip
    assert abs(defect(wfrpde.Case.from_dict(case))) < 5e-4


@pytest.mark.parametrize("rates", [(1.0, 1.0), (0.5, 2.0)])
def test_log_density(rates):
    assert abs(defect(well(1, *rates, formulation="log-density"))) <= 5e-6


@pytest.mark.parametrize("rates", [(1.0, 1.0), (1.0, 0.0), (0.5, 2.0)])
def test_spectral_elements(rates):
    flow = PLANE.rates(*rates)
    found = []
    for degree, cells in ((4, 8), (4, 16)):
        case = flow.case(
            *TIMES,
            domain={"box": [[-6.0, 6.0]] * 2},
            numerics={"degree": degree, "cells": [cells] * 2, "dt": GAP / 2, "certify": False},
        )
        found.append(abs(defect(case)))
    assert found[1] <= 2e-5, found
    assert np.log2(found[0] / found[1]) >= 4, found
