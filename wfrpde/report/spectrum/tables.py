"""A spectral study as tables of text, for the screen and the report, and as columns of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.numbers import MISSING, Polish, column, number, with_error
from wfrpde.report.pages import Table

if TYPE_CHECKING:
    from wfrpde.operators import Sweep
    from wfrpde.studies.spectral.study import SpectralStudy

DIGITS = 10


def study_tables(study: SpectralStudy, polish: Polish = str) -> list[Table]:
    """Give every table of a study; `polish` is applied to each number."""
    makers = (_rates, _decay, _exits, _sets, _committor, _feynman_kac, _cumulants)
    tables = [maker(study, polish) for maker in makers]
    return [table for table in tables if table is not None]


def _rates(study: SpectralStudy, polish: Polish) -> Table:
    spectrum, alpha = study.spectrum, study.case.flow.alpha
    rates = _polished(polish, spectrum.rates, spectrum.errors)
    if spectrum.absorbing is None:
        rates[0] = "0"
    with np.errstate(divide="ignore"):
        times = 1 / (alpha * spectrum.rates)
    residuals = [polish(number(float(residual), 1)) for residual in spectrum.residuals]
    lasting = ["∞" if time == "inf" else polish(time) for time in column(times)]
    columns = {"mode": [str(i) for i in range(len(rates))]}
    if study.case.dynamics.build(study.case.dim).reversible:
        title = "Rates of relaxation, the eigenvalues λ of −L"
        columns |= {"λ": rates, "residual": residuals, "time 1/(αλ)": lasting}
    else:
        title = "Eigenvalues λ of −L: decay, rotation, and how well conditioned they are"
        turns = spectrum.eigenvalues.imag
        columns |= {
            "Re λ": rates,
            "Im λ": [
                cell if turn else "0"
                for turn, cell in zip(turns, _polished(polish, turns, spectrum.errors), strict=True)
            ],
            "condition": [polish(cell) for cell in column(spectrum.conditions, digits=3)],
            "residual": residuals,
            "time 1/(α Re λ)": lasting,
        }
    return _table(title, columns)


def _polished(
    polish: Polish, values: Iterable[float], errors: Iterable[float], digits: int = DIGITS
) -> list[str]:
    """Write numbers with their errors in the one notation that suits the whole column."""
    return [polish(cell) for cell in column(values, errors, digits)]


def _table(title: str, columns: Mapping[str, list[str]]) -> Table:
    return Table(title, tuple(columns), tuple(zip(*columns.values(), strict=True)))


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
    if flow.beta == 0:
        del formulas["WFR"]
    expected = [rate for *_, rate in formulas.values()]
    bars = [max(error, 2e-16 * rate) for rate in expected]
    predicted = _polished(polish, expected, bars)
    for (name, (words, formula, _)), rate in zip(formulas.items(), predicted, strict=True):
        row = [words, formula, rate]
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
    found = study.exits.values()
    columns = {
        "from": list(study.exits),
        "until in": [one.region for one in found],
        "mean exit time": _polished(
            polish, [one.mean_time for one in found], [one.mean_time_error for one in found], 8
        ),
        "exit rate αλ₀": _polished(
            polish, [one.rate for one in found], [one.rate_error for one in found], 8
        ),
    }
    return _table("Exit times", columns)


def _sets(study: SpectralStudy, polish: Polish) -> Table | None:
    if study.sets is None:
        return None
    leaving = -study.case.flow.alpha * np.diag(study.sets.generator)
    times = [1 / rate if rate > 0 else np.nan for rate in leaving]
    means = [
        ", ".join(polish(number(float(c), 3, trim=True)) for c in mean) for mean in study.sets.means
    ]
    columns = {
        "set": [str(a) for a in range(len(means))],
        "mean position": [f"({mean})" for mean in means],
        "weight ∫πχ": [polish(cell) for cell in column(study.sets.weights, digits=6)],
        "rate of leaving": [polish(cell) for cell in column(leaving)],
        "time": [polish(cell) for cell in column(times)],
    }
    return _table("Metastable sets (PCCA+)", columns)


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
    gaps = found.eigenvalues[0] - found.eigenvalues[1:]
    columns = {
        "": ["Λ", *(str(i) for i in range(1, len(found.eigenvalues)))],
        "eigenvalue": _polished(polish, found.eigenvalues, found.errors),
        "residual": [polish(number(float(residual), 1)) for residual in found.residuals],
        "below Λ by": ["", *(polish(cell) for cell in column(gaps, digits=5))],
    }
    return _table("Eigenvalues of the Feynman–Kac operator αL + U", columns)


def _cumulants(study: SpectralStudy, polish: Polish) -> Table | None:
    found = study.cumulants
    if found is None:
        return None
    columns = {
        "k": [polish(number(float(k), 5, trim=True)) for k in found.tilts],
        "θ(k)": _polished(polish, found.values, found.errors),
        "θ′(k), mean of U": _polished(polish, found.means, found.mean_errors),
        "θ″(k), variance rate": _polished(polish, found.variances, found.variance_errors),
    }
    return _table("Scaled cumulant generating function θ(k) = Λ(kU)", columns)


def sweep_table(sweep: Sweep, polish: Polish = str) -> Table:
    """One row for each value: λ₁, the next rate, and the Eyring–Kramers estimate of λ₁."""
    first = 0 if sweep.case.absorbing is not None else 1
    columns = {
        sweep.key: [polish(number(float(value), 6, trim=True)) for value in sweep.values],
    }
    for k in (first, first + 1):
        known = k < sweep.rates.shape[1]
        columns[f"λ{'₀₁₂₃'[k]}"] = (
            _polished(polish, sweep.rates[:, k], sweep.errors[:, k])
            if known
            else [MISSING] * len(sweep.values)
        )
    if np.isfinite(sweep.kramers).any():
        columns["Eyring–Kramers"] = [polish(cell) for cell in column(sweep.kramers)]
    if np.isfinite(sweep.principal).any():
        columns["Λ"] = _polished(polish, sweep.principal, sweep.principal_errors)
    columns[""] = list(sweep.remarks)
    return _table(f"Rates against {sweep.key}", columns)


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
