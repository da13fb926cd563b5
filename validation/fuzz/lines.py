"""Flows and spectra in one coordinate by plain means: a reference that shares nothing with wfrpde.

A line is cut into pieces on which potential and start are smooth: at kinks, at the ends of regions,
and wherever they change by much. Each piece has m cells of equal width, and the unknown
w = log(ρ/π), not normalised, lives at the ends of the cells,

    dw_i/dt = α Σ_j q_ij (exp(w_j − w_i) − 1) − β w_i + U_i,   q_ij = a e^{−V} of the face over h_f
                                                              and over the volume times e^{−V_i},

with the densities of the faces as they are (no exponential fitting), a(x) = 1 on a line and
a(x) = x for what depends on the radius in the plane alone. LSODA integrates that with a banded
Jacobian. All sums are trapezoidal, so that every number has an expansion in even powers of the
width on each piece, kinks or not: it is extrapolated from m, 2m, 4m and 8m cells. `own` is the
distance of what the three finest and the three coarsest grids give, which is the error of the
latter, plus that of two accuracies of LSODA.

Rates of −L are squared singular values of the bidiagonal matrix of the same fluxes, by bisection,
so that small ones keep their relative accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import make_interp_spline
from scipy.linalg import eigh_tridiagonal

Array = np.ndarray[Any, Any]
Formula = Callable[[Array], Array]

CELLS = 10
"""Cells m of a piece on the coarsest grid."""

GRIDS = 4
LOCAL_ERROR, LOOSER = 1e-10, 1e-9

STEEPEST = 6.0
"""Largest change (kT) of a potential, or of the logarithm of a start, over a piece that matters."""

HIGH = 60.0
"""Level (kT) above the minimum up to which pieces matter."""

CALM = 4.0
"""Largest rise of w from node to node for which fluxes are as they are. Starts that are narrow have
far larger ones in their tails, for a moment, and would be stiff beyond any integrator."""

GAUSS = np.polynomial.legendre.leggauss(20)
LEAST, MOST = 8, 400  # pieces

SCAN = 20_001
"""Points of the line at which features are looked for."""


@dataclass(frozen=True)
class LineFlow:
    """A flow on a line at some times.

    Attributes
    ----------
    numbers, own
        ``kl``, ``mean``, ``variance``, ``second_moment``, ``reaction_variance``, ``log_mass`` and
        ``mass of NAME``, each ``(T + 1,)`` with the start; and how far they may be off themselves.
    gap
        ``(T + 1,)``: the same for the density in L2, relative.
    points, weights
        Gauss quadrature of the line.
    """

    numbers: dict[str, Array]
    own: dict[str, Array]
    gap: Array
    points: Array
    weights: Array
    log_density: Callable[[int, Array], Array]


def pieces(
    formulas: Sequence[Formula], box: tuple[float, float], breaks: Sequence[float] = ()
) -> Array:
    """Find ends of pieces on which the formulas are smooth; `breaks` are among them."""
    ends = sorted({*np.linspace(*box, LEAST + 1), *(b for b in breaks if box[0] < b < box[1])})
    scan = np.linspace(*box, SCAN)
    floors = [np.nanmin(np.where(np.isfinite(f(scan)), f(scan), np.inf)) for f in formulas]
    nodes = np.cos(np.pi * np.arange(9) / 8)
    probes = np.linspace(-0.97, 0.97, 12)

    def smooth(f: Formula, floor: float, low: float, high: float) -> bool:
        centre, half = (low + high) / 2, (high - low) / 2
        value = f(centre + half * nodes)
        fit = np.polynomial.chebyshev.chebfit(nodes, value, 8)
        # a well that is far narrower than the piece lies between a dozen probes
        within = scan[slice(*np.searchsorted(scan, (low, high)))]
        at = np.append(probes, (within - centre) / half)
        off = np.abs(np.polynomial.chebyshev.chebval(at, fit) - f(centre + half * at))
        span = np.ptp(value)
        level = value.min() - floor
        allowed = STEEPEST * max(1.0, (level / HIGH) ** 2) if level > HIGH / 2 else STEEPEST
        return bool(off.max() < 1e-3 + 1e-4 * span * (level > HIGH) and span < allowed)

    done: list[tuple[float, float]] = []
    todo = list(pairwise(ends))[::-1]
    while todo:
        low, high = todo.pop()
        fine = high - low < 1e-7 * (box[1] - box[0]) or len(todo) + len(done) > MOST
        if fine or all(smooth(f, g, low, high) for f, g in zip(formulas, floors, strict=True)):
            done.append((low, high))
        else:
            middle = (low + high) / 2
            todo += [(middle, high), (low, middle)]
    while True:  # neighbours differ by a factor of four at most
        sizes = np.array([high - low for low, high in done])
        larger = np.maximum(np.append(sizes[1:], np.inf), 0), np.insert(sizes[:-1], 0, np.inf)
        split = sizes > 4.001 * np.minimum(*larger)
        if not split.any():
            return np.array([done[0][0], *(high for _, high in done)])
        done = [
            part
            for (low, high), cut in zip(done, split, strict=True)
            for part in (pairwise([low, (low + high) / 2, high]) if cut else [(low, high)])
        ]


@dataclass(frozen=True)
class Grid:
    """Nodes, faces, and the widths, areas and volumes that belong to them."""

    x: Array
    faces: Array
    widths: Array
    area: Array
    volume: Array
    radial: bool


def grid(ends: Array, m: int, radial: bool = False) -> Grid:
    """Cut each piece into m cells."""
    share = np.arange(m) / m
    lows, sizes = ends[:-1, None], np.diff(ends)[:, None]
    x = np.append((lows + sizes * share).ravel(), ends[-1])
    widths = np.repeat(np.diff(ends) / m, m)
    faces = (lows + sizes * (share + 0.5 / m)).ravel()
    volume = np.zeros(len(x))
    volume[:-1] += widths / 2
    volume[1:] += widths / 2
    area = np.ones(len(faces))
    if radial:
        area, volume = faces.copy(), volume * x
        volume[0] = widths[0] ** 2 / 8
    return Grid(x, faces, widths, area, volume, radial)


def solve_line(
    potential: Formula,
    log_start: Formula,
    box: tuple[float, float],
    times: Sequence[float],
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    reaction: Formula | None = None,
    breaks: Sequence[float] = (),
    regions: Mapping[str, tuple[float, float]] | None = None,
    radial: bool = False,
    cells: int = CELLS,
) -> LineFlow:
    """Solve the flow from `log_start` (up to a constant) at all `times`."""
    regions = dict(regions or {})
    marks = [end for region in regions.values() for end in region if np.isfinite(end)]
    ends = pieces([potential, lambda x: -log_start(x)], box, [*breaks, *marks])
    grids = [grid(ends, cells * 2**k, radial) for k in range(GRIDS)]
    flux = (alpha, beta)
    fields = [
        _integrated(potential, log_start, g, times, flux, reaction, LOCAL_ERROR) for g in grids
    ]
    loose = _integrated(potential, log_start, grids[1], times, flux, reaction, LOOSER)
    rows = [_numbers(potential, g, w, regions) for g, w in zip(grids, fields, strict=True)]
    other = _numbers(potential, grids[1], loose, regions)
    numbers, own = {}, {}
    for name in other:
        values = [row[name] for row in rows]
        numbers[name] = extrapolated(values[1:])
        time = np.abs(values[1][1:] - other[name][1:])
        own[name] = np.abs(numbers[name] - extrapolated(values[:-1])) + np.append(0.0, time)
    shapes = []
    for level, part in ((1, fields[1:]), (0, fields[:-1]), (1, fields[1:2]), (1, [loose])):
        best = extrapolated([w[:, :: 2**k] for k, w in enumerate(part)])
        shapes.append(_splines(ends, grids[level].x, best))
    half = np.diff(ends)[:, None] / 2
    points = ((ends[1:] + ends[:-1])[:, None] / 2 + half * GAUSS[0]).ravel()
    weights = (half * GAUSS[1]).ravel() * (2 * np.pi * points if radial else 1.0)
    log_masses = [
        [_log_sum(np.log(weights) + shape(k, points) - potential(points))
         for k in range(len(times) + 1)] for shape in shapes
    ]  # fmt: skip

    def log_density(k: int, x: Array, which: int = 0) -> Array:
        inside = (x >= box[0]) & (x <= box[1])
        at = np.clip(x, *box)
        value = shapes[which](k, at) - potential(at) - log_masses[which][k]
        return np.where(inside, value, -np.inf)

    def distance(k: int, which: int, other: int) -> float:
        one, two = (np.exp(log_density(k, points, shape)) for shape in (which, other))
        return float(np.sqrt(weights @ (one - two) ** 2 / (weights @ one**2)))

    def lost(k: int) -> float:
        """Distance from 1 of the mass by another rule, which sees what Gauss's points miss."""
        sums = [g.volume @ np.exp(log_density(k, g.x)) for g in grids[1:]]
        return float(abs(extrapolated(sums) * (2 * np.pi if radial else 1.0) - 1))

    gap = [distance(k, 0, 1) + distance(k, 2, 3) + lost(k) for k in range(len(times) + 1)]
    return LineFlow(numbers, own, np.array(gap), points, weights, log_density)


