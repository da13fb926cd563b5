r"""The case of the distance from the origin, which radial targets with radial starts come down to.

The distance moves in the potential :math:`v(r) - (d - 1)\log r`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.complaints import checked
from wfrpde.targets.radial import RadialFormula, RadialTarget, StudentTarget

if TYPE_CHECKING:
    from wfrpde.case.case import Case


RADIAL: dict[str, type[RadialTarget] | type[StudentTarget]] = {
    model.kind: model for model in (RadialTarget, StudentTarget)
}
"""Kinds of target that depend on the distance from the origin alone."""

LEVELS = np.linspace(38.0, 6.0, 33)
"""Levels (kT) that the box of the distance holds: the first one that a grid resolves."""

LONGEST = {False: 1e3, True: 1e5}
"""Length of that box in units of what is within 1 kT of the narrower density, on equal cells and
where a tolerance lets cells grow outwards."""


def distance_case(case: Case) -> Case:
    """Return the case of the distance from the origin, of a radial target with a radial start.

    Raises
    ------
    InputError
        If the start is not radial.
    """
    target = radial_formula(case)
    start = start_of(case)
    growth = case.dim - 1
    formula = f"({target.text()}) - {growth}*log(x)"
    log_start = f"-({start.text()}) + {growth}*log(x)"
    box = distance_box(target, start, growth, graded=is_graded(case))
    return reduced_case(case, formula, log_start, [box])


def reduced_case(case: Case, potential: str, log_start: str, box: list[list[float]]) -> Case:
    """Return the case of fewer coordinates, with the rates, numerics and accuracy of the whole."""
    data = case.model_dump(exclude_unset=True)
    return type(case).from_dict(
        {
            **{key: data[key] for key in ("flow", "numerics", "accuracy") if key in data},
            "target": {"potential": potential, "dim": len(box)},
            "initial": {"kind": "expression", "log_density": log_start},
            "domain": {"box": box},
            "output": {"compare": False},
        },
        case.source,
    )


def radial_formula(case: Case) -> RadialFormula:
    """Return v of a target V(x) = v(|x|)."""
    model = RADIAL[str(case.target.kind)]
    return checked(model, {**case.target.parameters, "dim": case.dim}, "target").formula


def is_centred(case: Case) -> bool:
    """Whether a radial target's start is the same in all directions, too."""
    density = case.initial.build(case.target.build())
    if density.gaussian is None:
        return True  # radial, or refused by `start_of`
    mean, covariance = density.gaussian
    return is_round(covariance) and not mean.any()


def is_round(covariance: Array) -> bool:
    """Whether a covariance ``(d, d)`` is the same in all directions."""
    variance = float(covariance[0, 0])
    gap = np.abs(covariance - variance * np.eye(len(covariance))).max()
    return bool(gap <= 1e-14 * variance)


def start_of(case: Case) -> RadialFormula:
    """Return the start's potential as a formula in r."""
    initial = case.initial
    if initial.kind == "radial":
        return RadialFormula.model_validate(initial.parameters)
    needed = "a radial one, or a Gaussian"
    density = initial.build(case.target.build())
    if density.gaussian is None:
        raise InputError("initial", f"a start of the kind {initial.kind}", needed)
    return RadialFormula(potential=f"r**2/{2 * float(density.gaussian[1][0, 0])!r}")


def is_graded(case: Case) -> bool:
    """Whether cells of a line may be graded: for a tolerance, and where none are given."""
    return case.accuracy.tolerance is not None and case.numerics.cells is None


def distance_box(
    target: RadialFormula, start: RadialFormula, growth: int, *, graded: bool
) -> list[float]:
    """Return the interval of r that holds both densities, and geometric means of them.

    Of heavy tails it holds as much as a grid resolves; what lies beyond is counted as lost.
    """
    functions = [formula.functions("target.potential")[0] for formula in (target, start)]
    for level in LEVELS:
        low, high, core = _held(functions, growth, level)
        if high - low <= LONGEST[graded] * core:
            break
    # least distance that the box begins at, in units of the largest and of the narrower density
    least = 1e-6 * high if high < LONGEST[False] * core else 1e-4 * core
    return [max(low, least), high]


def _held(functions: list[Any], growth: int, level: float) -> tuple[float, float, float]:
    """Return the ends of what lies below a level, and the least width of what is within 1 kT."""
    high = 1.0
    for _ in range(400):
        r = high * np.union1d(np.linspace(1e-6, 1.0, 4001), np.geomspace(1e-15, 1.0, 6001))
        levels = [_levels(function, growth, r) for function in functions]
        if min(values[-1] for values in levels) > level:
            break
        high *= 1.4
    else:
        raise InputError("target.potential", "one that does not confine", "one that grows with r")
    for _ in range(60):  # towards the part that matters
        inside = np.min(levels, axis=0) < level
        first, last = r[inside][[0, -1]]
        gap = 2 * float(np.diff(r)[inside[1:]].max(initial=0.0))
        if last - first > 0.2 * (r[-1] - r[0]):
            break
        r = np.linspace(
            max(first - (last - first) - gap, 1e-6 * last), 2 * last - first + gap, 4001
        )
        levels = [_levels(function, growth, r) for function in functions]
    cores = [float(np.ptp(r[values < 1.0])) for values in levels]
    return float(first), float(last), min(cores)


def _levels(function: Any, growth: int, r: Array) -> Array:
    value = np.asarray(function(r) - growth * np.log(r))
    return np.asarray(value - value.min())
