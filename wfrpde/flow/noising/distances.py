"""Distances between laws on one lattice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array


def kl(p: Array, q: Array) -> float:
    """KL(p‖q) of nodal masses."""
    held = p > 1e-290
    return float((p[held] * (np.log(p[held]) - np.log(np.maximum(q[held], 1e-300)))).sum())


DISTANCES: dict[str, Callable[[Array, Array], float]] = {
    "kl": kl,
    "reverse_kl": lambda rho, exact: kl(exact, rho),
    "l1": lambda rho, exact: float(np.abs(rho - exact).sum()),
}
"""Distances of nodal masses ρ from the exact ones, by name."""