def extrapolated(values: Sequence[Array]) -> Array:
    """Richardson's table for errors in h², h⁴, …; the last is the finest."""
    table = list(values)
    for order in range(1, len(values)):
        factor = 4.0**order
        table = [(factor * fine - coarse) / (factor - 1) for coarse, fine in pairwise(table)]
    return table[0]


def _integrated(
    potential: Formula,
    log_start: Formula,
    at: Grid,
    times: Sequence[float],
    rates: tuple[float, float],
    reaction: Formula | None,
    error: float,
) -> Array:
    """``w`` at the nodes ``(T + 1, n)``, the start first."""
    alpha, beta = rates
    value, between = potential(at.x), potential(at.faces)
    bounded = np.clip(value[:-1] - between, -300, 300), np.clip(value[1:] - between, -300, 300)
    up, down = np.zeros(len(at.x)), np.zeros(len(at.x))
    coupling = alpha * at.area / at.widths
    up[:-1] = coupling / at.volume[:-1] * np.exp(bounded[0])
    down[1:] = coupling / at.volume[1:] * np.exp(bounded[1])
    source = np.zeros(len(at.x)) if reaction is None else reaction(at.x) * np.ones(len(at.x))
    w = log_start(at.x) + value
    w = w - w.max()
    if alpha == 0:
        decay = np.exp(-beta * np.array([0.0, *times]))[:, None]
        return np.asarray(w * decay + (source * (1 - decay) / beta if beta else 0.0))

    def rate(_t: float, w: Array) -> Array:
        rise = np.diff(w)
        result = source - beta * w
        result[:-1] += up[:-1] * _growth(rise)
        result[1:] += down[1:] * _growth(-rise)
        return np.asarray(result)

    answer = solve_ivp(
        rate, (0.0, times[-1]), w, method="LSODA", t_eval=[0.0, *times],
        rtol=error, atol=error, lband=1, uband=1,
    )  # fmt: skip
    if not answer.success:
        raise RuntimeError(answer.message)
    return np.asarray(answer.y.T)


