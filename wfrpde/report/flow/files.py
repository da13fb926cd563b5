"""A run's folder: written from a solution, drawn again from what was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.arrays import Array
from wfrpde.fields.schedules import written
from wfrpde.fields.user_code import loaded_files
from wfrpde.flow.saved import SavedLaw
from wfrpde.flow.solution import Solution
from wfrpde.parallel import collectively, world_of
from wfrpde.report.files import FORMAT, reach_code, write_columns, write_json
from wfrpde.report.flow.page import write_report
from wfrpde.report.flow.run import FlowRun, all_estimates, read_run, solution_file
from wfrpde.report.paraview import fields_can_be_written, write_paraview

if TYPE_CHECKING:
    from wfrpde.flow.noising.solution import NoisingSolution
    from wfrpde.flow.product.solution import AnySolution


def write_run(
    solution: AnySolution,
    folder: Path,
    companions: Mapping[str, AnySolution] | None = None,
    *,
    options: Any = None,
    comm: Any = None,
) -> list[Path]:
    """Write everything a run leaves behind. Collective; rank 0 writes, all do ParaView's files.

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
        The MPI communicator of the run; ``None`` for ``MPI.COMM_WORLD``.

    Returns
    -------
    list of Path
        What was written, the same on every rank.

    Raises
    ------
    OSError
        If a rank cannot write; raised on every rank.
    """
    comm = world_of(comm)
    folder, asked = Path(folder), options or solution.case.output
    written: list[Path] = []
    with collectively(comm):
        if comm.rank == 0:
            run = FlowRun(solution, companions or {}, comm.size)
            written = _write_numbers(run, folder)
    if asked.paraview and isinstance(solution, Solution) and fields_can_be_written():
        written += write_paraview(solution, folder, comm)
    with collectively(comm):
        if comm.rank == 0:
            written += write_report(run, folder, figures=asked.figures)
    return written if comm.size == 1 else list(comm.bcast(written, root=0))


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
    run = read_run(folder)
    reach_code(run.solution.case)
    return write_report(run, folder)


def _write_numbers(run: FlowRun, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    solution = run.solution
    return [
        write_json(summarise(run), folder / "summary.json"),
        write_columns(folder / "series.csv", series_columns(solution)),
        write_columns(folder / "steps.csv", solution.history),
        solution.save(solution_file(folder)),
        *(flow.save(solution_file(folder, label)) for label, flow in run.companions.items()),
    ]


def series_columns(solution: AnySolution | NoisingSolution) -> dict[str, Array]:
    """Give the columns of ``series.csv`` by name, each with one entry a saved time.

    A quantity ``q`` is followed by ``q_error``, its estimated error (empty where there is none).
    """
    columns = {"t": solution.times}
    prefixes = {"series": "", "mean": "mean_", "covariance": "covariance_", "mode_mass": "mode_"}
    for kind, quantities in all_estimates(solution).items():
        for name, quantity in quantities.items():
            columns[prefixes[kind] + name] = quantity.value
            columns[f"{prefixes[kind]}{name}_error"] = quantity.error
    columns["density_error"] = solution.density_error
    return columns


def summarise(run: FlowRun) -> dict[str, Any]:
    """Give the summary of a run: its inputs, facts and every reported number."""
    own, target = _flow_facts(run.solution), run.solution.target
    return {
        "format": FORMAT,
        "title": run.title,
        "flow": run.equation.label,
        "dimension": run.solution.dim,
        "complete": own.pop("complete"),
        "created": run.created,
        "wall_time": own.pop("wall_time"),
        "ranks": run.ranks,
        "versions": run.versions,
        **({} if run.solution.case.target.python is None else {"code": loaded_files()}),
        "target": {"name": target.name, "description": target.description},
        "case": run.solution.case.model_dump(mode="json"),
        **own,
        "companions": {
            label: {
                "alpha": written(flow.case.flow.alpha),
                "beta": written(flow.case.flow.beta),
                **_flow_facts(flow),
            }
            for label, flow in run.companions.items()
        },
    }


def _flow_facts(solution: AnySolution) -> dict[str, Any]:
    names: dict[str, Any] = {
        "series": {name: pair_of(solution, name) for name in solution.series},
        "mean": pair_of(solution, "mean"),
        "mode_mass": {name: pair_of(solution, "mode_mass", name) for name in solution.mode_mass},
    }
    if isinstance(solution, Solution):  # d² numbers are too many for a product
        names["covariance"] = pair_of(solution, "covariance")
    else:
        names["log_mode_mass"] = solution.log_mode_mass
    return {
        "complete": solution.complete,
        "wall_time": solution.wall_time,
        "numerics": solution.numerics,
        "warnings": solution.warnings,
        "results": {"times": solution.times, **names, "density_error": solution.density_error},
    }


def pair_of(solution: SavedLaw, name: str, region: str = "") -> dict[str, Any]:
    """Give what `estimated` does as plain data."""
    quantity = solution.estimated(name, region)
    return {"value": quantity.value, "error": quantity.error}
