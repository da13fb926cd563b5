"""``wfrpde demo``: two cases in which Langevin dynamics stays in its mode and WFR does not.

The tilted double well in one dimension and four modes in two are solved with the three flows that
start alike: Langevin (W: α = 1, β = 0), Fisher–Rao (FR: α = 0, β = 1) and both together (WFR).
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.case import load_case
from wfrpde.commands.folder import RunFolder
from wfrpde.commands.solve import run_case
from wfrpde.numbers import number
from wfrpde.parallel.screen import screen_width
from wfrpde.report.pages import write_page
from wfrpde.report.terminal import comparison_table, progress

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.commands.session import Session
    from wfrpde.report.flow.run import FlowRun


@dataclass(frozen=True)
class Scene:
    """One case of the demonstration.

    Attributes
    ----------
    case
        Name of the shipped case.
    far_mode
        The mode, named by the case, that is hardest to reach from the start.
    explanation
        What its table shows.
    tolerance
        Relative error that is enough for its pictures and its table; ``None`` for what the case
        asks for by itself.
    """

    case: str
    far_mode: str
    explanation: str
    tolerance: float | None = None

    def load(self) -> Case:
        """Read the case, to be solved with the flows that it is compared with."""
        overrides: dict[str, object] = {"output.compare": True}
        if self.tolerance is not None:
            overrides["accuracy.tolerance"] = self.tolerance
        return load_case(self.case, overrides)


SCENES = (
    Scene(
        "tilted-double-well",
        "right",
        "Langevin (W) waits for a rare jump over the barrier, and Fisher-Rao (FR) only reweights "
        "the next to nothing that lies in the other well at first; together (WFR) a little mass "
        "leaks across and is multiplied there, until both wells have their weights.",
    ),
    Scene(
        "four-modes",
        "bottom",
        "Started in the top mode, Langevin (W) creeps from tip to tip; WFR sends a little mass "
        "ahead and multiplies it there.",
        # a quarter of the unknowns that it takes by default
        tolerance=0.03,
    ),
)


def run_demo(folder: Path, session: Session, *, force: bool = False, resume: bool = False) -> bool:
    """Solve the scenes, print a table for each, and write one folder (collective).

    Parameters
    ----------
    folder
        Folder to write; it holds one run folder for each scene, and ``index.html``.
    session
        Ranks and screen of the command.
    force
        Whether what is in the folder may be replaced, if it is something else than a demo.
    resume
        Whether what an earlier demo there has kept is not computed again.

    Returns
    -------
    bool
        False if it was interrupted.
    """
    runs: list[FlowRun] = []
    # Read first: whatever is wrong with them is to be said before anything is computed.
    cases = [scene.load() for scene in SCENES]
    with RunFolder(folder, "demo", force=force, resume=resume, comm=session.comm) as output:
        for scene, case in zip(SCENES, cases, strict=True):
            session.say(
                f"\n{case.title}: KL(rho|pi), and the mass of the mode '{scene.far_mode}'\n"
            )
            run = run_case(
                case,
                output.path / scene.case,
                session.comm,
                status=session.status,
                kept=output.store,
                scene=scene.case,
            )
            runs.append(run)
            session.say(_scene_table(scene, run))
            session.say(f"\n{textwrap.fill(scene.explanation, min(88, screen_width()))}")
            if not run.solution.complete:
                break
        if session.rank == 0:
            pairs = zip(SCENES, runs, strict=False)
            sections = [_section(scene, run, output.path) for scene, run in pairs]
            write_page(output.path / "index.html", "demo.html.j2", {"scenes": sections})
        output.spent = runs[-1].solution.complete
    last = runs[-1].solution
    session.say(f"\nReport: {folder}/index.html (open it in a browser).")
    if not last.complete:
        session.say(f"Interrupted: of its last run it holds what was {progress(last)}.")
    else:
        session.say(
            "\nNext:"
            "\n  wfrpde solve four-modes --set flow.beta=2      change a case"
            "\n  wfrpde spectrum slow-sampler                   why a sampler is slow"
            "\n  wfrpde validate validate-double-well           whether one is right"
            "\n  wfrpde cases                                   see all cases"
            "\n  wfrpde cases --show banana > mine.toml         start your own"
        )
    return last.complete


def _scene_table(scene: Scene, run: FlowRun) -> str:
    # from slow to fast, as far as they were computed
    flows = dict(sorted(run.flows.items(), key=lambda flow: ["W", "FR", "WFR"].index(flow[0])))
    table = comparison_table(flows, scene.far_mode)
    return f"{table}\n\n{_errors(run, scene.far_mode)}" if run.solution.complete else table


def _errors(run: FlowRun, mode: str) -> str:
    """Say how far the numbers of the table may be off."""
    flows = run.flows.values()
    largest = [
        float(np.nanmax(np.concatenate([entry.error for entry in entries])))
        for entries in (
            [flow.estimated("kl") for flow in flows],
            [flow.estimated("mode_mass", mode) for flow in flows],
        )
    ]
    return "Estimated errors: at most {} of KL, {} of the masses.".format(
        *(number(error, 1) for error in largest)
    )


def _section(scene: Scene, run: FlowRun, folder: Path) -> dict[str, Any]:
    drawn = folder / scene.case / "figures"
    names = [n for n in ("comparison", "density", "kl") if (drawn / f"{n}.png").is_file()]
    if "comparison" in names:
        names.remove("density")
    return {
        "case": scene.case,
        "title": run.title,
        "explanation": scene.explanation,
        "table": _scene_table(scene, run),
        "figures": names,
    }
