"""A spectral study as tables of text, for the screen and the report, and as columns of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.numbers import MISSING, Polish, column, number, with_error
from wfrpde.report.pages import Table

if TYPE_CHECKING:
    from wfrpde.operators import Sweep
    from wfrpde.studies.spectral.study import SpectralStudy

__all__ = ["study_tables", "sweep_columns", "sweep_table"]

DIGITS = 10


def study_tables(study: SpectralStudy, polish: Polish = str) -> list[Table]:
    """Give every table of a study; `polish` is applied to each number."""
    makers = (_rates, _decay, _exits, _sets, _committor, _feynman_kac, _cumulants)
    tables = [maker(study, polish) for maker in makers]
    return [table for table in tables if table is not None]


def _rates(study: SpectralStudy, polish: Polish) -> Table:
    spectrum, alpha = study.spectrum, study.case.flow.alpha
    # each in its own notation: rates may span twenty orders of magnitude
    pairs = zip(spectrum.rates, spectrum.errors, strict=True)
    rates = [polish(with_error(float(rate), float(error), DIGITS)) for rate, error in pairs]
    if spectrum.absorbing is None:
        rates[0] = "0"
    with np.errstate(divide="ignore"):
        times = 1 / (alpha * spectrum.rates)
    rows = [
        (
            str(i),
            rate,
            polish(number(float(spectrum.residuals[i]), 1)),
            polish(number(float(times[i]), 4)) if np.isfinite(times[i]) else "∞",
        )
        for i, rate in enumerate(rates)
    ]
    if not study.case.dynamics.build(study.case.dim).reversible:
        more = zip(spectrum.eigenvalues.imag, spectrum.errors, spectrum.conditions, strict=True)
        extra = [
            (
                polish(with_error(float(turn), float(error), DIGITS)) if turn else "0",
                polish(number(float(condition), 3)),
            )
            for turn, error, condition in more
        ]
        return Table(
            "Eigenvalues λ of −L: decay, rotation, and how well conditioned they are",
            ("mode", "Re λ", "Im λ", "condition", "residual", "time 1/(α Re λ)"),
            tuple((row[0], row[1], *pair, *row[2:]) for row, pair in zip(rows, extra, strict=True)),
        )
    return Table(
        "Rates of relaxation, the eigenvalues λ of −L",
        ("mode", "λ", "residual", "time 1/(αλ)"),
        tuple(rows),
    )


def _decay(study: SpectralStudy, polish: Polish) -> Table | None:
    spectrum, flow = study.spectrum, study.case.flow
    if spectrum.absorbing is not None or len(spectrum.rates) < 2:
        return None
    error = 2 * flow.alpha * float(spectrum.errors[1])
    observed = {row.flow: row for row in study.decay}
    rows = []
    formulas = {
        "W": ("Langevin (W)", "2αλ₁", spectrum.langevin_rate),
        "WFR": ("WFR", "2(αλ₁ + β)", spectrum.wfr_rate),
    }
    for name, (words, formula, rate) in formulas.items():
        if name == "WFR" and flow.beta == 0:
            continue
        row = [words, formula, polish(with_error(rate, max(error, 2e-16 * rate), DIGITS))]
        if observed:
            seen = observed.get(name)
            if seen is None or not np.isfinite(seen.observed):
                row += [seen.remark if seen else MISSING, MISSING, MISSING]
            else:
                low, high = (polish(number(t, 3, trim=True)) for t in seen.window)
                row += [
                    polish(number(seen.observed, 6)),
                    polish(f"{seen.difference:.0e}"),
                    f"{low} to {high}",
                ]
        rows.append(tuple(row))
    header: tuple[str, ...] = ("flow", "formula", "predicted")
    if observed:
        header += ("observed", "observed/predicted − 1", "window of t")
    return Table("Rates at which KL decays in the end", header, tuple(rows))


def _exits(study: SpectralStudy, polish: Polish) -> Table | None:
    if not study.exits:
        return None
    rows = []
    for name, found in study.exits.items():
        rows.append(
            (
                name,
                found.region,
                polish(with_error(found.mean_time, found.mean_time_error, 8)),
                polish(with_error(found.rate, found.rate_error, 8)),
            )
        )
    header = ("from", "until in", "mean exit time", "exit rate αλ₀")
    return Table("Exit times", header, tuple(rows))


def _sets(study: SpectralStudy, polish: Polish) -> Table | None:
    if study.sets is None:
        return None
    alpha = study.case.flow.alpha
    rows = []
    for a, (weight, mean) in enumerate(zip(study.sets.weights, study.sets.means, strict=True)):
        leaving = -alpha * float(study.sets.generator[a, a])
        where = ", ".join(polish(number(float(c), 3, trim=True)) for c in mean)
        rows.append(
            (
                str(a),
                f"({where})",
                polish(number(float(weight), 6)),
                polish(number(leaving, 4)),
                polish(number(1 / leaving, 4)) if leaving > 0 else MISSING,
            )
        )
    header = ("set", "mean position", "weight ∫πχ", "rate of leaving", "time")
    return Table("Metastable sets (PCCA+)", header, tuple(rows))


def _committor(study: SpectralStudy, polish: Polish) -> Table | None:
    found = study.committor
    if found is None:
        return None
    row = (
        found.source,
        found.sink,
        polish(with_error(found.rate, found.rate_error, 8)),
    )
    header = ("from A", "to B", "transitions per unit time")
    return Table("Transitions in equilibrium, from the committor q", header, (row,))


def _feynman_kac(study: SpectralStudy, polish: Polish) -> Table | None:
    found = study.feynman_kac
    if found is None:
        return None
    cells = [polish(c) for c in column(found.eigenvalues, found.errors, DIGITS)]
    gaps = found.eigenvalues[0] - found.eigenvalues
    rows = tuple(
        (
            "Λ" if i == 0 else str(i),
            cell,
            polish(number(float(found.residuals[i]), 1)),
            "" if i == 0 else polish(number(float(gaps[i]), 5)),
        )
        for i, cell in enumerate(cells)
    )
    title = "Eigenvalues of the Feynman–Kac operator αL + U"
    return Table(title, ("", "eigenvalue", "residual", "below Λ by"), rows)


def _cumulants(study: SpectralStudy, polish: Polish) -> Table | None:
    found = study.cumulants
    if found is None:
        return None
    columns = [
        [polish(number(float(k), 5, trim=True)) for k in found.tilts],
        [polish(c) for c in column(found.values, found.errors, DIGITS)],
        [polish(c) for c in column(found.means, found.mean_errors, DIGITS)],
        [polish(c) for c in column(found.variances, found.variance_errors, DIGITS)],
    ]
    title = "Scaled cumulant generating function θ(k) = Λ(kU)"
    header = ("k", "θ(k)", "θ′(k), mean of U", "θ″(k), variance rate")
    return Table(title, header, tuple(zip(*columns, strict=True)))


def sweep_table(sweep: Sweep, polish: Polish = str) -> Table:
    """One row for each value: λ₁, the next rate, and the Eyring–Kramers estimate of λ₁."""
    first = 0 if sweep.case.absorbing is not None else 1
    names = [f"λ{'₀₁₂₃'[i]}" for i in (first, first + 1)]
    rows = []
    for i, value in enumerate(sweep.values):
        cells = [polish(number(float(value), 6, trim=True))]
        for k in (first, first + 1):
            known = k < sweep.rates.shape[1] and np.isfinite(sweep.rates[i, k])
            cells.append(
                polish(with_error(float(sweep.rates[i, k]), float(sweep.errors[i, k]), DIGITS))
                if known
                else MISSING
            )
        if np.isfinite(sweep.kramers).any():
            cells.append(polish(number(float(sweep.kramers[i]), 4)))
        if np.isfinite(sweep.principal).any():
            cells.append(
                polish(
                    with_error(float(sweep.principal[i]), float(sweep.principal_errors[i]), DIGITS)
                )
            )
        rows.append((*cells, sweep.remarks[i]))
    header = [sweep.key, *names]
    if np.isfinite(sweep.kramers).any():
        header.append("Eyring–Kramers")
    if np.isfinite(sweep.principal).any():
        header.append("Λ")
    return Table(f"Rates against {sweep.key}", (*header, ""), tuple(rows))


def rate_columns(study: SpectralStudy) -> dict[str, Array]:
    """Columns of ``spectrum.csv``."""
    spectrum = study.spectrum
    return {
        "mode": np.arange(len(spectrum.rates), dtype=float),
        "rate": spectrum.rates,
        "rate_error": spectrum.errors,
        "residual": spectrum.residuals,
        "rotation": spectrum.eigenvalues.imag,
        "condition": spectrum.conditions,
    }


def sweep_columns(sweep: Sweep) -> dict[str, Array]:
    """Columns of ``sweep.csv``."""
    columns = {sweep.key: sweep.values}
    for k in range(sweep.rates.shape[1]):
        columns[f"rate_{k}"] = sweep.rates[:, k]
        columns[f"rate_{k}_error"] = sweep.errors[:, k]
        columns[f"residual_{k}"] = sweep.residuals[:, k]
        if np.nanmax(np.abs(sweep.rotations), initial=0.0) > 0:
            columns[f"rotation_{k}"] = sweep.rotations[:, k]
    columns["eyring_kramers"] = sweep.kramers
    if np.isfinite(sweep.principal).any():
        columns["principal_eigenvalue"] = sweep.principal
        columns["principal_eigenvalue_error"] = sweep.principal_errors
    return columns
