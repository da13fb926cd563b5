"""The folder of a spectral study, or of a sweep."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.report.files import facts_of, write_columns, write_json
from wfrpde.report.paraview import fields_can_be_written
from wfrpde.report.spectrum.page import write_study_report, write_sweep_report
from wfrpde.report.spectrum.tables import rate_columns, sweep_columns

if TYPE_CHECKING:
    from wfrpde.operators import Sweep
    from wfrpde.studies.spectral.study import SpectralStudy

STUDY = "spectrum.npz"
"""The whole study, from which figures can be drawn again."""

SWEEP = "sweep.npz"
"""The same of a sweep."""


def write_study(study: SpectralStudy, folder: Path) -> list[Path]:
    """Write numbers, ParaView files, figures and the report of a study. Not collective.

    The case's ``output.paraview`` and ``output.figures`` switch off what takes time.

    Returns
    -------
    list of Path
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        write_json(study_summary(study), folder / "summary.json"),
        write_columns(folder / "spectrum.csv", rate_columns(study)),
        study.save(folder / STUDY),
    ]
    if study.case.output.paraview and fields_can_be_written():
        from wfrpde.report.spectrum.fields import write_modes

        written += write_modes(study, folder)
    return written + write_study_report(study, folder, figures=study.case.output.figures)


def write_sweep(sweep: Sweep, folder: Path) -> list[Path]:
    """Write numbers, the figure and the report of a sweep. Not collective."""
    folder.mkdir(parents=True, exist_ok=True)
    content = facts_of(sweep, "spectrum")
    content["sweep"] = {
        "key": sweep.key,
        "values": sweep.values,
        "rates": sweep.rates,
        "errors": sweep.errors,
        "residuals": sweep.residuals,
        "rotations": sweep.rotations,
        "eyring_kramers": sweep.kramers,
        "principal_eigenvalue": sweep.principal,
        "principal_eigenvalue_error": sweep.principal_errors,
        "remarks": sweep.remarks,
    }
    written = [
        write_json(content, folder / "summary.json"),
        write_columns(folder / "sweep.csv", sweep_columns(sweep)),
        sweep.save(folder / SWEEP),
    ]
    return written + write_sweep_report(sweep, folder, figures=sweep.case.output.figures)


def study_summary(study: SpectralStudy) -> dict[str, Any]:
    """Give every reported number of a study, with its estimated error, and the facts."""
    spectrum = study.spectrum
    content = facts_of(study, "spectrum")
    content["numerics"] = spectrum.numerics
    free = spectrum.absorbing is None and len(spectrum.rates) > 1
    results: dict[str, Any] = {
        "rates": _pair(spectrum.rates, spectrum.errors),
        "residuals": spectrum.residuals,
        "eigenvalues": {"real": spectrum.rates, "imaginary": spectrum.eigenvalues.imag},
        "conditions": spectrum.conditions,
        "absorbing": spectrum.absorbing,
        "langevin_rate": spectrum.langevin_rate if free else None,
        "wfr_rate": spectrum.wfr_rate if free else None,
        "eyring_kramers": study.kramers,
        "exits": {
            name: {
                "until_in": found.region,
                "mean_time": _pair(found.mean_time, found.mean_time_error),
                "rate": _pair(found.rate, found.rate_error),
            }
            for name, found in study.exits.items()
        },
        "decay": [{**asdict(row), "difference": row.difference} for row in study.decay],
    }
    if study.sets is not None:
        results["metastable_sets"] = {
            "weights": study.sets.weights,
            "means": study.sets.means,
            "generator": study.sets.generator,
            "separation": study.sets.separation,
        }
    if study.stationary is not None:
        kept = study.stationary
        results["stationary"] = {
            "kl": _pair(kept.kl, kept.kl_error),
            "mean": _pair(kept.mean, kept.mean_error),
        }
    if study.committor is not None:
        found = study.committor
        results["committor"] = {
            "from": found.source,
            "to": found.sink,
            "rate": _pair(found.rate, found.rate_error),
            "error": found.error,
        }
    if study.feynman_kac is not None:
        tilted = study.feynman_kac
        results["feynman_kac"] = {
            "principal_eigenvalue": _pair(tilted.principal_eigenvalue, tilted.error),
            "eigenvalues": _pair(tilted.eigenvalues, tilted.errors),
            "gap": tilted.gap,
            "mean_rate": tilted.mean_rate,
        }
    if study.cumulants is not None:
        curve = study.cumulants
        results["cumulants"] = {
            "tilts": curve.tilts,
            "values": _pair(curve.values, curve.errors),
            "means": _pair(curve.means, curve.mean_errors),
            "variances": _pair(curve.variances, curve.variance_errors),
        }
    content["results"] = results
    return content


def _pair(value: Any, error: Any) -> dict[str, Any]:
    return {"value": value, "error": error}
