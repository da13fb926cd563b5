r"""Spectra of products: rates are sums of those of the factors.

The generator of independent factors is the sum of theirs, so that
:math:`\lambda = \sum_f \sum_j n_{fj}\lambda_{fj}` with :math:`n_{fj}` of the :math:`n_f` factors of
a kind in their mode j, and as many states have that rate as there are ways to choose them,
:math:`\prod_f n_f!/\prod_j n_{fj}!`. A process that is stopped when the first of its factors enters
a region has the sum of their rates of exit; an additive growth U has the sum of their Λ.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.factor_cases import factor_case, factor_key
from wfrpde.case.factors import factors_of
from wfrpde.case.loading import require_case
from wfrpde.case.stored import Result
from wfrpde.errors import InputError
from wfrpde.fields.product_regions import parse_product_region
from wfrpde.operators.spectra import spectrum as spectrum_of_factor
from wfrpde.parallel import world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case


FIRST, MOST = 6, 48
"""Modes of a factor that are computed at first, and at most."""

SAME = 1e-9
"""Relative distance of rates up to which they are one."""


@dataclass(frozen=True)
class Modes:
    """The lowest rates of the factors of one kind.

    Attributes
    ----------
    number
        How many there are of the kind.
    rates, errors
        ``(m,)`` ascending.
    """

    number: int
    rates: Array
    errors: Array


@dataclass(frozen=True, repr=False)
class ProductSpectrum(Result):
    """The lowest rates of a product, the same on every rank.

    Attributes
    ----------
    rates, errors
        ``(k,)`` distinct rates of −L, ascending, and their estimated errors.
    multiplicities
        ``(k,)`` how many states have each.
    excited
        For each rate, in words, which factors are in which mode.
    absorbing
        Text of the region that a factor must not enter, or None.
    """

    case: Case
    rates: Array
    errors: Array
    multiplicities: tuple[int, ...]
    excited: tuple[str, ...]
    absorbing: str | None
    warnings: tuple[str, ...]
    wall_time: float

    def __repr__(self) -> str:
        rates = ", ".join(f"{rate:.4g}" for rate in self.rates[:4])
        return (
            f"<ProductSpectrum of {self.case.title or self.case.name!r}: {len(self.rates)} rates "
            f"({rates}, …) of {sum(self.multiplicities)} states>"
        )

    @property
    def gap(self) -> float:
        """λ₁ − λ₀: the smallest gap of a factor."""
        return float(self.rates[1] - self.rates[0])


@dataclass(frozen=True)
class FirstExit(Result):
    """Exit of the first of the factors, from their quasi-stationary laws.

    Attributes
    ----------
    region
        What a factor enters.
    rate, rate_error
        α Σ λ₀ per unit time; the time of the exit is exponential with it.
    shares
        ``(k,)`` probability that it is a factor of each table ``[[factor]]``.
    """

    region: str
    rate: float
    rate_error: float
    shares: Array

    @property
    def mean_time(self) -> float:
        """Mean time until the first exit."""
        return 1 / self.rate


@dataclass(frozen=True)
class ProductGrowth(Result):
    """Long-time growth of the weights of an additive U = Σ u(factor).

    Attributes
    ----------
    principal_eigenvalue, error
        Λ = Σ Λ_f of αL + U, and its estimated error.
    gap
        Distance to the next eigenvalue: the smallest gap of a factor.
    mean_rate
        What U averages to along the trajectories that carry the weight.
    """

    principal_eigenvalue: float
    error: float
    gap: float
    mean_rate: float


def product_spectrum(case: Case, comm: Comm | None = None) -> ProductSpectrum:
    """Compute the lowest ``spectrum.count`` distinct rates of a product (collective).

    With ``spectrum.absorbing = "any(R)"`` the functions vanish where a factor lies in R; the first
    rate is then that of the first exit.

    Raises
    ------
    InputError
        If a factor has no spectrum that can be summed.
    """
    require_case(case, "product_spectrum", factored=True)
    comm = world_of(comm)
    began = time.perf_counter()
    text, count, size = case.spectrum.absorbing, case.spectrum.count, FIRST
    while True:
        kinds = _modes(case, comm, size, text)
        found = list(_lowest(kinds, count))
        if len(found) >= count or size >= MOST:
            break
        size *= 2
    warnings = []
    if len(found) < count:
        warnings.append(
            f"{len(found)} of {count} rates lie below the highest of the {size} modes that are "
            "computed of each factor: those beyond may have others between them"
        )
    return ProductSpectrum(
        case=case,
        rates=np.array([level.rate for level in found]),
        errors=np.array([level.error for level in found]),
        multiplicities=tuple(level.states for level in found),
        excited=tuple(level.words for level in found),
        absorbing=text,
        warnings=tuple(warnings),
        wall_time=time.perf_counter() - began,
    )


def first_exit(case: Case, region: str, comm: Comm | None = None) -> FirstExit:
    """Compute the rate at which the first of the factors enters a region (collective).

    Parameters
    ----------
    region
        ``any(R)``, or ``any(R, name)`` of the factors of that name; R in their coordinates.
    """
    require_case(case, "first_exit", factored=True)
    if case.flow.alpha == 0:
        raise InputError("flow.alpha", "0", "a positive value", "Without diffusion nothing moves.")
    kinds = _modes(case, world_of(comm), 2, region)
    rates = np.array([m.number * m.rates[0] for m in kinds]) * float(case.flow.alpha)
    error = float(case.flow.alpha) * sum(m.number * float(m.errors[0]) for m in kinds)
    return FirstExit(region, float(rates.sum()), error, rates / rates.sum())


def product_growth(case: Case, comm: Comm | None = None) -> ProductGrowth:
    """Compute Λ of U = Σ u(factor), u that of ``factor.reaction`` (collective)."""
    from wfrpde.operators.tilting import feynman_kac

    require_case(case, "product_growth", factored=True)
    comm = world_of(comm)
    value, error, rate, gaps = 0.0, 0.0, 0.0, []
    for index, spec in enumerate(factors_of(case)):
        one = factor_case(case, index, start=False)
        if spec.reaction is None:
            gap = spectrum_of_factor(one.with_overrides({"spectrum": {"count": 2}}), comm).gap
            gaps.append(float(case.flow.alpha) * gap)
            continue
        found = feynman_kac(one, comm)
        value += spec.repeat * found.principal_eigenvalue
        error += spec.repeat * found.error
        rate += spec.repeat * found.mean_rate
        gaps.append(found.gap)
    return ProductGrowth(value, error, min(gaps), rate)


def _modes(case: Case, comm: Comm, size: int, absorbing: str | None) -> list[Modes]:
    """Compute the lowest modes of each factor, those that are equal once (collective)."""
    region = None
    if absorbing is not None:
        region = parse_product_region(absorbing, "spectrum.absorbing")
        if region.kind != "count" or region.least != 1:
            needed = "any(R): a process ends when the first factor enters R"
            raise InputError("spectrum.absorbing", repr(absorbing), needed)
    known: dict[str, Modes] = {}
    kinds: list[Modes] = []
    for index, spec in enumerate(factors_of(case)):
        target = spec.target
        free = region is None or not region.means(spec.name)
        overdamped = case.dynamics.kind != "kinetic"
        whole = spec.domain is None or not spec.domain.altered
        if target.kind == "gaussian" and free and overdamped and whole:
            kinds += _harmonic(target.build().gaussian, spec.repeat, size)
            continue
        if target.is_round or target.dimension > 3:
            where = f"factor[{index}].target" if case.target.is_product else "target"
            needed = "a Gaussian, or a factor in one to three dimensions"
            raise InputError(where, f"{target.kind!r} in {target.dimension} dimensions", needed)
        one = factor_case(case, index, start=False)
        asked: dict[str, Any] = {"count": size}
        if not free and region is not None:
            asked |= {"absorbing": region.region}
        one = one.with_overrides({"spectrum": asked})
        key = factor_key(one)
        if key not in known:
            solved = spectrum_of_factor(one, comm)
            known[key] = Modes(spec.repeat, solved.rates, solved.errors)
        kinds.append(Modes(spec.repeat, known[key].rates, known[key].errors))
    return kinds


def _harmonic(gaussian: tuple[Array, Array] | None, repeat: int, size: int) -> list[Modes]:
    """Return the modes of a Gaussian: one oscillator along each axis, with rates k/σ²."""
    assert gaussian is not None
    variances, numbers = np.unique(
        np.round(np.linalg.eigvalsh(gaussian[1]), 12), return_counts=True
    )
    modes = []
    for variance, number in zip(variances, numbers, strict=True):
        rates = np.arange(8 * size) / variance
        modes.append(Modes(repeat * int(number), rates, 1e-12 * rates))
    return modes


@dataclass(frozen=True)
class _Level:
    rate: float
    error: float
    states: int
    words: str


def _lowest(kinds: Sequence[Modes], count: int) -> Iterator[_Level]:
    """Yield the lowest distinct rates, as far as no mode that is not known can come before."""
    # what equals the highest mode may be one of several of which only some were computed
    reach = min(
        float(m.rates[-1] - m.rates[0]) * (1 - SAME) - 2 * float(m.errors[-1] + m.errors[0])
        for m in kinds
    )
    ground = sum(m.number * float(m.rates[0]) for m in kinds)
    base_error = sum(m.number * float(m.errors[0]) for m in kinds)
    level: _Level | None = None
    done = 0
    for excess, chosen in _sums(kinds):
        if excess > reach and excess > 0:
            break
        rate = ground + excess
        error = base_error + sum(
            n * float(kinds[f].errors[j] + kinds[f].errors[0]) for (f, j), n in chosen.items()
        )
        states = _states(kinds, chosen)
        words = _words(chosen, len(kinds))
        if level is not None and rate - level.rate <= SAME * max(rate, 1e-300) + 2 * error:
            level = _Level(
                level.rate,
                max(level.error, error),
                level.states + states,
                level.words if len(level.words) > 60 else f"{level.words}; {words}",
            )
            continue
        if level is not None:
            yield level
            done += 1
            if done == count:
                return
        level = _Level(rate, error, states, words)
    if level is not None:
        yield level


def _sums(kinds: Sequence[Modes]) -> Iterator[tuple[float, dict[tuple[int, int], int]]]:
    """Yield all ways to excite factors, by their excess over the ground state, ascending."""
    species = sorted(
        (float(m.rates[j] - m.rates[0]), (f, j))
        for f, m in enumerate(kinds)
        for j in range(1, len(m.rates))
    )
    yield 0.0, {}
    heap: list[tuple[float, tuple[int, ...]]] = [(species[0][0], (0,))] if species else []
    while heap:
        excess, sequence = heapq.heappop(heap)
        chosen: dict[tuple[int, int], int] = {}
        for s in sequence:
            chosen[species[s][1]] = chosen.get(species[s][1], 0) + 1
        used: dict[int, int] = {}
        for (f, _), n in chosen.items():
            used[f] = used.get(f, 0) + n
        last = sequence[-1]
        fits = all(n <= kinds[f].number for f, n in used.items())
        if fits:
            yield excess, chosen
            heapq.heappush(heap, (excess + species[last][0], (*sequence, last)))
        if last + 1 < len(species):
            step = species[last + 1][0] - species[last][0]
            heapq.heappush(heap, (excess + step, (*sequence[:-1], last + 1)))


def _states(kinds: Sequence[Modes], chosen: dict[tuple[int, int], int]) -> int:
    left = [m.number for m in kinds]
    states = 1
    for (f, _), n in chosen.items():
        states *= comb(left[f], n)
        left[f] -= n
    return states


def _words(chosen: dict[tuple[int, int], int], kinds: int) -> str:
    if not chosen:
        return "none"
    parts = [
        f"{n} in mode {j}" + (f" of kind {f + 1}" if kinds > 1 else "")
        for (f, j), n in sorted(chosen.items())
    ]
    return ", ".join(parts)
