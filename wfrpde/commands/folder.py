"""The folder of a study: made, resumed, or refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from wfrpde.errors import InputError
from wfrpde.parallel import collectively
from wfrpde.report.convergence.files import SUMMARY

RUNS = "runs"
"""Finished runs, by which the folder of a study is known, too."""


def study_folder(folder: Path, *, force: bool, comm: Any = None) -> Path:
    """Prepare the folder of a study, and return that of its finished runs (collective).

    Parameters
    ----------
    force
        Forget the runs that were finished before.

    Raises
    ------
    InputError
        If the folder cannot be written, or holds something else than a study.
    """
    with collectively(comm):
        if comm is None or comm.rank == 0:
            _prepare(folder, force)
    return folder / RUNS


def _prepare(folder: Path, force: bool) -> None:
    where = f"output folder {folder}"
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(where, "a file of that name", "a folder")
        known = (folder / RUNS).is_dir() or (folder / SUMMARY).is_file()
        if folder.is_dir() and any(folder.iterdir()) and not known:
            raise InputError(
                where,
                "a folder that holds something else than a convergence study",
                "a new or empty one, or that of a study to go on with",
                "Use --out for another one.",
            )
        if force and known:
            shutil.rmtree(folder / RUNS, ignore_errors=True)
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            where,
            f"that it cannot be written ({error.strerror or error})",
            "a folder that can be written",
            "Choose another one with --out.",
        ) from None
