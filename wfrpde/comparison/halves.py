r"""Distances between samples and a law, tested: one half of the replicates says where to look.

A squared distance is |g|², with g the gap between the mean features of a sample and those of the
law, which are known: MMD has random Fourier features; the energy distance the indicators of
half-spaces θ·x < s on a lattice of s, along random θ, as in one dimension it is 2∫(F − G)² ds, and
the mean over all θ of that is the distance itself but for a factor. Of a right sample g has mean 0;
weights are those less the bias of a ratio (`wfrpde.comparison.weighed.corrected`).
The mean gap ḡ of one half of the replicates is a direction; g·ḡ of those of the other half are
independent, of mean |E g|², and Student's t says whether that is positive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.meshless import MeshlessDensity
from wfrpde.comparison.metrics import SEED, mean_embedding, transport_directions
from wfrpde.comparison.statistics import average, p_above

LEVELS, WIDE = 48, 5.0
"""Values of s along a direction, up to so many standard deviations from the mean."""


@dataclass(frozen=True)
class Distance:
    """A squared distance, and its test.

    Attributes
    ----------
    value, standard_error, freedom
        An unbiased estimate, its standard error, and the degrees of freedom of that.
    p
        One-sided, of whether it exceeds what is allowed.
    allowed
        What the error of the law may make of it.
    """

    value: float
    standard_error: float
    freedom: float
    p: float
    allowed: float


def sliced_energy(density: MeshlessDensity, n: int) -> Callable[[Array, Array], Array]:
    """Return the gap ``(k,)`` whose squared length is the energy distance.

    D² = √π Γ((d + 1)/2)/Γ(d/2) ⟨2 ∫ (F_θ(s) − G_θ(s))² ds⟩_θ (Székely & Rizzo 2013), over some θ.
    """
    from scipy.special import gammaln

    d = density.dim
    directions = transport_directions(d, SEED)
    scale = np.sqrt(np.pi) * np.exp(gammaln((d + 1) / 2) - gammaln(d / 2))
    share = np.linspace(-WIDE, WIDE, LEVELS)
    known, bounds, lengths = [], [], []
    for direction in directions:
        form = density.form(direction)
        at = form.mean + form.width * share
        known.append(1 - form.above(at))
        bounds.append(at)
        lengths.append(np.sqrt(2 * scale * (at[1] - at[0]) / len(directions)))

    def gap(x: Array, weights: Array) -> Array:
        found = []
        for direction, at, below, length in zip(directions, bounds, known, lengths, strict=True):
            cell = np.searchsorted(at, x @ direction)
            mass = np.bincount(cell, weights, len(at) + 1)[:-1]
            found.append(length * (np.cumsum(mass) - below))
        return np.concatenate(found)

    return gap


DISTANCES = {"energy distance": sliced_energy, "MMD²": mean_embedding}
"""What makes the gap of each."""

BATCH = 50
"""Draws of the law at a time that tell how far its points are from it."""


@dataclass(frozen=True)
class Gap:
    """A gap at weighted points, and the mean squared distance of a single draw from its law.

    ``error`` is what the squared distance may be of points of the law itself, as log ρ is not known
    better: the mean of a feature is off by at most that error times its standard deviation.
    """

    of: Callable[[Array, Array], Array]
    spread: float
    error: float


def gaps_of(density: MeshlessDensity) -> dict[str, Gap]:
    """Return the gap of each distance by its name."""
    found = {}
    for name, make in DISTANCES.items():
        gap = make(density, 0)
        batches = density.draws.reshape(-1, BATCH, density.dim)
        squares = [float((gap(x, np.full(BATCH, 1 / BATCH)) ** 2).sum()) for x in batches]
        spread = BATCH * float(np.mean(squares))
        found[name] = Gap(gap, spread, density.log_error**2 * spread)
    return found


def tested(gaps: Sequence[Array], allowed: float) -> Distance:
    """Test whether the gaps ``(k,)`` of at least four replicates exceed what is allowed."""
    half = len(gaps) // 2
    seen = np.mean(gaps[:half], axis=0)
    values = np.array([own @ seen for own in gaps[half:]])
    found = average(values)
    value, error = found.value, found.standard_error
    p = p_above(value - allowed, error, found.freedom)
    return Distance(value, error, found.freedom, p, allowed)
