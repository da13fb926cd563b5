"""Feynman-Kac correctors with and without their weights, and whether the weights survive.

Skreta et al. (2025), arXiv:2503.02819, drive particles by combinations of scores and weigh them, so
that they follow an annealed, guided or product density, or one with a reward. Toys of these kinds,
whose laws and effective sample sizes are known without a particle; and the same from particles.

    tools/env python validation/literature/correctors.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page

import wfrpde
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.noising.sampling import fkc, graded
from wfrpde.report import style

DATA = {"kind": "gaussian_mixture", "weights": [0.3, 0.7], "means": [-1.2, 1.0],
        "covariances": [0.0625, 0.16]}  # fmt: skip
FIRST = {"weights": [0.5, 0.5], "means": [-1.0, 1.0], "covariances": [0.16, 0.16]}
SECOND = {"weights": [0.2, 0.8], "means": [-0.8, 0.9], "covariances": [0.25, 0.09]}
ONE = {"kind": "gaussian_mixture", "weights": [1.0], "means": [1.0], "covariances": [0.16]}

TOYS = {
    "annealed, γ = 3": (DATA, {"kind": "anneal", "power": 3.0}),
    "product of two": (
        {"kind": "gaussian_mixture", **FIRST}, {"kind": "product", "other": SECOND},
    ),
    "guidance, w = 2": (ONE, {"kind": "guidance", "guidance": 2.0, "other": FIRST}),
    "reward −2x²": (DATA, {"kind": "reward", "reward": "-2*x**2"}),
}  # fmt: skip
"""Data, and what is aimed at."""

ENDURING = {
    "γ = 1.1, score, a = 0": {"power": 1.1, "drift": "score"},
    "γ = 1.1, score, a = ½": {"power": 1.1, "drift": "score", "a": 0.5},
    "γ = 1.5, score, a = 0": {"power": 1.5, "drift": "score"},
    "γ = 1.5, tame": {"power": 1.5},
    "γ = 3, tame": {"power": 3.0},
}
"""Annealed: powers, drifts and whether their weights last."""

END, STOP, STEPS = 3.0, 0.05, 400
SAVE = [0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 2.7, 2.8, 2.9]
COLOURS = {"aimed at": style.TARGET, "without weights": "#D55E00", "with weights": "#0072B2"}


def solved(
    data: dict[str, object], corrector: dict[str, object], save: list[float] = SAVE
) -> NoisingSolution:  # fmt: skip
    """Solve the law of a corrector at the saved times and where it stops."""
    given = {
        "target": data,
        "noising": {"kind": "ou", "stop": STOP},
        "score": {},
        "corrector": corrector,
        "flow": {"t_end": END, "save": save},
    }
    found = wfrpde.solve(wfrpde.Case.from_dict(given))
    assert isinstance(found, NoisingSolution)
    return found


def last(solution: NoisingSolution, name: str) -> float:
    """Return a number at the end."""
    return float(solution.series[name][-1])


def toy_row(name: str) -> page.Row:
    """Solve one of the toys, by two drifts, without and with weights."""
    data, corrector = TOYS[name]
    drift = {**corrector, "drift": "score", "weights": False}
    plain, tame = solved(data, drift, [1.0]), solved(data, {**corrector, "weights": False}, [1.0])
    weighed = solved(data, corrector, [1.0])
    return {
        "toy": name,
        "KL of b = y + 2∇log q alone": last(plain, "reverse_kl"),
        "KL of the tame drift alone": last(tame, "reverse_kl"),
        "L1 with weights": last(weighed, "l1"),
        "± of it": float(weighed.density_error[-1]),
        "ESS/N foretold": last(weighed, "ess"),
        "log E w": last(weighed, "log_normalising_constant"),
        "log Z ratio": last(weighed, "log_normalising_constant_of_path"),
    }


def particles_ess(solution: NoisingSolution, seeds: int, count: int) -> tuple[float, float]:
    """Least and largest ESS/N of independent runs of particles."""
    process = solution.process
    corrector = process.corrector
    assert corrector is not None
    found = []
    times = graded(END, STOP, STEPS)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x = np.linspace(-8.0, 8.0, 8001)[:, None]
        logs = corrector.log_path(x, 0.0)
        shares = np.cumsum(np.exp(logs - logs.max()))
        start = np.interp(rng.random(count), shares / shares[-1], x[:, 0])[:, None]
        *_, (_, _, weights) = fkc(process.noising, corrector, start, times, rng)
        w = np.exp(weights - weights.max())
        found.append(w.sum() ** 2 / (w**2).sum() / count)
    return min(found), max(found)


def enduring_row(
    name: str, seeds: int = 6, count: int = 20_000
) -> tuple[page.Row, NoisingSolution]:
    """Compare what is foretold of the weights with what particles have."""
    spec = ENDURING[name]
    solution = solved(DATA, {"kind": "anneal", **spec})
    low, high = particles_ess(solution, seeds, count)
    infinite = np.isfinite(solution.moment_ends)
    return {
        "drift": name,
        "ESS/N foretold": float("nan") if infinite else last(solution, "ess"),
        "± ": float("nan") if infinite else float(solution.estimated("ess").error[-1]),
        "no second moment from": f"{solution.moment_ends:.3f}" if infinite else "never",
        "particles, least": low,
        "particles, most": high,
        "L1 of the law": last(solution, "l1"),
    }, solution


def main() -> None:
    """Compute the tables, and draw."""
    place = page.folder()
    toys = [toy_row(name) for name in TOYS]
    formats = {"toy": "", "KL of b = y + 2∇log q alone": ".4f", "KL of the tame drift alone": ".4f",
               "L1 with weights": ".0e", "± of it": ".0e", "ESS/N foretold": ".4g",
               "log E w": ".5f",
               "log Z ratio": ".5f"}  # fmt: skip
    page.write("correctors", toys, formats, place)
    found = {name: enduring_row(name) for name in ENDURING}
    formats = {
        "drift": "",
        "ESS/N foretold": ".4f",
        "± ": ".0e",
        "no second moment from": "",
        "particles, least": ".4f",
        "particles, most": ".4f",
        "L1 of the law": ".0e",
    }
    page.write("correctors-weights", [row for row, _ in found.values()], formats, place)
    draw(found, place)


def draw(found: dict[str, tuple[page.Row, NoisingSolution]], place: Path) -> None:
    """Densities of the toys, and ESS over time."""
    x = np.linspace(-2.6, 2.6, 500)
    with style.look():
        figure = style.new_figure(10.5, 6.4)
        panels = figure.subplots(2, 3)
        for axes, (name, (data, corrector)) in zip(panels.ravel(), TOYS.items(), strict=False):
            alone = solved(data, {**corrector, "drift": "score", "weights": False}, [1.0])
            weighed = solved(data, corrector, [1.0])
            end = float(weighed.times[-1])
            aim = np.exp(weighed.log_exact_density(end, x))
            axes.fill_between(x, aim, color=COLOURS["aimed at"], alpha=0.25, lw=0,
                              label="aimed at, q/Z")  # fmt: skip
            axes.plot(x, alone.density(end, x), color=COLOURS["without weights"],
                      label="drift alone, b = y + 2∇log q")  # fmt: skip
            axes.plot(x, weighed.density(end, x), "--", color=COLOURS["with weights"],
                      label="with weights")  # fmt: skip
            axes.set_title(name)
            axes.set_xlabel("x")
            axes.set_ylim(bottom=0)
        panels[0, 0].set_ylabel("density where it stops")
        panels[1, 0].set_ylabel("density where it stops")
        panels[0, 0].set_ylim(0, 2.5)
        panels[0, 0].legend(fontsize=8.5, loc="upper left")
        gathered, weights = panels[1, 1], panels[1, 2]
        for (name, (row, solution)), colour in zip(found.items(), style.CYCLE, strict=False):
            ess = solution.series["ess"]
            here = solution.times < solution.moment_ends
            gathered.plot(solution.times[here], ess[here], color=colour)
            if not here.all():
                end = float(solution.moment_ends)
                gathered.axvline(end, color=colour, ls=":")
                gathered.text(end + 0.05, 0.12, "second moment\nlost", color=colour, fontsize=8.5)
            weights.plot([float(row["particles, least"]), float(row["particles, most"])],
                         [name] * 2, "-", color=colour, lw=5, alpha=0.4)  # fmt: skip
            if here.all():
                weights.plot([float(row["ESS/N foretold"])], [name], "D", color=colour, ms=6)
        gathered.set_title("ESS/N foretold, on the way")
        gathered.set_xlabel("time of the reverse process")
        gathered.set_ylim(0, 1.02)
        weights.set_title("at the end: foretold ◆, six runs ▬")
        weights.set_xlabel("ESS/N")
        weights.set_xlim(0, 1.02)
        weights.invert_yaxis()
        page.draw("correctors", figure, place)


if __name__ == "__main__":
    main()
