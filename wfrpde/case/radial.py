r"""The case of the distance from the origin, which radial targets with radial starts come down to.

The distance moves in the potential :math:`v(r) - (d - 1)\log r`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.errors import InputError
from wfrpde.targets.radial import RadialFormula, RadialTarget

if TYPE_CHECKING:
    from wfrpde.case.case import Case

Array = npt.NDArray[np.float64]

LEVEL = 38.0
"""Level (kT) of the box of the distance: beyond it neither density holds mass."""

SMALLEST = 1e-6
"""Least distance, in units of the largest, that the box begins at."""


def distance_case(case: Case) -> Case:
    """Return the case of the distance from the origin, of a radial target with a radial start.

    Raises
    ------
    InputError
        If the start is not radial.
    """
    target = RadialTarget.model_validate({**case.target.parameters, "dim": case.dim})
    start = start_of(case)
    growth = case.dim - 1
    formula = f"({target.text()}) - {growth}*log(x)"
    log_start = f"-({start.text()}) + {growth}*log(x)"
    box = distance_box(target, start, growth)
    data = case.model_dump(exclude_unset=True)
    tables: dict[str, Any] = {
        key: data[key] for key in ("flow", "numerics", "accuracy") if key in data
    }
    return type(case).from_dict(
        {
            **tables,
            "target": {"potential": formula, "dim": 1},
            "initial": {"kind": "expression", "log_density": log_start},
            "domain": {"box": [box]},
            "output": {"compare": False},
        },
        case.source,
    )


def start_of(case: Case) -> RadialFormula:
    """Return the start's potential as a formula in r."""
    initial = case.initial
    if initial.kind == "radial":
        return RadialFormula.model_validate(initial.parameters)
    needed = "a radial one, or a Gaussian about the origin that is equal in all directions"
    density = initial.build(case.target.build())
    if density.gaussian is None:
        raise InputError("initial", f"a start of the kind {initial.kind}", needed)
    mean, covariance = density.gaussian
    variance = float(covariance[0, 0])
    if mean.any() or np.abs(covariance - variance * np.eye(len(mean))).max() > 1e-14 * variance:
        raise InputError("initial", "a Gaussian start off the centre, or not round", needed)
    return RadialFormula(potential=f"r**2/{2 * variance!r}")


def distance_box(target: RadialFormula, start: RadialFormula, growth: int) -> list[float]:
    """Return the interval of r that holds both densities, and geometric means of them."""
    functions = [formula.functions("target.potential")[0] for formula in (target, start)]
    high = 1.0
    for _ in range(200):
        r = high * np.linspace(1e-6, 1.0, 4001)
        levels = [_levels(function, growth, r) for function in functions]
        if min(level[-1] for level in levels) > LEVEL:
            break
        high *= 1.4
    else:
        raise InputError("target.potential", "one that does not confine", "one that grows with r")
    for _ in range(60):  # towards the part that matters
        inside = np.min(levels, axis=0) < LEVEL
        if inside.mean() > 0.2:
            break
        first, last = r[inside][[0, -1]]
        room = last - first + 2 * (r[1] - r[0])
        r = np.linspace(max(first - room, 1e-6 * last), last + room, 4001)
        levels = [_levels(function, growth, r) for function in functions]
    keep = r[inside]
    low = max(float(keep[0]), SMALLEST * float(keep[-1]))
    return [low, float(keep[-1])]


def _levels(function: Any, growth: int, r: Array) -> Array:
    value = np.asarray(function(r) - growth * np.log(r))
    return np.asarray(value - value.min())
