r"""`Oracle`: log(ρ_t/π) at any point and time, read from the flow that was solved.

A `Solution` knows the flow at its saved times only. Between them u = log(ρ/π) is interpolated by
cubic polynomials in √t, in which the fast first moments of a flow are spread out. `oracle_times`
names times that are close enough for it; what the interpolation leaves out is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.errors import InputError
from wfrpde.samplers.density import CELLS
from wfrpde.samplers.lattice import Lattice

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.flow.solution import Solution

Array = npt.NDArray[np.float64]

LOWEST = -200.0
"""log(ρ/π) below which there is nothing that a particle could meet."""

NODES = {1: 2000, 2: 240, 3: 56}
"""Cells along an axis of the lattice on which the flow is tabulated."""


def oracle_times(case: Case, count: int = 64) -> tuple[float, ...]:
    """Give times at which the flow of a case has to be saved for an `Oracle`.

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
class Oracle:
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
    """

    times: Array
    lattice: Lattice
    coefficients: Array
    interpolation_error: float

    @classmethod
    def of(cls, solution: Solution) -> Oracle:
        """Tabulate a solution. Not collective."""
        from scipy.ndimage import spline_filter

        box = solution.box
        cells = NODES[len(box)]
        lattice = Lattice.over(box, (box[:, 1] - box[:, 0]) / cells, CELLS[len(box)])
        fields = _tabulated(solution, lattice)
        error = _left_out_error(solution, lattice, fields)
        coefficients = np.stack([spline_filter(f, order=3, mode="nearest") for f in fields])
        return cls(np.asarray(solution.times), lattice, coefficients, error)

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
        return np.asarray(values)

    def log_relative(self, positions: Array, weights: Array, t: float) -> Array:
        """Return log(ρ_t/π) ``(N,)``; the weights do not matter. Not collective."""
        return self(t, positions)


def _tabulated(solution: Solution, lattice: Lattice) -> Array:
    """U = log(ρ/π) ``(T, …)`` on the lattice; outside the mesh, of the nearest point in it."""
    from scipy.ndimage import distance_transform_edt

    from wfrpde.discretisation.interpolation import evaluate

    points = lattice.points
    values, _ = evaluate(solution.interpolation, solution.log_relative, points)
    for index in range(len(values)):
        exact = solution.exact(index, points)
        if exact is not None:
            values[index] = np.where(np.isnan(values[index]), np.nan, exact)
    fields = np.maximum(values, LOWEST).reshape(-1, *lattice.shape)
    outside = np.isnan(fields[0])
    if outside.any():
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


def _left_out_error(solution: Solution, lattice: Lattice, fields: Array) -> float:
    times, worst = np.asarray(solution.times), 0.0
    if len(times) < 4:
        return float("nan")
    potential = solution.target.potential(lattice.points).reshape(lattice.shape)
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
