"""`Setting`: what all runs of a chain's case share, and what chains cannot do."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.case import Case
from wfrpde.case.numerics import NumericsSpec
from wfrpde.case.sites import (
    WHOLE,
    coupling_rate,
    relaxation_time,
    site_box,
    site_of,
    site_weight,
    stiffness,
)
from wfrpde.errors import InputError
from wfrpde.fields.product_regions import check_count
from wfrpde.flow.chain.law import Pivots
from wfrpde.flow.chain.levels import Level
from wfrpde.flow.chain.march import FIRST, Pace
from wfrpde.flow.chain.measure import chain_region
from wfrpde.flow.chain.nodes import DEGREE, SiteNodes
from wfrpde.flow.chain.path import SAME, ChainPath
from wfrpde.flow.refusals import refuse_beyond_fixed_rates
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets.chain import Chain, ChainTarget

STIFF = 4.0
"""Longest step while the target moves, in units of that of the level, and of the mean curvature of
the potential of a site: ρ lags behind π_t by what a site forgets in that time."""

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What all runs of a case share, `pivots` of densities that were measured among it."""

    target: ChainTarget
    start: InitialDensity
    box: tuple[float, float]
    times: Array
    alpha: float
    beta: float
    modes: dict[str, str]
    path: ChainPath | None = None
    pivots: dict[Hashable, Pivots] = field(default_factory=dict, repr=False)
    _known: dict[tuple[int, float], Any] = field(default_factory=dict, repr=False)

    def once(self, key: tuple[int, float], make: Callable[[], T]) -> T:
        """Return what runs that are measured alike share, made by the first of them."""
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]
        return found

    @cached_property
    def whole_box(self) -> tuple[float, float]:
        """The interval in which all of the start is, too, at most twice as wide."""
        slack = (self.box[1] - self.box[0]) / 2
        try:
            low, high = site_box(self.target, self.start, WHOLE)
        except InputError:  # a start with heavy tails
            low, high = -np.inf, np.inf
        low, high = max(low, self.box[0] - slack), min(high, self.box[1] + slack)
        return min(low, self.box[0]), max(high, self.box[1])

    def nodes(self, level: Level) -> SiteNodes:
        """Return the points of a site."""
        return SiteNodes(*self.box, level.nodes)

    def weight(self, nodes: SiteNodes) -> Array:
        """Return square roots of the weights of nodes ``(n,)``."""
        every = [site_weight(chain, self.start, nodes.points) for chain in self._chains]
        return np.asarray(np.max(every, axis=0))

    @property
    def _chains(self) -> tuple[Chain, ...]:
        """Targets between which those of all times lie."""
        return (self.target,) if self.path is None else self.path.ends

    @cached_property
    def _rates(self) -> tuple[float, float]:
        """Of change at the start, and of what neighbours do to one another, per time."""
        given = [(chain, self.start, self.box) for chain in self._chains]
        shortest = min(relaxation_time(*each) for each in given)
        return self.alpha / shortest, self.alpha * max(coupling_rate(*each) for each in given)

    def pace(self, level: Level) -> Pace:
        """Return the steps in time; one to each saved time where there is no transport."""
        if self.alpha == 0:
            return Pace.of(self.times, 1, np.inf, np.inf)
        fast, coupled = self._rates
        longest = level.longest / max(coupled, 1e-300)
        path = self.path
        if path is None or not path.moves:
            return Pace.of(self.times, level.per_octave, FIRST / fast, longest)
        # steps end where the path turns, and do not grow with time: it may turn late
        near = [t for t in path.corners if np.abs(self.times - t).min() > SAME * path.end]
        times = np.union1d(self.times, near)
        given = [(chain, self.start, self.box) for chain in self._chains]
        relaxing = self.alpha * max(stiffness(*each) for each in given)
        caps = [longest] * (len(times) - 1)
        for k, (start, end) in enumerate(pairwise(times)):
            speed = path.speed(float(start), float(end))
            if speed > 0:
                caps[k] = min(longest, STIFF * level.longest / relaxing, level.longest / speed)
        pace = Pace.of(times, level.per_octave, FIRST / fast, longest, caps)
        return pace.joined(np.isin(times[1:], self.times))


def setting_of(case: Case) -> Setting:
    """Return what the runs of a case share.

    Raises
    ------
    InputError
        If the case asks for what flows of chains cannot do.
    """
    _refuse_unheeded(case)
    modes = dict(case.target.modes)
    for name, text in modes.items():
        chain_region(text, f"target.modes.{name}")
    for name, text in case.validation.probabilities.items():
        where = f"validation.probabilities.{name}"
        region = chain_region(text, where)
        check_count(region, case.dim, where)
        if modes.get(text, text) != text:
            raise InputError(f"target.modes.{text}", "the text of another region", "a name")
        if text not in modes.values():
            modes[text] = text
    target, start, needs = site_of(case)
    end = float(case.flow.t_end)
    moves = case.path.build(1, end)
    path = None if moves is None else ChainPath(moves, target, start, end)
    boxes = [needs, *(site_box(chain, start) for chain in (path.ends if path else ()))]
    needs = (min(low for low, _ in boxes), max(high for _, high in boxes))
    box = case.domain.box
    ends = needs if box is None else (float(box[0][0]), float(box[0][1]))
    slack = 0.15 * (needs[1] - needs[0])  # a little less than what all of it takes
    if ends[0] > needs[0] + slack or ends[1] < needs[1] - slack:
        found = f"[{ends[0]:g}, {ends[1]:g}], where sites reach from {needs[0]:g} to {needs[1]:g}"
        raise InputError("domain.box", found, "none, or a wider one: chains have no walls")
    x = np.linspace(*ends, 101)[:, None]
    if not np.isfinite(start.log_density(x)).all():
        raise InputError(
            "initial", "a density that is zero in places", "one that is positive, in a chain"
        )
    return Setting(
        target=target,
        start=start,
        box=ends,
        times=np.array([0.0, *case.flow.save]),
        alpha=float(case.flow.alpha),
        beta=float(case.flow.beta),
        modes=modes,
        path=path,
    )


def _refuse_unheeded(case: Case) -> None:
    ours = {"certify": True, "engine": "auto", "cells": None}
    refuse_beyond_fixed_rates(
        case,
        "what flows of chains cannot do yet",
        "numbers α and β, a box at most, and numerics.certify and cells alone",
        {
            "initial.mass": case.initial.mass != 1.0,
            "path.at": case.path.at is not None,
            "domain": bool(case.domain.altered - {"box"}),
            "numerics": case.numerics.model_copy(update=ours) != NumericsSpec(),
        },
    )
    cells = case.numerics.cells
    if cells is not None and cells[0] < DEGREE:
        raise InputError("numerics.cells", f"{list(cells)}", f"at least {DEGREE}, in a chain")
    lacks = {"mode_mass": not case.target.modes, "log_normalising_constant": True}
    for name in case.accuracy.of or ():
        if lacks.get(name, False):
            needed = "[target] modes" if name == "mode_mass" else "another number, in a chain"
            raise InputError("accuracy.of", f"{name!r}, which this flow does not report", needed)
