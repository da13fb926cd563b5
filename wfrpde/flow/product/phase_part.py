"""`PhasePart`: the flow of two positions and their momenta, on a lattice of four coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, ComplexArray
from wfrpde.case.stored import Result
from wfrpde.discretisation.graded import UniformAxis, tensor_matrix
from wfrpde.discretisation.shears import lattice_points
from wfrpde.errors import InputError
from wfrpde.flow.product.lines import BLOCK, Atoms, Line
from wfrpde.flow.product.parts import ROUND_OFF, Index
from wfrpde.flow.saved import Estimated

if TYPE_CHECKING:
    from wfrpde.targets import Target

DEGREE = 7
"""Of the interpolation between nodes."""

AT_ONCE = 400
"""Points between nodes that are interpolated at once: each takes 8⁴ values."""


@dataclass(frozen=True)
class PhasePart(Result):
    """The flow of two positions q and their momenta p, in coordinates (q₁, q₂, p₁, p₂).

    Attributes
    ----------
    target
        ∝ exp(−U(q) − |p|²/2).
    axes
        Those of the lattice.
    times
        Saved times ``(T,)``.
    log_relative
        u = log(ρ/π) ``(T, n)`` at the nodes, with Σ π e^u = 1 there.
    defect
        Estimated error of u ``(T, n)``; NaN where none was estimated.
    values, errors
        Numbers at all times by name, and their estimated errors.
    masses, mass_errors
        Those of the regions, of positions.
    target_masses
        What π gives to the regions.
    log_normalisation
        log ∫ e^{−H}.
    """

    target: Target
    axes: tuple[UniformAxis, ...]
    times: Array
    complete: bool
    warnings: tuple[str, ...]
    facts: Mapping[str, Any]
    log_relative: Array = field(repr=False)
    defect: npt.NDArray[np.float32] = field(repr=False)
    values: Mapping[str, Array]
    errors: Mapping[str, Array]
    masses: Mapping[str, Array]
    mass_errors: Mapping[str, Array]
    target_masses: Mapping[str, float]
    log_normalisation: float

    @property
    def dim(self) -> int:
        """Dimension of phase space."""
        return len(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Nodes along each axis."""
        return tuple(axis.count for axis in self.axes)

    @property
    def box(self) -> Array:
        """Ends ``(4, 2)`` of the axes."""
        return np.array([[axis.low, axis.high] for axis in self.axes])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""
        return tuple(name for name in self.values if name not in ("mean", "covariance"))

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""
        if name == "mode_mass":
            return Estimated(self.masses[region], self.mass_errors[region])
        return Estimated(self.values[name], self.errors[name])

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""
        if index is None:
            value = float(self.target_masses[region])
            return value, ROUND_OFF * value
        return float(self.masses[region][index]), float(self.mass_errors[region][index])

    @property
    def density_error(self) -> Array:
        """Estimated error ``(T,)`` of the density in L2, relative to its norm."""
        rows = []
        for index in range(len(self.times)):
            square = np.exp(2 * (self._log_mass(index) - self._log_mass(index).max()))
            gap = np.minimum(self.defect[index], 1.0)
            rows.append(np.sqrt((square * gap**2).sum() / square.sum()))
        return np.array(rows)

    # --- densities -----------------------------------------------------------------------------

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, 4)``."""
        if index is None:
            return np.zeros(len(x))
        value = self.log_relative[index].reshape(self.shape)
        result = np.empty(len(x))
        for start in range(0, len(x), AT_ONCE):
            block = slice(start, start + AT_ONCE)
            found = [axis.stencils(x[block, k], DEGREE) for k, axis in enumerate(self.axes)]
            (a, b, c, d), weights = zip(*found, strict=True)
            near = value[
                a[:, :, None, None, None], b[:, None, :, None, None],
                c[:, None, None, :, None], d[:, None, None, None, :],
            ]  # fmt: skip
            for weight in reversed(weights):
                near = np.einsum("n...k,nk->n...", near, weight)
            result[block] = near
        return result

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, 4)``; −∞ outside the box."""
        low, high = self.box.T
        inside = ((x >= low) & (x <= high)).all(axis=1)
        value = np.full(len(x), -np.inf)
        log_target = -self.target.potential(x[inside]) - self.log_normalisation
        value[inside] = log_target + self.log_relative_density(index, x[inside])
        return value

    def _log_mass(self, index: Index) -> Array:
        """Return the log of the mass of each node, ``(n,)``."""
        value = self._log_target if index is None else self._log_target + self.log_relative[index]
        top = float(value.max())
        return value - top - float(np.log(np.exp(value - top).sum()))

    @cached_property
    def _log_target(self) -> Array:
        return -self.target.potential(lattice_points([axis.nodes for axis in self.axes]))

    def marginal_density(self, index: Index, axes: tuple[int, ...], x: Array) -> Array:
        """Return the density of one or two coordinates at points ``(n, k)``.

        Its logarithm is interpolated between nodes: waves would leave ripples where it is thin.
        """
        others = tuple(k for k in range(self.dim) if k not in axes)
        mass = np.exp(self._log_mass(index)).reshape(self.shape).sum(axis=others)
        if axes != tuple(sorted(axes)):
            mass = mass.T
        own = [self.axes[k] for k in axes]
        log_density = np.log(np.maximum(mass.ravel(), 1e-300))
        log_density -= sum(np.log(axis.spacing) for axis in own)
        return np.asarray(np.exp(tensor_matrix(own, x, DEGREE) @ log_density))

    # --- linear forms --------------------------------------------------------------------------

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time, by the masses of the nodes."""
        seen = tuple(int(k) for k in np.flatnonzero(weights))
        points, log_mass, defect = self._seen(index, seen)
        gap = sum(abs(weights[k]) * self.axes[k].spacing for k in seen)
        return Atoms(points @ weights[list(seen)], log_mass, defect, gap=float(gap))

    def characteristic(self, index: Index, omega: Array) -> ComplexArray:
        """Return E e^{iω·x} at frequencies ``(m, 4)``."""
        seen = tuple(int(k) for k in np.flatnonzero(omega.any(axis=0))) or (0,)
        points, log_mass, _ = self._seen(index, seen)
        mass, waves = np.exp(log_mass), omega[:, list(seen)]
        size = max(1, BLOCK // len(points))
        parts = [np.exp(1j * (waves[k : k + size] @ points.T)) @ mass
                 for k in range(0, len(waves), size)]  # fmt: skip
        return np.concatenate(parts)

    def _seen(self, index: Index, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
        """Return nodes ``(n, k)`` of some axes, the log masses of all others there, and errors."""
        if (index, axes) not in self._projections:
            others = tuple(k for k in range(self.dim) if k not in axes)
            mass = np.exp(self._log_mass(index)).reshape(self.shape)
            defect = np.zeros(1) if index is None else self.defect[index]
            gap = mass * np.broadcast_to(np.minimum(defect, 1.0), mass.size).reshape(self.shape)
            total = mass.sum(axis=others).ravel()
            error = gap.sum(axis=others).ravel() / np.maximum(total, 1e-300)
            points = lattice_points([self.axes[k].nodes for k in axes])
            # logarithms below the largest mass of a node beyond which nodes are left out of linear
            # forms
            keep = total > total.max() * np.exp(-36.0)
            self._projections[index, axes] = points[keep], np.log(total[keep]), error[keep]
        return self._projections[index, axes]

    @cached_property
    def _projections(self) -> dict[tuple[Index, tuple[int, ...]], tuple[Array, Array, Array]]:
        return {}

    def oracle(self) -> Callable[[float, Array], Array]:
        """Refuse: samplers of two positions and momenta are not judged."""
        needed = "one position, or points with Solution.log_relative_density"
        raise InputError("sampler", "one that asks for log(ρ/π) of two positions", needed)
