"""Four thin modes, started in one: W, FR and WFR from the mesh, and birth-death Langevin particles.

Lu, Lu and Nolen (2019), arXiv:1905.09863, show on such a target that Langevin dynamics stays near
its start while birth-death Langevin dynamics finds every mode. Their finding is repeated here with
the shipped case ``four-modes``: the masses of the modes from the mesh, with the particles beside.

    tools/env python validation/literature/four_modes.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page

import wfrpde
from wfrpde.report import style
from wfrpde.samplers import SamplerContext, make_sampler

TIMES = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0]
FLOWS = {"W": {"flow.beta": 0.0}, "FR": {"flow.alpha": 0.0}, "WFR": {}}
SAMPLERS = {"W": "langevin", "WFR": "birth_death"}
PARTICLES, STEP, REPLICATES = 2000, 0.004, 6


def particles(solution: wfrpde.Solution, kind: str) -> dict[str, np.ndarray]:
    """Masses ``(R, T)`` of the modes."""
    case = solution.case.with_overrides({"sampler": [{"kind": kind}]})
    run = make_sampler(case.samplers[0], SamplerContext.of(case, solution))
    masses: dict[str, list[list[float]]] = {name: [] for name in solution.mode_mass}
    for seed in np.random.SeedSequence(1).spawn(REPLICATES):
        ensembles = run.run(seed, PARTICLES, STEP, TIMES).ensembles
        for name, region in solution.target.regions.items():
            masses[name].append([float(e.average(region(e.positions))) for e in ensembles])
    return {name: np.array(values) for name, values in masses.items()}


def main(folder: Path) -> None:
    """Compute, print the masses at the last time, and draw."""
    with style.look():
        figure = style.new_figure(10.5, 5.6)
        panels = figure.subplots(2, 2, sharex=True).ravel()
        for name, changes in FLOWS.items():
            options = {
                **changes,
                "flow.save": TIMES,
                "flow.t_end": TIMES[-1],
                "numerics.certify": False,
            }
            solution = wfrpde.solve(wfrpde.load_case("four-modes", options))
            colour = style.flow_colour(name)
            cloud = particles(solution, SAMPLERS[name]) if name in SAMPLERS else {}
            for axes, (mode, mass) in zip(panels, solution.mode_mass.items(), strict=True):
                axes.plot(solution.times, mass, "o-", color=colour, ms=3.5, label=f"{name}, mesh")
                if cloud:
                    mean = cloud[mode].mean(axis=0)
                    error = cloud[mode].std(axis=0, ddof=1) / np.sqrt(REPLICATES)
                    label = f"{name}, particles"
                    axes.errorbar(TIMES, mean, error, fmt="x", color=colour, ms=6, label=label)
                axes.set_title(f"mass of the mode {mode}")
                shown = f"{cloud[mode].mean(axis=0)[-1]:.4f}" if cloud else "–"
                print(
                    f"{name:3s} {mode:7s} t = {TIMES[-1]:g}: mesh {mass[-1]:.4f}, particles {shown}"
                )
        for axes in panels[2:]:
            axes.set_xlabel("flow time t")
        panels[0].legend(fontsize=8.5)
        page.draw("four-modes", figure, folder)


if __name__ == "__main__":
    main(page.folder())
