r"""Whether weights have a moment at all: what decides it far out, where no box ends.

Far out let the drift be −K x, the noise D, the rate of log weights xᵀC x and the law
e^{−xᵀP x/2}. With the λ-th power of the weights

.. math:: P' = K^T P + P K - 2 P D P - 2 λ C,

and the moment is infinite from the time on at which P is no longer positive definite. At constant
coefficients on a line that never happens if λ C ≤ K²/4D, and else does at last. A mean-field rate
−β log(ρ/π), π ~ e^{−xᵀΠ x/2}, adds β(R − Π)/2 to C, where R is the precision of ρ itself (λ = 1).
Potentials that grow faster are read off at one distance: they decide the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from wfrpde.arrays import Array


class Far(NamedTuple):
    """Coefficients far out at one time, ``(n, m, m)`` each: n directions on their own.

    Attributes
    ----------
    pull, spread, gain
        K, D and C.
    target
        Π; asked for with β > 0 only.
    beta
        β.
    """

    pull: Array
    spread: Array
    gain: Array
    target: Array | float = 0.0
    beta: float = 0.0


@dataclass(frozen=True)
class _Spent:
    """Ends an integration of two P ``(2, n, m, m)`` where the second is no longer positive."""

    shape: tuple[int, ...]
    terminal: ClassVar[bool] = True

    def __call__(self, t: float, state: Array) -> float:
        return float(np.linalg.eigvalsh(state.reshape(2, *self.shape)[1]).min())


def moment_ends(far: Callable[[float], Far], first: Array, end: float, order: float = 2.0) -> float:
    """Return the time at which weights lose their moment of an order; ∞ if not before the end.

    Parameters
    ----------
    far
        Coefficients at a time.
    first
        P at t = 0, ``(n, m, m)``.
    """
    from scipy.integrate import solve_ivp

    shape = first.shape

    def slope(t: float, state: Array) -> Array:
        law, own = state.reshape(2, *shape)
        now = far(t)
        gain = now.gain + now.beta * (law - now.target) / 2

        def change(precision: Array, power: float) -> Array:
            pulled = precision @ now.pull
            spread = precision @ now.spread @ precision
            return np.asarray(pulled + pulled.mT - 2 * spread - 2 * power * gain)

        return np.stack([change(law, 1.0), change(own, order)]).ravel()

    start = np.stack([first, first]).ravel()
    found = solve_ivp(
        slope, (0.0, end), start, "LSODA", rtol=1e-8, atol=1e-10, events=_Spent(shape)
    )
    return float(found.t[-1]) if found.status == 1 else np.inf
