"""``wfrpde converge``: a study in a folder, resumed where it was left."""

from __future__ import annotations

from pathlib import Path

from wfrpde.case import Case
from wfrpde.commands.folder import RunFolder
from wfrpde.commands.session import Session
from wfrpde.parallel import ProgressReporter, StopRequest, collectively
from wfrpde.report.convergence.files import study_table, write_study
from wfrpde.studies.convergence.harness import Layout, converge
from wfrpde.studies.convergence.study import ConvergenceStudy


def run_study(
    case: Case, folder: Path, session: Session, *, layout: Layout, force: bool
) -> ConvergenceStudy:
    """Make the runs that are missing, judge all of them, and write the study (collective)."""
    comm = session.comm
    reporter = ProgressReporter(session.status, rank=session.rank, label="converge")
    with RunFolder(folder, "converge", force=force, resume=not force, comm=comm) as output:
        with StopRequest():
            study = converge(
                case,
                comm,
                folder=output.store,
                layout=layout,
                observer=reporter,
                on_stop="return",
            )
        reporter.finish()
        with collectively(comm):
            if session.rank == 0:
                write_study(study, output.path, figures=case.output.figures)
    session.say(study_table(study))
    session.say(
        f"\nReport   {folder}/report.html\nNumbers  {folder}/convergence.json, runs.csv, orders.csv"
    )
    if not study.complete:
        session.say("Interrupted: the same command goes on from here.")
    return study
