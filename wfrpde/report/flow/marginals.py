"""Marginal densities of a product: of one coordinate of each kind of factor."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.product.solution import ProductSolution
from wfrpde.flow.solution import Solution
from wfrpde.numbers import number
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.density1d import MOST_TIMES
from wfrpde.report.flow.pictures import spread_evenly
from wfrpde.report.flow.run import FlowRun

MOST_PANELS = 6
"""Coordinates that are drawn at most."""


def draw_marginals(run: FlowRun) -> Drawing | None:
    """Draw the density of single coordinates at the saved times, over that of the target."""
    solution = run.solution
    if isinstance(solution, Solution):
        return None
    shown = coordinates_to_show(solution)
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = style.new_figure(7.2 if columns == 1 else 9.6, 0.8 + 2.8 * rows)
    panels = style.panels(figure, len(shown), columns)
    times = solution.times[spread_evenly(len(solution.times), MOST_TIMES)]
    colours = style.time_colours(len(times))
    for axes, (coordinate, words) in zip(panels, shown.items(), strict=True):
        x = line_of(solution, coordinate)
        target = solution.marginal_density(np.inf, coordinate, x)
        axes.fill_between(x, 0, target, color=style.TARGET, alpha=0.25, lw=0)
        top = float(target.max())
        for t, colour in zip(times, colours, strict=True):
            curve = solution.marginal_density(float(t), coordinate, x)
            axes.plot(x, curve, color=colour)
            if t > 0:
                top = max(top, float(curve.max()))
        axes.set_ylim(0, 1.08 * top)
        axes.set_xlim(x[0], x[-1])
        axes.set_xlabel(solution.case.coordinates[coordinate])
        axes.set_title(style.text(words))
    panels[0].set_ylabel("marginal density")
    style.time_key(panels[columns - 1], times, colours)
    last = number(float(solution.times[-1]), 3, trim=True)
    return Drawing(
        "marginals",
        figure,
        f"Marginal densities of {len(shown)} of {solution.dim} coordinates",
        f"Densities of single coordinates of {solution.dim}, from pale (t = 0; what leaves the "
        f"panel is the start) to dark (t = {last}), over those of the target (grey). Equal "
        "factors share a panel.",
    )


def coordinates_to_show(solution: ProductSolution | ChainSolution) -> dict[int, str]:
    """Return some coordinates, counted from 0, with words for each."""
    if isinstance(solution, ChainSolution):
        return {0: "first site", solution.dim // 2: f"site {solution.dim // 2 + 1}"}
    names = solution.case.coordinates
    if solution.rotation is not None:
        return dict(enumerate(names[:MOST_PANELS]))
    shown: dict[int, str] = {}
    start = 0
    seen: set[int] = set()
    for kind, title in zip(solution.order, solution.names, strict=True):
        part = solution.parts[kind]
        if kind not in seen:
            seen.add(kind)
            times = f"{solution.counts[kind]} × " if solution.counts[kind] > 1 else ""
            for axis in range(min(part.dim, 3)):
                words = f"{times}{title or part.target.name}"
                shown[start + axis] = words if part.dim == 1 else f"{words}, {names[start + axis]}"
        start += part.dim
    return dict(list(shown.items())[:MOST_PANELS])


def line_of(solution: ProductSolution | ChainSolution, coordinate: int) -> Array:
    """Return points where the marginals at all times are to be seen."""
    if isinstance(solution, ChainSolution):
        low, high = solution.nodes.low, solution.nodes.high
    else:
        low, high = _ends(solution, coordinate)
    x = np.linspace(low, high, 401)
    ends = [solution.marginal_density(t, coordinate, x) for t in (0.0, solution.times[-1], np.inf)]
    # share of its maximum below which a density is not to be seen
    seen = x[np.any([curve > 1e-3 * curve.max() for curve in ends], axis=0)]
    return np.linspace(seen[0], seen[-1], 401)


def _ends(solution: ProductSolution, coordinate: int) -> tuple[float, float]:
    laws = [solution.marginal(float(t), coordinate) for t in (*solution.times, np.inf)]
    low = min(law.mean - 4.5 * np.sqrt(law.variance) for law in laws)
    high = max(law.mean + 4.5 * np.sqrt(law.variance) for law in laws)
    return low, high
