r"""Spectra of products: rates are sums of those of the factors.

A process that is stopped when the first of its factors enters a region has the sum of their rates
of exit; an additive growth U has the sum of their Λ.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
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
from wfrpde.operators.sums_of_rates import Modes, lowest
from wfrpde.parallel import world_of

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case


FIRST, MOST = 6, 48
"""Modes of a factor that are computed at first, and at most."""


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
        found = list(lowest(kinds, count))
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
