"""What is kept of a run: nodal log densities at its last time, to compare with other runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.interpolation import (
    Interpolation,
    SimplexInterpolation,
    TensorInterpolation,
    evaluate,
)
from wfrpde.domain.grid import SimplexGrid, TensorGrid

if TYPE_CHECKING:
    from wfrpde.flow.solution import Solution

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """``u = log(ρ/π)`` on the nodes of one run.

    Attributes
    ----------
    relative
        ``(n,)`` nodal u, for a normalised π.
    log_density
        ``(n,)`` nodal log ρ.
    """

    interpolation: TensorInterpolation | SimplexInterpolation
    relative: Array
    log_density: Array

    @classmethod
    def of(cls, solution: Solution) -> Field:
        """Take the field at the last time of a solution."""
        relative = np.asarray(solution.log_relative[-1])
        potential = solution.target.potential(solution.nodes)
        interpolation: Any = solution.interpolation
        return cls(interpolation, relative, relative - potential - solution.log_normalisation)

    def relative_at(self, x: Array) -> Array:
        """Interpolate u at points ``(n, d)``; NaN outside the mesh."""
        values, _ = evaluate(self.interpolation, self.relative[None], x)
        return np.asarray(values[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # searching a simplex mesh leaves behind what cannot be sent to another rank
        return Field.from_arrays, (self.arrays(),)

    @property
    def weights(self) -> Array:
        """Weights ``(n,)`` of the nodes: Gauss–Lobatto, or a share of each simplex."""
        return node_weights(self.interpolation)

    def arrays(self) -> dict[str, Any]:
        """Return what `from_arrays` needs, by name."""
        result: dict[str, Any] = {"relative": self.relative, "log_density": self.log_density}
        grid = self.interpolation.grid
        if isinstance(self.interpolation, TensorInterpolation):
            assert isinstance(grid, TensorGrid)
            result |= {f"breaks_{k}": b for k, b in enumerate(grid.breaks)}
            degree = np.array(self.interpolation.degree)
            return {**result, "active": grid.active, "degree": degree}
        assert isinstance(grid, SimplexGrid)
        result |= {"points": grid.points, "cells": grid.cells}
        if self.interpolation.coarse is not None:
            coarse = self.interpolation.coarse
            result |= {"coarse_points": coarse.points, "coarse_cells": coarse.cells}
        return result

    @classmethod
    def from_arrays(cls, data: dict[str, Any]) -> Field:
        """Rebuild a field from its arrays."""
        interpolation: TensorInterpolation | SimplexInterpolation
        if "active" in data:
            count = data["active"].ndim
            grid = TensorGrid(tuple(data[f"breaks_{k}"] for k in range(count)), data["active"])
            interpolation = TensorInterpolation(grid, int(data["degree"]))
        else:
            coarse = None
            if "coarse_points" in data:
                coarse = SimplexGrid(data["coarse_points"], data["coarse_cells"])
            interpolation = SimplexInterpolation(SimplexGrid(data["points"], data["cells"]), coarse)
        return cls(interpolation, data["relative"], data["log_density"])


def node_weights(interpolation: Interpolation) -> Array:
    """Quadrature weights ``(n,)`` of the nodes of a mesh."""
    if isinstance(interpolation, SimplexInterpolation):
        grid = interpolation.grid
        corners = grid.points[grid.cells]
        size = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))  # d! times the volume
        share = np.repeat(size, grid.cells.shape[1])
        total = np.bincount(grid.cells.ravel(), share, minlength=len(grid.points))
        return np.asarray(total / grid.cells.shape[1] / factorial(grid.dim))
    assert isinstance(interpolation, TensorInterpolation)
    box, degree = interpolation.grid, interpolation.degree
    rule = gll_rule(degree).weights / 2
    weight = np.zeros(interpolation.shape)
    volume = box.active * np.prod(np.meshgrid(*map(np.diff, box.breaks), indexing="ij"), axis=0)
    for corner in np.ndindex(*([degree + 1] * box.dim)):
        target = tuple(
            slice(c, c + (n - 1) * degree + 1, degree)
            for c, n in zip(corner, box.active.shape, strict=True)
        )
        weight[target] += volume * np.prod(rule[list(corner)])
    return np.asarray(weight.ravel()[interpolation.active_nodes])


def relative_error(log_density: Array, truth: Array, weights: Array) -> float:
    """L2 error of a density relative to the norm of the true one, from logs at the same nodes."""
    exact = np.exp(truth)
    gap = np.exp(log_density) - exact
    return float(np.sqrt((weights @ gap**2) / (weights @ exact**2)))
