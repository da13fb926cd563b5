"""What weights of a flow are worth without the box: coefficients far out, read off there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.equation.moments import Far, moment_ends
from wfrpde.errors import InputError
from wfrpde.fields.schedules import value_at

ALIKE = 0.05
"""Relative misfit up to which a field is a quadratic form, or a linear map, in all directions."""


def second_moment_ends(problem: Problem) -> float:
    """Return the time from which weights of a flow have no second moment if no box holds them.

    On a line both sides are looked at; in the plane and in space nothing is said (∞) of what is not
    quadratic far out, and never of what cannot be evaluated there.
    """
    if problem.equation.dynamics is None or any(problem.sides.closed):
        return np.inf
    with np.errstate(all="ignore"):
        directions = _directions(problem.dim)
        first = _form(problem, lambda x: -2 * problem.initial.log_density(x), directions)
        if first is None or not np.linalg.eigvalsh(first).min() > 0:
            return np.inf
        try:
            if not np.isfinite(problem.potential_at(_points(problem, directions)[0], 0.0)).all():
                return np.inf
            _far(problem, 0.0, directions)  # LSODA prints what is raised in the midst of it
            return moment_ends(lambda t: _far(problem, t, directions), first, problem.t_end)
        except (_Unknown, InputError):
            return np.inf


class _Unknown(Exception):
    """Nothing can be said."""


def _directions(dim: int) -> Array:
    """Return unit vectors ``(k, d)``, each beside its opposite."""
    if dim == 1:
        return np.array([[1.0], [-1.0]])
    # directions, in units of the entries of a matrix, that it is fitted to
    count = 3 * dim * (dim + 1) // 2
    half = np.random.default_rng(0).standard_normal((count, dim))
    half /= np.linalg.norm(half, axis=1)[:, None]
    return np.concatenate([half, -half])


def _points(problem: Problem, directions: Array) -> tuple[Array, float]:
    box = problem.box
    # distance, in halves of the box, at which tails are read off
    radius = 100.0 * float((box[:, 1] - box[:, 0]).max()) / 2
    return np.asarray(box.mean(axis=1) + radius * directions), radius


def _form(problem: Problem, value: Callable[[Array], Array], directions: Array) -> Array | None:
    """Return the quadratic forms ``(n, m, m)`` that a function is far out; None if it is none."""
    points, radius = _points(problem, directions)
    centre = problem.box.mean(axis=1)[None]
    found = (value(points) - value(centre)) / radius**2
    if not np.isfinite(found).all():
        return None
    if problem.dim == 1:
        return np.asarray(found[:, None, None])
    rows, columns = np.triu_indices(problem.dim)
    twice = np.where(rows == columns, 1.0, 2.0)
    design = twice * directions[:, rows] * directions[:, columns]
    entries = np.linalg.lstsq(design, found, rcond=None)[0]
    if np.abs(design @ entries - found).max() > ALIKE * max(1e-3, np.abs(found).max()):
        return None
    matrix = np.zeros((problem.dim, problem.dim))
    matrix[rows, columns] = matrix[columns, rows] = entries
    return matrix[None]


def _map(problem: Problem, field: Callable[[Array], Array], directions: Array) -> Array | None:
    """Return the linear maps ``(n, m, m)`` that a vector field is far out; None if it is none."""
    points, radius = _points(problem, directions)
    found = field(points) / radius
    if not np.isfinite(found).all():
        return None
    if problem.dim == 1:
        return np.asarray((found * directions)[:, :, None])
    turned = np.linalg.lstsq(directions, found, rcond=None)[0]
    if np.abs(directions @ turned - found).max() > ALIKE * max(1e-3, np.abs(found).max()):
        return None
    return np.asarray(turned.T[None])


def _far(problem: Problem, t: float, directions: Array) -> Far:
    equation = problem.equation
    assert equation.dynamics is not None
    dynamics, alpha = equation.dynamics.at(t), value_at(equation.alpha, t)
    path = equation.path

    def against(x: Array) -> Array:
        slope = problem.target.gradient(x) if path is None else path.gradient(x, t)
        return -alpha * dynamics.velocity(x, slope)

    rate = equation.rate
    gain: Array | None = np.zeros((1, 1, 1))
    if rate is not None:
        gain = _form(problem, lambda x: np.asarray(rate(x, t)), directions)
    pull = _map(problem, against, directions)
    beta = value_at(equation.beta, t)
    target: Array | None = np.zeros((1, 1, 1))
    if beta > 0:
        target = _form(problem, lambda x: 2 * problem.potential_at(x, t), directions)
    if gain is None or pull is None or target is None:
        raise _Unknown
    points, _ = _points(problem, directions)
    spread = alpha * dynamics.diffusion_at(points)
    if problem.dim > 1:
        spread = spread.mean(axis=0, keepdims=True)
    return Far(pull, spread, gain, target, beta)
