"""Time stepping for the general finite-element tools: transport implicit, reaction explicit.

    (3/2 M + τK) ρ^{n+1} = M (2ρ^n − ½ρ^{n−1}) + τ M (2R^n − R^{n−1})

(SBDF2), of second order, with one factorisation for all steps. The first step is an Euler step of
the same kind in each of 10 small steps. R = −β ρ⁺ log(ρ⁺/π) without its mean, which only scales ρ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Solver = Callable[[Array], Array]

TINY = 1e-300
FIRST = 10


def reaction(rho: Array, log_pi: Array, beta: float) -> Array:
    """−β ρ⁺ log(ρ⁺/π) at the nodes."""
    positive = np.maximum(rho, TINY)
    return np.asarray(-beta * positive * (np.log(positive) - log_pi))


def sbdf2(
    start: Array,
    rate: Callable[[Array], Array],
    times_mass: Callable[[Array], Array],
    factorised: Callable[[float, float], Solver],
    t_end: float,
    steps: int,
) -> Array:
    """Step from 0 to t_end.

    Parameters
    ----------
    rate
        Reaction at the nodes.
    times_mass
        Product with the mass matrix.
    factorised
        ``(a, b)`` to a solver of ``(a M + b K) x = y``.
    """
    tau = t_end / steps
    first = factorised(1.0, tau / FIRST)
    before, rho = start, start
    for _ in range(FIRST):
        rho = first(times_mass(rho + tau / FIRST * rate(rho)))
    solve = factorised(1.5, tau)
    old, new = rate(before), rate(rho)
    for _ in range(steps - 1):
        right = times_mass(2 * rho - 0.5 * before + tau * (2 * new - old))
        before, rho = rho, solve(right)
        old, new = new, rate(rho)
    return rho
