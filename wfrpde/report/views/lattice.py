"""A flow on a lattice of points, as labelled arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.errors import InputError
from wfrpde.flow.solution import Solution
from wfrpde.report.flow.files import series_columns

if TYPE_CHECKING:
    from wfrpde.flow.product.solution import AnySolution

_POINTS = {1: 401, 2: 121, 3: 41}
"""Points along each axis by the number of axes: some ten thousand in all."""


def flow_on_lattice(solution: AnySolution, points: int | None) -> dict[str, Any]:
    """Give the parts of a data set: variables, coordinates and attributes.

    Raises
    ------
    InputError
        For a product or a chain, or fewer than two points.
    """
    if not isinstance(solution, Solution):
        needed = "a solution in one to three dimensions; density(t, x) gives others at points"
        raise InputError("to_xarray", f"a {type(solution).__name__}", needed)
    dim = solution.dim
    each = _POINTS[dim] if points is None else points
    if each < 2:
        raise InputError("to_xarray: points", str(points), "2 or more along each axis")
    sides = [np.linspace(low, high, each) for low, high in solution.box]
    axes = dict(zip("xyz", sides, strict=False))
    lattice = np.stack(np.meshgrid(*axes.values(), indexing="ij"), axis=-1)
    places = lattice.reshape(-1, dim)
    log_density = np.array([solution.log_density(float(t), places) for t in solution.times])
    log_target = -solution.target.potential(places) - solution.log_normalisation
    columns = series_columns(solution)
    shape = lattice.shape[:-1]
    return {
        "data_vars": {
            "log_density": (("t", *axes), log_density.reshape(-1, *shape)),
            "log_target": (tuple(axes), log_target.reshape(shape)),
            **{name: ("t", values) for name, values in columns.items() if name != "t"},
        },
        "coords": {"t": columns["t"], **axes},
        "attrs": {"title": solution.case.title or solution.case.name},
    }
