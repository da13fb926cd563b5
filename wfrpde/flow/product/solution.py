"""`ProductSolution`: a flow in any dimension, as independent factors and a rotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.stored import Result
from wfrpde.discretisation.interpolation import points_of
from wfrpde.errors import InputError
from wfrpde.fields.product_regions import ProductRegion, linear_weights, parse_product_region
from wfrpde.flow.product.counts import log_at_least
from wfrpde.flow.product.lines import Complex, Line
from wfrpde.flow.product.parts import GaussianPart, Index, MeshPart
from wfrpde.flow.product.radial import RadialPart
from wfrpde.flow.product.sums import SumLaw, Tail
from wfrpde.flow.solution import ErrorEstimate, Estimated, Solution
from wfrpde.numbers import shortened

if TYPE_CHECKING:
    from wfrpde.case import Case

Array = npt.NDArray[np.float64]

SMALLEST_FREQUENCY, LARGEST_FREQUENCY = 1e-10, 120.0
"""A characteristic function of two coordinates is left out where it is smaller, or where the
frequency is larger, in units of 1/standard deviation."""


@dataclass(frozen=True, repr=False)
class ProductSolution(Result):
    """A flow that is a product: everything that is asked of it is put together from its factors.

    log ρ, KL, Fisher information and log normalising constants add, and so do their errors, as
    equal factors err alike. Points x = R y are in the coordinates of the case, y in those of the
    factors, one after the other.

    Attributes
    ----------
    parts
        The flows of the factors that differ.
    order
        For each factor, in order, which of the `parts` it is.
    names
        For each factor its name, or "".
    rotation
        R ``(d, d)``, or None.
    complete
        False if the run was interrupted; then `times` ends early.
    """

    case: Case
    parts: tuple[MeshPart | GaussianPart | RadialPart, ...] = field(repr=False)
    order: tuple[int, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    rotation: Array | None = field(repr=False)
    complete: bool
    wall_time: float
    ranks: int

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return (
            f"<ProductSolution of {self.case.title or self.case.name!r}: {self.dim} dimensions, "
            f"{len(self.order)} factors, {len(self.parts)} of them different, "
            f"{len(self.times)} times up to t = {self.times[-1]:g}{state}>"
        )

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self._starts[-1])

    @cached_property
    def times(self) -> Array:
        """Saved times ``(T,)``, 0 first."""
        return min((part.times for part in self.parts), key=len)

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How many factors are like each of the `parts`."""
        return tuple(self.order.count(k) for k in range(len(self.parts)))

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Where each factor's coordinates begin, and the end of the last."""
        return np.cumsum([0, *(self.parts[k].dim for k in self.order)])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        texts = [text for part in self.parts for text in part.warnings]
        return tuple(dict.fromkeys(texts))

    @property
    def numerics(self) -> dict[str, Any]:
        """How it was computed, JSON-ready."""
        facts = [dict(part.facts) for part in self.parts]
        reason = "target and start are products" if self.case.target.is_product else "one factor"
        if not self.case.target.is_product:
            reason = str(facts[0]["reason"])
        return {
            "formulation": "product" if self.case.target.is_product else facts[0]["formulation"],
            "reason": reason,
            "factors": len(self.order),
            "different": len(self.parts),
            "parts": [
                {"repeat": n, "dimension": part.dim, **fact}
                for n, part, fact in zip(self.counts, self.parts, facts, strict=True)
            ],
            "ranks": self.ranks,
            "target_mode_mass": self.target_mode_mass,
            "checks": [],
        }

    @property
    def history(self) -> Mapping[str, Array]:
        """Nothing: the factors have steps of their own."""
        return {}

    @property
    def target(self) -> ProductTarget:
        """π, as a density that reports describe."""
        return ProductTarget(self)

    # --- numbers -----------------------------------------------------------------------------

    @cached_property
    def series(self) -> Mapping[str, Array]:
        """``kl``, ``mass``, ``fisher_information``, ``reaction_variance``, each ``(T,)``.

        With linear reactions also ``log_normalising_constant``.
        """
        return {name: entry.value for name, entry in self._series.items()}

    @cached_property
    def _series(self) -> dict[str, Estimated]:
        count = len(self.times)
        found = {}
        names = [name for part in self.parts for name in part.names]
        for name in dict.fromkeys(names):
            value, error = np.zeros(count), np.zeros(count)
            for part, n in zip(self.parts, self.counts, strict=True):
                if name in part.names:
                    entry = part.estimated(name)
                    value += n * entry.value[:count]
                    error += n * entry.error[:count]
            found[name] = Estimated(value, error)
        found["mass"] = Estimated(np.ones(count), found["mass"].error)
        return found

    @cached_property
    def mean(self) -> Array:
        """Mean ``(T, d)``."""
        return self._means.value

    @cached_property
    def _means(self) -> Estimated:
        count = len(self.times)
        entries = [part.estimated("mean") for part in self.parts]
        value = np.concatenate([entries[k].value[:count] for k in self.order], axis=1)
        error = np.concatenate([entries[k].error[:count] for k in self.order], axis=1)
        if self.rotation is not None:
            value, error = value @ self.rotation.T, error @ np.abs(self.rotation).T
        return Estimated(value, error)

    @cached_property
    def covariance(self) -> Array:
        """Covariance ``(T, d, d)``: d² numbers for each time."""
        return self._covariances.value

    @cached_property
    def _covariances(self) -> Estimated:
        count, dim = len(self.times), self.dim
        entries = [part.estimated("covariance") for part in self.parts]
        value: Array = np.zeros((count, dim, dim))
        error: Array = np.zeros((count, dim, dim))
        for k, start in zip(self.order, self._starts, strict=False):
            block = slice(start, start + self.parts[k].dim)
            value[:, block, block] = entries[k].value[:count]
            error[:, block, block] = entries[k].error[:count]
        if self.rotation is not None:
            r, size = self.rotation, np.abs(self.rotation)
            value, error = r @ value @ r.T, size @ error @ size.T
        return Estimated(value, error)

    @cached_property
    def mode_mass(self) -> Mapping[str, Array]:
        """Mass of each named region, ``(T,)``."""
        return {name: entry.value for name, entry in self._modes.items()}

    @cached_property
    def target_mode_mass(self) -> dict[str, float]:
        """Mass that π gives to each named region."""
        modes = self.case.target.modes
        return {name: self._tails(text, (None,), "target.modes")[0].probability
                for name, text in modes.items()}  # fmt: skip

    @cached_property
    def log_mode_mass(self) -> Mapping[str, Array]:
        """Log of the mass of each named region, ``(T,)``: also where the mass is below 1e-308."""
        return {
            name: np.array([tail.log_probability for tail in tails])
            for name, tails in self._mode_tails.items()
        }

    @cached_property
    def _mode_tails(self) -> dict[str, list[Tail]]:
        return {name: self.region(text) for name, text in self.case.target.modes.items()}

    @cached_property
    def _modes(self) -> dict[str, Estimated]:
        return {
            name: Estimated(
                np.array([tail.probability for tail in tails]),
                np.array([tail.error for tail in tails]),
            )
            for name, tails in self._mode_tails.items()
        }

    @cached_property
    def error(self) -> ErrorEstimate:
        """Estimated errors of all these numbers; of the density in L2 relative to its norm."""
        count = len(self.times)
        density = np.zeros(count)
        for part, n in zip(self.parts, self.counts, strict=True):
            mesh = part.distance if isinstance(part, RadialPart) else part
            if isinstance(mesh, MeshPart):
                density += n * mesh.solution.density_error[:count]
        return ErrorEstimate(
            series={name: entry.error for name, entry in self._series.items()},
            mean=self._means.error,
            covariance=self._covariances.error,
            mode_mass={name: entry.error for name, entry in self._modes.items()},
            density=density,
        )

    @property
    def density_error(self) -> Array:
        """Estimated error ``(T,)`` of the density in L2, relative to its norm."""
        return self.error.density

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at the saved times with its estimated error.

        Parameters
        ----------
        name
            One of `series`, ``mean``, ``covariance``, or ``mode_mass`` of a `region`.

        Raises
        ------
        KeyError
            If there is no such number.
        """
        if name == "mode_mass":
            return self._modes[region]
        if name in ("mean", "covariance"):
            return self._means if name == "mean" else self._covariances
        return self._series[name]

    # --- densities ---------------------------------------------------------------------------

    def _index(self, t: float) -> Index:
        if t == np.inf:
            return None
        index = int(np.argmin(np.abs(self.times - t)))
        if not abs(self.times[index] - t) <= 1e-9 * max(1.0, abs(t)):
            known = ", ".join(f"{time:g}" for time in self.times)
            raise ValueError(f"t = {t:g} was not saved; the saved times are {known}")
        return index

    def factor_coordinates(self, x: npt.ArrayLike) -> Array:
        """Return y = Rᵀ x ``(n, d)``, the coordinates of the factors, of points ``(n, d)``."""
        points = points_of(x, self.dim)
        return points if self.rotation is None else points @ self.rotation

    def _summed(self, relative: bool, index: Index, x: npt.ArrayLike) -> Array:
        y = self.factor_coordinates(x)
        total = np.zeros(len(y))
        for number, part in enumerate(self.parts):
            starts = self._starts[:-1][np.array(self.order) == number]
            columns = starts[:, None] + np.arange(part.dim)
            points = y[:, columns].reshape(-1, part.dim)
            values = (
                part.log_relative_density(index, points)
                if relative
                else part.log_density(index, points)
            )
            total += values.reshape(len(y), -1).sum(axis=1)
        return total

    def log_relative_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log(ρ/π)`` at points ``(n, d)``; t is one of `times`. Not collective."""
        return self._summed(True, self._index(t), x)

    def log_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log ρ`` at points ``(n, d)``; −∞ outside the domain; of π at t = ∞. Not collective."""
        return self._summed(False, self._index(t), x)

    def density(self, t: float, x: npt.ArrayLike) -> Array:
        """Density with respect to Lebesgue measure ``(n,)`` at points ``(n, d)``."""
        return np.asarray(np.exp(self.log_density(t, x)))

    def at(self, t: float) -> SavedProduct:
        """Return ρ at one of `times`, as a `wfrpde.fields.protocols.Density`; π at t = ∞."""
        index = self._index(t)
        return SavedProduct(self, np.inf if index is None else float(self.times[index]))

    # --- laws of linear forms ----------------------------------------------------------------

    def projection(self, t: float, weights: npt.ArrayLike) -> SumLaw:
        """Law of w·x at one of `times`: `SumLaw.density`, `SumLaw.above`, mean and variance.

        Parameters
        ----------
        t
            One of `times`, or ∞ for the target.
        weights
            w ``(d,)``, in the coordinates of the case.
        """
        w = np.asarray(weights, dtype=float)
        if w.shape != (self.dim,):
            raise ValueError(f"the weights have shape {w.shape}; needed ({self.dim},)")
        inner = w if self.rotation is None else self.rotation.T @ w
        return self._law(self._index(t), inner)

    def marginal(self, t: float, coordinate: int) -> SumLaw:
        """Law of one coordinate of x, counted from 0, at one of `times`."""
        return self.projection(t, np.eye(1, self.dim, coordinate)[0])

    def marginal_density(
        self, t: float, coordinates: int | tuple[int, int], x: npt.ArrayLike
    ) -> Array:
        """Density of one or two coordinates of x, counted from 0, at points ``(n,)`` or ``(n, 2)``.

        Where a coordinate is that of a one-dimensional factor it is the factor's own density; else
        Fourier's inversion gives it, to about 1e-9 of its maximum.
        """
        index = self._index(t)
        if isinstance(coordinates, int):
            part = self._alone(coordinates)
            s = np.atleast_1d(np.asarray(x, dtype=float))
            if part is None:
                return self.marginal(t, coordinates).density(s)
            return np.asarray(np.exp(part.log_density(index, s[:, None])))
        points = points_of(x, 2)
        alone = [self._alone(coordinate) for coordinate in coordinates]
        if all(part is not None for part in alone) and coordinates[0] != coordinates[1]:
            first, second = (self.marginal_density(t, k, points[:, i])
                             for i, k in enumerate(coordinates))  # fmt: skip
            return first * second
        return self._planar(t, coordinates, points)

    def _alone(self, coordinate: int) -> MeshPart | GaussianPart | RadialPart | None:
        """Return the one-dimensional factor that a coordinate is, if it is one."""
        if self.rotation is not None:
            return None
        number = int(np.searchsorted(self._starts, coordinate, side="right")) - 1
        part = self.parts[self.order[number]]
        return part if part.dim == 1 else None

    def _planar(self, t: float, pair: tuple[int, int], points: Array) -> Array:
        """Invert the characteristic function of two coordinates at points ``(n, 2)``."""
        laws = [self.marginal(t, k) for k in pair]
        scale = np.sqrt([law.variance for law in laws])
        middle = np.array([law.mean for law in laws])
        reach = float(np.abs((points - middle) / scale).max())
        step = 2 * np.pi / ((max(24.0, 2 * reach + 12.0)) * scale)
        index, half = self._index(t), 1.0
        while half < LARGEST_FREQUENCY and not self._decayed(index, pair, half / scale):
            half *= 1.5
        counts = [int(np.ceil(half / width / s)) for width, s in zip(scale, step, strict=True)]
        first = step[0] * np.arange(counts[0] + 1)  # the other half is its conjugate
        second = step[1] * np.arange(-counts[1], counts[1] + 1)
        grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
        values = self._characteristic(index, pair, grid).reshape(len(first), len(second))
        values[1:] *= 2
        left = np.exp(-1j * np.outer(points[:, 0], first))
        right = np.exp(-1j * np.outer(points[:, 1], second))
        total = np.einsum("na,ab,nb->n", left, values, right, optimize=True).real
        return np.asarray(total * step[0] * step[1] / (2 * np.pi) ** 2)

    def _decayed(self, index: Index, pair: tuple[int, int], edge: Array) -> bool:
        angles = np.linspace(0, np.pi, 24, endpoint=False)
        around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        rays = (around[:, None] * np.linspace(1.0, 1.3, 4)[:, None] * edge).reshape(-1, 2)
        return bool(np.abs(self._characteristic(index, pair, rays)).max() < SMALLEST_FREQUENCY)

    def _characteristic(self, index: Index, pair: tuple[int, int], omega: Array) -> Complex:
        """Return E e^{iω·(x_i, x_j)} at frequencies ``(m, 2)``."""
        rows = np.eye(self.dim)[list(pair)] if self.rotation is None else self.rotation[list(pair)]
        total = np.ones(len(omega), dtype=complex)
        for k, start in zip(self.order, self._starts, strict=False):
            block = rows[:, start : start + self.parts[k].dim]
            if block.any():
                total *= self.parts[k].characteristic(index, omega @ block)
        return total

    def characteristic(self, t: float, weights: npt.ArrayLike, omega: Array) -> Complex:
        """E e^{iω w·x} at frequencies ``(m,)``, w ``(d,)`` in the coordinates of the case."""
        w, index = np.asarray(weights, dtype=float), self._index(t)
        inner = w if self.rotation is None else self.rotation.T @ w
        total = np.ones(len(omega), dtype=complex)
        for number, part in enumerate(self.parts):
            starts = self._starts[:-1][np.array(self.order) == number]
            blocks = inner[starts[:, None] + np.arange(part.dim)]
            blocks = blocks[blocks.any(axis=1)]
            if len(blocks):
                waves = np.multiply.outer(omega, blocks).reshape(-1, part.dim)
                values = part.characteristic(index, waves).reshape(len(omega), -1)
                total *= values.prod(axis=1)
        return total

    @property
    def variance(self) -> Estimated:
        """Variance of each coordinate, ``(T, d)``."""
        entries = [part.estimated("covariance") for part in self.parts]
        count = len(self.times)
        value, error = np.zeros((count, self.dim)), np.zeros((count, self.dim))
        for k, start in zip(self.order, self._starts, strict=False):
            block = slice(start, start + self.parts[k].dim)
            own, spread = entries[k].value[:count], entries[k].error[:count]
            if self.rotation is None:
                value[:, block] = np.einsum("tii->ti", own)
                error[:, block] = np.einsum("tii->ti", spread)
            else:
                r = self.rotation[:, block]
                value += np.einsum("ai,tij,aj->ta", r, own, r)
                error += np.einsum("ai,tij,aj->ta", np.abs(r), spread, np.abs(r))
        return Estimated(value, error)

    def tail(self, t: float, weights: npt.ArrayLike, c: float) -> Tail:
        """P(w·x > c) at one of `times`, accurate relative to itself however small it is."""
        return self.projection(t, weights).above(c)

    def _law(self, index: Index, inner: Array) -> SumLaw:
        """Return the law of a linear form of the factors' coordinates."""
        groups: dict[tuple[int, bytes], int] = {}
        for k, start in zip(self.order, self._starts, strict=False):
            block = inner[start : start + self.parts[k].dim] + 0.0  # no −0
            if block.any():
                key = (k, block.tobytes())
                groups[key] = groups.get(key, 0) + 1
        lines: list[Line] = [self.parts[k].line(index, np.frombuffer(block)) for k, block in groups]
        if not lines:
            raise InputError("weights", "zeros", "at least one that is not zero")
        return SumLaw(tuple(lines), tuple(groups.values()))

    # --- regions -----------------------------------------------------------------------------

    def region(self, text: str, where: str = "region") -> list[Tail]:
        """Mass of a region of the product at every time, with its relative error.

        Parameters
        ----------
        text
            ``all(R)``, ``any(R)``, ``count(R) >= k``, ``sum(w) > c`` by the factors, or
            ``dot([…]) > c`` in the coordinates of the case. R is one that the case names.
        """
        return self._tails(text, tuple(range(len(self.times))), where)

    def _tails(self, text: str, rows: tuple[Index, ...], where: str) -> list[Tail]:
        region = parse_product_region(text, where)
        if region.kind == "count":
            return [self._counted(region, index, where) for index in rows]
        if region.kind == "dot":
            w = np.array(region.weights)
            if len(w) != self.dim:
                raise InputError(where, f"{len(w)} weights", f"{self.dim}, one a coordinate")
            inner = w if self.rotation is None else self.rotation.T @ w
            return [_beyond(self._law(index, inner), region) for index in rows]
        inner = np.zeros(self.dim)
        for number in self._meant(region):
            start, dim = self._starts[number], self.parts[self.order[number]].dim
            inner[start : start + dim] = linear_weights(region.form, dim, where)
        return [_beyond(self._law(index, inner), region) for index in rows]

    def _meant(self, region: ProductRegion) -> list[int]:
        """Return the numbers of the factors that a region means."""
        return [k for k, name in enumerate(self.names) if region.means(name)]

    def _counted(self, region: ProductRegion, index: Index, where: str) -> Tail:
        meant = [self.order[number] for number in self._meant(region)]
        kinds = sorted(set(meant))
        numbers = np.array([meant.count(kind) for kind in kinds])
        inside, outside = [], []
        for kind in kinds:
            part = self.parts[kind]
            try:
                inside.append(part.region_mass(index, region.region))
                outside.append(part.region_mass(index, complement(region.region)))
            except KeyError:
                known = "one that target.modes of the case uses"
                raise InputError(where, repr(region.region), known) from None
        (p, e), (q, f) = np.array(inside).T, np.array(outside).T
        total = int(numbers.sum())

        def value(shift: float) -> float:
            """Return log P with all probabilities moved by their errors."""
            with np.errstate(divide="ignore"):
                log_p = np.log(np.clip(p + shift * e, 0.0, 1.0))
                log_q = np.log(np.clip(q - shift * f, 0.0, 1.0))
            if region.most is not None:  # at most m: at least n − m of the opposite
                return log_at_least(total - region.most, log_q, log_p, numbers)
            return log_at_least(total if region.least < 0 else region.least, log_p, log_q, numbers)

        best, ends = value(0.0), (value(-1.0), value(1.0))
        with np.errstate(invalid="ignore", over="ignore"):
            spread = max(abs(float(np.expm1(end - best))) for end in ends)
        return Tail(min(best, 0.0), spread + 1e-13 * total)


