"""The command ``wfrpde plot``: figures and report of any folder, from what is stored in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wfrpde.errors import InputError
from wfrpde.report.files import reach_code

NEEDED = "the folder of a solved case, a validation, a convergence study or a spectrum"


def redraw(folder: Path) -> list[Path]:
    """Draw the figures, and write the report where there is one, anew. Not collective.

    Parameters
    ----------
    folder
        What ``wfrpde solve``, ``validate``, ``converge`` or ``spectrum`` has written.

    Returns
    -------
    list of Path
        The figures, and the report.

    Raises
    ------
    InputError
        If the folder holds no such run, or one that cannot be read.
    """
    kinds = {
        "validation.json": _validation,
        "convergence.json": _study,
        "spectrum.csv": _spectrum,
        "sweep.csv": _sweep,
        "noising.npz": _noising,
    }
    for name, drawn in kinds.items():
        if (folder / name).is_file():
            return _readable(folder, drawn)
    from wfrpde.report.flow import plot_run

    return plot_run(folder)


def _readable(folder: Path, drawn: Any) -> list[Path]:
    try:
        paths: list[Path] = drawn(folder)
    except (OSError, ValueError, KeyError, TypeError, NameError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        found = f"a run that cannot be read ({type(error).__name__}: {error})"
        raise InputError(str(folder), found, NEEDED) from error
    return paths


def _validation(folder: Path) -> list[Path]:
    from wfrpde.comparison import ValidationReport
    from wfrpde.report.validation.files import REPORT
    from wfrpde.report.validation.page import write_validation_report

    if not (folder / REPORT).is_file():
        raise InputError(
            str(folder),
            f"a validation without {REPORT}",
            "what its figures are drawn from",
            "'wfrpde validate CASE --out FOLDER --resume' writes it from the stored replicates.",
        )
    report = ValidationReport.load(folder / REPORT)
    reach_code(report.case)
    return write_validation_report(report, folder)


def _study(folder: Path) -> list[Path]:
    from wfrpde.case.stored import revived
    from wfrpde.report.convergence.files import SUMMARY
    from wfrpde.report.convergence.page import write_study_report
    from wfrpde.studies.convergence.study import ConvergenceStudy

    content = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    return write_study_report(revived(ConvergenceStudy, content), folder)


def _spectrum(folder: Path) -> list[Path]:
    from wfrpde.case.stored import kind_of
    from wfrpde.report.spectrum.files import STUDY
    from wfrpde.report.spectrum.page import write_study_report
    from wfrpde.report.spectrum.product import write_product_page
    from wfrpde.studies.spectral.product import ProductStudy
    from wfrpde.studies.spectral.study import SpectralStudy

    if kind_of(folder / STUDY) == "ProductStudy":
        product = ProductStudy.load(folder / STUDY)
        reach_code(product.case)
        return write_product_page(product, folder)
    study = SpectralStudy.load(folder / STUDY)
    reach_code(study.case)
    return write_study_report(study, folder)


def _sweep(folder: Path) -> list[Path]:
    from wfrpde.operators import Sweep
    from wfrpde.report.spectrum.files import SWEEP
    from wfrpde.report.spectrum.page import write_sweep_report

    sweep = Sweep.load(folder / SWEEP)
    reach_code(sweep.case)
    return write_sweep_report(sweep, folder)


def _noising(folder: Path) -> list[Path]:
    from wfrpde.report.noising import plot_noising

    return plot_noising(folder)
