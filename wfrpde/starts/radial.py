"""Starts that depend on the distance from the origin alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.starts.initial import InitialDensity, InitialParameters
from wfrpde.targets.radial import RadialFormula

NODES, DEPTH, SHARE = 20_001, 45.0, 0.2
"""Nodes of the grid of distances; log of the density below its highest beyond which nothing is
drawn; share of the grid that matters at least."""


class RadialInitial(RadialFormula, InitialParameters):
    """ρ₀ ∝ e^{−u(|x|)}, ``potential`` being u as a formula in ``r``, in the target's dimension."""

    kind: ClassVar[str] = "radial"

    def check_dimension(self, dim: int) -> None:
        """Accept every dimension."""

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        value, _ = self.functions("initial.potential")

        def log_density(x: Array) -> Array:
            return -value(np.linalg.norm(x, axis=1))

        words = f"∝ exp(−({self.potential})) with r = |x|"
        return InitialDensity(
            dim,
            self.kind,
            words,
            np.zeros((1, dim)),
            log_density,
            False,
            sampler=lambda n, rng: (
                _directions(n, dim, rng) * distances(value, dim, n, rng)[:, None]
            ),
        )


def _directions(n: int, dim: int, rng: np.random.Generator) -> Array:
    normal = rng.standard_normal((n, dim))
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def distances(value: Callable[[Array], Array], dim: int, n: int, rng: np.random.Generator) -> Array:
    """Draw n distances ``∝ r^{d−1} e^{−u(r)}``, by the inverse of their distribution on a grid.

    Raises
    ------
    InputError
        If the density cannot be normalised.
    """
    low, high = 0.0, 1.0
    for _ in range(200):  # up to where nothing is left, then down to what holds all
        r = np.asarray(np.linspace(low, high, NODES)[1:], dtype=float)
        log_mass = (dim - 1) * np.log(r) - value(r)
        held = log_mass > log_mass.max() - DEPTH
        if held[-1]:
            high *= 1.5
        elif held.mean() < SHARE:
            low, high = (float(r[max(k, 0)]) for k in np.flatnonzero(held)[[0, -1]] + [-1, 1])
        else:
            break
    else:
        raise InputError("initial.potential", "one that does not confine", "one that grows with r")
    mass = np.exp(log_mass - log_mass.max())
    cumulative = np.concatenate([[0.0], np.cumsum((mass[1:] + mass[:-1]) / 2)])
    return np.asarray(np.interp(rng.random(n), cumulative / cumulative[-1], r))
