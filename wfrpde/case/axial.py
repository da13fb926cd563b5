r"""The case in a half-plane that flows around an axis come down to, in any dimension.

With z along the axis and r the distance from it they move in :math:`V(z, r) - (d - 2)\log r`: flows
of `axial` targets, and those of radial ones from a start off the centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.radial import radial_formula, reduced_case
from wfrpde.errors import InputError
from wfrpde.fields.complaints import checked
from wfrpde.targets.axial import AxialTarget
from wfrpde.targets.radial import RadialFormula

if TYPE_CHECKING:
    from wfrpde.case.case import Case


POINTS = 301
"""Points along each axis of the lattice on which the box is sought."""

NARROW = np.geomspace(1e-6, 1.0, 300)
"""Further distances of that lattice, in units of the largest."""

SAME = 1e-14
"""Relative difference of variances that count as one."""

NEEDED = "a Gaussian that is the same all around the axis, with its mean on it"


def axis_of(case: Case) -> Array:
    """Return the unit vector ``(d,)`` around which a target and its start are the same.

    Raises
    ------
    InputError
        If there is none.
    """
    start = case.initial.build(case.target.build())
    if case.target.kind == "axial":
        return np.asarray(np.eye(1, case.dim)[0], dtype=float)
    if start.gaussian is None:
        raise InputError("initial", f"a start of the kind {case.initial.kind}", NEEDED)
    mean = start.gaussian[0]
    size = float(np.linalg.norm(mean))
    if size > 0:
        return np.asarray(mean / size)
    values, vectors = np.linalg.eigh(start.gaussian[1])
    alone = 0 if values[1] - values[0] > values[-1] - values[-2] else -1
    return np.asarray(vectors[:, alone], dtype=float)


def plane_case(case: Case) -> Case:
    """Return the case in the half-plane (z, r), of a target and a start around an axis.

    Raises
    ------
    InputError
        If target or start are not the same all around it.
    """
    potential, start = _potential(case), _start(case)
    growth = case.dim - 2
    volume = f" - {growth}*log(y)" if growth else ""
    formulas = (f"({potential}){volume}", f"({start}){volume}")
    return reduced_case(case, formulas[0], f"-({formulas[1]})", half_plane_box(formulas, growth))


def _potential(case: Case) -> str:
    if case.target.kind == "axial":
        parameters = {**case.target.parameters, "dim": case.dim}
        return checked(AxialTarget, parameters, "target").text()
    return _outward(radial_formula(case))


def _outward(formula: RadialFormula) -> str:
    """Return a formula of the distance from the origin in x and y."""
    return formula.in_terms_of("sqrt(x**2 + y**2)")


def _start(case: Case) -> str:
    """Return −log ρ₀ in x and y, up to a constant."""
    if case.initial.kind == "radial":
        return _outward(RadialFormula.model_validate(case.initial.parameters))
    density = case.initial.build(case.target.build())
    if density.gaussian is None:
        raise InputError("initial", f"a start of the kind {case.initial.kind}", NEEDED)
    mean, covariance = density.gaussian
    axis = axis_of(case)
    along = float(axis @ covariance @ axis)
    across = (float(np.trace(covariance)) - along) / (case.dim - 1)
    line = np.outer(axis, axis)
    gap = np.abs(covariance - along * line - across * (np.eye(case.dim) - line)).max()
    if gap > SAME * case.dim * max(along, across):
        raise InputError("initial.covariance", "one that differs around the axis", NEEDED)
    if np.abs(mean - (mean @ axis) * axis).max() > SAME * max(1.0, float(np.abs(mean).max())):
        raise InputError("initial.mean", "one off the first axis", NEEDED)
    return f"(x - ({float(mean @ axis)!r}))**2/{2 * along!r} + y**2/{2 * across!r}"


def half_plane_box(formulas: tuple[str, str], growth: int) -> list[list[float]]:
    """Return the rectangle of (z, r) that holds both densities.

    In two dimensions r has both signs.
    """
    from wfrpde.fields import numpy_function, parse_expression

    functions = [numpy_function(parse_expression(text, 2, "target"), 2) for text in formulas]
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 1.0])
    for _ in range(100):
        axes = [np.linspace(a, b, POINTS) for a, b in zip(low, high, strict=True)]
        axes[1] = np.union1d(axes[1][1:], high[1] * NARROW)  # what is thin lies near to the axis
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        values = [np.nan_to_num(f(lattice), nan=np.inf) for f in functions]
        # level (kT) of the box: beyond it neither density holds mass
        inside = np.logical_or(*[v - v.min() < 30.0 for v in values])
        held = lattice[inside]
        first, last = held.min(axis=0), held.max(axis=0)
        open_ = [first[0] == low[0], last[0] == high[0], last[1] == high[1]]
        size, gap = high - low, (high - low) / (POINTS - 1)
        if any(open_):
            low = low - np.array([size[0] / 2 * open_[0], 0.0])
            high = high + size / 2 * np.array(open_[1:])
            continue
        low, high = np.array([first[0] - gap[0], 0.0]), last + gap
        if (high - low > 0.9 * size).all():
            break
    else:
        raise InputError("target.potential", "one that does not confine", "one that grows outward")
    # least distance from the axis, in units of the largest, that the box begins at
    bottom = max(float(first[1]) / 2, 1e-5 * float(high[1])) if growth else -float(high[1])
    return [[float(low[0]), float(high[0])], [bottom, float(high[1])]]
