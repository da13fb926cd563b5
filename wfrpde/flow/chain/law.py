"""`Law`: a density of a chain as a train on quadrature points, and what it says of its sites."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wfrpde.arrays import Array, ComplexArray, Integers
from wfrpde.case.stored import Result
from wfrpde.flow.chain.nodes import GAUSS, quadrature
from wfrpde.flow.chain.train import Cores, Train

FINE = 1201
"""Points of a site between which a marginal is linear when samples are drawn."""

ASCENTS = 12
"""Points from which a density is climbed, site by site, to find how large it is."""


Pivots = tuple[int, tuple[Integers, ...]]
"""Number of points of a site, and for each bond some points of the sites behind it."""


@dataclass(frozen=True)
class Energy:
    """log ρ up to a constant, as data: u − Σ site − Σ coupling on the points of a quadrature.

    Attributes
    ----------
    u
        Cores of u on the points; none for the target.
    site, coupling
        V of each site ``(m,)``, and of each pair of neighbours ``(m, m)``.
    """

    length: int
    u: Cores | None
    site: Array
    coupling: Array

    def values(self, index: Integers) -> Array:
        """Return log ρ at points ``(N, d)`` by their numbers."""
        found: Array = -self.site[index].sum(axis=1)
        found -= self.coupling[index[:, :-1], index[:, 1:]].sum(axis=1)
        return found if self.u is None else found + self._left(index)[:, 0]

    def _left(self, index: Integers) -> Array:
        """Return the product of the first cores ``(N, r)`` at points ``(N, k)``."""
        assert self.u is not None
        found = np.ones((len(index), 1))
        for core, at in zip(self.u, index.T, strict=False):
            found = np.einsum("ma,mab->mb", found, core[:, at].transpose(1, 0, 2))
        return found

    def _right(self, index: Integers) -> Array:
        assert self.u is not None
        found = np.ones((len(index), 1))
        for core, at in zip(self.u[::-1], index.T[::-1], strict=False):
            found = np.einsum("mab,mb->ma", core[:, at].transpose(1, 0, 2), found)
        return found

    def block(self, left: Integers, right: Integers, bond: int) -> Array:
        """Return log ρ ``(a, m, m, b)`` at all points of two sites, with pivots around them."""
        near: Array = -(self.site[:, None] + self.site + self.coupling)
        found = np.broadcast_to(near[None, :, :, None], (len(left), *near.shape, len(right)))
        found = found + self._outer(left, True)[:, :, None, None]
        found += self._outer(right, False).T[None, None]
        if self.u is not None:
            middle = np.einsum(
                "pa,axb,byc,qc->pxyq",
                self._left(left), self.u[bond], self.u[bond + 1], self._right(right),
                optimize=True,
            )  # fmt: skip
            found += middle
        return found

    def into(self, train: Train, sweeps: int, right: Sequence[Integers] = ()) -> None:
        """Make log ρ a train; see `Train.fill`."""
        train.fill(
            lambda own, bond: self.block(own.left[bond], own.right[bond + 2], bond),
            sweeps,
            np.random.default_rng(0),
            right,
        )

    def _outer(self, index: Integers, before: bool) -> Array:
        """Return log ρ ``(p, m)`` of pivots alone, and of their pair with the next site."""
        m = len(self.site)
        if not index.shape[1]:
            return np.zeros((len(index), m))
        own = -self.site[index].sum(axis=1)
        own -= self.coupling[index[:, :-1], index[:, 1:]].sum(axis=1)
        pair = self.coupling[index[:, -1]] if before else self.coupling[:, index[:, 0]].T
        return np.asarray(own[:, None] - pair)

    def top(self, rng: np.random.Generator) -> float:
        """Return the largest log ρ that is found by climbing one site after the other."""
        m = len(self.site)
        index = rng.integers(0, m, (ASCENTS, self.length))
        index[: ASCENTS // 2] = index[: ASCENTS // 2, :1]
        for _ in range(2):
            for k in range(self.length):
                trial = np.repeat(index, m, axis=0)
                trial[:, k] = np.tile(np.arange(m), len(index))
                index[:, k] = self.values(trial).reshape(-1, m).argmax(axis=1)
        return float(self.values(index).max())


@dataclass(frozen=True)
class Law(Result):
    """A density of a chain on quadrature points of each site.

    Attributes
    ----------
    points, weights
        Quadrature of a site, each ``(m,)``.
    cores
        The density, divided by e^`log_scale`.
    log_scale
        See there.
    """

    points: Array
    weights: Array
    cores: tuple[Array, ...] = field(repr=False)
    log_scale: float

    @classmethod
    def of(
        cls,
        energy: Energy,
        points: Array,
        weights: Array,
        tolerance: float,
        known: dict[Hashable, Pivots],
        name: Hashable,
    ) -> Law:
        """Return the law whose log density is given, up to a constant.

        Parameters
        ----------
        tolerance
            Root mean square of what a bond may leave out, in units of that of the density there.
        known
            Pivots of densities that were met. Those of this `name` are begun with, and a sweep is
            enough; they are written there.
        """
        rng = np.random.default_rng(0)
        scale, m = energy.top(rng), len(points)
        train = Train(energy.length, m, tolerance, relative=True)
        count, near = known.get(name, (m, ()))

        def block(own: Train, bond: int) -> Array:
            return np.exp(energy.block(own.left[bond], own.right[bond + 2], bond) - scale)

        # sweeps there and back in which the pivots of a density are found
        train.fill(block, 1 if near else 3, rng, [pivots * m // count for pivots in near])
        known[name] = (m, tuple(train.right))
        return cls(points, weights, train.cores(), scale)

    @property
    def length(self) -> int:
        """Number d of sites."""
        return len(self.cores)

    @cached_property
    def _weighted(self) -> tuple[Array, ...]:
        return tuple(core * self.weights[:, None] for core in self.cores)

    @cached_property
    def _sums(self) -> tuple[Array, ...]:
        return tuple(core.sum(axis=1) for core in self._weighted)

    @cached_property
    def before(self) -> tuple[Array, ...]:
        """For each site the integral ``(r,)`` over those before it."""
        found: list[Array] = [np.ones(1)]
        for matrix in self._sums:
            found.append(found[-1] @ matrix)
        return tuple(found)

    @cached_property
    def behind(self) -> tuple[Array, ...]:
        """For each site the integral ``(r,)`` over it and those behind it."""
        found: list[Array] = [np.ones(1)]
        for matrix in self._sums[::-1]:
            found.append(matrix @ found[-1])
        return tuple(found[::-1])

    @cached_property
    def total(self) -> float:
        """Integral of the density that the cores are."""
        return float(self.behind[0][0])

    @property
    def log_mass(self) -> float:
        """Log of the integral of the density that was given."""
        return float(np.log(self.total)) + self.log_scale

    # --- sites ------------------------------------------------------------------------------

    def density(self, site: int) -> Array:
        """Return the marginal density ``(m,)`` of a site at the points."""
        found = np.einsum("a,axb,b->x", self.before[site], self.cores[site], self.behind[site + 1])
        return np.asarray(found / self.total)

    def pair(self, first: int, second: int) -> Array:
        """Return the joint density ``(m, m)`` of two sites, the first before the second."""
        found = np.einsum("a,axb->xb", self.before[first], self.cores[first])
        for matrix in self._sums[first + 1 : second]:
            found = found @ matrix
        found = np.einsum("xb,byc,c->xy", found, self.cores[second], self.behind[second + 1])
        return np.asarray(found / self.total)

    def moments(self) -> tuple[Array, Array]:
        """Return mean ``(d,)`` and covariance ``(d, d)``."""
        d = self.length
        first = [np.einsum("axb,x->ab", core, self.points) for core in self._weighted]
        second = [np.einsum("axb,x->ab", core, self.points**2) for core in self._weighted]
        mean, covariance = np.zeros(d), np.zeros((d, d))
        for k in range(d):
            start = self.before[k] @ first[k]
            mean[k] = start @ self.behind[k + 1] / self.total
            covariance[k, k] = self.before[k] @ second[k] @ self.behind[k + 1] / self.total
            for j in range(k + 1, d):
                value = start @ first[j] @ self.behind[j + 1] / self.total
                covariance[k, j] = covariance[j, k] = value
                start = start @ self._sums[j]
        return mean, covariance - np.outer(mean, mean)

    def counts(self, inside: Array) -> Array:
        """Return the law ``(d + 1,)`` of how many sites lie where ``inside (m,)`` is 1."""
        found = np.ones((1, 1))
        for core in self._weighted:
            yes = np.einsum("axb,x->ab", core, inside)
            no = core.sum(axis=1) - yes
            grown = np.zeros((len(found) + 1, core.shape[2]))
            grown[:-1] += found @ no
            grown[1:] += found @ yes
            found = grown
        return np.asarray(found[:, 0] / self.total)

    def characteristic(self, omega: Array, ends: Array) -> ComplexArray:
        """Return E e^{iω·x} ``(m,)`` at frequencies ``(m, d)``, exact for the polynomials it is of.

        Parameters
        ----------
        ends
            Of the pieces of the quadrature.
        """
        asked = np.flatnonzero(omega.any(axis=0))
        if not len(asked):
            return np.ones(len(omega), dtype=complex)
        # waves along a piece need points of their own
        count = GAUSS + int(np.abs(omega).max() * np.diff(ends).max() / 2)
        fine, weights = quadrature(ends, count)
        basis = weights[:, None] * piecewise(self.points, ends, fine)
        first, last = asked[0], asked[-1]
        state: ComplexArray = np.tile(self.before[first] + 0j, (len(omega), 1))
        for k in range(first, last + 1):
            if k not in asked:
                state = state @ self._sums[k]
                continue
            waves = np.exp(1j * np.multiply.outer(omega[:, k], fine)) @ basis
            state = np.einsum("fa,fab->fb", state, np.tensordot(waves, self.cores[k], (1, 1)))
        return np.asarray(state @ self.behind[last + 1] / self.total)

    def values(self, x: Array, ends: Array) -> Array:
        """Return the density ``(n,)`` at points ``(n, d)``, normalised."""
        found: Array = np.ones((len(x), 1))
        for core, column in zip(self.cores, x.T, strict=True):
            at = np.tensordot(piecewise(self.points, ends, column), core, (1, 1))
            found = np.einsum("na,nab->nb", found, at)
        return np.asarray(found[:, 0] / self.total)

    # --- functions that are trains ----------------------------------------------------------

    def mean_of(self, u: Cores) -> float:
        """Return ⟨u⟩ of a train on the same points."""
        found = np.ones((1, 1))
        for core, other in zip(self._weighted, u, strict=True):
            found = np.einsum("au,axb,uxv->bv", found, core, other, optimize=True)
        return float(found[0, 0]) / self.total

    def squares(self, u: Cores, slopes: Cores) -> tuple[float, float]:
        """Return ⟨u²⟩ and ⟨|∇u|²⟩; ``slopes`` are the cores of the derivatives at the sites."""
        plain = [_doubled(core, other) for core, other in zip(self._weighted, u, strict=True)]
        steep = [_doubled(core, other) for core, other in zip(self._weighted, slopes, strict=True)]
        value: Array = np.ones((1, 1, 1))
        slope: Array = np.zeros((1, 1, 1))
        for one, other in zip(plain, steep, strict=True):
            slope = one(slope) + other(value)
            value = one(value)
        return float(value[0, 0, 0]) / self.total, float(slope[0, 0, 0]) / self.total

    # --- draws ------------------------------------------------------------------------------

    def sample(self, count: int, rng: np.random.Generator, ends: Array) -> Array:
        """Draw points ``(N, d)``, one site after the other, given those before.

        Parameters
        ----------
        ends
            Of the pieces of the quadrature. Between the points of a fine grid the conditional
            density is linear.
        """
        fine = np.linspace(ends[0], ends[-1], FINE)
        matrix = piecewise(self.points, ends, fine)
        found = np.empty((count, self.length))
        state = np.ones((count, 1))
        every = np.arange(count)
        for k, core in enumerate(self.cores):
            cores = np.einsum("gx,axb->agb", matrix, core, optimize=True)
            density = np.maximum(state @ (cores @ self.behind[k + 1]), 0.0)
            area = (density[:, 1:] + density[:, :-1]) * np.diff(fine) / 2
            below = np.cumsum(area, axis=1)
            level = rng.random(count) * below[:, -1]
            cell = np.minimum((below < level[:, None]).sum(axis=1), FINE - 2)
            low, high = density[every, cell], density[every, cell + 1]
            share = 1 - (below[every, cell] - level) / area[every, cell]
            # the root of low s + (high - low) s²/2 = share (low + high)/2
            want = share * (low + high)
            root = np.sqrt(np.maximum(low**2 + (high - low) * want, 0.0))
            s = np.clip(want / np.maximum(low + root, 1e-300), 0.0, 1.0)
            found[:, k] = fine[cell] + s * (fine[cell + 1] - fine[cell])
            picked = (1 - s)[:, None, None] * cores[:, cell].transpose(1, 0, 2)
            picked += s[:, None, None] * cores[:, cell + 1].transpose(1, 0, 2)
            state = np.einsum("na,nab->nb", state, picked)
            state /= np.abs(state).max(axis=1, keepdims=True)
        return found


def piecewise(points: Array, ends: Array, x: Array) -> Array:
    """Return the matrix ``(n, m)`` of polynomials on each piece through its points; 0 outside."""
    found = np.zeros((len(x), len(points)))
    piece = np.searchsorted(ends, x, side="right") - 1
    piece[x == ends[-1]] = len(ends) - 2
    for k in range(len(ends) - 1):
        own = np.flatnonzero((points > ends[k]) & (points < ends[k + 1]))
        rows = np.flatnonzero(piece == k)
        if not len(rows):
            continue
        nodes, size = points[own], ends[k + 1] - ends[k]
        weights = 1 / np.prod((nodes[:, None] - nodes) / size + np.eye(len(nodes)), axis=1)
        gap = x[rows][:, None] - nodes
        hit = gap == 0
        share = weights / np.where(hit, 1.0, gap)
        matrix = share / share.sum(axis=1, keepdims=True)
        on = hit.any(axis=1)
        matrix[on] = hit[on]
        found[np.ix_(rows, own)] = matrix
    return found


def _doubled(core: Array, other: Array) -> Callable[[Array], Array]:
    """Return the map of environments ``(a, u, u')`` across a site where a train stands twice."""

    def across(found: Array) -> Array:
        first = np.einsum("auv,uxs->avxs", found, other, optimize=True)
        second = np.einsum("avxs,vxt->axst", first, other, optimize=True)
        return np.asarray(np.einsum("axst,axb->bst", second, core, optimize=True))

    return across
