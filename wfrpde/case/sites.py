"""How far the sites of a chain matter, where most, and how fast things happen to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets import make_target
from wfrpde.targets.chain import Chain, ChainTarget

if TYPE_CHECKING:
    from wfrpde.case.case import Case

LEVEL, START_LEVEL, WHOLE = 27.0, 13.0, 40.0
"""kT above the minimum up to which a site matters, with all others where they cost least; and for
ρ₀: what is further out, where V is steep, is gone at once, but counts at the start itself."""

FAR = 1e-3
"""Least weight of a place: without weights four double wells need rank 19 for what they are told
with rank 14."""

LINE, WIDEST = 601, 1e4
"""Points on which a site is looked at, and half the width at which it is given up."""


def site_of(case: Case) -> tuple[ChainTarget, InitialDensity, tuple[float, float]]:
    """Return a case's chain, the start of each site, and the interval in which all sites live.

    Raises
    ------
    InputError
        If V does not confine them.
    """
    target = ChainTarget(**case.target.parameters)
    site = make_target(potential=target.site, dim=1)
    box = None if case.domain.box is None else np.asarray(case.domain.box, dtype=float)
    start = case.initial.build(site, box)
    return target, start, site_box(target, start)


def least_energies(target: Chain, x: Array) -> Array:
    """Return, for each position of a site, V with the other sites where it is least ``(m,)``.

    The least over all places that the site may have in the chain.
    """
    site, coupling = target.functions()
    m = len(x)
    own = site(x)
    pair = coupling(np.repeat(x, m), np.tile(x, m)).reshape(m, m)
    left, right = [np.zeros(m)], [np.zeros(m)]
    for _ in range(target.length - 1):
        left.append((left[-1] + own + pair.T).min(axis=1))
        right.append((right[-1] + own + pair).min(axis=1))
    every = [own + a + b for a, b in zip(left, right[::-1], strict=True)]
    return np.asarray(np.min(every, axis=0))


def site_box(
    target: Chain, start: InitialDensity, level: float = START_LEVEL
) -> tuple[float, float]:
    """Return the interval in which all sites live, ρ₀ being cut off at a level in kT.

    Raises
    ------
    InputError
        If V does not confine them.
    """
    half = 4.0
    box = np.array([-half, half])
    closed = False
    while half <= WIDEST:
        x = np.linspace(box[0], box[1], LINE)
        with np.errstate(all="ignore"):
            energy = least_energies(target, x)
            log_start = start.log_density(x[:, None])
        if np.isnan(energy).any():
            found = f"a potential that is nan near x = {x[np.isnan(energy)][0]:g}"
            raise InputError("target", found, "a number (or +inf) at every x")
        matters = (energy < energy.min() + LEVEL) | (log_start > np.max(log_start) - level)
        if matters[0] or matters[-1]:
            half *= 2
            box = np.array([-half, half])
            continue
        at = np.flatnonzero(matters)
        low, high = x[max(at[0] - 1, 0)], x[min(at[-1] + 1, LINE - 1)]
        if closed:
            return float(low), float(high)
        box, closed = np.array([low, high]) + 0.02 * (high - low) * np.array([-1, 1]), True
    raise InputError(
        "target",
        f"sites that are not confined within {WIDEST:g}",
        "a V that grows on all sides",
    )


def relaxation_time(target: Chain, start: InitialDensity, box: tuple[float, float]) -> float:
    """Return the shortest time in which the start changes: of its own width, or of V there."""
    site, coupling = target.functions()
    x = np.asarray(np.linspace(box[0], box[1], 2001), dtype=float)
    weight: Array = np.exp(start.log_density(x[:, None]))
    weight = weight / weight.sum()
    mean = float(weight @ x)
    variance = float(weight @ (x - mean) ** 2)
    still: Array = np.full(len(x), mean)
    field: Array = site(x) + coupling(still, x) + coupling(x, still)
    curvature = np.gradient(np.gradient(field, x), x)
    return 1 / max(1 / variance, float(weight @ np.abs(curvature)))


def site_weight(target: Chain, start: InitialDensity, x: Array) -> Array:
    """Return square roots of how much places x ``(n,)`` of a site matter.

    By the larger of π, at a site amid the chain, and ρ₀, each relative to its maximum.
    """
    n = len(x)
    site, coupling = target.functions()
    pair, own = coupling(np.repeat(x, n), np.tile(x, n)).reshape(n, n), site(x)
    kernel, own = np.exp(pair.min() - pair), np.exp(own.min() - own)
    behind, before = np.ones(n), np.ones(n)
    for _ in range(target.length // 2):
        behind, before = kernel @ (own * behind), (own * before) @ kernel
        behind, before = behind / behind.max(), before / before.max()
    law, first = before * own * behind, np.exp(start.log_density(x[:, None]))
    share = np.maximum(law / law.max(), first / first.max())
    return np.asarray(np.sqrt(np.maximum(share, FAR)))


def coupling_rate(target: Chain, start: InitialDensity, box: tuple[float, float]) -> float:
    """Return the mean of |∂²w/∂x∂y| of a coupling w, where two neighbours matter."""
    x = np.asarray(np.linspace(*box, 201), dtype=float)
    pair = target.functions()[1](np.repeat(x, 201), np.tile(x, 201)).reshape(201, 201)
    mixed = np.abs(np.gradient(np.gradient(pair, x, axis=0), x, axis=1))
    weight = site_weight(target, start, x) ** 2
    return float(weight @ mixed @ weight / weight.sum() ** 2)


def stiffness(target: Chain, start: InitialDensity, box: tuple[float, float]) -> float:
    """Return the mean of |∂²V/∂x²| of a site amid the chain, where it and its neighbours matter."""
    x = np.asarray(np.linspace(*box, 201), dtype=float)
    site, coupling = target.functions()
    pair = coupling(np.repeat(x, 201), np.tile(x, 201)).reshape(201, 201)
    weight = site_weight(target, start, x) ** 2
    weight = weight / weight.sum()
    field = site(x) + weight @ pair + pair @ weight
    return float(weight @ np.abs(np.gradient(np.gradient(field, x), x)))
