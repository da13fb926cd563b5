"""Teleportation of mass: the straight line between potentials against the path of noised data.

Chemseddine, Wald, Duong and Steidl (2024), arXiv:2410.03282, show that along pi_0^{1-s} pi_1^s the
velocity which carries the mass explodes where a remote mode fills without anything passing between.
Here both ends are joined by two paths, that one and the one of noised data,

    N(0, 1) -> (N(0, 1) + N(m, 1))/2:   pi_s ~ pi_0^{1-s} pi_1^s,   pi_s = (N(0, 1) + N(s m, 1))/2,

and what the best velocity costs, the friction ∫|v|² pi_s, its integral, the action, and the gap of
Langevin dynamics in pi_s are computed. The least action of any path is W2², known in 1-D.

    tools/env python validation/literature/teleportation.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

import wfrpde
from wfrpde.operators.along_path import PathProfile, path_profile
from wfrpde.report import style

DISTANCES = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
SHOWN = 6.0
PATHS = {"geometric": "#D55E00", "noised": "#0072B2"}
DURATION = 32.0


def potential(distance: float, path: str) -> str:
    """V_s as a formula with t for s."""
    if path == "noised":
        return f"-log(exp(-x**2/2) + exp(-(x - {distance}*t)**2/2))"
    return f"x**2/2*(1 - t) - t*log(exp(-x**2/2) + exp(-(x - {distance})**2/2))"


def case(distance: float, path: str) -> wfrpde.Case:
    """Return the path from s = 0 to s = 1 in unit time."""
    return wfrpde.Case.model_validate({
        "target": {"potential": potential(distance, path)},
        "path": {"kind": "expression"},
        "domain": {"box": [[-6.5, distance + 6.5]]},
        "flow": {"reaction": "annealed", "t_end": 1.0},
    })  # fmt: skip


def log_path(x: np.ndarray, s: float, distance: float, path: str) -> np.ndarray:
    """Log density of π_s up to a constant, written apart from the formulas of the solver."""
    near = -(x**2) / 2
    if path == "noised":
        return np.logaddexp(near, -((x - s * distance) ** 2) / 2)
    return (1 - s) * near + s * np.logaddexp(near, -((x - distance) ** 2) / 2)


def action_by_quadrature(distance: float, path: str, points: int = 96) -> float:
    """∫∫ F²/π dx ds with F = ∂_s of the distribution function: in 1-D v = −F/π."""
    x = np.linspace(-9.0, distance + 9.0, 6001)
    places, weights = np.polynomial.legendre.leggauss(points)
    total = 0.0
    for u, weight in zip((places + 1) / 2, weights / 2, strict=True):
        s = 1 - (1 - u) ** 2  # closer near s = 1, where mass is moved
        tiny = 1e-5 * (1 - s)
        laws = []
        for where in (s, s + tiny, s - tiny):
            law = np.exp(log_path(x, where, distance, path))
            laws.append(law / np.trapezoid(law, x))
        rate = (laws[1] - laws[2]) / (2 * tiny)
        steps = (rate[1:] + rate[:-1]) / 2 * (x[1] - x[0])
        left = np.concatenate([[0.0], np.cumsum(steps)])
        right = -np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])
        flux = np.where(np.abs(left) < np.abs(right), left, right)
        total += weight * 2 * (1 - u) * np.trapezoid(flux**2 / np.maximum(laws[0], 1e-280), x)
    return float(total)


def least_action(distance: float) -> float:
    """W2² between the ends, from their quantiles."""
    places, weights = np.polynomial.legendre.leggauss(400)
    shares = ndtr(6.0 * places)  # levels that follow a normal law

    def quantile(level: float) -> float:
        def gap(x: float) -> float:
            return float((ndtr(x) + ndtr(x - distance)) / 2 - level)

        return float(brentq(gap, -12.0, distance + 12.0, xtol=1e-13))

    gaps = np.array([quantile(level) for level in shares]) - ndtri(shares)
    density = np.exp(-((6.0 * places) ** 2) / 2) / np.sqrt(2 * np.pi) * 6.0
    return float(weights @ (density * gaps**2))


def foretold_ess(distance: float, path: str) -> float:
    """ESS/N of annealed Langevin particles that take the path in the time `DURATION`."""
    text = potential(distance, path).replace("t", f"(t/{DURATION})")
    found = wfrpde.solve(wfrpde.Case.model_validate({
        "target": {"potential": text},
        "path": {"kind": "expression"},
        "domain": {"box": [[-6.5, distance + 6.5]]},
        "flow": {"reaction": "annealed", "save": [DURATION]},
        "numerics": {"cells": [160], "dt": 0.1, "certify": False},
    }))  # fmt: skip
    return float(found.series["ess"][-1])


def main() -> None:
    """Compute the table, and draw."""
    place = page.folder()
    profiles = {(m, path): path_profile(case(m, path)) for m in DISTANCES for path in PATHS}
    rows = []
    for m in DISTANCES:
        row: dict[str, str | float] = {"m": m, "W₂²": least_action(m)}
        for path in PATHS:
            profile = profiles[m, path]
            row[f"action, {path}"] = profile.action
            row[f"by quadrature, {path}"] = action_by_quadrature(m, path)
            row[f"largest friction, {path}"] = float(profile.friction.max())
            row[f"ESS/N at T = {DURATION:g}, {path}"] = foretold_ess(m, path)
        rows.append(row)
    formats = {"m": "g", "W₂²": ".4f"}
    for path in PATHS:
        formats |= {f"action, {path}": ".4f", f"by quadrature, {path}": ".4f",
                    f"ESS/N at T = {DURATION:g}, {path}": ".3f"}  # fmt: skip
    page.write("teleportation", rows, formats, place)
    draw(rows, profiles, place)


def draw(rows: list[page.Row], profiles: dict[tuple[float, str], PathProfile], place: Path) -> None:
    """Draw the two paths as maps, the friction along them, and the action against the distance."""
    x, s = np.linspace(-3.5, SHOWN + 3.5, 400), np.linspace(0.0, 1.0, 300)
    with style.look():
        figure = style.new_figure(10.5, 6.6)
        panels = figure.subplots(2, 2)
        for axes, path in zip(panels[0], PATHS, strict=True):
            laws = []
            for share in s:
                law = np.exp(log_path(x, share, SHOWN, path))
                laws.append(law / np.trapezoid(law, x))
            axes.pcolormesh(s, x, np.array(laws).T, cmap=style.density_map(), vmin=0, vmax=0.4,
                            rasterized=True, shading="auto")  # fmt: skip
            axes.set_title(f"{path} path, m = {SHOWN:g}: density of π at s")
            axes.set_xlabel("place along the path, s")
            axes.set_ylabel("x")
            axes.grid(visible=False)
        for path, colour in PATHS.items():
            profile = profiles[SHOWN, path]
            panels[1, 0].plot(profile.times, profile.friction, color=colour, label=f"{path} path")
            panels[1, 1].plot([row["m"] for row in rows], [row[f"action, {path}"] for row in rows],
                              "o-", color=colour, label=f"{path} path")  # fmt: skip
        panels[1, 1].plot([row["m"] for row in rows], [row["W₂²"] for row in rows], "--",
                          color=style.TARGET, label="least of all paths, W₂²")  # fmt: skip
        style.log_scale(panels[1, 0], "y")
        style.log_scale(panels[1, 1], "y")
        panels[1, 0].set_title(f"what moving the mass costs at s, m = {SHOWN:g}")
        panels[1, 0].set_xlabel("place along the path, s")
        panels[1, 0].set_ylabel("∫ |v|² π dx")
        panels[1, 1].set_title("and in all")
        panels[1, 1].set_xlabel("distance m of the second mode")
        panels[1, 1].set_ylabel("action ∫∫ |v|² π dx ds")
        panels[1, 0].legend()
        panels[1, 1].legend()
        page.draw("teleportation", figure, place)


if __name__ == "__main__":
    main()
