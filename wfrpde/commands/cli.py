"""The commands of ``wfrpde``: ``solve``, ``spectrum``, ``validate``, ``converge`` and others.

Exit codes: 0 done, 1 the solver or a verdict failed, 2 bad input, 130 interrupted. Everything
heavy is imported by the command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wfrpde import __version__
from wfrpde.commands.launcher import end_with_launcher, launcher
from wfrpde.errors import DependencyMissingError

if TYPE_CHECKING:
    from pathlib import Path

    from wfrpde.case import Case
    from wfrpde.commands.session import Session

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (collective under ``mpirun``).

    Parameters
    ----------
    argv
        The words of the command line after ``wfrpde``; by default those of this process.
    """
    # What imports make stays: looking for garbage in it takes a tenth of a short run.
    gc.set_threshold(100_000)
    # At exit the collector would go through all that SymPy and others made, for 0.4 s.
    atexit.register(gc.freeze)
    end_with_launcher()  # before imports, which take seconds on a busy machine
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.command is None:
            parser.print_help()
            return 0
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except DependencyMissingError as error:  # of MPI itself, before a session is there
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE, errno.EIO):
            raise
        _close_output()
        with suppress(OSError):
            print(f"error: what is said cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return code


def _close_output() -> None:
    """Leave the process nothing to write at its end that would fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wfrpde",
        description="Wasserstein-Fisher-Rao gradient flows of KL(rho|pi), solved on meshes.",
        epilog="Begin with 'wfrpde demo'. Under MPI: mpirun -n 2 wfrpde solve CASE (pays in 3-D).",
    )
    parser.add_argument("--version", action="version", version=f"wfrpde {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    solve = commands.add_parser(
        "solve",
        help="solve a case and write its run folder",
        description="Solve a case and write a folder with its report, figures and data.",
    )
    solve.add_argument("case", metavar="CASE", help="a case file, or the name of a shipped case")
    _add_output_options(solve, "wfr-<name of the case>")
    _add_assignments(solve)
    _add_resume(solve, "go on from the checkpoints of a run that was stopped or killed")
    solve.add_argument(
        "--no-compare",
        action="store_true",
        help="leave out the Langevin and Fisher-Rao flows that the report compares with",
    )
    solve.set_defaults(command=_solve)

    validate = commands.add_parser(
        "validate",
        help="judge the samplers of a case against the flows that they claim to solve",
        description="Run the samplers of a case, compare them with the solved flow, and write a "
        "folder with tables, figures and a report. Exit code 1 if a sampler that the case declares "
        "consistent is not.",
    )
    validate.add_argument("case", metavar="CASE", help="a case file, or the name of a shipped case")
    _add_output_options(validate, "wfr-validate-<name of the case>")
    _add_assignments(validate)
    _add_resume(validate, "do not compute finished replicates again")
    validate.set_defaults(command=_validate)

    converge = commands.add_parser(
        "converge",
        help="fit the orders of convergence of a case",
        description="Make the runs of [[convergence]], fit the orders of their errors, and compare "
        "them with the theory. Finished runs are kept: the same command goes on where it stopped.",
    )
    converge.add_argument("case", metavar="CASE", help="a case file, or the name of a shipped case")
    _add_output_options(converge, "wfr-converge-<name of the case>")
    _add_assignments(converge)
    converge.add_argument(
        "--layout",
        choices=("auto", "spread", "together"),
        default="auto",
        help="under mpirun: each run on one rank (spread), each on all (together), or, by default, "
        "together if a run is large",
    )
    converge.set_defaults(command=_converge)

    spectrum = commands.add_parser(
        "spectrum",
        help="why a sampler is slow: rates, modes, exit times, committors, Feynman-Kac eigenvalues",
        description="Compute the spectrum of a case's generator and what follows from it, and "
        "write a folder with its report, figures and data. The case needs no [initial].",
    )
    spectrum.add_argument("case", metavar="CASE", help="a case file, or the name of a shipped case")
    _add_output_options(spectrum, "wfr-spectrum-<name of the case>")
    _add_assignments(spectrum)
    spectrum.add_argument(
        "--sweep",
        metavar="KEY=START:STOP:COUNT",
        help="the rates for several values of a key, both ends included, e.g. "
        "--sweep target.barrier=2:40:20; ':log' at the end for equal ratios. MPI ranks share them",
    )
    _add_resume(spectrum, "do not compute the finished values of a sweep again")
    spectrum.set_defaults(command=_spectrum)

    demo = commands.add_parser(
        "demo",
        help="see Langevin stay in its mode and WFR cross the barrier",
        description="Solve two shipped cases with the Langevin (W), Fisher-Rao (FR) and WFR flows.",
    )
    _add_output_options(demo, "wfr-demo")
    _add_resume(demo, "do not compute again what was finished")
    demo.set_defaults(command=_demo)

    cases = commands.add_parser("cases", help="list the shipped cases, or show one")
    cases.add_argument("--show", metavar="NAME", help="print the file of this case")
    cases.set_defaults(command=_cases)

    plot = commands.add_parser("plot", help="draw the figures of a run folder anew")
    plot.add_argument("run", metavar="RUN", help="the folder that a run has written")
    plot.set_defaults(command=_plot)

    index = commands.add_parser(
        "index",
        help="list the runs of a folder on one page",
        description="Write index.html into a folder: what each run within found, with links to "
        "their reports.",
    )
    index.add_argument("folder", metavar="DIR", help="a folder that holds folders of runs")
    index.set_defaults(command=_index)

    info = commands.add_parser("info", help="show versions and what was found on this machine")
    info.add_argument(
        "--schema", action="store_true", help="print the JSON schema of case files, for editors"
    )
    info.set_defaults(command=_info)
    return parser


def _add_assignments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="assignments",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a key of the case, e.g. --set flow.beta=0 (repeatable)",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "scipy", "petsc"),
        help="what does the linear algebra: numerics.engine ('auto': PETSc where it is installed)",
    )


def _add_resume(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--resume", action="store_true", help=what)


def _add_output_options(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("-o", "--out", metavar="DIR", help=f"folder to write (default: {default})")
    parser.add_argument(
        "--force", action="store_true", help="replace what is in that folder already"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="no progress and no table, only warnings and errors"
    )


def _case_and_folder(
    arguments: argparse.Namespace,
    session: Session,
    prefix: str,
    overrides: dict[str, Any] | None = None,
    *,
    start: bool = True,
) -> tuple[Case, Path]:
    """Read the case of a command, choose its folder, and say how the run is stopped."""
    from wfrpde.case import load_case
    from wfrpde.case.files import parse_assignment
    from wfrpde.engine import Wish, engine_for
    from wfrpde.parallel.places import typed_path

    overrides = {**(overrides or {})}
    if arguments.engine is not None:
        overrides["numerics.engine"] = arguments.engine
    assigned = dict(map(parse_assignment, arguments.assignments)) | overrides
    case = load_case(arguments.case, assigned, start=start)
    engine_for(Wish.of(case.numerics), 1)
    _tell_how_to_stop(session)
    return case, typed_path(arguments.out or f"{prefix}-{case.name}", "--out")


def _solve(arguments: argparse.Namespace) -> int:
    from wfrpde.commands.session import Session

    with Session(quiet=arguments.quiet) as session:
        overrides = {"output.compare": False} if arguments.no_compare else {}
        case, folder = _case_and_folder(arguments, session, "wfr", overrides)
        from wfrpde.commands.folder import RunFolder
        from wfrpde.commands.solve import finished_run, run_case
        from wfrpde.parallel import collectively
        from wfrpde.report.terminal import run_summary

        if case.noising is not None:
            from wfrpde.commands.noising import run_noising

            if arguments.resume:
                from wfrpde.errors import InputError

                raise InputError(
                    "--resume", "a score-based process, of which nothing is kept", "none"
                )
            with RunFolder(folder, "solve", force=arguments.force, comm=session.comm) as output:
                session.say(run_noising(case, output.path, session.comm, session.status))
            session.say(f"\nReport   {folder}/report.html")
            session.say(f"Numbers  {folder}/summary.json, series.csv")
            return session.code
        run = None
        if arguments.resume:
            with collectively(session.comm):
                run = finished_run(case, folder)
        if run is None:
            how = {"force": arguments.force, "resume": arguments.resume, "comm": session.comm}
            with RunFolder(folder, "solve", **how) as output:
                run = run_case(
                    case, output.path, session.comm, status=session.status, kept=output.store
                )
                output.spent = run.solution.complete
        else:
            session.say(f"{folder} holds the whole run already.\n")
        interrupted = not run.solution.complete
        session.say(run_summary(run.solution))
        session.say(_where_to_look(str(folder), interrupted, (folder / "solution.pvd").is_file()))
        if interrupted:
            session.code = INTERRUPTED
        elif any(not check["passed"] for check in run.solution.numerics["checks"]):
            session.code = 1  # a warning has told which
    return session.code


def _spectrum(arguments: argparse.Namespace) -> int:
    from wfrpde.commands.session import Session

    with Session(quiet=arguments.quiet) as session:
        from wfrpde.case.files import parse_sweep

        swept = None if arguments.sweep is None else parse_sweep(arguments.sweep)
        if arguments.resume and swept is None:
            from wfrpde.errors import InputError

            raise InputError("--resume", "a spectrum, of which nothing is kept", "--sweep with it")
        case, folder = _case_and_folder(arguments, session, "wfr-spectrum", start=False)
        from wfrpde.commands.spectrum import run_spectrum, spectrum_summary

        result = run_spectrum(
            case,
            folder,
            session.comm,
            swept=swept,
            force=arguments.force,
            resume=arguments.resume,
            status=session.status,
        )
        session.say(spectrum_summary(result))
        session.say(f"\nReport   {folder}/report.html")
        session.say(f"Numbers  {folder}/summary.json, {'sweep' if swept else 'spectrum'}.csv")
        if (folder / "modes.pvd").is_file():
            session.say(f"Fields   {folder}/modes.pvd (open with ParaView)")
        if not result.complete:
            session.code = INTERRUPTED
    return session.code


def _validate(arguments: argparse.Namespace) -> int:
    from wfrpde.commands.session import Session

    with Session(quiet=arguments.quiet) as session:
        case, folder = _case_and_folder(arguments, session, "wfr-validate")
        from wfrpde.commands.validate import run_validation, validation_summary

        report = run_validation(
            case,
            folder,
            session.comm,
            resume=arguments.resume,
            force=arguments.force,
            status=session.status,
        )
        session.say(validation_summary(report))
        session.say(f"\nReport   {folder}/report.html\nNumbers  {folder}/validation.csv, .json")
        if not report.complete:
            session.code = INTERRUPTED
        elif report.unexpected:
            session.code = 1
    return session.code


def _converge(arguments: argparse.Namespace) -> int:
    from wfrpde.commands.session import Session

    with Session(quiet=arguments.quiet) as session:
        case, folder = _case_and_folder(arguments, session, "wfr-converge")
        from wfrpde.commands.converge import run_study

        study = run_study(case, folder, session, layout=arguments.layout, force=arguments.force)
        if not study.complete:
            session.code = INTERRUPTED
        elif not study.passed:
            session.code = 1
    return session.code


def _tell_how_to_stop(session: Session) -> None:
    """Say how a run on several ranks is stopped without losing what it has computed."""
    if session.comm.size == 1:
        return
    if "OMPI_COMM_WORLD_SIZE" not in os.environ:  # set by Open MPI's mpirun
        how = "to stop it in order, press Ctrl-C once"
    else:
        process = launcher() or "<process id of mpirun>"
        how = (
            f"to stop it in order, 'kill -USR1 {process}' "
            "(Ctrl-C lets mpirun kill the ranks before they can write)"
        )
    from wfrpde.parallel.screen import logger

    logger.info("%d MPI ranks; %s", session.comm.size, how)


def _where_to_look(folder: str, interrupted: bool, fields: bool) -> str:
    if interrupted:
        return (
            f"\nSaved so far: {folder} ('wfrpde plot {folder}' draws its figures; the same command "
            "with --resume goes on)"
        )
    where = (
        f"\nReport   {folder}/report.html (open it in a browser)"
        f"\nNumbers  {folder}/summary.json, series.csv"
    )
    return where + (f"\nFields   {folder}/*.pvd (open with ParaView)" if fields else "")


def _demo(arguments: argparse.Namespace) -> int:
    from wfrpde.commands.session import Session

    with Session(quiet=arguments.quiet) as session:
        from wfrpde.commands.demo import run_demo
        from wfrpde.parallel.places import typed_path

        _tell_how_to_stop(session)
        folder = typed_path(arguments.out or "wfr-demo", "--out")
        how = {"force": arguments.force, "resume": arguments.resume}
        if not run_demo(folder, session, **how):
            session.code = INTERRUPTED
    return session.code


def _cases(arguments: argparse.Namespace) -> int:
    from wfrpde.case.files import case_titles, find_case
    from wfrpde.errors import InputError
    from wfrpde.parallel.screen import screen_width

    if arguments.show:
        try:
            print(find_case(arguments.show).read_text(encoding="utf-8"), end="")
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
        return 0
    titles = case_titles()
    width = max(map(len, titles))
    for name, title in titles.items():
        first = f"{name:<{width}}  "
        print(
            textwrap.fill(
                title, screen_width(), initial_indent=first, subsequent_indent=" " * len(first)
            )
        )
    print("\n'wfrpde solve NAME' solves one, 'wfrpde cases --show NAME' prints its file.")
    return 0


def _index(arguments: argparse.Namespace) -> int:
    from wfrpde.commands.session import Session

    with Session() as session:
        from wfrpde.parallel import collectively
        from wfrpde.parallel.places import typed_path
        from wfrpde.report.index import write_index

        with collectively(session.comm):
            if session.rank == 0:
                page, runs = write_index(typed_path(arguments.folder, "the folder"))
                session.say(f"{page}: {len(runs)} run{'s' * (len(runs) != 1)}")
    return session.code


def _plot(arguments: argparse.Namespace) -> int:
    from wfrpde.commands.session import Session

    with Session() as session:
        from wfrpde.commands.folder import add_files
        from wfrpde.commands.plot import redraw
        from wfrpde.parallel import collectively
        from wfrpde.parallel.places import typed_path

        with collectively(session.comm):
            if session.rank == 0:
                folder = typed_path(arguments.run, "the run")
                paths = redraw(folder)
                add_files(folder, paths)
                for path in paths:
                    session.say(str(path))
    return session.code


def _info(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        import json

        from wfrpde.case import Case

        print(json.dumps(Case.json_schema(), indent=2))
        return 0
    from wfrpde.commands.info import describe

    print(describe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
