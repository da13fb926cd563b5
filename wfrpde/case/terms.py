"""`Densities`: the terms of an equation at points, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.equation.equation import PANELS
from wfrpde.errors import InputError, place
from wfrpde.fields.blocks import in_blocks
from wfrpde.fields.protocols import Formula
from wfrpde.fields.schedules import integral, value_at
from wfrpde.fields.tensors import MatrixField, VectorField
from wfrpde.starts import InitialDensity
from wfrpde.targets import Target

EMPTY = -1e5
"""Log of a density that stands for zero: far below anything that a flow can bring back."""

HUGE = 1e100
"""Velocities beyond which nothing can be followed."""


@dataclass(frozen=True)
class Densities:
    """What a flow starts from, what it is measured against, and the equation that it solves."""

    target: Target
    initial: InitialDensity
    equation: Equation

    def place(self, x: Array) -> str:
        """Return a point ``(d,)`` in words."""
        return place(x)

    def log_initial(self, x: Array, *, zero: float = EMPTY) -> Array:
        """``log ρ₀`` up to a constant, at least `zero`."""
        value = in_blocks(self.initial.log_density, x)
        if np.isnan(value).any():
            raise InputError(
                "initial",
                f"a density that is NaN at x = {self.place(x[np.isnan(value)][0])}",
                "numbers",
            )
        return np.maximum(value, zero)

    def potential(self, x: Array) -> Array:
        """V at points ``(n, d)``; NaN and −∞ are refused."""
        value = in_blocks(self.target.potential, x)
        bad = np.isnan(value) | np.isneginf(value)
        if bad.any():
            raise InputError(
                "target",
                f"a potential that is {value[bad][0]:g} at x = {self.place(x[bad][0])}",
                "a number (or +inf) everywhere in the domain",
                "Change the potential, or the box of [domain].",
            )
        return value

    def potential_at(self, x: Array, t: float) -> Array:
        """V of a time at points ``(n, d)``."""
        path = self.equation.path
        return self.potential(x) if path is None else path.potential(x, t)

    def rate(self, x: Array, t: float = 0.0) -> Array:
        """U at points ``(n, d)`` at a time, per unit time; NaN and infinities are refused."""
        if self.equation.rate is None:
            return np.zeros(len(x))
        value = self.equation.rate(x, t)
        bad = ~np.isfinite(value)
        if bad.any():
            raise InputError(
                "flow.reaction",
                f"a U that is {value[bad][0]:g} at x = {self.place(x[bad][0])}"
                + f" and t = {t:g}" * self.equation.rate.moving,
                "a finite number everywhere in the domain",
                "Change the formula, or the box of [domain].",
            )
        return value

    def check_drifts(self, x: Array, times: Array) -> None:
        """Refuse dynamics whose formulas are no numbers at points ``(n, d)`` and times."""
        dynamics = self.equation.dynamics
        if dynamics is None:
            return
        fields: list[tuple[str, MatrixField | VectorField]] = []
        if dynamics.circulation is not None:
            fields.append(("circulation", dynamics.circulation))
        if dynamics.drift is not None:
            moments = times if dynamics.drift.moving else [0.0]
            fields += [("drift", dynamics.drift.at(float(t))) for t in moments]
        for name, field in fields:
            value = field(x).reshape(len(x), -1)
            bad = ~(np.abs(value) < HUGE).all(axis=1)
            if bad.any():
                worst = value[bad][0]
                raise InputError(
                    f"dynamics.{name}",
                    f"{worst[~(np.abs(worst) < HUGE)][0]:g} at x = {self.place(x[bad][0])}",
                    f"numbers below {HUGE:g} everywhere in the domain",
                    "Change the formula, or the box of [domain].",
                )

    def rate_at(self, x: Array) -> Callable[[float], Array]:
        """Return U at points ``(n, d)`` as a function of time."""
        if self.equation.rate is not None and self.equation.rate.moving:
            return lambda t: self.rate(x, t)
        value = self.rate(x)
        return lambda t: value

    def moving(self, x: Array) -> Callable[[float], Array] | None:
        """Return V at points ``(n, d)`` as a function of time; None where π does not move."""
        path = self.equation.path
        if path is None:
            return None
        value = path.on(x)

        def checked(t: float) -> Array:
            found = np.asarray(value(t), dtype=float)
            bad = np.isnan(found) | np.isneginf(found)
            if bad.any():
                raise InputError(
                    "path",
                    f"a potential that is {found[bad][0]:g} at x = {place(x[bad][0])}, t = {t:g}",
                    "a number (or +inf) everywhere in the domain, at all times",
                )
            return found

        return checked

    def gained(self, x: Array, t: float) -> Array:
        """Return what U and the motion of π alone add to log ρ ``(n,)`` by time t.

        See `Reaction.gained`; towards a V_s that moves, r = −β log(ρ/π_s) is −β log(ρ/π) with the
        linear reaction β (V − V_s) beside it.
        """
        reaction, path = self.equation.reaction, self.equation.path
        if reaction is None or (reaction.rate is None and path is None):
            return np.zeros(len(x))
        if path is None:
            return np.asarray(reaction.gained(self.rate_at(x), 0.0, t, PANELS))
        linear = reaction.rate
        if reaction.beta == 0 and linear is not None and linear is self.equation.annealed:
            return linear.on(x)(0.0, t)
        here, end = path.on(x), self.potential(x)
        given = None if linear is None else self.rate_at(x)

        def rate(s: float) -> Array:
            pulled = value_at(reaction.beta, s) * (end - here(s))
            return pulled if given is None else pulled + given(s)

        moving = replace(reaction, rate=Formula("t", 0, timed=True))  # what it is, `rate` tells
        total = np.zeros(len(x))
        # towards 0 in twenty halves: a schedule may begin like a root
        first = (t / PANELS * 0.5**k for k in range(21))
        for begin, stop in pairwise(sorted({0.0, *first, *path.corners(t), t})):
            parts = max(1, round(PANELS * (stop - begin) / t))
            kept = np.exp(-sum(integral(reaction.beta, begin + k * (stop - begin) / parts,
                                        (stop - begin) / parts) for k in range(parts)))  # fmt: skip
            total = kept * total + moving.gained(rate, begin, stop - begin, parts)
        return np.asarray(total)
