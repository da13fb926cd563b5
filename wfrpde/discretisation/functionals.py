"""Functionals of a density given as nodal values of u = log(ρ/π).

All integrals are quadratures of π e^u; π is normalised on the same points, so that u = 0 gives
KL = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.interpolation import (
    Interpolation,
    Spread,
    TensorInterpolation,
    evaluate,
)
from wfrpde.discretisation.lattices import evaluate_in_cells
from wfrpde.discretisation.quadrature import (
    CellShare,
    Quadrature,
    RegionFunction,
    make_quadrature,
    share_of_cells,
)
from wfrpde.domain.grid import TensorGrid

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpi4py.MPI import Comm

Array = npt.NDArray[np.float64]

FEW_POINTS = 8
"""Quadrature points in a region below which a warning is given."""


@dataclass(frozen=True)
class Functionals:
    """Numbers at T times.

    ``kl``, ``mass``, ``fisher_information`` (∫ρ∇u·D∇u), ``reaction_variance`` (Var_ρ u): ``(T,)``;
    ``mean (T, d)``, ``covariance (T, d, d)``, ``mode_mass`` name → ``(T,)``.
    ``log_normalisation`` is log ∫e^{−V}, ``density_norm`` ``(T,)`` the L2 norm of the density.
    """

    kl: Array
    mass: Array
    fisher_information: Array
    reaction_variance: Array
    mean: Array
    covariance: Array
    mode_mass: dict[str, Array]
    log_normalisation: float
    density_norm: Array

    def series(self) -> dict[str, Array]:
        """Return the scalar time series by name."""
        names = ("kl", "mass", "fisher_information", "reaction_variance")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Samples:
    """Fields u and ∇u·D∇u at quadrature points, ``(T, n)`` each."""

    value: Array
    squared_slope: Array

    def shifted(self, shift: Array) -> Samples:
        """Return the fields plus a constant each, ``(T,)``."""
        return Samples(self.value + shift[:, None], self.squared_slope)

    def plus(self, value: Array) -> Samples:
        """Return the fields plus a function ``(n,)`` whose slopes are not known."""
        return Samples(self.value + value, np.full_like(self.squared_slope, np.nan))


class Evaluator:
    """Evaluates functionals of nodal fields on one interpolation (collective over `comm`).

    Parameters
    ----------
    potential
        V in kT at points ``(n, d)``.
    regions
        Named regions whose mass is wanted.
    cuts
        Other regions whose boundaries the points respect.
    spread
        D ``(n, d, d)`` at points ``(n, d)``, of Fisher information; None for the unit matrix.
    """

    def __init__(
        self,
        comm: Comm,
        interpolation: Interpolation,
        potential: Callable[[Array], Array],
        regions: Mapping[str, RegionFunction],
        *,
        cuts: Sequence[RegionFunction] = (),
        spread: Spread | None = None,
        fewer: int = 0,
        share: CellShare | None = None,
    ) -> None:
        self._comm, self._interpolation = comm, interpolation
        self._potential, self._regions, self._cuts = potential, regions, cuts
        self._spread = spread
        shapes = [*regions.values(), *cuts]
        if share is None and isinstance(interpolation, TensorInterpolation):
            share = share_of_cells(interpolation, shapes, comm.rank, comm.size)
        self._share = share
        self._rule: Quadrature = make_quadrature(
            interpolation, shapes, rank=comm.rank, size=comm.size, fewer=fewer, share=share
        )
        points = self._rule.points
        self._inside = {
            name: np.asarray(region(points), dtype=bool) for name, region in regions.items()
        }
        v = potential(points) if len(points) else np.empty(0)
        with np.errstate(divide="ignore"):
            log_target = np.log(self._rule.weights) - v
        self.log_normalisation = self._logsumexp(log_target)
        self._log_target = log_target - self.log_normalisation

    def second(self) -> Evaluator:
        """Return one with another rule, whose distance tells the error of this one (collective).

        It has a Gauss point less on each axis. Cells of degree 1 have two, and the midpoint rule
        would be a poor judge of them: where a region ends, it is off by hundreds of times as much.
        There it has one more.
        """
        interpolation = self._interpolation
        line = isinstance(interpolation, TensorInterpolation) and interpolation.degree == 1
        same = self._comm, interpolation, self._potential, self._regions
        return Evaluator(
            *same,
            cuts=self._cuts,
            spread=self._spread,
            fewer=-1 if line else 1,
            share=self._share,
        )

    def target_mode_mass(self) -> dict[str, float]:
        """Mass of π in each region."""
        pi = np.exp(self._log_target)
        return {name: self._sum(pi[inside]) for name, inside in self._inside.items()}

    def near_walls(
        self, share: float = 0.01, but: npt.NDArray[np.bool_] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which points lie within a `share` of the box' width of walls, `but` for ``(d, 2)``."""
        from wfrpde.parallel.mpi import MPI

        points, dim = self._rule.points, self._interpolation.nodes.shape[1]
        near = np.zeros(len(points), dtype=bool)
        grid = self._interpolation.grid
        closed = grid.closed_axes if isinstance(grid, TensorGrid) else []
        for axis in set(range(dim)) - set(closed):
            x = points[:, axis]
            low = self._comm.allreduce(float(x.min(initial=np.inf)), op=MPI.MIN)
            high = self._comm.allreduce(float(x.max(initial=-np.inf)), op=MPI.MAX)
            below, above = (True, True) if but is None else ~but[axis]
            near |= below & (x - low < share * (high - low))
            near |= above & (high - x < share * (high - low))
        return near

    def shares(self, samples: Samples, where: npt.NDArray[np.bool_]) -> Array:
        """Share ``(T,)`` of the mass of each field at the points `where`."""
        result = []
        for row in samples.value:
            rho = _exp(self._log_target + row)
            part, whole = self._sums([rho[where], rho])
            result.append(part / whole)
        return np.array(result)

    def target_share(self, where: npt.NDArray[np.bool_]) -> float:
        """Share of the mass of π at the points `where`."""
        return self._sum(_exp(self._log_target)[where])

    def empty_regions(self) -> list[str]:
        """Warnings about regions that hold no point of the mesh."""
        texts = []
        for name, inside in self._inside.items():
            count = int(self._sum(inside.astype(float)))
            if count == 0:
                texts.append(
                    f"the region '{name}' holds no point of the domain: it lies outside, or is "
                    "smaller than a cell, and its mass is reported as 0"
                )
            elif count < FEW_POINTS:
                texts.append(
                    f"the region '{name}' holds only {count} quadrature points: its mass is "
                    "uncertain"
                )
        return texts

    @property
    def points(self) -> Array:
        """Quadrature points ``(n, d)`` of this rank."""
        return self._rule.points

    @property
    def log_target(self) -> Array:
        """Log of the mass of π at each of the points, ``(n,)``."""
        return self._log_target

    def sample(self, u: Array, *, slopes: bool = True) -> Samples:
        """Values and squared slopes of nodal fields ``(T, n_nodes)`` at the points."""
        rule, interpolation = self._rule, self._interpolation
        if not isinstance(interpolation, TensorInterpolation):
            return Samples(
                *evaluate(interpolation, u, rule.points, slopes=slopes, spread=self._spread)
            )
        parts = [
            evaluate_in_cells(interpolation, u, cells, offsets, slopes=slopes, spread=self._spread)
            for cells, offsets in rule.lattices
        ]
        done = sum(value.shape[1] for value, _ in parts)
        rest = rule.points[done:]
        parts.append(evaluate(interpolation, u, rest, slopes=slopes, spread=self._spread))
        value, squared = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        return Samples(value, squared)

    def log_mass(self, samples: Samples) -> Array:
        """``log ∫ π e^u`` of each field, ``(T,)``."""
        return np.array([self._logsumexp(self._log_target + row) for row in samples.value])

    def __call__(self, samples: Samples) -> Functionals:
        """Functionals of fields that were sampled at `points`."""
        x, lam = self._rule.points, self._log_target
        rows = [
            self._one(field, slope, x, lam)
            for field, slope in zip(samples.value, samples.squared_slope, strict=True)
        ]
        *scalars, masses, norm = (np.array(column) for column in zip(*rows, strict=True))
        kl, mass, fisher, variance, mean, covariance = scalars
        modes = dict(zip(self._inside, masses.T, strict=True))
        constant = self.log_normalisation
        return Functionals(
            kl, mass, fisher, variance, mean, covariance, modes, constant, density_norm=norm
        )

    def _one(self, field: Array, slope: Array, x: Array, lam: Array) -> tuple[Any, ...]:
        """Return the numbers of one field in the order of `Functionals`."""
        rho = _exp(lam + field)
        field = np.where(rho > 0, field, 0.0)  # 0 log 0 = 0, also where u = −∞
        slope = np.where(rho > 0, slope, 0.0)
        dim = x.shape[1]
        # entropy density h log h − h + 1 ≥ 0, without cancellation near h = 1
        pi = _exp(lam)
        entropy = np.where(
            (field > 0.5) | (rho == 0),
            rho * field - rho + pi,
            pi * _entropy(np.minimum(field, 0.5)),
        )
        density = rho * rho / self._rule.weights
        total = self._sums(
            [entropy, rho, rho * slope, rho * field, density, *(rho * x[:, k] for k in range(dim))]
            + [rho[inside] for inside in self._inside.values()]
        )
        kl, mass, fisher, mean_u, square = total[:5]
        mean = np.array(total[5 : 5 + dim]) / mass
        mean_u /= mass
        centred = x - mean
        second = self._sums(
            [rho * (field - mean_u) ** 2]
            + [rho * centred[:, i] * centred[:, j] for i in range(dim) for j in range(dim)]
        )
        covariance = np.array(second[1:]).reshape(dim, dim) / mass
        norm = float(np.sqrt(square))
        return kl, mass, fisher, second[0], mean, covariance, total[5 + dim :], norm

    def kl_to(self, samples: Samples, lifts: Array) -> Array:
        """KL ``(T,)`` of each field to the density of another potential, normalised.

        `lifts` ``(T, n)`` are V less that potential at the points.
        """
        result = []
        for row, lift in zip(samples.value, lifts, strict=True):
            log_other = self._log_target + lift
            log_other = log_other - self._logsumexp(log_other)
            with np.errstate(invalid="ignore"):
                field = self._log_target + row - log_other
            rho, other = _exp(log_other + field), _exp(log_other)
            field = np.where(rho > 0, field, 0.0)
            entropy = np.where(
                (field > 0.5) | (rho == 0),
                rho * field - rho + other,
                other * _entropy(np.minimum(field, 0.5)),
            )
            result.append(self._sum(entropy))
        return np.array(result)

    def free_energy(self, lifts: Array) -> Array:
        """``−log Z_t/Z_0 (T,)`` of the potentials that `lifts` ``(T, n)`` are V less of."""
        value = np.array([self._logsumexp(self._log_target + lift) for lift in lifts])
        return np.asarray(value[0] - value)

    def l2_difference(self, one: Samples, other: Samples) -> Array:
        """``‖ρ₁ − ρ₂‖ / ‖ρ₁‖`` in L2(dx), ``(T,)``."""
        result = []
        for u, v in zip(one.value, other.value, strict=True):
            with np.errstate(invalid="ignore"):
                rho, gap = _exp(self._log_target + u), _exp(self._log_target + v)
            gap = rho - gap
            difference, norm = self._sums(
                [gap * gap / self._rule.weights, rho * rho / self._rule.weights]
            )
            result.append(np.sqrt(difference / norm))
        return np.array(result)

    def _sum(self, values: Array) -> float:
        return float(self._comm.allreduce(float(values.sum())))

    def _sums(self, parts: list[Array]) -> list[float]:
        local = np.array([part.sum() for part in parts])
        return [float(v) for v in self._comm.allreduce(local)]

    def _logsumexp(self, values: Array) -> float:
        from wfrpde.parallel.mpi import MPI

        shift = float(self._comm.allreduce(float(values.max(initial=-np.inf)), op=MPI.MAX))
        return shift + float(np.log(self._sum(np.exp(values - shift))))


def _exp(exponent: Array) -> Array:
    """e^x with exact zeros where it underflows."""
    return np.asarray(np.exp(np.clip(exponent, -746.0, 709.0)))


def _entropy(u: Array) -> Array:
    """``e^u (u − 1) + 1``, accurate near u = 0."""
    small = np.abs(u) < 1e-3
    safe = np.where(small, 1.0, u)
    direct = np.exp(safe) * (safe - 1) + 1
    series = u * u * (0.5 + u / 3 + u * u / 8)
    return np.where(small, series, direct)
