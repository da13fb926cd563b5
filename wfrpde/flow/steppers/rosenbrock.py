"""RODASP: a linearly implicit integrator of order 4 with an embedded order 3 for stiff systems.

Steinebach, Order-reduction of ROW-methods for DAEs and method of lines applications, TH Darmstadt
preprint 1741 (1995); coefficients as in Hairer and Wanner's implementation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.log_density import LogDensityForm
from wfrpde.flow.steppers.stepper import Step

GAMMA = 0.25

LEAST_WEIGHT = 3e-4
"""Of the error of u at a node; it is 1 where ρ is largest."""


def _rows(*rows: tuple[float, ...]) -> tuple[Array, ...]:
    return tuple(np.array(row) for row in rows)


_A = _rows(
    (),
    (3.0,),
    (1.831036793486759, 0.4955183967433795),
    (2.304376582692669, -0.05249275245743001, -1.176798761832782),
    (-7.170454962423024, -4.741636671481785, -16.31002631330971, -1.062004044111401),
)
_C = _rows(
    (),
    (-12.0,),
    (-8.791795173947035, -2.207865586973518),
    (10.81793056857153, 6.780270611428266, 19.53485944642410),
    (34.19095006749676, 15.49671153725963, 54.74760875964130, 14.16005392148534),
    (
        34.62605830930532,
        15.30084976114473,
        56.99955578662667,
        18.40807009793095,
        -5.714285714285717,
    ),
)


def _mixtures() -> tuple[Array, Array]:
    """Coefficients ``(6, 2, 12)`` of the stages: a constant, and what 1/Δt multiplies.

    Of the increments kⱼ and of the right-hand sides rⱼ = (1/(γΔt) − J) kⱼ, in turns, they make
    w = Σⱼ aⱼ kⱼ, by which a stage is away from the state, and J w + Σⱼ (cⱼ/Δt) kⱼ.
    """
    fixed, over_dt = np.zeros((2, len(_C), 2, 2 * len(_C)))
    for stage, c in enumerate(_C):
        a = _A[stage] if stage < len(_A) else np.append(_A[-1], 1.0)
        of_increments, of_sides = slice(0, 2 * stage, 2), slice(1, 2 * stage, 2)
        fixed[stage, 0, of_increments], fixed[stage, 1, of_sides] = a, -a
        over_dt[stage, 1, of_increments] = a / GAMMA + c
    return fixed, over_dt


_FIXED, _OVER_DT = _mixtures()


def rodasp_step(
    u: Array,
    slope: Array,
    bend: Callable[[Array], Array],
    solve: Callable[[Array], Array],
    dt: float,
) -> tuple[Array, Array]:
    """Return the state after `dt` and the embedded error estimate, for ``u' = f(u)``.

    Parameters
    ----------
    slope
        ``f(u)``, which the Jacobian J was taken with.
    bend
        ``f(u + w) − f(u) − J w`` for any w: solves have told J w already.
    solve
        Solves ``(1/(γ dt) − J) k = rhs``, γ = `GAMMA`.
    """
    known = np.empty((2 * len(_C), len(u)))
    known[0], known[1] = solve(slope), slope
    mixtures = _FIXED + _OVER_DT / dt
    for at in range(2, len(known), 2):
        step, force = np.dot(mixtures[at // 2, :, :at], known[:at])
        force += slope
        force += bend(step)
        known[at], known[at + 1] = solve(force), force
    increment = known[at]
    return u + step + increment, increment


class Rodasp:
    """RODASP steps of the log-density form; the unknown is u = log(ρ/π), up to a constant.

    The measure of a step is the largest estimated error of u at a node, weighted by √ρ, now or by
    what the reaction makes of it until `t_end`: a number ⟨φ⟩ is off by sd(φ) times the norm of δu
    under ρ, and with ρ itself as the weight far modes of little mass were off by much more. Nothing
    is conserved structurally: `Step.drift` tells what transport makes of the mass.
    """

    order: ClassVar[int] = 4
    unknown: ClassVar[str] = "log density"
    estimates_error: ClassVar[bool] = True
    by_axes: ClassVar[bool] = False
    tallies: ClassVar[tuple[str, ...]] = ()

    def __init__(self, semi: LogDensityForm, *, t_end: float) -> None:
        self.semi, self._t_end = semi, t_end
        # elements larger than ρ is wide hardly tell KL: there a blow-up is all that shows
        self.kl_slack = 1e-7 if semi.nodes.dim == 1 else 1e-3
        self._known: tuple[Array, Array] = (np.empty(0), np.empty(0))

    def log_mass(self, state: Array) -> Array:
        """Return the nodal log mass, normalised; that of the last state is kept."""
        if self._known[0] is not state:
            self._known = (state, self.semi.normalised(state + self.semi.log_target))
        return self._known[1]

    def nodal_mass(self, state: Array) -> Array:
        """Return the mass at the nodes."""
        return np.exp(self.log_mass(state))

    def mass(self, state: Array) -> float:
        """Return 1: u holds no mass."""
        return 1.0

    def log_relative(self, state: Array) -> Array:
        """Return u."""
        return state

    def step(self, state: Array, t: float, dt: float) -> Step:
        """Return the state after `dt`, with an infinite error if the arithmetic breaks down."""
        semi, beta = self.semi, self.semi.equation.beta
        with np.errstate(all="ignore"):
            solve = semi.shifted_jacobian(state, 1 / (GAMMA * dt))
            if solve is None:
                return Step(state, math.inf)
            slope = semi(state)
            new, gap = rodasp_step(state, slope, semi.bend, solve, dt)
            # what is wrong now matters where there is mass, or where the reaction will bring it
            now = new - semi.potential
            later = math.exp(-beta * (self._t_end - t - dt)) * new - semi.potential
            weight = np.exp(np.maximum(now - now.max(), later - later.max()) / 2)
            np.maximum(weight, LEAST_WEIGHT, out=weight)
            share = weight**2 * semi.weights
            centred = gap - (share @ gap) / share.sum()
            error = float(np.abs(weight * centred).max())
        drift = dt * float(np.exp(self.log_mass(state)) @ (slope + beta * state))
        return Step(new, error if math.isfinite(error) else math.inf, drift=drift)
