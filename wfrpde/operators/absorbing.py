"""Absorbing regions on a mesh: where their boundaries run, and which nodes they hold.

The boundary of a region given by planes x_k = c becomes a boundary of cells, so that the spectral
accuracy is kept; in one dimension that is always so. Any other boundary is a staircase of nodes,
of first order in the cell size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.errors import InputError

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.discretisation.nodes import Nodes
    from wfrpde.fields import Region


def planes(regions: Sequence[Region], problem: Problem) -> tuple[tuple[Array, ...], bool]:
    """Find the planes that bound the regions.

    Returns
    -------
    positions, aligned
        Coordinates of the planes along each axis, and whether there are no other boundaries.
    """
    box, dim = problem.box, problem.dim
    if problem.mesh is not None or problem.domain.cell == "simplex":
        return tuple(np.empty(0) for _ in range(dim)), not regions
    rng = np.random.default_rng(0)
    # lines along each axis on which the boundary of a region is looked for
    base = box[:, 0] + rng.random((17 if dim > 1 else 1, dim)) * np.ptp(box, axis=1)
    found: list[Array] = []
    for axis in range(dim):
        width = float(np.ptp(box[axis]))
        crossings = [
            position
            for region in regions
            for start in base
            for position in _crossings(region, start, axis, box[axis])
        ]
        unique, counts = np.unique(np.round(np.array(crossings) / width, 9), return_counts=True)
        if dim > 1:  # a plane is crossed in the same place by several lines, a curve is not
            unique = unique[counts > 1]
        exact = [min(crossings, key=lambda c: abs(c - u)) for u in unique * width]
        found.append(np.array(exact))
    # positions along an axis up to which a boundary is taken for planes
    if any(len(positions) > 6 for positions in found) and dim > 1:
        return tuple(np.empty(0) for _ in range(dim)), False
    return tuple(found), dim == 1 or _bounded_by(found, regions, box)


def _bounded_by(positions: list[Array], regions: Sequence[Region], box: Array) -> bool:
    """Whether every region is all or nothing of each block between the planes at `positions`."""
    # points along each axis at which it is checked that there are no other boundaries
    n = {2: 401, 3: 61}[len(box)]
    # at places that no plane of round numbers meets
    axes = [low + (np.arange(n) + 0.381966) * (high - low) / n for low, high in box]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(box))
    block = np.zeros(len(points), dtype=np.int64)
    for axis, planes_across in enumerate(positions):
        block = block * (len(planes_across) + 1)
        block += np.searchsorted(np.sort(planes_across), points[:, axis])
    size = np.bincount(block)
    held = [np.bincount(block, region(points), minlength=len(size)) for region in regions]
    return all(((inside == 0) | (inside == size)).all() for inside in held)


def _crossings(region: Region, start: Array, axis: int, ends: Array) -> list[float]:
    """Coordinates along a line at which the region begins or ends, by bisection."""
    line = np.linspace(ends[0], ends[1], 2001)

    def inside(coordinates: Array) -> Flags:
        points = np.repeat(start[None], len(coordinates), axis=0)
        points[:, axis] = coordinates
        return np.asarray(region(points))

    here = inside(line)
    change = np.flatnonzero(here[1:] != here[:-1])
    low, high, left = line[change], line[change + 1], here[change]
    for _ in range(60):
        middle = (low + high) / 2
        same = inside(middle) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return [float(p) for p in (low + high) / 2]


def _level(region: Region, nodes: Nodes) -> Array:
    """Level of a region at the nodes; where an axis closes, the higher one of its two ends."""
    level: Array = np.array(region.level(nodes.points))
    for axis in nodes.closed_axes:
        low, high = nodes.grid.box[axis]
        first = np.flatnonzero(nodes.points[:, axis] == low)
        if len(first):
            last = nodes.points[first]
            last[:, axis] = high
            level[first] = np.maximum(level[first], region.level(last))
    return level


def absorbing_nodes(regions: Sequence[Region], nodes: Nodes) -> Flags | None:
    """Return ``(n,)``: the nodes, ghosts included, in any of the regions or on their boundaries.

    Raises
    ------
    InputError
        If a region holds no node, or all regions together hold all of them (collective).
    """
    if not regions:
        return None
    absorbed = np.zeros(len(nodes.points), dtype=bool)
    for region in regions:
        level = _level(region, nodes)
        reach = nodes.max(np.abs(level[: nodes.n_owned]))
        # a node on the boundary counts as in the region
        inside = level >= -1e-9 * reach
        if nodes.sum(inside[: nodes.n_owned].astype(float)) == 0:
            raise InputError(
                f"the region '{region.text}'",
                "no node of the mesh in it",
                "a region that the mesh can resolve",
                "Take more cells, a larger region, or a box that reaches it.",
            )
        absorbed |= inside
    if nodes.sum((~absorbed[: nodes.n_owned]).astype(float)) == 0:
        raise InputError(
            " and ".join(f"'{region.text}'" for region in regions),
            "every node of the mesh in the absorbing regions",
            "some room outside them",
        )
    return absorbed


def rough_warnings(smooth: bool) -> list[str]:
    """Say so unless cells end where regions do, as `planes` tells."""
    words = (
        "the boundary of an absorbing region does not follow the cells: the result is of first "
        "order in the cell size"
    )
    return [] if smooth else [words]
