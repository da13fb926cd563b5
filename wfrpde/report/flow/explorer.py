"""What a run's page lets people look through: densities of all flows, and curves, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.product.solution import ProductSolution
from wfrpde.flow.solution import Solution
from wfrpde.numbers import column, number, pretty
from wfrpde.report import style
from wfrpde.report.explorer import coordinates, packed, points, thinned, time_text
from wfrpde.report.flow.kl import path_of
from wfrpde.report.flow.marginals import coordinates_to_show, line_of
from wfrpde.report.flow.modes import FLOOR, grows_from_nothing
from wfrpde.report.flow.run import NORMALISATION, FlowRun
from wfrpde.report.levels import enclosing_levels

KEPT = {1: 40.0, 2: 24.0, 3: 24.0}
"""Decades of density below the highest that the page keeps, by dimension."""
SHOWN = 10.0
"""Decades that a map on the logarithmic scale shows."""


def flow_explorer(run: FlowRun) -> dict[str, Any]:
    """Gather the data of a run's explorer, JSON-ready."""
    solution = run.solution
    product = not isinstance(solution, Solution)
    dim = 1 if product else solution.dim
    times = [float(t) for t in (solution.times if product else run.pictures.times)]
    at = [int(np.argmin(np.abs(run.solution.times - t))) for t in times]
    curves = _curves(run)
    # that of the density as a whole says nothing of its marginals
    known = ["" if product else pretty_share(float(solution.density_error[i])) for i in at]
    return {
        "kind": "flow",
        "dim": dim,
        "times": times,
        "time_texts": [time_text(t) for t in times],
        "known": known,
        "flows": [{"label": k, "colour": style.flow_colour(k)} for k in run.flows],
        "views": _coordinates(run, solution) if not isinstance(solution, Solution) else _views(run),
        "goal": {"symbol": "π", "words": "the target π", "mass": "the target"},
        "kept": KEPT[dim],
        "shown": SHOWN,
        "colours": list(style.DENSITY_STEPS),
        "curves": curves,
        "curve": next((k for k, c in enumerate(curves) if c["short"] == run.far_mode), 1),
    }


def pretty_share(error: float) -> str:
    """Write the relative error of a density, or nothing where it is not known."""
    return pretty(number(error, 1)) if np.isfinite(error) else ""


def _coordinates(run: FlowRun, solution: ProductSolution | ChainSolution) -> list[dict[str, Any]]:
    """One view for each coordinate of a product that is shown."""
    result = []
    for coordinate in coordinates_to_show(solution):
        x = line_of(solution, coordinate)

        def log_marginal(flow: Any, t: float, coordinate: int = coordinate, x: Array = x) -> Array:
            # a flow that was stopped before has nothing to show
            if np.isfinite(t) and not np.any(np.abs(flow.times - t) <= 1e-9 * max(1.0, t)):
                return np.full(len(x), np.nan)
            with np.errstate(divide="ignore"):
                # that of rotated factors comes from a Fourier sum, and may fall a hair below 0
                density = np.maximum(flow.marginal_density(t, coordinate, x), 0.0)
                return np.asarray(np.log(density))

        densities = {
            label: np.array([log_marginal(flow, float(t)) for t in solution.times])
            for label, flow in run.flows.items()
        }
        target = log_marginal(solution, np.inf)
        view = view_of((solution.case.coordinates[coordinate],), (x,), densities, target)
        result.append(view)
    return result


def _views(run: FlowRun) -> list[dict[str, Any]]:
    """One view on a line or in the plane, three marginals in space."""
    pictures = run.pictures
    densities, target = dict(pictures.log_density), pictures.log_target
    if run.solution.dim < 3:
        return [view_of(run.solution.case.coordinates, pictures.axes, densities, target)]
    result = []
    for first, second in ((0, 1), (0, 2), (1, 2)):
        along = 3 - first - second
        step = float(np.diff(pictures.axes[along][:2])[0])
        result.append(
            view_of(
                "xyz"[first] + "xyz"[second],
                (pictures.axes[first], pictures.axes[second]),
                {k: _marginal(v, along + 1, step) for k, v in densities.items()},
                _marginal(target, along, step),
            )
        )
    return result


