r"""`Oracle`: log(ρ_t/π) at any point and time, read from the flow that was solved.

A solved flow is known at its saved times only. Between them u = log(ρ/π) is interpolated by
cubic polynomials in √t, in which the fast first moments of a flow are spread out. `oracle_times`
names times that are close enough for it; what the interpolation leaves out is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.samplers.density import CELLS, DensitySource
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.walls import Sink
from wfrpde.targets import Target
from wfrpde.targets.product import Turned

LOWEST = -200.0
"""log(ρ/π) below which there is nothing that a particle could meet."""

NODES = {1: 2000, 2: 240, 3: 56}
"""Cells along an axis of the lattice on which the flow is tabulated."""


MARGIN = 12
"""Nodes after which a cubic spline has forgotten where it ends: 0.27^12 = 1e-7."""


class SavedFlow(Protocol):
    """A flow that was solved, at times that were saved."""

    @property
    def target(self) -> Target:
        """The density π that it tends to."""

    @property
    def times(self) -> Array:
        """``(T,)`` saved times, ascending."""

    @property
    def box(self) -> Array:
        """Corners ``(d, 2)`` of the domain's bounding box."""

    def log_relative_densities(self, x: Array) -> Array:
        """Return log(ρ/π) ``(T, n)`` at points ``(n, d)`` at all times; −∞ outside the domain."""


@runtime_checkable
class Knowing(Protocol):
    """A flow that tells log(ρ/π) at any time by itself."""

    @property
    def oracle(self) -> SumOracle:
        """What tells it."""


def oracle_times(case: Any, count: int = 64) -> tuple[float, ...]:
    """Give times at which the flow of a `wfrpde.Case` has to be saved for an `Oracle`.

    Its own saved times, and ``count`` that are evenly spaced in √t up to the last of them.
    """
    end = case.flow.save[-1]
    ladder = end * (np.arange(1, count + 1) / count) ** 2
    own = np.array(case.flow.save)
    # times that nearly coincide would make the interpolation ill-conditioned
    apart = [
        t for t in ladder if np.abs(np.sqrt(own) - np.sqrt(t)).min() > 0.3 * np.sqrt(end) / count
    ]
    return tuple(float(t) for t in sorted({*own.tolist(), *apart}))


@dataclass(frozen=True, eq=False)
class Oracle(DensitySource):
    r"""log(ρ_t/π) of a solved flow, as a density source that owes nothing to the particles.

    Attributes
    ----------
    times
        ``(T,)`` tabulated times, ascending.
    lattice
        Where it is tabulated; positions outside read the nearest wall.
    coefficients
        ``(T, …)`` coefficients of cubic splines in space.
    interpolation_error
        Largest over the times of the root-mean-square error, under ρ, of log(ρ/π) when a tabulated
        time is left out and interpolated from its neighbours; between neighbouring times the error
        is some 2⁴ times smaller.
    sink
        What absorbs: the log of the distance from it is left out of the table.
    """

    times: Array
    lattice: Lattice
    coefficients: Array
    interpolation_error: float
    sink: Sink | None = None

    @classmethod
    def of(cls, flow: SavedFlow, closed: tuple[bool, ...] = (), sink: Sink | None = None) -> Oracle:
        """Tabulate a flow that was solved. Not collective.

        Some axes may be `closed` upon themselves, and a `sink` may absorb.
        """
        from scipy.ndimage import spline_filter

        box, times = flow.box, np.asarray(flow.times, dtype=float)
        cells = NODES[len(box)]
        lattice = Lattice.over(box, (box[:, 1] - box[:, 0]) / cells, CELLS[len(box)])
        fields = _tabulated(flow, lattice, sink)
        potential = flow.target.potential(lattice.points).reshape(lattice.shape)
        error = _left_out_error(times, fields, potential)
        for axis, around in enumerate(closed):
            if around:
                fields, lattice = _continued(fields, lattice, axis)
        coefficients = np.stack([spline_filter(f, order=3, mode="nearest") for f in fields])
        return cls(times, lattice, coefficients, error, sink)

    def __call__(self, t: float, positions: Array) -> Array:
        """Return log(ρ_t/π) ``(N,)`` at the positions ``(N, d)``.

        Raises
        ------
        InputError
            If t is later than the last tabulated time.
        """
        from scipy.ndimage import map_coordinates

        end = self.times[-1]
        if t > end * (1 + 1e-9):
            raise InputError("flow", f"t = {t:g} with a flow solved up to {end:g}", "a longer flow")
        first, shares = _stencil_in_time(self.times, min(t, end))
        field = np.tensordot(shares, self.coefficients[first : first + len(shares)], axes=1)
        at = np.stack(self.lattice.coordinates(positions))
        values = map_coordinates(field, at, order=3, mode="nearest", prefilter=False)
        if self.sink is not None:
            values = np.maximum(values + self.sink.log_distance(positions), LOWEST)
        return np.asarray(values)

    def log_relative(self, positions: Array, weights: Array, t: float) -> Array:
        """Return log(ρ_t/π) ``(N,)``; the weights do not matter. Not collective."""
        return self(t, positions)