def _growth(rise: Array) -> Array:
    """``e^r − 1``, continued as a parabola beyond `CALM`, where no grid resolves it anyway."""
    calm = np.minimum(rise, CALM)
    over = rise - calm
    return np.asarray(np.expm1(calm) + np.exp(CALM) * over * (1 + over / 2))


def _numbers(
    potential: Formula, at: Grid, fields: Array, regions: dict[str, tuple[float, float]]
) -> dict[str, Array]:
    """Trapezoidal sums of π e^w at each time; ``log_mass`` is relative to the start's."""
    value = potential(at.x)
    measure = np.log(at.volume)
    log_z = _log_sum(measure - value)
    inner = {
        name: _part(at, *(int(np.argmin(np.abs(at.x - np.clip(e, at.x[0], at.x[-1])))) for e in r))
        for name, r in regions.items()
    }
    rows: dict[str, list[float]] = {}
    for w in fields:
        log_mass = _log_sum(measure + w - value)
        share = np.exp(measure + w - value - log_mass)
        u = w - log_mass + log_z
        kl, mean = float(share @ u), float(share @ at.x)
        row = {
            "kl": kl,
            "mean": mean,
            "variance": float(share @ (at.x - mean) ** 2),
            "second_moment": float(share @ at.x**2),
            "reaction_variance": float(share @ (u - kl) ** 2),
            "log_mass": log_mass,
        }
        for name, part in inner.items():
            row[f"mass of {name}"] = float(np.exp(w - value - log_mass) @ part)
        for name, number in row.items():
            rows.setdefault(name, []).append(number)
    numbers = {name: np.array(values) for name, values in rows.items()}
    numbers["log_mass"] = numbers["log_mass"] - numbers["log_mass"][0]
    return numbers


