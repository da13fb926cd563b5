"""Reference numbers of flows in the plane, for the tests of wfrpde: by `hamilton_jacobi.py`.

    OMP_NUM_THREADS=1 python validation/tolerance/planes.py            # up to half an hour each
    OMP_NUM_THREADS=1 python validation/tolerance/planes.py banana

What is found goes to planes.json beside this file: for each problem, as the tables of a case, its
times, of every number the value on the finest of three grids and what errors of order 4 would leave
of its distance to the one before, and log densities at some points.
"""

from __future__ import annotations

import argparse
import json
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hamilton_jacobi import Plane

Array = np.ndarray[Any, Any]
Formula = Callable[[Array, Array], Array]

ROOT = Path(__file__).resolve().parents[2]
STORE = Path(__file__).with_suffix(".json")
BLOCK = 100_000
POINTS = 100
"""At each time, drawn with a density like ρ²: over them (δρ/ρ)² has the mean ‖δρ‖²/‖ρ‖²."""


class Mixture:
    """Gaussians in the plane: −log of their sum, and its derivatives, at points."""

    def __init__(self, weights: Any, means: Any, covariances: Any) -> None:
        covariances = np.asarray(covariances, float)
        self.means, self.inverses = np.asarray(means, float), np.linalg.inv(covariances)
        self.logs = np.log(np.asarray(weights) / np.sqrt(np.linalg.det(covariances)))

    def _parts(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Logarithms of the parts, and derivatives of minus these, ``(n, parts)``."""
        dx, dy = x[:, None] - self.means[:, 0], y[:, None] - self.means[:, 1]
        (xx, xy), (_, yy) = self.inverses.transpose(1, 2, 0)
        gx, gy = xx * dx + xy * dy, xy * dx + yy * dy
        return self.logs - (gx * dx + gy * dy) / 2, gx, gy

    def _in_blocks(self, of: Callable[[Array, Array], Array], x: Array, y: Array) -> Array:
        flat = np.ravel(x), np.ravel(y)
        blocks = [slice(k, k + BLOCK) for k in range(0, len(flat[0]), BLOCK)]
        return np.concatenate([of(*(part[b] for part in flat)) for b in blocks], axis=-1)

    def potential(self, x: Array, y: Array) -> Array:
        """V, up to a constant."""

        def of(x: Array, y: Array) -> Array:
            logs, _, _ = self._parts(x, y)
            top = logs.max(axis=1)
            return -top - np.log(np.exp(logs - top[:, None]).sum(axis=1))

        return self._in_blocks(of, x, y).reshape(x.shape)

    def slopes(self, x: Array, y: Array) -> tuple[Array, Array]:
        """∇V."""

        def of(x: Array, y: Array) -> Array:
            logs, gx, gy = self._parts(x, y)
            share = np.exp(logs - logs.max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
            return np.stack([(share * gx).sum(axis=1), (share * gy).sum(axis=1)])

        along = self._in_blocks(of, x, y)
        return along[0].reshape(x.shape), along[1].reshape(x.shape)


@dataclass(frozen=True)
class Posed:
    """A problem: as tables of a case, and as what is solved on grids of several widths.

    Attributes
    ----------
    grids
        Cells in a unit of length.
    highest, deepest
        See `Plane`.
    cap
        Where log(ρ₀/π) begins to bend to a constant, and half over how much.
    smooth_after
        Time after which every second node does.
    """

    tables: dict[str, Any]
    regions: dict[str, Formula]
    potential: Formula
    slopes: Callable[[Array, Array], tuple[Array, Array]]
    box: tuple[tuple[int, int], tuple[int, int]]
    grids: tuple[int, ...]
    highest: float = np.inf
    deepest: float = np.inf
    cap: tuple[float, float] = (np.inf, 1.0)
    smooth_after: float = np.inf

    def log_start(self, x: Array, y: Array) -> Array:
        """Log ρ₀, up to a constant: one Gaussian."""
        start = self.tables["initial"]
        return -Mixture([1.0], [start["mean"]], [start["covariance"]]).potential(x, y)

    def _capped(self, u: Array) -> Array:
        """Return u with a constant where it would be too large.

        What would come in from there, over the walls as well, is no part of the numbers later on.
        """
        low, width = self.cap
        share = np.clip((u - low) / (2 * width), 0.0, 1.0)
        bent = low + 2 * width * (share - share**4 * (2.5 - 3 * share + share**2))
        return np.where(u < low, u, bent)

    def run(self, per_unit: int) -> tuple[dict[str, list[float]], list[Array]]:
        """Return every number at t = 0 and the saved times, and drawn points with log densities."""
        u, now, found, drawn = None, 0.0, [], []
        rng = np.random.default_rng(0)
        posed = self.potential, self.slopes, self.log_start, self.box
        for t in (0.0, *self.tables["flow"]["save"]):
            if now == self.smooth_after:
                assert u is not None
                per_unit, u = per_unit // 2, u[::2, ::2]
            plane = Plane(*posed, per_unit, self.highest, self.deepest)
            x, y = np.meshgrid(*plane.axes, indexing="ij")
            u = None if u is None else plane.moved(u, t - now, 1.0, 1.0)
            found.append(plane.numbers(u, self.regions))
            u = plane.start(x, y) if u is None else u
            log_density = u - self.potential(x, y) - found[-1].pop("log_mass")
            chance = np.exp(2 * (log_density - log_density.max())).ravel()
            at = rng.choice(chance.size, POINTS, p=chance / chance.sum())
            drawn.append(np.stack([part.ravel()[at] for part in (x, y, log_density)], axis=1))
            u, now = self._capped(u) if t == 0 else u, t
        return {name: [row[name] for row in found] for name in found[0]}, drawn


def _banana() -> Posed:
    return Posed(
        {
            "target": {"kind": "banana"},
            "initial": {"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]},
            "flow": {"save": [0.1, 0.3, 1.0, 2.0]},
        },
        {"left": lambda x, _: x < 1, "right": lambda x, _: x > 1},
        lambda x, y: (y - x**2) ** 2 + (1 - x) ** 2 / 4,
        lambda x, y: (-4 * x * (y - x**2) - (1 - x) / 2, 2 * (y - x**2)),
        ((-6, 8), (-6, 66)),
        (5, 7, 10),
        deepest=100.0,
        cap=(850.0, 300.0),
    )


THREE = {
    "weights": [0.3, 0.4, 0.3],
    "means": [[-1.5, 0.0], [1.5, 0.5], [0.0, 2.0]],
    "covariances": [
        [[0.09, 0.07], [0.07, 0.07]],
        [[0.09, -0.07], [-0.07, 0.07]],
        [[0.16, 0.1], [0.1, 0.08]],
    ],
}
"""Modes of widths .097 to .4 that are 2.5 to 3 apart."""


def _narrow_modes() -> Posed:
    modes = Mixture(**THREE)
    names = {"right": "x > 0", "top": "y > 1", "corner": "x > 0 and y < 1"}
    return Posed(
        {
            "target": {"kind": "gaussian_mixture", **THREE, "modes": names},
            "initial": {"mean": [-1.5, 0.0], "covariance": [[0.09, 0.0], [0.0, 0.07]]},
            "flow": {"save": [0.1, 0.3, 1.0, 2.0]},
        },
        {
            "right": lambda x, _: x > 0,
            "top": lambda _, y: y > 1,
            "corner": lambda x, y: (x > 0) & (y < 1),
        },
        modes.potential,
        modes.slopes,
        ((-4, 4), (-2, 4)),
        (20, 30, 48),
        highest=120.0,
    )


def _forty() -> Posed:
    path = ROOT / "wfrpde" / "case" / "cases" / "forty-modes.toml"
    case = tomllib.loads(path.read_text())
    target = case["target"]
    units = np.broadcast_to(np.eye(2), (len(target["means"]), 2, 2))
    modes = Mixture(np.ones(len(units)) / len(units), target["means"], units)
    return Posed(
        {
            "target": target,
            "initial": {"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]},
            "flow": {"t_end": 30.0, "save": [1.0, 2.0, 5.0, 10.0, 30.0]},
        },
        {
            "north_east": lambda x, y: (x > 0) & (y > 0),
            "north_west": lambda x, y: (x < 0) & (y > 0),
            "south_west": lambda x, y: (x < 0) & (y < 0),
            "south_east": lambda x, y: (x > 0) & (y < 0),
        },
        modes.potential,
        modes.slopes,
        ((-47, 47), (-47, 47)),
        (6, 8, 10),
        smooth_after=5.0,
    )


def _bent_wells() -> Posed:
    return Posed(
        {
            "target": {
                "kind": "double_well",
                "barrier": 4.0,
                "tilt": 0.5,
                "dim": 2,
                "stiffness": 6.0,
                "coupling": 0.5,
            },
            "initial": {"mean": [-1.0, -0.5], "covariance": [[0.05, 0.0], [0.0, 0.1]]},
            "flow": {"save": [0.1, 0.5, 1.0]},
        },
        {"left": lambda x, _: x < 0, "right": lambda x, _: x > 0},
        lambda x, y: 4 * (x**2 - 1) ** 2 + x / 2 + 3 * (y - x / 2) ** 2,
        lambda x, y: (16 * x * (x**2 - 1) + 0.5 - 3 * (y - x / 2), 6 * (y - x / 2)),
        ((-3, 3), (-5, 5)),
        (20, 30, 44),
    )


PROBLEMS: dict[str, Callable[[], Posed]] = {
    "bent wells": _bent_wells,
    "banana": _banana,
    "narrow modes": _narrow_modes,
    "forty modes": _forty,
}


def _short(values: Any, digits: int) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values]


def main() -> None:
    """Solve what is asked for, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(PROBLEMS))
    for name in parser.parse_args().names:
        posed = PROBLEMS[name]()
        runs = []
        for per_unit in posed.grids:
            began = time.process_time()
            runs.append(posed.run(per_unit))
            print(f"{name}, 1/{per_unit}: {time.process_time() - began:.0f} CPU s", flush=True)
        (before, _), (best, drawn) = runs[-2:]
        left = 1 / ((posed.grids[-1] / posed.grids[-2]) ** 4 - 1)
        own = {k: left * np.abs(np.subtract(best[k], before[k])) for k in best}
        stored = json.loads(STORE.read_text()) if STORE.exists() else {}
        stored[name] = {
            "case": posed.tables,
            "by": f"validation/tolerance/planes.py, h = {', '.join(f'1/{n}' for n in posed.grids)}",
            "times": [0.0, *posed.tables["flow"]["save"]],
            "values": {k: _short(values, 12) for k, values in best.items()},
            "errors": {k: _short(values, 2) for k, values in own.items()},
            "log density": [[_short(point, 10) for point in points] for points in drawn],
        }
        STORE.write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main()
