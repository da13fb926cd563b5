"""What a sampler is: an algorithm that moves and weighs particles, and what it says of itself.

It makes an `Ensemble` from the initial positions and advances it by a step. It keeps no state: all
that changes is in the ensemble, and all chance comes from ``rng``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.law import LawStep


def equal_strides(start: float, end: float, dt: float) -> list[tuple[float, float]]:
    """Return equal steps of at most `dt` from one time to another, as pairs (t, dt)."""
    if end <= start:
        return []
    count = max(1, math.ceil((end - start) / dt * (1 - 1e-10)))
    return [(start + (end - start) * k / count, (end - start) / count) for k in range(count)]


@runtime_checkable
class Sampler(Protocol):
    """An algorithm that moves and weighs particles."""

    @property
    def name(self) -> str:
        """What it is called in tables and messages."""

    def init(self, positions: Array, rng: np.random.Generator) -> Ensemble:
        """Make the ensemble at time 0 of independent draws ``(N, d)`` from ρ₀."""

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Return the ensemble at time t + dt, from the one at time t."""


class LibrarySampler(ABC):
    """Base of samplers that case files name by their ``kind``; see `wfrpde.samplers.register`.

    Attributes
    ----------
    kind
        Its name in case files.
    claims
        Which part of the case's equation it claims to solve: a word of `wfrpde.equation.CLAIMS`, or
        ``target`` if its samples are to be those of π alone.
    takes
        What the dynamics of the case may have: names in `wfrpde.equation.dynamics.TERMS`.
    dies
        Whether its particles die where something absorbs: then the mean of its weights is the share
        that is left.
    follows
        Whether it follows a target that moves.
    exact_in_time
        Whether one step goes from each saved time to the next.
    """

    kind: ClassVar[str]
    claims: ClassVar[str]
    exact_in_time: ClassVar[bool] = False
    dies: ClassVar[bool] = False
    follows: ClassVar[bool] = False
    takes: ClassVar[frozenset[str]] = frozenset()
    name: str

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Take away the law of a subclass that moves particles otherwise and states no law."""
        super().__init_subclass__(**keywords)
        step, init, law = (
            next(place for place, base in enumerate(cls.__mro__) if method in vars(base))
            for method in ("step", "init", "law")
        )
        if min(step, init) < law:
            cls.law = LibrarySampler.law  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        """Raise InputError for rates that are none."""
        for rate in ("alpha", "beta", "friction"):
            value = vars(self).get(rate)
            if not isinstance(value, Real):
                continue
            if not math.isfinite(value) or (value < 0 and rate != "beta"):
                raise InputError(f"{type(self).__name__}({rate}=…)", f"{value}", "a finite rate")

    @classmethod
    def of(cls, context: SamplerContext, name: str, *args: Any, **parameters: Any) -> Self:
        """Make the sampler of a case.

        A subclass names its parameters as keyword arguments, with types, descriptions and defaults:
        they are the further keys of its table in a case file. These are those of the class itself.
        """
        make: Callable[..., Self] = cls  # what a subclass takes beyond a name is its own
        return make(context.target, *args, name=name, **parameters)

    def init(self, positions: Array, rng: np.random.Generator) -> Ensemble:
        """Give the particles equal weights."""
        return Ensemble.equal(positions)

    def strides(self, start: float, end: float, dt: float) -> list[tuple[float, float]]:
        """Return the steps from one saved time to the next, as pairs (t, dt)."""
        return [(start, end - start)] if self.exact_in_time else equal_strides(start, end, dt)

    @abstractmethod
    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Return the ensemble at time t + dt, from the one at time t."""

    def law(self) -> LawStep | None:
        """Say what a step does to the law of infinitely many particles; None if that is unknown."""
        return None
