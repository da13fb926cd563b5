"""The command ``wfrpde spectrum``: a case's operators studied, or swept over a key, and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.commands.folder import RunFolder
from wfrpde.numbers import number
from wfrpde.parallel import Bar, ProgressReporter, StopRequest, collectively
from wfrpde.parallel.screen import logger
from wfrpde.report.terminal import table

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.operators import Sweep
    from wfrpde.report.pages import Table
    from wfrpde.studies.spectral.product import ProductStudy
    from wfrpde.studies.spectral.study import SpectralStudy


def run_spectrum(
    case: Case,
    folder: Path,
    comm: Any = None,
    *,
    swept: tuple[str, list[float]] | None = None,
    force: bool = False,
    resume: bool = False,
    status: Bar | None = None,
) -> SpectralStudy | ProductStudy | Sweep:
    """Answer what a case asks of its operators, and write it into ``folder`` (collective).

    Parameters
    ----------
    case
        The case; its start may be a stand-in.
    folder
        The run folder.
    comm
        MPI communicator, or ``None`` for a single process.
    swept
        A key and its values: then only the rates are computed, for each of them.
    force
        Whether an earlier run in that folder may be replaced.
    resume
        Whether the values of a sweep that are finished there are not computed again.
    status
        Bar of the terminal for progress.

    Raises
    ------
    WfrpdeError
        As `study_spectrum` and `wfrpde.operators.sweep` do, or if the folder cannot be used.
    """
    from wfrpde.operators import sweep
    from wfrpde.report.spectrum import write_study, write_sweep
    from wfrpde.report.spectrum.product import write_product_study
    from wfrpde.studies.spectral.product import ProductStudy, study_product
    from wfrpde.studies.spectral.study import SpectralStudy, study_spectrum

    rank = 0 if comm is None else comm.rank
    command = "sweep" if swept else "spectrum"
    reporter = ProgressReporter(status, rank=rank, label=command, interval=2.0)
    result: SpectralStudy | ProductStudy | Sweep
    # a Ctrl-C while the results are written waits until they are there
    claim = RunFolder(folder, command, force=force, resume=resume, comm=comm)
    with StopRequest(), claim as output:
        try:
            if swept is None and case.is_factored:
                result = study_product(case, comm)
            elif swept is None:
                result = study_spectrum(case, comm, observer=reporter)
            else:
                result = sweep(
                    case,
                    *swept,
                    comm,
                    observer=reporter,
                    on_stop="return",
                    folder=output.store,
                )
                output.spent = result.complete
                if not (result.complete or result.solved.any()):
                    raise KeyboardInterrupt  # there is nothing to keep
        finally:
            reporter.finish()
        logger.info("writing the results")
        with collectively(comm):
            if rank == 0:
                if isinstance(result, SpectralStudy):
                    write_study(result, output.path)
                elif isinstance(result, ProductStudy):
                    write_product_study(result, output.path)
                else:
                    write_sweep(result, output.path)
    return result


def spectrum_summary(result: SpectralStudy | ProductStudy | Sweep) -> str:
    """Say what was found, for the screen."""
    from wfrpde.studies.spectral.product import ProductStudy
    from wfrpde.studies.spectral.study import SpectralStudy

    if isinstance(result, ProductStudy):
        return _product(result)
    return _study(result) if isinstance(result, SpectralStudy) else _sweep(result)


def _study(study: SpectralStudy) -> str:
    from wfrpde.report.spectrum.tables import study_tables

    parts = [study.case.title or study.case.name]
    parts += [_on_screen(content) for content in study_tables(study)]
    notes = []
    if study.kramers is not None:
        rates = study.spectrum.rates
        off = f", {100 * (study.kramers / rates[1] - 1):+.1f} %" if len(rates) > 1 else ""
        notes.append(
            f"Eyring-Kramers estimate of λ₁: {number(study.kramers, 4)}{off} (for high barriers; "
            "context, not a reference)"
        )
    notes.append("± is the estimated error.")
    notes += [f"Warning: {text}" for text in study.warnings]
    if not study.complete:
        notes.append("Interrupted: what was not reached is left out.")
    return "\n\n".join([*parts, "\n".join(notes)])


def _product(study: ProductStudy) -> str:
    from wfrpde.report.spectrum.product import product_sentences, product_table

    parts = [study.case.title or study.case.name, _on_screen(product_table(study))]
    notes = [*product_sentences(study), "± is the estimated error."]
    notes += [f"Warning: {text}" for text in study.spectrum.warnings]
    return "\n\n".join([*parts, "\n".join(notes)])


def _sweep(result: Sweep) -> str:
    from wfrpde.report.spectrum.tables import sweep_table

    parts = [result.case.title or result.case.name, _on_screen(sweep_table(result))]
    if not result.complete:
        solved = int(result.solved.sum())
        parts.append(f"Interrupted: {solved} of {len(result.values)} values are solved.")
    return "\n\n".join(parts)


def _on_screen(content: Table) -> str:
    return f"{content.title}\n\n{table(content.header, content.rows)}"
