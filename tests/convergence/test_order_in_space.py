"""Orders in the cell size and absolute errors, against the exact flow between Gaussians.

Between the nodes the density is π e^u with the exact π, and u is quadratic here: the error is that
of the nodal values, which superconverges (order p + 2 and more for p ≥ 2).
"""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import LINE, PLANE, SPACE, GaussianFlow

import wfrpde

ORDER = {1: 1.95, 2: 3.8, 3: 4.8, 4: 5.7, 6: 7.5}
"""What has to be observed, by degree."""


def errors(
    flow: GaussianFlow, t: float, half_width: float, cells: tuple[int, ...], **numerics: object
) -> np.ndarray:
    """Relative L2 errors at time t, on cubes of half-width 3 (3-D) or 4, for numbers of cells."""
    result = []
    for n in cells:
        case = flow.case(
            t,
            domain={"box": [[-half_width, half_width]] * flow.dim},
            numerics={"certify": False, "cells": [n] * flow.dim, **numerics},
        )
        points = {1: 401, 2: 61, 3: 21}[flow.dim]
        result.append(flow.error(wfrpde.solve(case), t, 4.0 if flow.dim < 3 else 3.0, points))
    return np.array(result)


def check(found: np.ndarray, cells: tuple[int, ...], order: float, limit: float) -> None:
    """The least order between neighbouring meshes, and the error on the finest."""
    observed = -np.diff(np.log(found)) / np.diff(np.log(cells))
    report = f"cells {cells}: errors {found}, orders {observed}"
    assert observed.min() >= order, report
    assert found[-1] <= limit, report


@pytest.mark.parametrize(
    ("degree", "cells", "limit"),
    [
        (1, (40, 80, 160), 1.5e-4),
        (2, (20, 40, 80), 4e-7),
        (3, (12, 24, 48), 6e-8),
        (4, (8, 16, 32), 1.2e-8),
        (6, (6, 12), 4e-8),
    ],
)
def test_intervals(degree, cells, limit):
    numerics = {"formulation": "spectral", "degree": degree}
    check(errors(LINE, 1.0, 6.0, cells, **numerics), cells, ORDER[degree], limit)


@pytest.mark.parametrize(
    ("degree", "cells", "limit"),
    [
        (1, (40, 80), 6e-4),
        (2, (16, 32), 2e-5),
        (3, (12, 24), 3e-6),
        (4, (8, 16), 1.3e-6),
        (6, (6, 12), 5e-8),
    ],
)
def test_quadrilaterals(degree, cells, limit):
    numerics = {"formulation": "spectral", "degree": degree}
    check(errors(PLANE, 1.0, 6.0, cells, **numerics), cells, ORDER[degree], limit)


@pytest.mark.parametrize("cell", ["tensor", "simplex"])
@pytest.mark.parametrize(
    ("flow", "cells", "limits"),
    [(LINE, (20, 40, 80), (6e-4, 5e-7)), (PLANE, (20, 40), (7e-4, 2e-5))],
)
def test_edge_averaged_fluxes_in_space_and_time(cell, flow, cells, limits):
    """Order 2 as they are, 4 extrapolated; the step is halved along with the cells."""
    raw, extrapolated = [], []
    for refinement, n in enumerate(cells):
        for certify, found in ((False, raw), (True, extrapolated)):
            case = flow.case(
                1.0,
                domain={"box": [[-6.0, 6.0]] * flow.dim, "cell": cell},
                numerics={
                    "formulation": "edge-averaged",
                    "certify": certify,
                    "cells": [n] * flow.dim,
                    "dt": 1 / 16 / 2**refinement,
                },
            )
            solution = wfrpde.solve(case)
            found.append(flow.error(solution, 1.0, 4.0, 61))
            if certify:
                assert found[-1] <= solution.error.density[-1] <= 1e-2
    check(np.array(raw), cells, 1.95, limits[0])
    check(np.array(extrapolated), cells, 3.8, limits[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("degree", "cells", "limit"),
    [
        (1, (12, 24), 2e-2),
        (2, (8, 16), 2.5e-3),
        (3, (6, 9), 3e-3),
        (4, (6, 8), 4.5e-4),  # 5 are too few: the start turns negative
        (6, (4, 5), 4e-4),
    ],
)
def test_hexahedra(degree, cells, limit):
    numerics = {"formulation": "spectral", "degree": degree, "dt": 1 / 16}
    order = {**ORDER, 1: 1.85}[degree]  # of so few cells
    check(errors(SPACE, 0.25, 5.0, cells, **numerics), cells, order, limit)


@pytest.mark.slow
def test_tetrahedra():
    """Order 2 in space and time together."""
    found = []
    for refinement, n in enumerate((6, 12)):
        case = SPACE.case(
            0.25,
            domain={"box": [[-5.0, 5.0]] * 3, "cell": "simplex"},
            numerics={
                "formulation": "edge-averaged",
                "cells": [n] * 3,
                "dt": 1 / 16 / 2**refinement,
                "certify": False,
            },
        )
        solution = wfrpde.solve(case)
        assert solution.cell_type == "tetrahedron"
        found.append(SPACE.error(solution, 0.25, 3.0, 21))
    check(np.array(found), (6, 12), 1.9, 2e-2)
