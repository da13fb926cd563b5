"""RODASP: a linearly implicit integrator of order 4 with an embedded order 3 for stiff systems.

Steinebach, Order-reduction of ROW-methods for DAEs and method of lines applications, TH Darmstadt
preprint 1741 (1995); coefficients as in Hairer and Wanner's implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

GAMMA = 0.25


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


class ShiftedJacobian(Protocol):
    """Solver with the matrix ``1/(γΔt) − J``."""

    def __call__(self, rhs: Array) -> Array:
        """Return the solution for a right-hand side ``(n,)``."""
        ...


def rodasp_step(
    u: Array,
    slope: Array,
    right_hand_side: Callable[[Array], Array],
    solve: ShiftedJacobian,
    dt: float,
) -> tuple[Array, Array]:
    """Return the state after `dt` and the embedded error estimate.

    Parameters
    ----------
    slope
        ``right_hand_side(u)``, which the Jacobian was taken with.
    solve
        Solves ``(1/(γ dt) − J) k = rhs``, γ = `GAMMA`.
    """
    increments = np.empty((len(_C), len(u)))
    stage = u
    for k in range(len(_C)):
        if 0 < k < len(_A):
            stage = u + _A[k] @ increments[:k]
        elif k:
            stage = stage + increments[k - 1]
        force = slope if k == 0 else right_hand_side(stage)
        increments[k] = solve(force + (_C[k] @ increments[:k]) / dt)
    return stage + increments[-1], increments[-1]
