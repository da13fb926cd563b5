r"""Metastable sets: what the slow eigenfunctions divide the space into.

The slow eigenfunctions are nearly constant within each well, so that the points of a target, seen
through them, lie near the corners of a simplex. PCCA+ (Deuflhard and Weber, Linear Algebra Appl.
398 (2005) 161) finds the corners (inner simplex algorithm, Weber and Galliat, ZIB report 02-12)
and the linear map χ = uA that makes memberships of them: 0 ≤ χ, Σχ = 1. We stop at its feasible
start and leave out the further search for the crispest A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Integers
from wfrpde.discretisation.interpolation import points_of
from wfrpde.errors import InputError
from wfrpde.operators.spectra import FromModes, Spectrum, evaluated

CLEAR = 3.0
"""Ratio of two neighbouring rates from which they count as separated."""


@dataclass(frozen=True, repr=False, kw_only=True)
class MetastableSets(FromModes):
    """Memberships of metastable sets, ordered by the coordinates where each is most itself.

    Attributes
    ----------
    memberships
        ``(m, n)`` nodal values χ ≥ 0 with Σ_a χ_a = 1.
    weights
        ``(m,)`` ∫π χ_a, which sum to 1.
    means
        ``(m, d)`` ∫π χ_a x / ∫π χ_a.
    generator
        ``(m, m)`` rate matrix Q of the sets, Lχ ≈ χQ: Q_ab is the rate of leaving a for b, per
        unit time at α = 1; its eigenvalues are those of L.
    separation
        Ratio of the first rate that is left out to the last that is kept.
    """

    memberships: Array
    weights: Array
    means: Array
    generator: Array
    separation: float

    def __len__(self) -> int:
        return len(self.weights)

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Return memberships ``(n, m)`` at points ``(n, d)``; NaN outside. Not collective."""
        points = points_of(x, self.means.shape[1])
        every = [evaluated(self.interpolation, row, points) for row in self.memberships]
        return np.stack(every, axis=1)


def metastable_sets(spectrum: Spectrum, sets: int | None = None) -> MetastableSets | None:
    """Find metastable sets from a spectrum.

    Parameters
    ----------
    spectrum
        Of a generator without absorbing region.
    sets
        How many; by default as many as there are rates, 0 among them, before the largest jump.
        None is returned if no jump is as large as `CLEAR`.

    Raises
    ------
    InputError
        If the spectrum has too few modes, or an absorbing region.
    """
    if spectrum.absorbing is not None:
        raise InputError(
            "spectrum.absorbing", spectrum.absorbing, "no absorbing region for metastable sets"
        )
    rates = spectrum.rates
    ratios = rates[2:] / rates[1:-1]
    if sets is None:
        if len(ratios) == 0 or ratios.max() < CLEAR:
            return None
        sets = int(ratios.argmax()) + 2
    if sets > len(rates):
        raise InputError(
            "spectrum.sets", f"{sets} with {len(rates)} modes", "at least as many modes as sets"
        )
    functions = spectrum.functions[:sets].T
    level = spectrum.target.potential(spectrum.nodes)
    level = level - level.min()
    candidates = np.flatnonzero(level < 6.0)  # level (kT) up to which a node may be a corner
    nearest = [
        int(((spectrum.nodes - seed) ** 2).sum(axis=1).argmin()) for seed in spectrum.target.seeds
    ]
    candidates = np.union1d(candidates, np.array(nearest, dtype=np.int64))
    corner = candidates[_corners(functions[candidates])]
    order = np.lexsort(spectrum.nodes[corner].T[::-1])
    corner = corner[order]
    # level (kT) up to which memberships are kept from turning negative; beyond they are cut off
    transform = _feasible(np.linalg.inv(functions[corner]), functions[level < 20.0])
    memberships = np.clip(functions @ transform, 0.0, None)
    memberships /= memberships.sum(axis=1, keepdims=True)
    weights = np.asarray(spectrum.mass @ memberships, dtype=np.float64)
    moments = (spectrum.mass[:, None] * memberships).T @ spectrum.nodes
    return MetastableSets(
        memberships=memberships.T.copy(),
        weights=weights,
        means=moments / weights[:, None],
        generator=np.asarray(
            -np.linalg.solve(transform, rates[:sets, None] * transform), dtype=np.float64
        ),
        separation=float(rates[sets] / rates[sets - 1]) if sets < len(rates) else np.nan,
        target=spectrum.target,
        log_normalisation=spectrum.log_normalisation,
        numerics=spectrum.numerics,
        warnings=spectrum.warnings,
        interpolation=spectrum.interpolation,
    )


def _corners(rows: Array) -> Integers:
    """Rows ``(n, m)`` that span the largest simplex, one after the other (inner simplex)."""
    count = rows.shape[1]
    chosen = [int((rows**2).sum(axis=1).argmax())]
    rest = rows - rows[chosen[0]]
    for _ in range(count - 1):
        chosen.append(int((rest**2).sum(axis=1).argmax()))
        direction = rest[chosen[-1]] / np.linalg.norm(rest[chosen[-1]])
        rest = rest - np.outer(rest @ direction, direction)
    return np.array(chosen, dtype=np.int64)


def _feasible(transform: Array, functions: Array) -> Array:
    """Change A least so that uA ≥ 0 at the given points and Σ_a (uA)_a = 1 (Deuflhard, Weber)."""
    result = transform.copy()
    result[1:, 0] = -result[1:, 1:].sum(axis=1)
    result[0] = -(functions[:, 1:] @ result[1:]).min(axis=0)
    return np.asarray(result / result[0].sum())
