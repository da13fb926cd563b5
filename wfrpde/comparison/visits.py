"""How often Markov chains come into regions and leave them: what no chain knows of itself.

A chain that stays in one well for as long as it runs has averages that are sure and off, whether or
not it samples π. How many points it is worth cannot tell: within the well it may move freely. What
tells is how often it has come into the region and left it, beside how often points of π, as many
as it seems to be worth, would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags
from wfrpde.comparison.density import MeshedDensity
from wfrpde.errors import place
from wfrpde.numbers import number

if TYPE_CHECKING:
    from wfrpde.targets import Target

Kind = TypeVar("Kind", bound=np.generic)

ENOUGH = 10.0
"""Expected visits of a region from which chains that have never been there are told of it."""

MOST = 10_000
"""Points of chains, and cells of meshes, that are asked at most."""


@dataclass(frozen=True)
class Wells:
    """The wells of a target, each of which holds the points with the lowest way to its minimum.

    Attributes
    ----------
    target
        Its minima are its seeds.
    density
        π on a mesh.
    """

    target: Target = field(repr=False)
    density: MeshedDensity = field(repr=False)

    @classmethod
    def of(cls, target: Target, density: MeshedDensity) -> Wells | None:
        """Give the wells of a target; None where there is one alone."""
        return cls(target, density) if len(target.seeds) > 1 else None

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return [f"the well at {place(seed)}" for seed in self.target.seeds]

    @cached_property
    def shares(self) -> Array:
        """``(m,)`` shares of π, to a percent or so."""
        cells = self.density.cells
        order = np.argsort(-cells.masses, kind="stable")[:MOST]
        mass = cells.masses[order]
        return np.asarray(mass @ self.holding(cells.points[order, 0]) / mass.sum())

    def holding(self, x: Array) -> Flags:
        """Tell which well holds which point: ``(n, m)`` of points ``(n, d)``."""
        seeds = self.target.seeds
        distance = np.linalg.norm(x[:, None] - seeds, axis=2)
        nearest = np.argsort(distance, axis=1, kind="stable")[:, :4]  # of many wells
        share = np.linspace(0, 1, 13)[:, None, None, None]  # steps that no barrier is lost between
        way = x[:, None] + share * (seeds[nearest] - x[:, None])
        with np.errstate(all="ignore"):
            height = self.target.potential(way.reshape(-1, x.shape[1])).reshape(way.shape[:3])
        # of those that are reached without a climb the nearest one
        own = np.argmin(np.nan_to_num(height, nan=np.inf).max(axis=0), axis=1)
        return np.asarray(nearest[np.arange(len(x)), own][:, None] == np.arange(len(seeds)))


def stays(inside: Flags, chains: int) -> Array:
    """Count the stays ``(2, m)`` of chains inside and outside of m regions, ``inside`` (n, m)."""
    each = _parted(inside, chains)
    begins = np.ones_like(each)
    begins[:, 1:] = each[:, 1:] != each[:, :-1]
    return np.array([(begins & each).sum(axis=(0, 1)), (begins & ~each).sum(axis=(0, 1))])


def thinned(x: Array, chains: int) -> Array:
    """Leave at most `MOST` or so of the points ``(n, d)`` of chains, and as many of each."""
    return _parted(x, chains)[:, :: _stride(len(x))].reshape(-1, x.shape[1])


def left_of(n: int) -> int:
    """How many of n points `thinned` leaves, at least."""
    return n // _stride(n)


def _stride(n: int) -> int:
    return -(-n // MOST)


def _parted(x: npt.NDArray[Kind], chains: int) -> npt.NDArray[Kind]:
    """Chain by chain ``(C, n, m)``; all is one if they are not of one length."""
    count = 1 if len(x) % chains else chains
    return x.reshape(count, len(x) // count, x.shape[1])


def hardly_seen(names: Sequence[str], shares: Array, visits: Array, points: float | Array) -> str:
    """Tell of a region that chains should have visited, or left, and hardly have; "" of none.

    Parameters
    ----------
    names, shares
        Regions, and their shares ``(m,)`` of π.
    visits
        ``(2, m)`` stays inside and outside.
    points
        How many points the chains seem to be worth, of those in which the visits were counted:
        ``(m,)``, or of all regions.
    """
    worth = np.broadcast_to(points, shares.shape)
    for k in np.argsort(shares > 0.5, kind="stable"):  # rather that nothing was in a small one
        name, share, stay = names[k], float(shares[k]), visits[:, k]
        seen = int(stay.min())
        # that chance makes one stay of 14 that are expected, or nine of 46, is out of the question
        if seen < 10 and worth[k] * min(share, 1 - share) >= ENOUGH + 4 * seen:
            within = stay[0] <= stay[1]
            where = f"{'in' if within else 'outside'} {name}"
            of = f"where {number(share if within else 1 - share, 2)} of π is"
            if not seen:
                return f"no chain has been {where}, {of}"
            return f"the chains have been {where} {_times(seen)}, {of}"
    return ""


def _times(count: int) -> str:
    return {1: "only once", 2: "only twice"}.get(count, f"only {count} times")
