"""What is reported of a density on a lattice of phase space, by sums over its nodes.

Sums over equidistant nodes of what falls off on all sides are right to e^{−2π²σ²/h²}: with nodes a
standard deviation apart to 3e-9, but a density that is squeezed on its way may be thinner than
that. Those over the points in the middle err in the other direction.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.functionals import Evaluator
from wfrpde.discretisation.graded import UniformAxis, tensor_matrix
from wfrpde.discretisation.interpolation import interpolation_of
from wfrpde.discretisation.shears import ShearForm
from wfrpde.domain.grid import TensorGrid

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem


Numbers = tuple[dict[str, Array], dict[str, Array]]
"""Numbers by name, and masses of regions."""

CELLS, DEGREE = 24, 6
"""Cells along each axis, and their degree, on which regions of positions are integrated over."""

SHIFTS = ((0.5, 0.5, 0.5, 0.5), (0.5, 0.25, 0.35, 0.15))
"""Shares of the spacing by which nodes are shifted; no short wave has the same phase at both."""

FIRST = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0.0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
"""Central difference of order 8 for a first derivative."""


class PhaseNumbers:
    """Numbers of fields u = log(ρ/π) on the lattice of a form."""

    def __init__(self, problem: Problem, form: ShearForm) -> None:
        self._problem, self._form = problem, form
        self._axes: list[UniformAxis] = form.axes
        self._positions = _PositionRule(problem, form.axes[:2]) if problem.target.regions else None

    def __call__(self, u: Array) -> Numbers:
        """Return numbers, and masses of regions, of a field ``(n,)``."""
        form = self._form
        log_mass = u + form.log_target
        log_mass = log_mass - form.nodes.logsumexp(log_mass)
        level = u - (form.nodes.logsumexp(u + form.log_target))
        mass = np.exp(log_mass)
        kl = float(mass @ level)
        found = {
            "kl": np.array(kl),
            "mass": np.array(1.0),
            "fisher_information": np.array(self._fisher(mass, level)),
            "reaction_variance": np.array(float(mass @ (level - kl) ** 2)),
        }
        found["mean"], found["covariance"] = moments(mass.reshape(form.shape), self._axes)
        if self._positions is None:
            return found, {}
        return found, self._positions.masses(mass.reshape(form.shape).sum(axis=(2, 3)))

    @property
    def target_masses(self) -> dict[str, float]:
        """What π gives to the regions."""
        return {} if self._positions is None else self._positions.evaluator.target_mode_mass()

    @cached_property
    def log_normalisation(self) -> float:
        """Log ∫e^{−H}."""
        volume = sum(np.log(axis.spacing) for axis in self._axes)
        return self._form.nodes.logsumexp(-self._form.potential) + float(volume)

    def with_defect(self, u: Array) -> tuple[Numbers, Numbers, Numbers]:
        """Return numbers as means of two sums, those on the nodes alone, and errors of the means.

        The second sum is over the points in the middle between nodes, to which u is interpolated; a
        third one, over other points, tells of waves that the two do not see.
        """
        here, middle, other = self(u), *(self._moved(u, k) for k in range(len(SHIFTS)))
        means, errors = [], []
        for a, b, c in zip(here, middle, other, strict=True):
            mean = {name: (a[name] + b[name]) / 2 for name in a}
            means.append(mean)
            errors.append(
                {name: abs(a[name] - b[name]) / 2 + abs(c[name] - mean[name]) for name in a}
            )
        return (means[0], means[1]), here, (errors[0], errors[1])

    def constant_defect(self, u: Array) -> float:
        """Return by how much a field ``(n,)`` may be off everywhere: π and ρ are divided by sums.

        It is the largest distance of the logarithms of both to those of sums over other points.
        """
        here, apart = self._log_sums(u), 0.0
        for which, (numbers, _) in enumerate(self._shifted):
            there = numbers._log_sums(self._shifted_field(u, which))
            apart = max(apart, float(np.abs(there - here).sum()))
        return apart

    def _log_sums(self, u: Array) -> Array:
        """Return the logarithms of Σe^{−H} and Σe^{u − H}."""
        total, potential = self._form.nodes.logsumexp, self._form.potential
        return np.array([total(-potential), total(u - potential)])

    def _shifted_field(self, u: Array, which: int) -> Array:
        """Return u ``(n,)`` at nodes that are shifted."""
        value = u.reshape(self._form.shape)
        for k, matrix in enumerate(self._shifted[which][1]):
            value = np.moveaxis(np.asarray(np.tensordot(matrix, value, axes=(1, k))), 0, k)
        return value.ravel()

    def _moved(self, u: Array, which: int) -> Numbers:
        """Return numbers of u ``(n,)`` by a sum over nodes that are shifted."""
        return self._shifted[which][0](self._shifted_field(u, which))

    @cached_property
    def _shifted(self) -> list[tuple[PhaseNumbers, list[Array]]]:
        found = []
        for shift in SHIFTS:
            axes, matrices = [], []
            for axis, share in zip(self._axes, shift, strict=True):
                way = share * axis.spacing
                axes.append(UniformAxis(axis.low + way, axis.high + way, axis.count))
                matrices.append(axis.matrix(axis.nodes + way, self._form.degree).toarray())
            form = ShearForm(self._problem, axes, self._form.degree)
            found.append((PhaseNumbers(self._problem, form), matrices))
        return found

    def _fisher(self, mass: Array, u: Array) -> float:
        """∫ρ γ|∂_p u|², the part of Fisher information that D = diag(0, γ) sees."""
        friction = self._form.dynamics.friction
        assert friction is not None
        total, weight = 0.0, mass.reshape(self._form.shape)
        for k in (2, 3):
            line = np.moveaxis(u.reshape(self._form.shape), k, 3)
            slope = np.zeros_like(line)
            for shift, factor in zip(range(-4, 5), FIRST, strict=True):
                stop = line.shape[3] - 4 + shift
                slope[..., 4:-4] += factor * line[..., 4 + shift : stop]
            slope /= self._axes[k].spacing
            total += float((np.moveaxis(weight, k, 3) * slope**2).sum())
        return friction * total


def moments(mass: Array, axes: list[UniformAxis]) -> tuple[Array, Array]:
    """Return mean ``(d,)`` and covariance ``(d, d)`` of masses on a lattice."""
    dim = mass.ndim
    lines = [mass.sum(axis=tuple(j for j in range(dim) if j != k)) for k in range(dim)]
    mean = np.array([line @ axis.nodes for line, axis in zip(lines, axes, strict=True)])
    covariance = np.empty((dim, dim))
    gaps = [axis.nodes - m for axis, m in zip(axes, mean, strict=True)]
    for i in range(dim):
        covariance[i, i] = lines[i] @ gaps[i] ** 2
        for j in range(i):
            plane = mass.sum(axis=tuple(k for k in range(dim) if k not in (i, j)))
            covariance[i, j] = covariance[j, i] = gaps[j] @ plane @ gaps[i]
    return mean, covariance


class _PositionRule:
    """Masses of regions of the positions, from their density on the lattice."""

    def __init__(self, problem: Problem, axes: list[UniformAxis]) -> None:
        from wfrpde.parallel.mpi import MPI

        breaks = tuple(np.asarray(np.linspace(axis.low, axis.high, CELLS + 1)) for axis in axes)
        grid = TensorGrid(breaks, np.ones((CELLS, CELLS), dtype=bool))
        interpolation = interpolation_of(grid, DEGREE)

        def potential(x: Array) -> Array:
            return problem.potential(np.concatenate([x, np.zeros_like(x)], axis=1))

        regions = problem.case.target.build().regions
        self.evaluator = Evaluator(MPI.COMM_SELF, interpolation, potential, regions)
        lattice = np.stack(np.meshgrid(*[axis.nodes for axis in axes], indexing="ij"), axis=-1)
        self._potential = potential(lattice.reshape(-1, 2))
        self._between = tensor_matrix(axes, interpolation.nodes, 7)

    def masses(self, plane: Array) -> dict[str, Array]:
        """Return the mass of each region; `plane` ``(n, m)`` are masses of the positions."""
        u = np.log(np.maximum(plane.ravel(), 1e-300)) + self._potential
        functionals = self.evaluator(self.evaluator.sample((self._between @ u)[None]))
        whole = float(functionals.mass[0])
        return {name: value[0] / whole for name, value in functionals.mode_mass.items()}
