"""``wfrpde converge``: a study in a folder, resumed where it was left."""

from __future__ import annotations

import time
from pathlib import Path

from wfrpde.case import Case
from wfrpde.commands.folder import study_folder
from wfrpde.commands.session import Session
from wfrpde.parallel import StopRequest, collectively, format_duration
from wfrpde.parallel.screen import logger
from wfrpde.report.convergence.files import study_table, write_study
from wfrpde.studies.convergence.harness import Layout, converge
from wfrpde.studies.convergence.study import ConvergenceStudy


class _Progress:
    """Says which run ended, how many are left, and how long that may take."""

    def __init__(self, session: Session) -> None:
        self._session, self._began, self._first = session, time.monotonic(), -1

    def __call__(self, run: str, done: int, total: int) -> None:
        if self._first < 0:
            self._first = done - 1
        elapsed = time.monotonic() - self._began
        rate = (done - self._first) / max(elapsed, 1e-9)
        left = f", {format_duration((total - done) / rate)} left" if done < total else ""
        text = f"run {done} of {total}: {run} ({60 * rate:.3g} runs/min{left})"
        if self._session.status is not None:
            self._session.status.show(text)
        else:
            logger.info("%s", text)


def run_study(
    case: Case, folder: Path, session: Session, *, layout: Layout, force: bool
) -> ConvergenceStudy:
    """Make the runs that are missing, judge all of them, and write the study (collective)."""
    comm = session.comm
    runs = study_folder(folder, force=force, comm=comm)
    with StopRequest():
        study = converge(case, comm, folder=runs, layout=layout, observer=_Progress(session))
    with collectively(comm):
        if session.rank == 0:
            write_study(study, folder, figures=case.output.figures)
    session.say(study_table(study))
    session.say(
        f"\nFigures  {folder}/figures\nNumbers  {folder}/convergence.json, runs.csv, orders.csv"
    )
    if not study.complete:
        session.say("Interrupted: the same command goes on from here.")
    return study
