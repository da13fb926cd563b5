"""What a validation's page lets people look through: verdicts, their paths, and particles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.numbers import number, pretty, with_error
from wfrpde.report.explorer import coordinates, packed, time_text
from wfrpde.report.validation.palette import colours

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport
    from wfrpde.comparison.results import DensityPicture

GREYS = ("#ffffff", "#bdbdbd", "#252525")


def validation_explorer(report: ValidationReport) -> dict[str, Any] | None:
    """Gather the data of a validation's explorer, JSON-ready; None if nothing was judged."""
    if not report.table:
        return None
    times = sorted({row.time for row in report.table})
    at = {t: k for k, t in enumerate(times)}
    judged = {row.sampler for row in report.table}
    names = report.case.coordinates
    return {
        "kind": "validation",
        "samplers": [
            {"name": s.name, "claims": s.claims, "colour": colours(report)[s.name]}
            for s in report.samplers
            if s.name in judged
        ],
        "observables": list(dict.fromkeys(row.observable for row in report.table)),
        "times": [
            {"t": None, "text": "samples of π"}
            if np.isinf(t)
            else {"t": t, "text": f"t = {time_text(t)}"}
            for t in times
        ],
        "rows": [
            {
                "sampler": row.sampler,
                "observable": row.observable,
                "time": at[row.time],
                "mean": row.mean,
                "low": row.interval[0],
                "high": row.interval[1],
                "reference": row.reference,
                "verdict": row.verdict,
                "words": pretty(row.words),
                "text": pretty(with_error(row.mean, row.standard_error)),
                "reference_text": pretty(with_error(row.reference, row.reference_error, 7)),
                "p_text": pretty(number(row.p_value, 2)),
            }
            for row in report.table
        ],
        "curves": _curves(report),
        "pictures": [
            _picture(picture, at[picture.time], names)
            for picture in report.pictures
            if picture.time in at
        ],
        "clouds": [
            _cloud(name, at[t], x, weights)
            for name, clouds in report.particles.items()
            for t, (x, weights) in clouds.items()
            if t in at
        ],
        "greys": list(GREYS),
    }


def _curves(report: ValidationReport) -> list[dict[str, Any]]:
    """Eulerian curves, with the bias that matters: the case's resolution times the spread."""
    resolution = report.case.validation.resolution
    spread = {(r.observable, r.time): r.spread for r in report.table}
    return [
        {
            "claims": curve.claims,
            "observable": curve.observable,
            "points": [
                {"x": t, "y": y, "matters": resolution * spread.get((curve.observable, t), 0.0)}
                for t, y in zip(map(float, curve.times), map(float, curve.value), strict=True)
            ],
        }
        for curve in report.curves
        if np.isfinite(curve.times).all()
    ]


def _picture(picture: DensityPicture, time: int, names: Sequence[str]) -> dict[str, Any]:
    """Give a density on a line or in the plane; in space its marginal of the first two axes."""
    values, axes = picture.values, picture.axes[:2]
    if values.ndim == 3:
        values = values.sum(axis=2) * np.diff(picture.axes[2][:2])
    with np.errstate(divide="ignore"):
        logs = np.log10(values)
    top = float(logs.max())
    return {
        "claims": picture.claims,
        "time": time,
        "names": list(names[: len(axes)]),
        "axes": [coordinates(axis) for axis in axes],
        # decades of density below the highest that the page keeps
        "packed": packed(logs.T if len(axes) == 2 else logs[np.newaxis], top - 12.0, top),
    }


def _cloud(sampler: str, time: int, x: Array, weights: Array) -> dict[str, Any]:
    """Give the particles of one replicate: as many images of one row as axes are drawn."""
    drawn = x[:, :2].T[:, np.newaxis, :]
    return {
        "sampler": sampler,
        "time": time,
        "x": packed(drawn, float(drawn.min()), float(drawn.max())),
        "weights": packed(weights[np.newaxis] / weights.max(), 0.0, 1.0),
    }
