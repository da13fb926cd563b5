"""The views of spectra, and of what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.numbers import column, number, pretty, with_error
from wfrpde.operators import (
    Committor,
    Cumulants,
    Exit,
    FeynmanKac,
    FirstExit,
    MetastableSets,
    ProductGrowth,
    ProductSpectrum,
    Spectrum,
    Sweep,
)
from wfrpde.operators.along_path import PathProfile
from wfrpde.operators.stationary import StationaryDensity
from wfrpde.report.pages import Table
from wfrpde.report.spectrum.page import (
    drawings,
    set_drawing,
    study_sentences,
    sweep_sentences,
)
from wfrpde.report.spectrum.product import (
    draw_product,
    product_columns,
    product_sentences,
    product_table,
)
from wfrpde.report.spectrum.tables import rate_columns, study_tables, sweep_columns, sweep_table
from wfrpde.report.spectrum.window import window_over
from wfrpde.report.views.view import Card, View
from wfrpde.studies.spectral.product import ProductStudy
from wfrpde.studies.spectral.study import SpectralStudy

if TYPE_CHECKING:
    from wfrpde.report.drawing import Drawing

Columns = Mapping[str, Any]


def _alone(spectrum: Spectrum) -> SpectralStudy:
    """Return a study that asked for nothing else than a spectrum."""
    return SpectralStudy(
        case=spectrum.case, spectrum=spectrum, kramers=None, exits={}, sets=None, committor=None,
        feynman_kac=None, cumulants=None, decay=(), warnings=spectrum.warnings, complete=True,
        ranks=1, wall_time=spectrum.wall_time,
    )  # fmt: skip


def _study_card(study: SpectralStudy) -> Card:
    return Card(
        study.case.title or study.spectrum.target.name,
        tuple(study_sentences(study)),
        tuple(study_tables(study, pretty)),
        study.warnings,
        ("plot()", "to_dataframe()"),
    )


def _of_spectrum(made: Callable[[SpectralStudy], Any]) -> Callable[[Spectrum], Any]:
    return lambda spectrum: made(_alone(spectrum))


STUDY = View(_study_card, rate_columns, drawings)
SPECTRUM = View(_of_spectrum(_study_card), _of_spectrum(rate_columns), _of_spectrum(drawings))


def _product_card(study: ProductStudy) -> Card:
    return Card(
        study.case.title or study.case.name,
        tuple(product_sentences(study)),
        (product_table(study),),
        study.spectrum.warnings,
        ("plot()", "to_dataframe()"),
    )


def _of_product(made: Callable[[ProductStudy], Any]) -> Callable[[ProductSpectrum], Any]:
    return lambda found: made(ProductStudy(found.case, found, None, None, 1, found.wall_time))


PRODUCT_STUDY = View(_product_card, product_columns, draw_product)
PRODUCT = View(_of_product(_product_card), _of_product(product_columns), _of_product(draw_product))


def _first_exit_card(found: FirstExit) -> Card:
    rate = pretty(with_error(found.rate, found.rate_error))
    return Card("First exit", (f"The first factor enters {found.region} at the rate {rate}.",))


def _growth_card(found: ProductGrowth) -> Card:
    value = pretty(with_error(found.principal_eigenvalue, found.error))
    return Card("Growth", (f"Weights of the additive U grow at the rate {value}.",))


FIRST_EXIT = View(_first_exit_card, lambda e: {"rate": [e.rate], "rate_error": [e.rate_error]})
GROWTH = View(
    _growth_card, lambda g: {"principal_eigenvalue": [g.principal_eigenvalue], "error": [g.error]}
)


def _sweep_card(sweep: Sweep) -> Card:
    return Card(
        sweep.case.title or sweep.case.name,
        tuple(sweep_sentences(sweep)),
        (sweep_table(sweep, pretty),),
        sweep.warnings,
        ("plot()", "to_dataframe()"),
    )


def _sweep_drawings(sweep: Sweep) -> Iterable[Drawing | None]:
    from wfrpde.report.spectrum.curves import draw_sweep

    yield draw_sweep(sweep)


SWEEP = View(_sweep_card, sweep_columns, _sweep_drawings)


def _set_columns(sets: MetastableSets) -> Columns:
    means = {f"mean_{x}": sets.means[:, i] for i, x in enumerate("xyz"[: sets.means.shape[1]])}
    leaving = -np.diag(sets.generator)
    return {"set": np.arange(len(sets)), "weight": sets.weights, **means, "rate_out": leaving}


def _sets_card(sets: MetastableSets) -> Card:
    names = [str(a) for a in range(len(sets))]
    cells = [column(values, digits=4) for values in list(_set_columns(sets).values())[1:]]
    header = ("set", "weight ∫πχ", *(f"mean {x}" for x in "xyz"[: sets.means.shape[1]]))
    jumps = tuple(
        (name, *(pretty(number(float(q), 3)) for q in row))
        for name, row in zip(names, sets.generator, strict=True)
    )
    return Card(
        f"{len(sets)} metastable sets (PCCA+)",
        (),
        (
            Table(
                "",
                (*header, "rate of leaving"),
                tuple((n, *map(pretty, row)) for n, *row in zip(names, *cells, strict=True)),
            ),
            Table("Rates from a set to another, at α = 1", ("from", *names), jumps),
        ),
        more=("plot()", "to_dataframe()", "(x)"),
    )


SETS = View(_sets_card, _set_columns, lambda sets: (set_drawing(window_over(sets), sets, None),))


def _pair(value: float, error: float) -> str:
    return pretty(with_error(value, error, 8))


def _committor_columns(found: Committor) -> Columns:
    return {
        "source": [found.source],
        "sink": [found.sink],
        "rate": [found.rate],
        "rate_error": [found.rate_error],
        "committor_error": [found.error],
    }


def _committor_card(found: Committor) -> Card:
    return Card(
        f"Committor: to {found.sink} before {found.source}",
        (
            f"Transitions in equilibrium: {_pair(found.rate, found.rate_error)} per unit time.",
            f"The probability is known to {pretty(number(found.error, 1))} everywhere.",
        ),
        warnings=found.warnings,
        more=("plot()", "to_dataframe()", "(x)"),
    )


COMMITTOR = View(
    _committor_card, _committor_columns, lambda q: (set_drawing(window_over(q), None, q),)
)


def _stationary_columns(found: StationaryDensity) -> Columns:
    means = {f"mean_{x}": [m] for x, m in zip(found.case.coordinates, found.mean, strict=True)}
    return {"kl": [found.kl], "kl_error": [found.kl_error], **means}


def _stationary_card(found: StationaryDensity) -> Card:
    return Card(
        "Stationary density of the dynamics",
        (f"KL to the target {_pair(found.kl, found.kl_error)}.",),
        warnings=found.warnings,
        more=("to_dataframe()", "density(x)", "current(x)"),
    )


STATIONARY = View(_stationary_card, _stationary_columns)


def _exit_columns(found: Exit) -> Columns:
    return {
        "region": [found.region],
        "rate": [found.rate],
        "rate_error": [found.rate_error],
        "mean_time": [found.mean_time],
        "mean_time_error": [found.mean_time_error],
    }


def _exit_card(found: Exit) -> Card:
    return Card(
        f"Exit into {found.region}",
        (
            f"Mean time {_pair(found.mean_time, found.mean_time_error)}, "
            f"rate αλ₀ = {_pair(found.rate, found.rate_error)}.",
        ),
        warnings=found.warnings,
        more=("to_dataframe()", "time_from(x)"),
    )


EXIT = View(_exit_card, _exit_columns)


def _tilted_columns(found: FeynmanKac) -> Columns:
    return {
        "eigenvalue": found.eigenvalues,
        "eigenvalue_error": found.errors,
        "residual": found.residuals,
    }


def _tilted_card(found: FeynmanKac) -> Card:
    cells = column(found.eigenvalues, found.errors, 10)
    rows = tuple((str(i), pretty(cell)) for i, cell in enumerate(cells))
    return Card(
        found.case.title or found.target.name,
        (
            f"The normalising constant grows like exp(Λt) with Λ = "
            f"{_pair(found.principal_eigenvalue, found.error)}.",
        ),
        (Table("Eigenvalues of αL + U", ("", "eigenvalue"), rows),),
        found.warnings,
        ("to_dataframe()", "quasi_stationary_density(x)", "doob_drift(x)"),
    )


FEYNMAN_KAC = View(_tilted_card, _tilted_columns)


def _cumulant_columns(found: Cumulants) -> Columns:
    return {
        "tilt": found.tilts,
        "value": found.values,
        "value_error": found.errors,
        "mean": found.means,
        "mean_error": found.mean_errors,
        "variance": found.variances,
        "variance_error": found.variance_errors,
    }


def _cumulant_card(found: Cumulants) -> Card:
    pairs = (
        (found.values, found.errors),
        (found.means, found.mean_errors),
        (found.variances, found.variance_errors),
    )
    cells = [[pretty(number(float(k), 5, trim=True)) for k in found.tilts]]
    cells += [[pretty(c) for c in column(value, error, 8)] for value, error in pairs]
    table = Table("", ("k", "θ(k)", "θ′(k)", "θ″(k)"), tuple(zip(*cells, strict=True)))
    title = "Scaled cumulant generating function θ(k) = Λ(kU)"
    return Card(title, (), (table,), found.warnings, ("to_dataframe()",))


CUMULANTS = View(_cumulant_card, _cumulant_columns)


def _path_columns(found: PathProfile) -> Columns:
    names = ("gap", "friction", "variance", "lag")
    values = (found.gap, found.friction, found.variance, found.lag)
    rows = {"t": found.times, **dict(zip(names, values, strict=True))}
    return rows | {f"{n}_error": e for n, e in zip(names, found.errors, strict=True)}


def _path_card(found: PathProfile) -> Card:
    values = (found.gap, found.friction, found.variance, found.lag)
    cells = [[pretty(number(float(t), 5, trim=True)) for t in found.times]]
    pairs = zip(values, found.errors, strict=True)
    cells += [[pretty(c) for c in column(value, error, 5)] for value, error in pairs]
    head = ("t", "gap", "friction", "variance of ∂V/∂s", "lag")
    lines = (f"action {pretty(number(found.action, 5))} kT for a passage in unit time",)
    table = Table("", head, tuple(zip(*cells, strict=True)))
    return Card("Along the path", lines, (table,), (), ("schedule(T)", "action", "length"))


PATH = View(_path_card, _path_columns)
