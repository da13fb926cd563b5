"""The rate U of a linear reaction: checks, and where it takes the mass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.domain.extent import Landscape, automatic_box, sample
from wfrpde.errors import InputError, place

if TYPE_CHECKING:
    from wfrpde.case import Case

Array = npt.NDArray[np.float64]


def finite_rate(linear: Callable[[Array], Array], x: Array) -> Array:
    """U at points ``(n, d)``, per unit time; NaN and infinities are refused."""
    value = linear(x)
    bad = ~np.isfinite(value)
    if bad.any():
        raise InputError(
            "flow.reaction",
            f"a U that is {value[bad][0]:g} at x = {place(x[bad][0])}",
            "a finite number everywhere in the domain",
            "Change the formula, or the box of [domain].",
        )
    return value


def with_favoured(
    landscape: Landscape, linear: Callable[[Array], Array], case: Case, bounds: Array | None
) -> Landscape:
    """Add the densities that a linear reaction leads to, as far as they can be told beforehand.

    Without transport ρ_t is known. With it a path forgets where it was, and what it gained there,
    at a rate 1/τ, which adds to β: both ends then count as tilted by ``e^{gU}``,
    ``g = (1 − e^{−(β + 1/τ)t})/(β + 1/τ)`` (exact for π if V is quadratic and U linear).
    """
    flow = case.flow
    rate = flow.beta
    if flow.alpha > 0:
        points = sample(automatic_box(landscape) if bounds is None else bounds)
        value = landscape.potential(points)
        bulk = points[value - value.min() < 2.0]
        half = np.ptp(bulk, axis=0).max() / 2 if len(bulk) else 0.0
        rate += flow.alpha / max(float(half / 2) ** 2, 1e-12)
    gain = -np.expm1(-rate * flow.t_end) / rate if rate > 0 else flow.t_end
    theta = np.exp(-flow.beta * flow.t_end)

    def mixed(x: Array) -> Array:
        return np.asarray(theta * landscape.surprise(x) + (1 - theta) * landscape.potential(x))

    def tilted(start: Callable[[Array], Array]) -> Callable[[Array], Array]:
        def value(x: Array) -> Array:
            with np.errstate(invalid="ignore", over="ignore"):
                return np.nan_to_num(start(x) - gain * linear(x), nan=np.inf, posinf=np.inf)

        return value

    starts = [landscape.surprise, landscape.potential] if flow.alpha > 0 else [mixed]
    wider = replace(landscape, favoured=tuple(map(tilted, starts)))
    if bounds is None:
        try:
            automatic_box(wider)
        except InputError:
            raise InputError(
                "flow.reaction",
                "a U that grows as fast as the potential, or faster",
                "one that the potential outgrows, or a box",
                "Write [domain] box = [[lo, hi], …]; the result is then that of the box.",
            ) from None
    return wider
