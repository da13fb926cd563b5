"""`product_start`: a start of independent factors, which samplers draw in R^d."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wfrpde.arrays import Array
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets.product import Turned


def product_start(
    factors: Sequence[tuple[int, InitialDensity]], rotation: Array | None = None
) -> InitialDensity:
    """Return ρ₀(x) = Π ρ_k(y_k), y = Rᵀ x.

    Parameters
    ----------
    factors
        How often each start is repeated, in the order of their coordinates.
    rotation
        R ``(d, d)``, or None.
    """
    turned = Turned.of([(repeat, start.dim) for repeat, start in factors], rotation)
    starts = [start for _, start in factors]

    def sample(n: int, rng: np.random.Generator) -> Array:
        y = np.empty((n, turned.dim))
        for start, columns in zip(starts, turned.columns, strict=True):
            draws = start.sample(n * len(columns), rng)
            y[:, columns] = draws.reshape(n, *columns.shape)
        return turned.outer(y)

    peak = np.concatenate([np.tile(start.seeds[0], repeat) for repeat, start in factors])
    return InitialDensity(
        dim=turned.dim,
        name="product",
        description=f"product in {turned.dim} dimensions",
        seeds=turned.outer(peak[None]),
        evaluate=lambda x: turned.summed([start.log_density for start in starts], x),
        normalised=all(start.normalised for start in starts),
        sampler=sample,
        recipe={
            "factors": [{"repeat": n, "recipe": start.recipe} for n, start in factors],
            "rotation": None if rotation is None else rotation.tolist(),
        },
    )