def _marginal(log_density: Array, axis: int, step: float) -> Array:
    """Log of a density that is integrated over one axis of its grid."""
    from scipy.special import logsumexp

    finite = np.where(np.isfinite(log_density), log_density, -np.inf).astype(float)
    return np.asarray(logsumexp(finite, axis=axis) + np.log(step))


def view_of(
    names: Sequence[str], axes: tuple[Array, ...], densities: dict[str, Array], target: Array
) -> dict[str, Any]:
    """Pack log densities ``(T, …)`` of flows on a grid, and that of what they go to, ``(…)``."""
    dim = len(axes)
    count = sum(values.size for values in densities.values()) if dim > 1 else 0
    # values of density that a page holds at most: about a byte each
    stride = max(1, int(np.ceil(np.sqrt(count / 1_000_000))))
    every = slice(None, None, stride)
    top = max(float(np.nanmax(values, initial=-np.inf)) for values in densities.values())
    top = max(top, float(np.nanmax(target))) / np.log(10)
    depth = KEPT[dim]

    def kept(values: Array) -> dict[str, Any]:
        # rows of a picture run along y, as on a screen
        sampled = (values[..., every, every] if dim > 1 else values) / np.log(10)
        rows = np.swapaxes(sampled, -1, -2) if dim > 1 else sampled[..., np.newaxis, :]
        return packed(rows, top - depth, top)

    view: dict[str, Any] = {
        "names": list(names),
        "axes": [coordinates(axis[every]) for axis in axes],
        "top": top,
        "flows": {label: kept(values) for label, values in densities.items()},
        "target": kept(target),
    }
    if dim > 1:
        # shares of the target's mass that its contours enclose
        levels = enclosing_levels(target, (0.9,))
        view["levels"] = [level / np.log(10) for level in levels]
    return view


def _curves(run: FlowRun) -> list[dict[str, Any]]:
    """KL of every flow, the mass of each mode, and the log of the normalising constant."""
    kl = [{**_series(label, flow, "kl"), "path": _path(flow)} for label, flow in run.flows.items()]
    curves = [curve("KL(ρ‖π)", "nats", kl, log=True)]
    if NORMALISATION in run.solution.series:
        own = _series(run.equation.label, run.solution, NORMALISATION)
        curves.append(curve("log γₜ(1)", "log γₜ(1)", [own]))
    if "survival" in run.solution.series:
        left = [_series(k, flow, "survival") for k, flow in run.flows.items()]
        curves.append(curve("survival", "share that is left", left))
    for name in run.solution.mode_mass:
        goal = run.target_mode_mass.get(name)
        series = [_series(k, flow, "mode_mass", name) for k, flow in run.flows.items()]
        masses = np.array([p["y"] for one in series for p in one["points"] if p["y"] > 0])
        log = bool(masses.size) and grows_from_nothing(masses, goal)
        more = {"short": name, "log": log, "floor": FLOOR, "goal": goal}
        curves.append(curve(f"mass of “{name}”", "mass", series, **more))
    return curves


def curve(title: str, label: str, series: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Give a curve of numbers with errors over time, one series for each flow."""
    for at in {point["x"] for one in series for point in one["points"]}:
        # what stands in one column of the page's table has one format
        own = [p for one in series for p in one["points"] if p["x"] == at]
        words = column([p["y"] for p in own], [p["error"] for p in own], 7)
        for point, text in zip(own, words, strict=True):
            point["text"] = pretty(text)
    defaults = {"short": title, "log": False, "goal": None}
    return {**defaults, "title": title, "label": label, "series": series, **more}


def _series(label: str, flow: Any, name: str, region: str = "") -> dict[str, Any]:
    return {
        "label": label,
        "colour": style.flow_colour(label),
        "points": points(map(float, flow.times), flow.estimated(name, region)),
    }


def _path(flow: Any) -> list[list[float]]:
    """Every step of a flow, where they were kept."""
    t, kl, every_step = path_of(flow)
    return thinned({"x": t, "y": kl}) if every_step else []
