"""A run's folder: written from a solution, drawn again from what was written."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wfrpde.parallel import collectively, world
from wfrpde.report.flow.archive import read_run, write_archive
from wfrpde.report.flow.record import RunRecord, record_run
from wfrpde.report.flow.solution_like import SolutionLike
from wfrpde.report.flow.summary import write_summary
from wfrpde.report.flow.tables import write_series, write_steps

__all__ = ["plot_run", "write_run"]


def write_run(
    solution: SolutionLike,
    folder: Path,
    companions: Mapping[str, SolutionLike] | None = None,
    *,
    options: Any = None,
    comm: Any = None,
) -> list[Path]:
    """Write everything a run leaves behind. Collective; rank 0 writes.

    Numbers come first (``summary.json``, ``series.csv``, ``steps.csv``, ``solution.npz``), then
    ``solution.pvd`` with its ``.vtu`` files, ``figures/*.png`` and ``report.html``; so whatever
    stops the run later, what was computed is there.

    Parameters
    ----------
    solution
        The solution, complete or interrupted.
    folder
        Where to write; made if missing. Files of the same names are replaced.
    companions
        Flows of the same problem with other rates, by label (``"W"``, ``"FR"``).
    options
        Its ``paraview`` and ``figures`` switch off the two expensive parts (`plot_run` draws
        figures later); ``None`` for ``solution.case.output``.
    comm
        The MPI communicator of the run; ``None`` for ``MPI.COMM_WORLD`` where mpi4py is
        installed.

    Returns
    -------
    list of Path
        What was written, the same on every rank.

    Raises
    ------
    OSError
        If rank 0 cannot write; raised on every rank.
    """
    if comm is None and find_spec("mpi4py") is not None:
        comm = world()
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    written: list[Path] = []
    with collectively(comm):
        if rank == 0:
            record = record_run(solution, companions or {}, ranks=size)
            asked = options or getattr(solution.case, "output", None)
            written = _write(solution, record, Path(folder), asked)
    return written if size == 1 else list(comm.bcast(written, root=0))


def plot_run(folder: Path) -> list[Path]:
    """Draw the figures and the report of a run again, from its folder alone. Not collective.

    Parameters
    ----------
    folder
        A folder that `write_run` made.

    Returns
    -------
    list of Path
        The figures and the report.

    Raises
    ------
    InputError
        If the folder holds no readable run.
    """
    folder = Path(folder)
    return _draw(read_run(folder), folder, figures=True)


def _write(solution: SolutionLike, record: RunRecord, folder: Path, asked: Any) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        write_summary(record, folder / "summary.json"),
        write_series(record, folder / "series.csv"),
        write_steps(record, folder / "steps.csv"),
        write_archive(record, folder / "solution.npz"),
    ]
    if getattr(asked, "paraview", True):
        from wfrpde.report.paraview import write_paraview

        written += write_paraview(solution, folder)
    return written + _draw(record, folder, figures=getattr(asked, "figures", True))


def _draw(record: RunRecord, folder: Path, *, figures: bool) -> list[Path]:
    # The report stands above output; only this function, which ends a run, reaches up to it.
    from wfrpde.report.flow.figures import draw_figures
    from wfrpde.report.flow.page import write_report

    pictures = draw_figures(record, folder / "figures") if figures else []
    return [*(picture.path for picture in pictures), write_report(record, folder, pictures)]
