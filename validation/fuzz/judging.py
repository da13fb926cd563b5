"""Whether error bars hold: every number of a solution beside the truth.

An error below `ROUND_OFF` of its scale is round-off: it counts as covered, and has no ratio. A
number is judged where the truth's own error is at most a third of the bar, or of the error that is
found; the others are left out, and counted. How much longer a bar is than the error is known where
the reference is a third of the *error* at most: elsewhere that ratio is one of the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from truths import Truth

Array = np.ndarray[Any, Any]
Row = dict[str, Any]

ROUND_OFF = 1e-11
TINY = 1e-280
FAR = 3.0
"""A bar that is too small by more than this needs a warning."""


def rows(solution: Any, truth: Truth) -> list[Row]:
    """Judge every number after the start."""
    found: list[Row] = []
    bars = solution.error
    width = np.sqrt(np.maximum(np.einsum("tii->ti", truth.numbers["covariance"]), TINY))
    for name, right in truth.numbers.items():
        if name.startswith("mass of "):
            value, bar = (
                solution.mode_mass[name[8:]], bars.mode_mass[name[8:]]
            )  # fmt: skip
            kind, scale = "mode mass", right
        elif name in ("mean", "covariance"):
            value, bar, kind = getattr(solution, name), getattr(bars, name), name
            scale = (
                np.maximum(np.abs(right), width)
                if name == "mean"
                else width[:, :, None] * width[:, None, :]
            )
        elif name in solution.series:
            value, bar, kind = solution.series[name], bars.series[name], name
            scale = np.maximum(np.abs(right), 0.1)
        else:
            continue
        scale = np.broadcast_to(scale, np.shape(right))
        for index in np.ndindex(*np.shape(right)):
            if index[0] == 0 or (len(index) == 3 and index[1] > index[2]):
                continue
            label = name + ("" if len(index) == 1 else str(list(index[1:])))
            found.append(
                row(kind, label, solution.times[index[0]], value[index], bar[index], right[index],
                    truth.own[name][index], scale[index])
            )  # fmt: skip
    for k, t in enumerate(solution.times):
        if k:
            one = np.exp(truth.log_density(k, truth.points))
            gap = solution.density(t, truth.points) - one
            error = np.sqrt(truth.weights @ gap**2 / (truth.weights @ one**2))
            found.append(row("density", "density", t, error, bars.density[k], 0.0, truth.gap[k]))
    return found


def row(
    kind: str,
    name: str,
    time: float | None,
    value: float,
    bar: float,
    right: float,
    own: float,
    scale: float = 1.0,
) -> Row:
    """Judge one number."""
    error = abs(float(value) - float(right))
    judged = bool(np.isfinite([error, bar]).all() and own <= max(bar, error) / 3)
    judged = judged and (kind != "mode mass" or abs(right) > TINY)
    floor = ROUND_OFF * abs(float(scale))
    return {
        "kind": kind,
        "name": name,
        "time": None if time is None else float(time),
        "value": float(value),
        "bar": float(bar),
        "right": float(right),
        "own": float(own),
        "error": error,
        "judged": bool(judged),
        "covered": bool(error <= max(bar + own, floor)),
        "ratio": None if error <= floor else error / max(float(bar), 1e-300),
    }


def table(groups: Iterable[tuple[str, Sequence[Row]]]) -> str:
    """Coverage by group: Markdown."""
    lines = [
        "| numbers | judged | left out | covered | off by > 3 | … unwarned "
        "| error known | median bar/true | of all |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for words, group in groups:
        judged = [r for r in group if r["judged"]]
        if not judged:
            continue
        far = [r for r in judged if not r["covered"] and r["ratio"] and r["ratio"] > FAR]
        every = [r for r in judged if r["ratio"]]
        known = [r for r in every if r["own"] <= r["error"] / 3]
        medians = [
            f"{np.median([1 / r['ratio'] for r in some]):.2g}" if some else "–"
            for some in (known, every)
        ]
        covered = sum(r["covered"] for r in judged) / len(judged)
        lines.append(
            f"| {words} | {len(judged)} | {len(group) - len(judged)} | {covered:.1%} | {len(far)} "
            f"| {sum(not r.get('warned') for r in far)} | {len(known)} | {' | '.join(medians)} |"
        )
    return "\n".join(lines)
