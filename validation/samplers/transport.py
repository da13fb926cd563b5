"""Exact and sliced Wasserstein distances of particles in the plane: what a shift adds to them.

    OMP_NUM_THREADS=1 tools/env python validation/samplers/transport.py

N draws of ½N((0, 0), 1) + ½N((4, 0), 1), shifted along x, are compared with that density by W₂: by
the optimal assignment to N other draws of it (SciPy; POT's exact solver would give the same
numbers), and by quantiles along 16 directions, as `wfrpde.validate` does. What a shift adds to the
distance of unshifted draws is told in standard deviations of one replicate.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Array = np.ndarray[Any, Any]

ANGLES = np.pi * (np.arange(16) + 0.5) / 16
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)])
REPLICATES = 40


def draws(n: int, shift: float, rng: np.random.Generator) -> Array:
    """Draw ``(n, 2)`` points of the shifted mixture."""
    middle = np.stack([4.0 * rng.integers(2, size=n) + shift, np.zeros(n)], axis=1)
    return np.asarray(middle + rng.standard_normal((n, 2)))


def exact(x: Array, y: Array) -> float:
    """W₂ of two samples of the same size."""
    cost = cdist(x, y, "sqeuclidean")
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def sliced(x: Array, quantiles: Array) -> float:
    """Root mean square over directions of W₂ from sorted projections of many draws."""
    n, many = len(x), len(quantiles)
    middle = ((np.arange(n) + 0.5) / n * many).astype(int)
    return float(np.sqrt(np.mean((np.sort(x @ DIRECTIONS, axis=0) - quantiles[middle]) ** 2)))


def main() -> None:
    """Measure and print a table."""
    rng = np.random.default_rng(2026)
    quantiles = np.sort(draws(400_000, 0.0, rng) @ DIRECTIONS, axis=0)
    print("| N | shift | exact W₂ | seen | sliced W₂ | seen | exact, CPU s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for n in (250, 500, 1000):
        floor: tuple[float, ...] = ()
        for shift in (0.0, 0.1, 0.3):
            pairs = [(draws(n, shift, rng), draws(n, 0.0, rng)) for _ in range(REPLICATES)]
            began = time.process_time()
            one = np.array([exact(x, y) for x, y in pairs])
            seconds = (time.process_time() - began) / REPLICATES
            other = np.array([sliced(x, quantiles) for x, _ in pairs])
            floor = floor or (one.mean(), one.std(ddof=1), other.mean(), other.std(ddof=1))
            seen = ((one.mean() - floor[0]) / floor[1], (other.mean() - floor[2]) / floor[3])
            print(
                f"| {n} | {shift} | {one.mean():.3f} ± {one.std(ddof=1):.3f} | {seen[0]:.1f} "
                f"| {other.mean():.3f} ± {other.std(ddof=1):.3f} | {seen[1]:.1f} | {seconds:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
