"""Mass of each mode over time, for every flow of the run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from wfrpde.arrays import Array
from wfrpde.case.setup import make_problem
from wfrpde.comparison.density import density_of
from wfrpde.equation import Path
from wfrpde.flow.solution import Solution
from wfrpde.numbers import number, pretty
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun

TELEPORTS = (
    " The target moves: dotted is the mass that it gives to the mode at each time. Where a flow "
    "without reaction falls behind it, the path teleports mass that transport cannot carry."
)
FLOOR = 1e-40
"""Logarithmic panels end here; what lies below is written beside the axis."""


def draw_modes(run: FlowRun) -> Drawing | None:
    """Draw one panel a mode, with the target's own mass dotted; ``None`` if no mode is named."""
    names = list(run.solution.mode_mass)
    if not names:
        return None
    moving = path_mode_mass(run.solution) if isinstance(run.solution, Solution) else {}
    shown = names[:12]
    columns = min(len(shown), 2 if len(shown) in (2, 4) else 3)
    rows = -(-len(shown) // columns)
    width = 7.2 if columns == 1 else 9.6
    figure = style.new_figure(width, 0.6 + 2.7 * rows)
    panels = style.panels(figure, len(shown), columns, sharex=True)
    for index, (axes, name) in enumerate(zip(panels, shown, strict=True)):
        _panel(axes, run, name, moving.get(name))
        if index + columns >= len(shown):
            axes.tick_params(labelbottom=True)
        else:
            axes.set_xlabel("")
        if index % columns == 0:
            axes.set_ylabel("mass of the mode")
    left_out = f" ({len(names) - len(shown)} more modes are in the tables.)" * (
        len(names) > len(shown)
    )
    return Drawing(
        "modes",
        figure,
        f"Mass of each of {len(names)} modes over time",
        "Mass of each mode at the saved times (dots), with estimated errors as bars where they can "
        "be seen. The thin lines between the dots are guides for the eye. Dotted: the mass that "
        "the target gives to the mode. A panel is logarithmic where the mass grows from next to "
        "nothing; it ends at 10⁻⁴⁰." + TELEPORTS * bool(moving) + left_out,
    )


def _panel(axes: Axes, run: FlowRun, name: str, moving: Array | None = None) -> None:
    goal = run.target_mode_mass.get(name)
    masses = [flow.mode_mass[name] for flow in run.flows.values()]
    positive = np.concatenate([*(m[m > 0] for m in masses), [goal] if goal else []])
    if not positive.size:
        positive = np.ones(1)
    logarithmic = grows_from_nothing(positive, goal)
    ends = []
    for label, flow in run.flows.items():
        mass = flow.estimated("mode_mass", name)
        colour = style.flow_colour(label)
        own = flow is run.solution
        value, error = mass.value, np.nan_to_num(mass.error)
        end, words = float(value[-1]), label
        if logarithmic:
            # Nothing joins a dot to one that is not on the axis.
            value = np.where(value >= FLOOR, value, np.nan)
            if end < FLOOR:
                end, words = FLOOR, f"{label} {_short(end)}"
        # A bar that reaches zero could not be drawn on a logarithmic axis.
        bars = np.stack([np.clip(error, 0, np.abs(mass.value) * (1 - 1e-9)), error])
        axes.errorbar(
            flow.times, value, yerr=bars, color=colour, marker="o", ms=5.0 if own else 4.0,
            lw=0.9, ls=(0, (4, 3)) if flow.case.flow.alpha == 0 else "-", elinewidth=1.2,
            zorder=3 if own else 2,
        )  # fmt: skip
        ends.append((end, words, colour))
    if logarithmic:
        style.log_scale(axes, "y")
        axes.set_ylim(max(positive.min() / 3, FLOOR), positive.max() * 4)
    else:
        axes.set_ylim(0, 1.08 * positive.max())
    if moving is not None:
        times = run.solution.times
        axes.plot(times, moving, color=style.TARGET, ls=(0, (1, 1.5)), lw=1.6, zorder=1)
    elif goal is not None:
        axes.axhline(goal, color=style.TARGET, ls=(0, (1, 1.5)), lw=1.2, zorder=1)
        ends.append(
            (goal, f"target {_short(goal, 3)}" if goal > 1e-12 else "target ≈ 0", style.TARGET)
        )
    style.time_axis(axes, float(max(flow.times[-1] for flow in run.flows.values())))
    axes.set_title(style.text(name))
    style.label_ends(axes, ends, gap=0.07, size=9)


def grows_from_nothing(masses: Array, goal: float | None) -> bool:
    """Whether a logarithm shows it best; a mode that the target leaves empty only fades."""
    return bool((goal is None or goal > 1e-6) and masses.min() < 1e-3 * masses.max())


def _short(value: float, digits: int = 1) -> str:
    return pretty(number(value, digits))


@dataclass(frozen=True)
class _OnPath:
    """π_t up to its constant."""

    path: Path
    t: float
    dim: int

    def log_density(self, x: Array) -> Array:
        """Return −V_t ``(n,)`` at points ``(n, d)``."""
        return -self.path.potential(x, self.t)


def path_mode_mass(solution: Solution) -> dict[str, Array]:
    """Return the mass ``(T,)`` that π_t gives to each mode; nothing where the target stays."""
    if solution.case.path.kind is None:
        return {}
    path = make_problem(solution.case).equation.path
    assert path is not None
    regions, found = dict(solution.target.regions), []
    for t in map(float, solution.times):
        density = density_of(solution, t)
        points, mass = density.of(_OnPath(path, t, density.dim)).atoms(list(regions.values()))
        found.append([float(mass @ np.asarray(region(points))) for region in regions.values()])
    return dict(zip(regions, np.array(found).T, strict=True))
