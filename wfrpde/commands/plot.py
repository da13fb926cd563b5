"""The command ``wfrpde plot``: figures and report of any folder, from what is stored in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wfrpde.errors import InputError

__all__ = ["redraw"]

NEEDED = "the folder of a solved case, a validation, a convergence study or a sweep"


def redraw(folder: Path) -> list[Path]:
    """Draw the figures, and write the report where there is one, anew. Not collective.

    Parameters
    ----------
    folder
        What ``wfrpde solve``, ``validate`` or ``converge`` has written, or ``spectrum --sweep``.

    Returns
    -------
    list of Path
        The figures, and the report.

    Raises
    ------
    InputError
        If the folder holds no such run, or one that cannot be read, or the modes of a spectrum,
        which are not stored.
    """
    for name, drawn in (("validation.json", _validation), ("convergence.json", _study)):
        if (folder / name).is_file():
            return _readable(folder, drawn)
    if _kind(folder) == "spectrum":
        return _readable(folder, _sweep)
    from wfrpde.report.flow import plot_run

    return plot_run(folder)


def _readable(folder: Path, drawn: Any) -> list[Path]:
    try:
        paths: list[Path] = drawn(folder)
    except (OSError, ValueError, KeyError, TypeError, NameError) as error:
        if isinstance(error, InputError):
            raise
        found = f"a run that cannot be read ({type(error).__name__}: {error})"
        raise InputError(str(folder), found, NEEDED) from error
    return paths


def _kind(folder: Path) -> Any:
    try:
        return json.loads((folder / "summary.json").read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        return None  # what is wrong with it says the reader of runs


def _validation(folder: Path) -> list[Path]:
    from wfrpde.case.stored import read_stored
    from wfrpde.comparison import ValidationReport
    from wfrpde.report.validation import REPORT, draw_and_report

    if not (folder / REPORT).is_file():
        raise InputError(
            str(folder),
            f"a validation without {REPORT}",
            "what its figures are drawn from",
            "'wfrpde validate CASE --out FOLDER --resume' writes it from the stored replicates.",
        )
    return draw_and_report(read_stored(ValidationReport, folder / REPORT), folder)


def _study(folder: Path) -> list[Path]:
    from wfrpde.case.stored import revived
    from wfrpde.report.convergence.files import SUMMARY, draw_study
    from wfrpde.studies.convergence.study import ConvergenceStudy

    content = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    return draw_study(revived(ConvergenceStudy, content), folder / "figures")


def _sweep(folder: Path) -> list[Path]:
    from wfrpde.case.stored import revived
    from wfrpde.operators import Sweep
    from wfrpde.report.spectrum.figures import draw_sweep_figure
    from wfrpde.report.spectrum.page import write_sweep_report

    content = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    if "sweep" not in content:
        raise InputError(
            str(folder),
            "the folder of a spectrum, whose modes are stored for ParaView only",
            NEEDED,
            "'wfrpde spectrum CASE' computes and draws them again.",
        )
    numbers = content["sweep"]
    renamed = {
        "kramers": "eyring_kramers",
        "principal": "principal_eigenvalue",
        "principal_errors": "principal_eigenvalue_error",
    }
    data = {
        **{key: content[key] for key in ("warnings", "complete", "ranks", "wall_time")},
        **numbers,
        **{name: numbers[key] for name, key in renamed.items()},
        "case": {"source": None, "data": content["case"]},
    }
    sweep = revived(Sweep, data)
    pictures = draw_sweep_figure(sweep, folder / "figures")
    return [*(p.path for p in pictures), write_sweep_report(sweep, folder, pictures)]
