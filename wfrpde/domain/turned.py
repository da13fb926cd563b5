"""Densities and regions as functions of coordinates along turned axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.frame import Frame, combined
from wfrpde.fields import Region, coordinates
from wfrpde.fields.rendering import Field
from wfrpde.starts import InitialDensity
from wfrpde.targets import Target


class TurnedRegion(Region):
    """A region as a function of coordinates along other axes than those that its text speaks of."""

    @property
    def planes(self) -> tuple[tuple[int, float], ...]:
        """None: planes across x, y and z are oblique here."""
        return ()

    @property
    def straight(self) -> bool:
        """Whether planes across the axes are known to be all that bounds it: never."""
        return False

    def __reduce__(self) -> Any:
        raise TypeError("a region along turned axes lives as long as its problem")


def turned_region(region: Region, frame: Frame) -> Region:
    """Return a region of x as one of y."""
    within, level = frame.turned(region), frame.turned(region.level)

    def sides() -> tuple[Field, ...]:
        return tuple(frame.turned(side) for side in region.comparisons)

    return TurnedRegion(region.text, region.dim, within, level, sides)


def turned_target(target: Target, frame: Frame) -> Target:
    """Return a target as a function of y."""
    slope, expression = frame.turned(target.gradient), target.expression
    if expression is not None:
        names = coordinates(target.dim)
        # numbers that are 1 or 0 are left out: what is a polynomial stays one
        parts = combined(frame.matrix.T, np.array(names, dtype=object))
        expression = expression.xreplace(dict(zip(names, parts, strict=True)))
    return replace(
        target,
        seeds=frame.along(target.seeds),
        value=frame.turned(target.potential),
        slope=lambda y: frame.along(slope(y)),
        expression=expression,
        regions={name: turned_region(one, frame) for name, one in target.regions.items()},
        gaussian=_turned_gaussian(target.gaussian, frame),
        recipe=None,
    )


def turned_start(initial: InitialDensity, frame: Frame) -> InitialDensity:
    """Return an initial density as a function of y."""
    slope = None if initial.gradient is None else frame.turned(initial.gradient)
    return replace(
        initial,
        seeds=frame.along(initial.seeds),
        evaluate=frame.turned(initial.log_density),
        gaussian=_turned_gaussian(initial.gaussian, frame),
        sampler=None,
        gradient=None if slope is None else lambda y: frame.along(slope(y)),
        recipe=None,
    )


def _turned_gaussian(known: tuple[Array, Array] | None, frame: Frame) -> tuple[Array, Array] | None:
    if known is None:
        return None
    mean, covariance = known
    turned = frame.matrix @ covariance @ frame.matrix.T
    return frame.matrix @ mean, (turned + turned.T) / 2