def _part(at: Grid, first: int, last: int) -> Array:
    """Volumes of the cells between two nodes only."""
    volume = np.zeros(len(at.x))
    volume[first:last] += at.widths[first:last] / 2
    volume[first + 1 : last + 1] += at.widths[first:last] / 2
    return volume * at.x if at.radial else volume


def _splines(ends: Array, x: Array, fields: Array) -> Callable[[int, Array], Array]:
    """Splines of degree 7 on each piece."""
    m = (len(x) - 1) // (len(ends) - 1)
    parts = [
        make_interp_spline(x[k * m : (k + 1) * m + 1], fields[:, k * m : (k + 1) * m + 1].T, k=7)
        for k in range(len(ends) - 1)
    ]

    def shape(k: int, at: Array) -> Array:
        index = np.clip(np.searchsorted(ends, at, side="right") - 1, 0, len(parts) - 1)
        result = np.empty(len(at))
        for one in np.unique(index):
            here = index == one
            result[here] = parts[one](at[here])[:, k]
        return result

    return shape


def _log_sum(value: Array) -> float:
    top = float(value.max())
    return top + float(np.log(np.exp(value - top).sum()))


def line_rates(
    potential: Formula,
    box: tuple[float, float],
    count: int,
    *,
    breaks: Sequence[float] = (),
    absorbing: tuple[bool, bool] = (False, False),
    radial: bool = False,
    cells: int = 3 * CELLS,
) -> tuple[Array, Array]:
    """Lowest rates of −L, and how far they may be off themselves.

    Without an absorbing end of the box the first is 0.
    """
    ends = pieces([potential], box, breaks)
    kept = count if any(absorbing) else count - 1
    runs = []
    for k in range(GRIDS):
        at = grid(ends, cells * 2**k, radial)
        value, between = potential(at.x), potential(at.faces)
        log_flux = np.log(at.area / at.widths) - between
        log_mass = np.log(at.volume) - value
        # entries between nodes and faces, in the order of the line
        low, high = np.exp((log_flux - log_mass[:-1]) / 2), np.exp((log_flux - log_mass[1:]) / 2)
        links = np.stack([low, high], axis=1).ravel()
        links = links[int(absorbing[0]) : len(links) - int(absorbing[1])]
        size = len(links) + 1
        above = size // 2 + (size % 2)  # index of the first positive one
        values = eigh_tridiagonal(
            np.zeros(size), links, eigvals_only=True, select="i",
            select_range=(above, above + kept - 1), lapack_driver="stebz", tol=1e-300,
        )  # fmt: skip
        runs.append(values**2)
    best = extrapolated(runs[1:])
    own = np.abs(best - extrapolated(runs[:-1])) + 1e-13 * best
    zeros = [] if any(absorbing) else [0.0]
    return np.array([*zeros, *best]), np.array([*zeros, *own])
