"""Flows in the plane by plain means, to judge wfrpde with: it shares nothing with it.

The unknown is u = log(ρ/π) at the nodes of a uniform grid, and u solves a viscous Hamilton–Jacobi
equation, without the mean of the reaction, which only shifts it:

    ∂u/∂t = α (Δu + |∇u|² − ∇V·∇u) − β u.

Central differences of order 6, along the walls and where nothing counts monotone ones of order 1,
and the Runge–Kutta method of order 4 with steps that are just stable, in C. Nothing in it is
exponentially small, nothing is split, and what is quadratic, as log ρ and V are in Gaussian tails,
is differenced without an error. Numbers are Gauss quadratures of π e^u, u interpolated from 6 × 6
nodes. How well they are known is told by coarser grids.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Formula = Callable[[Array, Array], Array]

SOURCE = Path(__file__).with_suffix(".c")
POINTS, REACH = 3, 3
"""Gauss points of a cell along an axis, and nodes on either side of it that interpolate."""
NEGLIGIBLE, FAINTEST = 1e-18, -700.0
"""Weights, and logarithms of π or ρ, below which integrals are none."""


@cache
def _library() -> ctypes.CDLL:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "library.so"
    command = ["cc", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", str(SOURCE)]
    subprocess.run([*command, "-o", str(path), "-lm"], check=True)
    library = ctypes.CDLL(str(path))
    field = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
    size, real = ctypes.c_ssize_t, ctypes.c_double
    flags = np.ctypeslib.ndpointer(np.bool_, flags="C_CONTIGUOUS")
    library.move.argtypes = [field] * 5 + [flags] + [size] * 2 + [real] * 6
    library.move.restype = ctypes.c_long
    return library


@dataclass(frozen=True)
class Plane:
    """A target and a start in a box, whose sides are multiples of 1/`per_unit`.

    Attributes
    ----------
    potential, slopes, log_start
        V, the pair of its derivatives, and log ρ₀ up to a constant, of x and y.
    highest, deepest
        V above, and log ρ below its maximum, beyond which nothing counts, so that a monotone scheme
        of first order does: V may bend there within a cell.
    """

    potential: Formula
    slopes: Callable[[Array, Array], tuple[Array, Array]]
    log_start: Formula
    box: tuple[tuple[int, int], tuple[int, int]]
    per_unit: int
    highest: float = np.inf
    deepest: float = np.inf

    @property
    def axes(self) -> tuple[Array, Array]:
        """Nodes along both axes."""
        x, y = (np.arange(low * self.per_unit, high * self.per_unit + 1) / self.per_unit
                for low, high in self.box)  # fmt: skip
        return x, y

    def start(self, x: Array, y: Array) -> Array:
        """Return u of the start."""
        return np.ascontiguousarray(self.potential(x, y) + self.log_start(x, y))

    def moved(self, u: Array, t: float, alpha: float, beta: float) -> Array:
        """Return u after a time t."""
        x, y = np.meshgrid(*self.axes, indexing="ij")
        known = [np.ascontiguousarray(part, dtype=float)
                 for part in (self.potential(x, y), *self.slopes(x, y))]  # fmt: skip
        u = np.array(u, float, order="C")
        spare, rough = np.empty((3, *u.shape)), np.empty(u.shape, bool)
        h, limits = 1 / self.per_unit, (self.highest, self.deepest)
        _library().move(u, *known, spare, rough, *u.shape, h, alpha, beta, t, *limits)
        if not np.isfinite(u).all():
            raise RuntimeError("steps were not stable")
        return u

    def numbers(self, u: Array | None, regions: Mapping[str, Formula]) -> dict[str, float]:
        """Return KL, means, the covariance, masses, and the logarithm of the mass of e^(u − V).

        Of the start, which is known between nodes as well, where there is no u. Regions end at
        lines of nodes.
        """
        x, y = self.axes
        nodes = np.meshgrid(x, y, indexing="ij")
        known, u = (self.start, self.start(*nodes)) if u is None else (None, u)
        at, weights = np.polynomial.legendre.leggauss(POINTS)
        at, weights = (at + 1) / 2, weights / 2 / self.per_unit
        stencil = _lagrange(at)
        n, m = len(x) - 1, len(y) - 1
        ys = (y[:-1, None] + at / self.per_unit).ravel()
        along = _interpolated(u.T, stencil).reshape(m * POINTS, n + 1).T
        rows: list[tuple[Array, ...]] = []
        top = float((u - self.potential(*nodes)).max())
        for first in range(0, n, 50):
            last = min(first + 50, n)
            xs = (x[first:last, None] + at / self.per_unit).ravel()
            gx, gy = np.meshgrid(xs, ys, indexing="ij")
            if known is not None:
                inner = known(gx, gy)
            else:
                inner = _interpolated(along, stencil, first, last).reshape(gx.shape)
            value = self.potential(gx, gy)
            weight = np.outer(np.tile(weights, last - first), np.tile(weights, m))
            seen = np.maximum(-value, inner - value - top) > FAINTEST
            rows.append(tuple(a[seen] for a in (gx, gy, value, inner, weight)))
        gx, gy, value, inner, weight = (np.concatenate(part) for part in zip(*rows, strict=True))
        log_z = _log_sum(np.log(weight) - value)
        log_mass = _log_sum(np.log(weight) + inner - value)
        share = np.exp(np.log(weight) + inner - value - log_mass)
        keep = share > NEGLIGIBLE
        gx, gy, inner, share = (part[keep] for part in (gx, gy, inner, share))
        mean = float(share @ gx), float(share @ gy)
        dx, dy = gx - mean[0], gy - mean[1]
        return {
            "kl": float(share @ (inner - log_mass + log_z)),
            "mean_x": mean[0],
            "mean_y": mean[1],
            "covariance_xx": float(share @ dx**2),
            "covariance_xy": float(share @ (dx * dy)),
            "covariance_yy": float(share @ dy**2),
            **{name: float(share[inside(gx, gy)].sum()) for name, inside in regions.items()},
            "log_mass": log_mass,
        }


def _lagrange(at: Array) -> Array:
    """Weights ``(points, 2 REACH)`` of nodes 1 − REACH, …, REACH at places between 0 and 1."""
    nodes = np.arange(1 - REACH, REACH + 1)
    others = [np.delete(nodes, k) for k in range(len(nodes))]
    return np.stack(
        [np.prod((at[:, None] - o) / (k - o), axis=1)
         for k, o in zip(nodes, others, strict=True)], axis=1
    )  # fmt: skip


def _interpolated(values: Array, stencil: Array, first: int = 0, last: int | None = None) -> Array:
    """Values in the cells of the first axis ``(cells, points, …)``; beyond the ends, mirrored."""
    n = len(values) - 1
    cells = np.arange(first, n if last is None else last)
    index = np.abs(cells[:, None] + np.arange(1 - REACH, REACH + 1))
    index = np.where(index > n, 2 * n - index, index)
    result = np.zeros((len(cells), len(stencil), *values.shape[1:]))
    for k in range(2 * REACH):
        result += stencil[:, k][None, :, None] * values[index[:, k]][:, None]
    return result


def _log_sum(value: Array) -> float:
    top = float(value.max())
    return top + float(np.log(np.exp(value - top).sum()))
