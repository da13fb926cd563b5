"""``wfrpde demo``: two cases in which Langevin dynamics stays in its mode and WFR does not.

The tilted double well in one dimension and four modes in two are solved with the three flows that
start alike: Langevin (W: α = 1, β = 0), Fisher–Rao (FR: α = 0, β = 1) and both together (WFR).
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wfrpde.case import load_case
from wfrpde.commands.folder import RunFolder
from wfrpde.commands.solve import Run, run_case
from wfrpde.report.terminal import comparison_table, progress

if TYPE_CHECKING:
    from wfrpde.commands.session import Session
    from wfrpde.flow.solution import Solution


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
    """

    case: str
    far_mode: str
    explanation: str


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
    ),
)


def run_demo(folder: Path, session: Session, *, force: bool = False) -> bool:
    """Solve the scenes, print a table for each, and write one folder (collective).

    Parameters
    ----------
    folder
        Folder to write; it holds one run folder for each scene, and ``index.html``.
    session
        Ranks and screen of the command.
    force
        Whether what is in the folder may be replaced, if it is something else than a demo.

    Returns
    -------
    bool
        False if it was interrupted.
    """
    runs: list[Run] = []
    # Read first: whatever is wrong with them is to be said before anything is computed.
    cases = [load_case(scene.case, {"output.compare": True}) for scene in SCENES]
    with RunFolder(folder, "demo", force=force, comm=session.comm) as output:
        for scene, case in zip(SCENES, cases, strict=True):
            session.say(
                f"\n{case.title}: KL(rho|pi), and the mass of the mode '{scene.far_mode}'\n"
            )
            inner = output.path / scene.case
            run = run_case(case, inner, session.comm, status=session.status)
            runs.append(run)
            session.say(_scene_table(scene, run))
            session.say(f"\n{textwrap.fill(scene.explanation, 88)}")
            if run.interrupted:
                break
        if session.rank == 0:
            page = _entry_page(list(zip(SCENES, runs, strict=False)), output.path)
            (output.path / "index.html").write_text(page, encoding="utf-8")
    interrupted = any(run.interrupted for run in runs)
    session.say(f"\nReport: {folder}/index.html (open it in a browser).")
    if interrupted:
        session.say(
            f"Interrupted: of its last run it holds what was {progress(runs[-1].solution)}."
        )
    else:
        session.say(
            "\nNext:"
            "\n  wfrpde solve tilted-double-well --set target.barrier=12   change a case"
            "\n  wfrpde spectrum slow-sampler                              why a sampler is slow"
            "\n  wfrpde validate validate-double-well                      whether one is right"
            "\n  wfrpde cases                                              see all cases"
            "\n  wfrpde cases --show tilted-double-well > mine.toml        start your own"
        )
    return not interrupted


def _flows(run: Run) -> dict[str, Solution]:
    """Give the flows from slow to fast: W, FR, WFR, as far as they were computed."""
    computed = {**run.companions, run.case.equation.label: run.solution}
    return {name: computed[name] for name in ("W", "FR", "WFR") if name in computed}


def _scene_table(scene: Scene, run: Run) -> str:
    return comparison_table(_flows(run), scene.far_mode)


def _entry_page(runs: list[tuple[Scene, Run]], folder: Path) -> str:
    sections = "\n".join(_section(scene, run, folder) for scene, run in runs)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wfrpde demo: crossing barriers</title>
<style>
  body {{ font: 17px/1.55 system-ui, sans-serif; color: #1c2530; background: #fbfbf9;
         max-width: 46rem; margin: 3rem auto; padding: 0 1.2rem; }}
  h1 {{ font-size: 1.9rem; line-height: 1.2; }}
  h2 {{ font-size: 1.25rem; margin-top: 2.6rem; }}
  pre {{ background: #f0f1ec; padding: 1rem 1.2rem; border-radius: 6px; overflow-x: auto;
        font-size: 0.85rem; line-height: 1.45; }}
  img {{ max-width: 100%; margin: 0.6rem 0; }}
  a {{ color: #14548c; }}
  a.report {{ font-weight: 600; }}
  .equation {{ text-align: center; font-family: Georgia, serif; font-style: italic; }}
</style>
</head>
<body>
<h1>Langevin stays in its mode. Wasserstein–Fisher–Rao crosses.</h1>
<p>All flows start from the same density ρ₀ and lead to the same target π ∝ exp(−V):</p>
<p class="equation">∂<sub>t</sub>ρ = α ∇·(∇ρ + ρ∇V)
 − β ρ (log(ρ/π) − ⟨log(ρ/π)⟩<sub>ρ</sub>)</p>
<p>W (α = 1, β = 0) is Langevin dynamics, FR (α = 0, β = 1) the Fisher–Rao flow, WFR (α = β = 1)
both together. The tables give the Kullback–Leibler divergence KL(ρ‖π), which is 0 on arrival, and
the mass of the mode that is farthest from the start.</p>
{sections}
</body>
</html>
"""


def _section(scene: Scene, run: Run, folder: Path) -> str:
    drawn = folder / scene.case / "figures"
    densities = [n for n in ("comparison.png", "density.png") if (drawn / n).is_file()][:1]
    names = densities + [n for n in ("kl.png",) if (drawn / n).is_file()]
    pictures = "".join(
        f'<a href="{scene.case}/report.html">'
        f'<img src="{scene.case}/figures/{name}" alt="{name.removesuffix(".png")}"></a>'
        for name in names
    )
    return f"""<h2>{html.escape(run.case.title)}</h2>
<p>{html.escape(scene.explanation)}</p>
<pre>{html.escape(_scene_table(scene, run))}</pre>
{pictures}
<p><a class="report" href="{scene.case}/report.html">Full report</a></p>"""
