r"""Samplers of score-based processes, whose time t runs from noise to data.

Steps are even in the cube root of the time that is left (or its logarithm, or the time itself), and
there are as many of them in all as `dt` says: (T − stop)/dt. What each does is that of
`wfrpde.noising.sampling`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.noising.process import ReverseProcess
from wfrpde.noising.sampling import Integrator, Spacing, fkc, pf_ode, progress, reverse_sde
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.law import LawStep
from wfrpde.samplers.parameters import SchemeName, Threshold
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.resampling import Resampling

How = Annotated[Integrator, Field(description="`euler`, `exponential`, or `predictor-corrector`")]
Lie = Annotated[
    Spacing, Field(description="`cubic`, `log` or `even`: how steps lie in the time that is left")
]


def process_of(context: SamplerContext, kind: str, *, corrected: bool) -> ReverseProcess:
    """Return the process of a case; raise `InputError` where there is none, or another one."""
    process = context.process
    if process is None:
        needed = "[noising] and [score]"
        raise InputError("sampler.kind", f"{kind!r} without a reverse process", needed)
    if corrected != (process.corrector is not None):
        found = f"{kind!r} with{'out' if corrected else ''} [corrector]"
        needed = "'reverse_sde' or 'pf_ode'" if corrected else "'fkc'"
        raise InputError("sampler.kind", found, needed)
    return process


@dataclass(frozen=True)
class _OfProcess(LibrarySampler):
    """What they have in common: where steps lie."""

    process: ReverseProcess
    name: str
    spacing: Spacing = "cubic"

    def strides(self, start: float, end: float, dt: float) -> list[tuple[float, float]]:
        """Return the steps as pairs (t, dt)."""
        process, spacing = self.process, self.spacing
        whole = progress(process.end, spacing) - progress(process.stop, spacing)
        high, low = (progress(max(process.left(t), 1e-12), spacing) for t in (start, end))
        total = (process.end - process.stop) / dt
        count = max(1, math.ceil(total * (high - low) / whole * (1 - 1e-10)))
        inner = [
            process.end - progress(high + (low - high) * k / count, spacing, back=True)
            for k in range(1, count)
        ]
        times = [start, *inner, end]
        return [(t, after - t) for t, after in pairwise(times)]

    def _times(self, t: float, dt: float) -> Array:
        """Return the two times of the forward process that a step lies between."""
        return np.array([self.process.left(t), max(self.process.left(t + dt), 1e-12)])


@dataclass(frozen=True)
class ReverseSde(_OfProcess):
    """The reverse SDE with the score of the case.

    ``euler`` steps in t (weak order 1), ``exponential`` freezes the score over a step and solves
    the rest exactly, ``predictor-corrector`` adds a step of Langevin dynamics to that.
    """

    integrator: Integrator = "euler"
    kind: ClassVar[str] = "reverse_sde"
    claims: ClassVar[str] = "reverse-sde"

    @classmethod
    def of(
        cls,
        context: SamplerContext,
        name: str,
        *,
        integrator: How = "euler",
        spacing: Lie = "cubic",
    ) -> Self:
        """Make the sampler of a case."""
        return cls(process_of(context, cls.kind, corrected=False), name, spacing, integrator)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle once."""
        process, times = self.process, self._times(t, dt)
        x = ensemble.positions
        steps = reverse_sde(process.noising, process.score, x, times, rng, self.integrator)
        return ensemble.moved(next(steps)[1])

    def law(self) -> LawStep | None:
        """Return a Gaussian move; None with a step of Langevin dynamics after it."""
        if self.integrator == "predictor-corrector":
            return None
        noising, score = self.process.noising, self.process.score
        euler = self.integrator == "euler"

        def grown(t: float, dt: float) -> float:
            high, low = self._times(t, dt)
            return float(np.expm1(noising.clock(high) - noising.clock(low)))

        def centre(x: Array, t: float, dt: float) -> Array:
            high, low = self._times(t, dt)
            own = score(x, high)
            if euler:
                return np.asarray(
                    x + dt * (-noising.drift(high) * x + noising.diffusion(high) * own)
                )
            here, there, growth = noising.unit(high), noising.unit(low), grown(t, dt)
            return np.asarray(there * (x / here + growth * (x / here + 2 * here * own)))

        def deviation(t: float, dt: float) -> float:
            high, low = self._times(t, dt)
            if euler:
                return math.sqrt(noising.diffusion(high) * dt)
            growth = grown(t, dt)
            return noising.unit(low) * math.sqrt(growth * (growth + 2))

        return LawStep(1.0, centre=centre, deviation=deviation, strides=self.strides)


