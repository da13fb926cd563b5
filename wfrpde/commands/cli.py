"""The commands of ``wfrpde``: ``solve``, ``spectrum``, ``validate``, ``converge`` and others.

Exit codes: 0 done, 1 the solver or a verdict failed, 2 bad input, 130 interrupted. Everything
heavy is imported by the command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import io
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wfrpde.commands.arguments import Command, command_parser
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
    _speak_anywhere()
    end_with_launcher()  # before imports, which take seconds on a busy machine
    parser = command_parser(COMMANDS)
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
        of_file = error.errno != errno.EPIPE and _takes_output()
        what = "a file" if of_file else "what is said"
        _close_output()
        with suppress(OSError):
            print(f"error: {what} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return code


def _speak_anywhere() -> None:
    """Let a screen that has no ± or λ show ? for them, and one that is closed nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # as after >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _takes_output() -> bool:
    """Whether a line can be said."""
    try:
        print(flush=True)
    except OSError:
        return False
    return True


def _close_output() -> None:
    """Leave the process nothing to write at its end that would fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    from wfrpde.case.loading import named_code
    from wfrpde.engine import Wish, engine_for
    from wfrpde.parallel.places import typed_path

    overrides = {**(overrides or {})}
    if arguments.engine is not None:
        overrides["numerics.engine"] = arguments.engine
    assigned = dict(map(parse_assignment, arguments.assignments)) | overrides
    if code := named_code(arguments.case, assigned):
        session.say(f"code that the case names, and that runs with your rights: {', '.join(code)}")
    case = load_case(arguments.case, assigned, start=start)
    engine_for(Wish.of(case.numerics), 1)
    _tell_how_to_stop(session)
    return case, typed_path(arguments.out or f"{prefix}-{case.name}", "--out")


def _in_session(run: Callable[[argparse.Namespace, Session], None]) -> Command:
    """Make a command of what runs within a session, whose exit code it returns."""

    def command(arguments: argparse.Namespace) -> int:
        from wfrpde.commands.session import Session

        with Session(quiet=vars(arguments).get("quiet", False)) as session:
            run(arguments, session)
        return session.code

    return command


@_in_session
def _solve(arguments: argparse.Namespace, session: Session) -> None:
    overrides = {"output.compare": False} if arguments.no_compare else {}
    case, folder = _case_and_folder(arguments, session, "wfr", overrides)
    from wfrpde.commands.folder import RunFolder
    from wfrpde.commands.solve import finished_run, run_case, run_noising
    from wfrpde.parallel import collectively
    from wfrpde.report.terminal import run_summary

    if case.noising is not None:
        if arguments.resume:
            from wfrpde.errors import InputError

            raise InputError("--resume", "a score-based process, of which nothing is kept", "none")
        with RunFolder(folder, "solve", force=arguments.force, comm=session.comm) as output:
            session.say(run_noising(case, output.path, session.comm, session.status))
        session.say(f"\nReport   {folder}/report.html")
        session.say(f"Numbers  {folder}/summary.json, series.csv")
        return
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


@_in_session
def _spectrum(arguments: argparse.Namespace, session: Session) -> None:
    from wfrpde.case.files import parse_sweep

    swept = None if arguments.sweep is None else parse_sweep(arguments.sweep)
    if arguments.resume and swept is None:
        from wfrpde.errors import InputError

        raise InputError("--resume", "a spectrum, of which nothing is kept", "--sweep with it")
    frozen = {} if arguments.at is None else {"path.at": _time_of(arguments.at)}
    case, folder = _case_and_folder(arguments, session, "wfr-spectrum", frozen, start=False)
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


def _time_of(text: str) -> float:
    """Return the time that ``--at`` names, as ``0.5`` or ``t=0.5``."""
    from wfrpde.errors import InputError

    try:
        return float(text.removeprefix("t="))
    except ValueError:
        raise InputError("--at", repr(text), "a time, such as 0.5") from None


@_in_session
def _validate(arguments: argparse.Namespace, session: Session) -> None:
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
    elif report.unexpected or len(report.failed) == len(report.samplers):
        session.code = 1


@_in_session
def _converge(arguments: argparse.Namespace, session: Session) -> None:
    case, folder = _case_and_folder(arguments, session, "wfr-converge")
    from wfrpde.commands.converge import run_study

    study = run_study(case, folder, session, layout=arguments.layout, force=arguments.force)
    if not study.complete:
        session.code = INTERRUPTED
    elif not study.passed:
        session.code = 1


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


@_in_session
def _demo(arguments: argparse.Namespace, session: Session) -> None:
    from wfrpde.commands.demo import run_demo
    from wfrpde.parallel.places import typed_path

    _tell_how_to_stop(session)
    folder = typed_path(arguments.out or "wfr-demo", "--out")
    how = {"force": arguments.force, "resume": arguments.resume}
    if not run_demo(folder, session, **how):
        session.code = INTERRUPTED


def _cases(arguments: argparse.Namespace) -> int:
    from wfrpde.case.files import case_titles, find_case, shown_by
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
    for command in ("solve", "spectrum", "validate"):
        print(f"wfrpde {command} NAME, with one of")
        for name in filter(lambda name: shown_by(name) == command, titles):
            first = f"  {name:<{width}}  "
            print(
                textwrap.fill(
                    titles[name],
                    screen_width(),
                    initial_indent=first,
                    subsequent_indent=" " * len(first),
                )
            )
    print("\n'wfrpde cases --show NAME' prints the file of a case.")
    return 0


@_in_session
def _index(arguments: argparse.Namespace, session: Session) -> None:
    from wfrpde.parallel import collectively
    from wfrpde.parallel.places import typed_path
    from wfrpde.report.index import write_index

    with collectively(session.comm):
        if session.rank == 0:
            page, runs = write_index(typed_path(arguments.folder, "the folder"))
            session.say(f"{page}: {len(runs)} run{'s' * (len(runs) != 1)}")


@_in_session
def _plot(arguments: argparse.Namespace, session: Session) -> None:
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


def _info(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        import json

        from wfrpde.case import Case

        print(json.dumps(Case.json_schema(), indent=2))
        return 0
    from wfrpde.commands.info import describe

    print(describe())
    return 0


COMMANDS = {
    "solve": _solve,
    "validate": _validate,
    "converge": _converge,
    "spectrum": _spectrum,
    "demo": _demo,
    "cases": _cases,
    "plot": _plot,
    "index": _index,
    "info": _info,
}


if __name__ == "__main__":
    sys.exit(main())
