"""What a spectrum's page lets people look through: rates, modes, metastable sets, committor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.saved import Estimated
from wfrpde.numbers import number, pretty
from wfrpde.report import style
from wfrpde.report.explorer import coordinates, packed, points
from wfrpde.report.spectrum.mode_curves import below, time_words
from wfrpde.report.spectrum.mode_maps import CONTOURS, MODE_STEPS
from wfrpde.report.spectrum.window import Window, shown_part

if TYPE_CHECKING:
    from wfrpde.operators import Sweep
    from wfrpde.studies.spectral.study import SpectralStudy


def spectrum_explorer(study: SpectralStudy, window: Window) -> dict[str, Any]:
    """Gather the data of a spectrum's explorer, JSON-ready."""
    spectrum, dim = study.spectrum, len(window.axes)
    count = len(spectrum.rates)
    first = 0 if spectrum.absorbing is not None or count == 1 else 1
    rates = points(
        range(first, count),
        Estimated(spectrum.rates[first:], spectrum.errors[first:]),
        [below(i) for i in range(first, count)],
    )
    for i, rate in enumerate(rates, first):
        rate["time"] = time_words(study, i)
    # modes that a page holds at most, by dimension
    fields = [
        entry
        for i in range(first, min(first + {1: 12, 2: 12, 3: 4}[dim], count))
        for entry in _mode(study, window, i, rates[i - first]["text"])
    ]
    if dim < 3:
        fields += _answers(study, window)
    level = None
    if dim == 1:
        level = packed([0.8 * window.density / window.density.max()], 0.0, 1.0)
    elif dim == 2:
        level = packed(np.minimum(window.level, 2 * max(CONTOURS)).T, 0.0, 2 * max(CONTOURS))
    lowest, highest = spectrum.rates[first], spectrum.rates[-1]
    return {
        "kind": "spectrum",
        "names": list("xyz"[:dim]),
        "axes": [coordinates(axis) for axis in window.axes],
        "rates": rates,
        "rate_label": "λ  [per unit time, α = 1]",
        "log": bool(lowest > 0 and highest > 30 * lowest),
        "fields": fields,
        "level": level,
        "contours": list(CONTOURS),
        "signed": list(MODE_STEPS),
        "plain": list(style.DENSITY_STEPS),
    }


def _mode(study: SpectralStudy, window: Window, i: int, rate: str) -> list[dict[str, Any]]:
    """Give a mode π u; in space, integrated over each coordinate in turn."""
    values, short_part = shown_part(study, window, i)
    turn = float(study.spectrum.eigenvalues[i].imag)
    part = {"": "", "Re ": "real part of ", "Im ": "imaginary part of "}[short_part]
    planes: list[tuple[Sequence[int], Array]] = [(range(len(window.axes)), values)]
    if len(window.axes) == 3:
        planes = [((0, 1), values.sum(2)), ((0, 2), values.sum(1)), ((1, 2), values.sum(0))]
    result = []
    for pair, plane in planes:
        names = [axis for k, axis in enumerate("xyz") if k in pair]
        short = f"mode {i}" + (f", {names[0]}{names[1]}" if len(window.axes) == 3 else "")
        words = f"{'Re ' * bool(turn)}λ{below(i)} = {rate}, {time_words(study, i)}"
        if turn:
            words += f", turning by {pretty(number(turn, 4))} per unit time"
        words += ". Blue: what a start has too much of"
        words += ", orange: too little; this part of the difference dies out at the rate αλ."
        if len(window.axes) == 1:
            words = words.replace("Blue", "Above 0").replace("orange", "below")
        field = _field(window, plane, short, f"mode {i}: {part}πu / its largest value", words, pair)
        result.append({**field, "mode": i})
    return result


def _answers(study: SpectralStudy, window: Window) -> list[dict[str, Any]]:
    """Give memberships of metastable sets, and the committor."""
    pair, result = range(len(window.axes)), []
    if study.sets is not None:
        for a, values in enumerate(study.sets(window.points).T):
            weight = pretty(number(float(study.sets.weights[a]), 3))
            words = f"How much each point belongs to metastable set {a}, whose weight is {weight}."
            plane = values.reshape(window.shape)
            result.append(_field(window, plane, f"set {a}", "membership", words, pair, plain=True))
    if study.committor is not None:
        found = study.committor
        words = f"The probability to reach {found.sink} before {found.source}."
        plane = found(window.points).reshape(window.shape)
        field = _field(window, plane, "committor", "probability", words, pair, plain=True)
        result.append(field)
    return result


def _field(
    window: Window, plane: Array, short: str, label: str, words: str, pair: Any, *,
    plain: bool = False,
) -> dict[str, Any]:  # fmt: skip
    limit = 1.0 if plain else float(np.nanmax(np.abs(plane))) or 1.0
    rows = plane.T if plane.ndim == 2 else plane[np.newaxis]
    return {
        "short": short,
        "title": short,
        "label": label,
        "words": words,
        "mode": None,
        "signed": not plain,
        "names": [axis for k, axis in enumerate("xyz") if k in pair],
        "axes": [coordinates(axis) for k, axis in enumerate(window.axes) if k in pair],
        "packed": packed(rows / limit, 0.0 if plain else -1.0, 1.0),
    }


def sweep_explorer(sweep: Sweep) -> dict[str, Any] | None:
    """Gather the rates of a sweep as curves over the values of its key."""
    first = 0 if sweep.case.absorbing is not None else 1
    series: list[dict[str, Any]] = []
    for k in range(first, sweep.rates.shape[1]):
        known = np.isfinite(sweep.rates[:, k])
        if known.sum() < 2:
            continue
        rates = Estimated(sweep.rates[known, k], sweep.errors[known, k])
        values = [float(v) for v in sweep.values[known]]
        names = [pretty(number(v, 5, trim=True)) for v in values]
        colour = style.CYCLE[len(series) % len(style.CYCLE)]
        series.append(
            {"label": f"λ{below(k)}", "colour": colour, "points": points(values, rates, names)}
        )
    if not series:
        return None
    lowest = min(point["y"] for one in series for point in one["points"])
    plot = {
        "title": f"Rates against {sweep.key}",
        "x": {"label": sweep.key, "log": False},
        "y": {"label": "λ", "log": lowest > 0},
        "series": series,
    }
    return {"kind": "curves", "plots": [plot]}
