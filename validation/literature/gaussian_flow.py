"""N(0, 1) towards N(20, 0.1): mean, variance and KL of W, FR and WFR, three times over.

Crucinio and Pathiraja (2025), arXiv:2506.05905, Figure 1, compare the Wasserstein, the Fisher-Rao
and the Wasserstein-Fisher-Rao flow between these Gaussians. Here the curves come from the exact
solution (ordinary differential equations for mean and variance), from the mesh, and from particles.

    tools/env python validation/literature/gaussian_flow.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page

import wfrpde
from wfrpde.flow.exact import gaussian_flow, gaussian_kl
from wfrpde.report import style
from wfrpde.samplers import SamplerContext, make_sampler

START, TARGET = (0.0, 1.0), (20.0, 0.1)
TIMES = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0]
FLOWS = {"W": (1.0, 0.0, "langevin"), "FR": (0.0, 1.0, "fisher_rao"), "WFR": (1.0, 1.0, "smc_wfr")}
PARTICLES, STEP, REPLICATES = 2000, 0.002, 12


def exact(alpha: float, beta: float, times: list[float]) -> np.ndarray:
    """Mean, variance and KL ``(T, 3)`` from the differential equations."""
    rows = []
    for t in times:
        m, c = gaussian_flow(*START, *TARGET, t, alpha=alpha, beta=beta)
        kl = gaussian_kl(m, c, np.array([TARGET[0]]), np.array([[TARGET[1]]]))
        rows.append([m[0], c[0, 0], kl])
    return np.array(rows)


def solve(alpha: float, beta: float) -> wfrpde.Solution:
    """Solve the flow on the mesh."""
    changes = {"flow.alpha": alpha, "flow.beta": beta, "flow.save": TIMES, "flow.t_end": TIMES[-1]}
    return wfrpde.solve(wfrpde.load_case("far-start", changes))


def particles(solution: wfrpde.Solution, kind: str) -> np.ndarray:
    """Mean, variance and the KL of the Gaussian with these moments, ``(R, T, 3)``."""
    case = solution.case.with_overrides({"sampler": [{"kind": kind}]})
    run = make_sampler(case.samplers[0], SamplerContext.of(case, solution))
    rows = []
    for seed in np.random.SeedSequence(1).spawn(REPLICATES):
        path = []
        for ensemble in run.run(seed, PARTICLES, STEP, TIMES).ensembles:
            x, w = ensemble.positions[:, 0], ensemble.weights
            m = w @ x
            c = max(w @ (x - m) ** 2, 1e-12)
            kl = gaussian_kl(
                np.array([m]), np.array([[c]]), np.array([TARGET[0]]), np.array([[TARGET[1]]])
            )
            path.append([m, c, kl])
        rows.append(path)
    return np.array(rows)


def main(folder: Path) -> None:
    """Compute, print the largest differences, and draw."""
    fine = list(np.geomspace(0.005, TIMES[-1], 60))
    names = ("mean", "variance", "KL(ρ‖π) [nats]")
    with style.look():
        figure = style.new_figure(10.5, 3.9)
        panels = figure.subplots(1, 3)
        for name, (alpha, beta, kind) in FLOWS.items():
            colour = style.flow_colour(name)
            solution = solve(alpha, beta)
            truth = exact(alpha, beta, TIMES)
            mesh = np.stack(
                [solution.mean[1:, 0], solution.covariance[1:, 0, 0], solution.series["kl"][1:]], 1
            )
            cloud = particles(solution, kind)
            error = cloud.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
            print(
                f"{name:3s} mesh, largest relative error: {np.abs(mesh / truth - 1).max():.1e}   "
                f"{kind}: largest difference in the mean "
                f"{np.abs(cloud.mean(axis=0) - truth)[:, 0].max():.3f}"
            )
            curve = exact(alpha, beta, fine)
            for k, axes in enumerate(panels):
                axes.plot(fine, curve[:, k], color=colour, label=f"{name} exact")
                axes.plot(TIMES, mesh[:, k], "o", color=colour, mfc="none", ms=7)
                axes.errorbar(
                    TIMES, cloud.mean(axis=0)[:, k], error[:, k], fmt="x", color=colour, ms=5
                )
        for axes, name in zip(panels, names, strict=True):
            axes.set_title(name)
            axes.set_xlabel("flow time t")
        panels[2].set_yscale("log")
        panels[2].set_ylim(1e-4, 5e3)
        panels[1].set_yscale("log")
        panels[0].legend(loc="center right")
        page.draw("gaussian-flow", figure, folder)


if __name__ == "__main__":
    main(page.folder())