@dataclass(frozen=True)
class ProbabilityFlow(_OfProcess):
    """The probability-flow ODE by Heun's rule, of order 2: no noise but that of the start."""

    kind: ClassVar[str] = "pf_ode"
    claims: ClassVar[str] = "probability-flow"

    @classmethod
    def of(cls, context: SamplerContext, name: str, *, spacing: Lie = "cubic") -> Self:
        """Make the sampler of a case."""
        return cls(process_of(context, cls.kind, corrected=False), name, spacing)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle once."""
        process, times = self.process, self._times(t, dt)
        steps = pf_ode(process.noising, process.score, ensemble.positions, times)
        return ensemble.moved(next(steps)[1])


@dataclass(frozen=True)
class Corrected(_OfProcess):
    """A Feynman–Kac corrector: Euler's steps of its drift, weights of its rate (weak order 1)."""

    resampling: Resampling = field(default_factory=lambda: Resampling(threshold=0.0))
    ranks: Ranks = field(default_factory=Ranks)
    kind: ClassVar[str] = "fkc"
    claims: ClassVar[str] = "corrected"

    @classmethod
    def of(
        cls,
        context: SamplerContext,
        name: str,
        *,
        resampling: SchemeName = "none",
        ess_threshold: Threshold = 0.5,
        spacing: Lie = "cubic",
    ) -> Self:
        """Make the sampler of a case."""
        process = process_of(context, cls.kind, corrected=True)
        when = Resampling.named(resampling, ess_threshold)
        return cls(process, name, spacing, when, context.ranks)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Weigh and move, and resample if need be (collective)."""
        process, times = self.process, self._times(t, dt)
        assert process.corrector is not None
        steps = fkc(process.noising, process.corrector, ensemble.positions, times, rng)
        _, x, gain = next(steps)
        moved = ensemble.moved(x)
        if not process.weighed:
            return moved
        return self.resampling(moved.reweighted(ensemble.log_weights + gain), rng, self.ranks)

    def law(self) -> LawStep | None:
        """Return weights where particles are, then a Gaussian move."""
        process, corrector = self.process, self.process.corrector
        assert corrector is not None
        noising = process.noising

        def clocks(t: float, dt: float) -> tuple[float, float, float, float]:
            high, low = self._times(t, dt)
            clock = corrector.whole - noising.clock(high)
            step = corrector.whole - noising.clock(low) - clock
            return clock, step, noising.unit(high), noising.unit(low)

        def centre(x: Array, t: float, dt: float) -> Array:
            clock, step, here, there = clocks(t, dt)
            y = np.asarray(x / here, dtype=float)
            return np.asarray(there * (y + step * corrector.drift(y, clock)))

        def deviation(t: float, dt: float) -> float:
            _, step, _, there = clocks(t, dt)
            return there * math.sqrt(2 * corrector.diffusion * step)

        def weigh(x: Array, t: float, dt: float) -> Array:
            clock, step, here, _ = clocks(t, dt)
            gain = step * corrector.reaction(np.asarray(x / here, dtype=float), clock)
            return np.exp(np.clip(gain, -700.0, 300.0))

        plain = LawStep(1.0, centre=centre, deviation=deviation, strides=self.strides)
        return replace(plain, before=weigh) if process.weighed else plain