def complement(region: str) -> str:
    """Return the region where another one does not hold."""
    return f"not ({region})"


def _beyond(law: SumLaw, region: ProductRegion) -> Tail:
    return law.above(region.bound) if region.above else law.below(region.bound)


@dataclass(frozen=True)
class ProductTarget:
    """The target of a `ProductSolution`."""

    solution: ProductSolution

    @property
    def name(self) -> str:
        """Its kind."""
        return self.solution.case.target.kind or "product"

    @property
    def description(self) -> str:
        """In words."""
        solution = self.solution
        if not solution.case.target.is_product:
            return solution.parts[0].target.description
        words = [
            f"{n} × {shortened(part.target.description)}" if n > 1 else part.target.description
            for n, part in zip(solution.counts, solution.parts, strict=True)
        ]
        turned = ", rotated" if solution.rotation is not None else ""
        return f"product of {' and '.join(map(shortened, words))}{turned}"


@dataclass(frozen=True)
class SavedProduct:
    """The density of a `ProductSolution` at one of its times."""

    solution: ProductSolution
    t: float

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.solution.dim

    def log_density(self, x: Array) -> Array:
        """``log ρ`` at points ``(n, d)``. Not collective."""
        return self.solution.log_density(self.t, x)


AnySolution = Solution | ProductSolution
"""What `wfrpde.solve` returns."""