@dataclass(frozen=True, eq=False)
class SumOracle(DensitySource):
    """log(ρ_t/π) of a product: the sum of what oracles of its factors say.

    Attributes
    ----------
    turned
        Where the coordinates of the factors lie.
    parts
        For each factor that differs, log(ρ/π) ``(n,)`` at a time and points ``(n, k)``.
    """

    turned: Turned
    parts: tuple[Callable[[float, Array], Array], ...]

    def __call__(self, t: float, positions: Array) -> Array:
        """Return log(ρ_t/π) ``(N,)`` at the positions ``(N, d)``."""
        return self.turned.summed([partial(part, t) for part in self.parts], positions)

    def log_relative(self, positions: Array, weights: Array, t: float) -> Array:
        """Return log(ρ_t/π) ``(N,)``; the weights do not matter. Not collective."""
        return self(t, positions)


def _continued(fields: Array, lattice: Lattice, axis: int) -> tuple[Array, Lattice]:
    """Append `MARGIN` nodes at both ends of an axis that closes: there splines see what follows."""
    turned = np.moveaxis(fields, axis + 1, -1)
    whole = (turned[..., -1 - MARGIN : -1], turned, turned[..., 1 : 1 + MARGIN])
    low, shape = lattice.low.copy(), list(lattice.shape)
    low[axis] -= MARGIN * lattice.spacing[axis]
    shape[axis] += 2 * MARGIN
    fields = np.moveaxis(np.concatenate(whole, axis=-1), -1, axis + 1)
    return fields, Lattice(low, lattice.spacing, tuple(shape))


def _tabulated(flow: SavedFlow, lattice: Lattice, sink: Sink | None = None) -> Array:
    """Tabulate u = log(ρ/π) ``(T, …)``; outside the domain, that of the nearest point in it.

    What vanishes towards a sink is left out.
    """
    from scipy.ndimage import distance_transform_edt

    values = flow.log_relative_densities(lattice.points)
    if sink is not None:
        distance = sink.log_distance(lattice.points)
        values = values - np.where(np.isneginf(distance), 0.0, distance)
    # a density that is zero at first is not so at all times
    outside = np.isneginf(values).all(axis=0).reshape(lattice.shape)
    fields = np.maximum(values, LOWEST).reshape(-1, *lattice.shape)
    if outside.any() and not outside.all():
        nearest = distance_transform_edt(outside, return_distances=False, return_indices=True)
        fields = fields[(slice(None), *nearest)]
    return np.asarray(fields)


def _stencil_in_time(times: Array, t: float) -> tuple[int, Array]:
    """Give the first of (up to) four neighbouring times and their Lagrange weights in √t."""
    size = min(4, len(times))
    first = int(np.clip(np.searchsorted(times, t) - 2, 0, len(times) - size))
    return first, _lagrange(np.sqrt(times[first : first + size]), np.sqrt(t))


def _lagrange(knots: Array, s: Any) -> Array:
    weights = np.ones(len(knots))
    for j in range(len(knots)):
        for k in range(len(knots)):
            if k != j:
                weights[j] *= (s - knots[k]) / (knots[j] - knots[k])
    return weights


def _left_out_error(times: Array, fields: Array, potential: Array) -> float:
    worst = 0.0
    if len(times) < 4:
        return float("nan")
    for index in range(1, len(times) - 1):
        others = np.delete(np.arange(len(times)), index)
        first, shares = _stencil_in_time(times[others], float(times[index]))
        guess = np.tensordot(shares, fields[others[first : first + len(shares)]], axes=1)
        log_density = fields[index] - potential
        density = np.exp(log_density - log_density.max())
        density /= density.sum()
        gap = guess - fields[index]
        gap -= (density * gap).sum()  # a constant does not matter to normalised weights
        worst = max(worst, float(np.sqrt((density * gap**2).sum())))
    return worst
