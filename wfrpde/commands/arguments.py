"""What one can type after ``wfrpde``: the commands, their options, and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import NoReturn

from wfrpde import __version__
from wfrpde.parallel.places import plain

Command = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    """Repeats what was typed without what steers a screen."""

    def error(self, message: str) -> NoReturn:
        super().error(plain(message))


def command_parser(commands_by_name: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Return the parser of ``wfrpde``; its ``command`` is one of the given functions, or None."""
    parser = _Parser(
        prog="wfrpde",
        description="Ground truth for Wasserstein-Fisher-Rao sampling and score-based diffusion: "
        "flows, spectra, and verdicts on samplers, with the error of every number.",
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
    _add_case(solve, "wfr-<name of the case>")
    _add_resume(solve, "go on from the checkpoints of a run that was stopped or killed")
    solve.add_argument(
        "--no-compare",
        action="store_true",
        help="leave out the Langevin and Fisher-Rao flows that the report compares with",
    )

    validate = commands.add_parser(
        "validate",
        help="judge the samplers of a case against the flows that they claim to solve",
        description="Run the samplers of a case, compare them with the solved flow, and write a "
        "folder with tables, figures and a report. Exit code 1 if a sampler that the case declares "
        "consistent is not.",
    )
    _add_case(validate, "wfr-validate-<name of the case>")
    _add_resume(validate, "do not compute finished replicates again")

    converge = commands.add_parser(
        "converge",
        help="fit the orders of convergence of a case",
        description="Make the runs of [[convergence]], fit the orders of their errors, and compare "
        "them with the theory. Finished runs are kept: the same command goes on where it stopped.",
    )
    _add_case(converge, "wfr-converge-<name of the case>")
    converge.add_argument(
        "--layout",
        choices=("auto", "spread", "together"),
        default="auto",
        help="under mpirun: each run on one rank (spread), each on all (together), or, by default, "
        "together if a run is large",
    )

    spectrum = commands.add_parser(
        "spectrum",
        help="why a sampler is slow: rates, modes, exit times, committors, Feynman-Kac eigenvalues",
        description="Compute the spectrum of a case's generator and what follows from it, and "
        "write a folder with its report, figures and data. The case needs no [initial].",
    )
    _add_case(spectrum, "wfr-spectrum-<name of the case>")
    spectrum.add_argument(
        "--sweep",
        metavar="KEY=START:STOP:COUNT",
        help="the rates for several values of a key, both ends included, e.g. "
        "--sweep target.barrier=2:40:20; ':log' at the end for equal ratios. MPI ranks share them",
    )
    spectrum.add_argument(
        "--at",
        metavar="T",
        help="the target of a [path] at this time ('--sweep path.at=0:1:9' for many)",
    )
    _add_resume(spectrum, "do not compute the finished values of a sweep again")

    demo = commands.add_parser(
        "demo",
        help="see Langevin stay in its mode and WFR cross the barrier",
        description="Solve two shipped cases with the Langevin (W), Fisher-Rao (FR) and WFR flows.",
    )
    _add_output_options(demo, "wfr-demo")
    _add_resume(demo, "do not compute again what was finished")

    cases = commands.add_parser("cases", help="list the shipped cases, or show one")
    cases.add_argument("--show", metavar="NAME", help="print the file of this case")

    plot = commands.add_parser(
        "plot",
        help="draw the figures of a run folder anew",
        description="Draw the figures and the page of a run folder anew, without solving.",
    )
    plot.add_argument("run", metavar="RUN", help="the folder that a run has written")

    index = commands.add_parser(
        "index",
        help="list the runs of a folder on one page",
        description="Write index.html into a folder: what each run within found, with links to "
        "their reports.",
    )
    index.add_argument("folder", metavar="DIR", help="a folder that holds folders of runs")

    info = commands.add_parser("info", help="show versions and what was found on this machine")
    info.add_argument(
        "--schema", action="store_true", help="print the JSON schema of case files, for editors"
    )
    for name, run in commands_by_name.items():
        commands.choices[name].set_defaults(command=run)
    return parser


def _add_case(parser: argparse.ArgumentParser, folder: str) -> None:
    parser.add_argument("case", metavar="CASE", help="a case file, or the name of a shipped case")
    _add_output_options(parser, folder)
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
