"""One run: a case solved, compared with its Langevin and Fisher–Rao flows, and written down.

The folder of a run appears all at once: everything is written into a hidden folder beside it,
which is renamed at the end. A run that fails leaves nothing behind.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from wfrpde.case import Case
from wfrpde.errors import InputError, WfrpdeError
from wfrpde.parallel import ProgressReporter, StatusLine, Stopped, StopRequest, collectively

if TYPE_CHECKING:
    from wfrpde.flow.solution import Solution

logger = logging.getLogger("wfrpde")

WAITING_NODES = 100_000
"""Nodes beyond which ParaView's files are not written for a person who stopped the run."""

#: Files by which a folder is known as one that a run wrote, and may be replaced as a whole.
_MARKS = ("summary.json", "index.html")


@dataclass(frozen=True)
class Run:
    """What one run computed.

    Attributes
    ----------
    case
        The case.
    solution
        Its solution.
    companions
        Solutions with β = 0 (``"W"``) and α = 0 (``"FR"``), as far as they were computed; without
        its linear reaction (``"W"``), if the case has one.
    interrupted
        Whether the run was stopped before its end.
    """

    case: Case
    solution: Solution
    companions: dict[str, Solution]
    interrupted: bool


class RunFolder:
    """The folder of a run, which is put in place when the block ends well (collective).

    ``path`` is a hidden folder beside the final one, which the block makes and fills.

    Parameters
    ----------
    folder
        Where the run is to be found in the end.
    force
        Whether a folder that is there already may be replaced. One that no run wrote keeps the
        files that it has, unless the run has files of the same names.
    comm
        MPI communicator, or ``None`` for a single process.

    Raises
    ------
    InputError
        On entering, if the folder cannot be written, or is not empty and ``force`` is false.
    """

    def __init__(self, folder: Path, *, force: bool = False, comm: Any = None) -> None:
        self.folder = folder
        self.path = folder
        self._force, self._comm = force, comm
        self._created: list[Path] = []

    @property
    def _writes(self) -> bool:
        return self._comm is None or self._comm.rank == 0

    def __enter__(self) -> Self:
        with collectively(self._comm):
            if self._writes:
                self.path = self._prepare()
        if self._comm is not None:
            self.path = self._comm.bcast(self.path, root=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is not None:
            # Every rank cleans up: the one that failed may be about to end all others.
            shutil.rmtree(self.path, ignore_errors=True)
            self._remove_parents()
            return
        with collectively(self._comm):
            if self._writes:
                _put_in_place(self.path, self.folder)

    def _prepare(self) -> Path:
        folder = self.folder
        try:
            if folder.exists() and not folder.is_dir():
                raise InputError(f"output folder {folder}", "a file of that name", "a folder")
            if folder.is_dir() and any(folder.iterdir()) and not self._force:
                raise InputError(
                    f"output folder {folder}",
                    "a folder that is not empty",
                    "a new or empty one",
                    "Use --force to replace it, or --out for another one.",
                )
            if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
            self._created = [parent for parent in folder.parents if not parent.exists()]
            folder.parent.mkdir(parents=True, exist_ok=True)
            # Only tried, and made when there is something to write: a run that is killed while
            # it computes, as mpirun does on Ctrl-C, leaves no empty folder behind.
            hidden = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            hidden.rmdir()
        except OSError as error:
            raise InputError(
                f"output folder {folder}",
                f"that it cannot be written ({error.strerror or error})",
                "a folder that can be written",
                "Choose another one with --out.",
            ) from None
        finally:
            self._remove_parents()
        return hidden

    def _remove_parents(self) -> None:
        for parent in self._created:
            with suppress(OSError):
                parent.rmdir()


def _put_in_place(hidden: Path, folder: Path) -> None:
    if not folder.exists():
        hidden.rename(folder)
    elif not any(folder.iterdir()) or any((folder / mark).is_file() for mark in _MARKS):
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        folder.rename(old / folder.name)
        hidden.rename(folder)
        shutil.rmtree(old)
    else:
        for entry in sorted(hidden.iterdir()):
            present = folder / entry.name
            if present.is_dir() and not present.is_symlink():
                shutil.rmtree(present)
            entry.replace(present)
        hidden.rmdir()


def companion_cases(case: Case) -> dict[str, Case]:
    """Give the Langevin (W) and Fisher–Rao (FR) flows to compare the case with, by name."""
    if not case.output.compare:
        return {}
    cases = {}
    for label, equation in case.equation.companions().items():
        changes: dict[str, Any] = {"output.compare": False}
        if equation.dynamics is None:
            changes["numerics.certify"] = False  # it is known in closed form
        cases[label] = case.with_equation(equation).with_overrides(changes)
    return cases


def run_case(
    case: Case, folder: Path, comm: Any = None, *, status: StatusLine | None = None
) -> Run:
    """Solve a case and its companions, and write everything into ``folder`` (collective).

    Ctrl-C ends it with what was saved so far: without figures and companions then, as the person
    is waiting; ``wfrpde plot`` draws the figures afterwards.

    Parameters
    ----------
    case
        The case.
    folder
        A folder, made if missing.
    comm
        MPI communicator, or ``None`` for the world's.
    status
        Line of the terminal for progress.

    Raises
    ------
    WfrpdeError
        As `wfrpde.solve` does.
    """
    from wfrpde.report.flow import write_run

    rank = 0 if comm is None else comm.rank
    companions: dict[str, Solution] = {}
    with StopRequest() as stop:
        solution = _solve(case, comm, status, rank)
        interrupted = not solution.complete or stop.requested(comm)
        if not interrupted:
            for name, companion in companion_cases(case).items():
                try:
                    result = _solve(companion, comm, status, rank)
                except WfrpdeError as error:
                    logger.warning("without the %s flow to compare with: %s", name, error)
                    continue
                if not result.complete:
                    interrupted = True
                    break
                companions[name] = result
        if interrupted:
            solution = _interrupted(solution)
        logger.info("writing the results")
        try:
            with nullcontext() if interrupted else stop.at_once(comm):
                write_run(solution, folder, companions, comm=comm)
        except Stopped:
            interrupted, solution = True, _interrupted(solution)
            for part in folder.rglob(".*.part"):
                part.unlink()
            write_run(solution, folder, companions, comm=comm)
    return Run(case, solution, companions, interrupted)


def _interrupted(solution: Solution) -> Solution:
    """Mark a solution as incomplete, and leave out what a waiting person does not need."""
    case = solution.case
    small = len(solution.nodes) <= WAITING_NODES
    output = {"figures": False, "paraview": case.output.paraview and small}
    unfinished = case.model_copy(update={"output": case.output.model_copy(update=output)})
    return replace(solution, case=unfinished, complete=False)


def _solve(case: Case, comm: Any, status: StatusLine | None, rank: int) -> Solution:
    import wfrpde

    reporter = ProgressReporter(status, rank=rank, label=case.equation.label)
    try:
        solution: Solution = wfrpde.solve(case, comm=comm, observer=reporter)
    finally:
        reporter.finish()
    return solution
