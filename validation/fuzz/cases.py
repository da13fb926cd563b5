"""What a drawn problem is to wfrpde, as the tables of a case, and what is right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from draws import Problem
from lines import line_rates
from truths import Truth, formula, gaussian, line, mixture, product, reach

Array = np.ndarray[Any, Any]
Formula = Callable[[Array], Array]

MODES = 200.0
"""Level (kT) up to which a line is kept for rates: modes may be wider than π."""


def tables(problem: Problem) -> dict[str, Any]:
    """Return the tables of the case."""
    made: dict[str, Any] = {"numerics": {"formulation": "mesh", **problem["numerics"]}}
    if problem["tolerance"]:
        made["accuracy"] = {"tolerance": problem["tolerance"]}
    if "flow" in problem:
        made["flow"] = problem["flow"]
    if "gaussian" in problem:
        start, end = problem["gaussian"]["start"], problem["gaussian"]["end"]
        return made | {
            "target": {"kind": "gaussian", "mean": end[0], "covariance": end[1],
                       "modes": {"right": "x > 0.25"}},
            "initial": {"mean": start[0], "covariance": start[1]},
        }  # fmt: skip
    factors, angle = problem["factors"], problem.get("angle", 0.0)
    forms = coordinates(len(factors), angle)
    texts = [
        _mixture_text(f, form) if "means" in f else re.sub(r"\bx\b", lambda _, s=form: s, f["text"])
        for f, form in zip(factors, forms, strict=True)
    ]
    target = {"potential": " + ".join(texts), "dim": len(factors)}
    if "count" in problem:
        zero = [0.0] * len(factors)
        initial = {"mean": zero, "covariance": np.eye(len(factors)).tolist()}
        return made | {"target": target, "initial": initial,
                       "spectrum": {"count": problem["count"]}}  # fmt: skip
    target["modes"] = {"right": f"{forms[0]} > {factors[0]['region']!r}"}
    starts = [f["initial"] for f in factors]
    if len(factors) == 1:
        s = starts[0]
        initial = {"weights": s["weights"], "means": [[m] for m in s["means"]],
                   "covariances": [[[v]] for v in s["variances"]]}  # fmt: skip
        if len(s["means"]) == 1:
            initial = {"mean": s["means"], "covariance": [s["variances"]]}
    else:
        turn = axes(len(factors), angle)
        matrix = turn.T @ np.diag([s["variances"][0] for s in starts]) @ turn
        initial = {"mean": (np.array([s["means"][0] for s in starts]) @ turn).tolist(),
                   "covariance": ((matrix + matrix.T) / 2).tolist()}  # fmt: skip
    return made | {"target": target, "initial": initial}


def truth(problem: Problem) -> Truth:
    """Solve for what is right."""
    rates = dict(problem["flow"])
    save = rates.pop("save")
    if "gaussian" in problem:
        d = len(problem["gaussian"]["end"][0])
        return gaussian(problem["gaussian"]["start"], problem["gaussian"]["end"], save, **rates,
                        half_planes={"right": (np.eye(d)[0], 0.25)})  # fmt: skip
    flows = [
        line(
            potential(f),
            mixture(*(f["initial"][k] for k in ("weights", "means", "variances"))),
            save,
            centre=f["centre"],
            breaks=f["breaks"],
            regions={"right": (f["region"], np.inf)} if i == 0 else None,
            **rates,
        )
        for i, f in enumerate(problem["factors"])
    ]
    turn = axes(len(flows), problem.get("angle", 0.0))
    return product(flows, turn, linear="reaction" in rates and not rates["beta"])


def rates(problem: Problem) -> tuple[Array, Array]:
    """Rates of a product of lines, the smallest sums, and how far they may be off.

    A potential that grows like a |x| has a continuous spectrum above a²/4, where rates depend on
    where a line ends: nothing is known there.
    """
    count, limit = problem["count"], np.inf
    sums, own = np.zeros(1), np.zeros(1)
    for f in problem["factors"]:
        v = potential(f)
        box = reach([v], f["centre"], MODES)
        value, off = line_rates(v, box, count, breaks=f["breaks"])
        for end in box:
            x = f["centre"] + (end - f["centre"]) * np.array([0.7, 0.71, 0.99, 1.0])
            inner, outer = np.diff(v(x))[[0, 2]] / np.diff(x)[[0, 2]]
            if abs(outer - inner) < 0.05 * abs(outer):
                limit = min(limit, 0.9 * outer**2 / 4)
        sums, own = np.add.outer(sums, value).ravel(), np.add.outer(own, off).ravel()
    order = np.argsort(sums)[:count]
    return sums[order], np.where(sums < limit, own, np.inf)[order]


def potential(f: dict[str, Any]) -> Formula:
    """Potential of a factor, without underflow."""
    if "means" not in f:
        return formula(f["text"])
    log_density = mixture(f["weights"], f["means"], f["variances"])
    return lambda x: -log_density(x)


def axes(dim: int, angle: float) -> Array:
    """Orthonormal axes, one a row."""
    turn = np.eye(dim)
    if angle:
        c, s = np.cos(angle), np.sin(angle)
        turn[:2, :2] = [[c, s], [-s, c]]
    return turn


def coordinates(dim: int, angle: float) -> list[str]:
    """Coordinates along the axes, as formulas."""
    if dim == 2 and angle:
        c, s = float(np.cos(angle)), float(np.sin(angle))
        return [f"({c!r}*x + {s!r}*y)", f"({c!r}*y - {s!r}*x)"]
    return list("xyz"[:dim])


def _mixture_text(f: dict[str, Any], form: str) -> str:
    parts: Sequence[str] = [
        f"{float(w / np.sqrt(2 * np.pi * v))!r}*exp(-({form} - ({m!r}))**2/{2 * v!r})"
        for w, m, v in zip(f["weights"], f["means"], f["variances"], strict=True)
    ]
    return f"(-log({' + '.join(parts)}))"
