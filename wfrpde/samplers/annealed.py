r"""Particles along a path of targets: annealed importance sampling, and sequential Monte Carlo.

Both weigh by potential *differences*: log w changes by V_t(x) − V_{t'}(x) where a particle stands
still and the target moves from t to t'.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from wfrpde.arrays import Array
from wfrpde.equation import Annealed, Dynamics, Path
from wfrpde.errors import InputError
from wfrpde.fields.schedules import integral
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.law import LawStep, path_move
from wfrpde.samplers.mala import Mala
from wfrpde.samplers.moves import moved
from wfrpde.samplers.parameters import Alpha, SchemeName, Threshold
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.resampling import Resampling
from wfrpde.samplers.walls import Walls

Moves = Annotated[int, Field(ge=1, strict=True, description="moves at each target, 1 or more")]
Length = Annotated[
    float, Field(gt=0, allow_inf_nan=False, description="h of the moves, a squared length")
]


def path_of(context: SamplerContext, kind: str) -> Path:
    """Return the path of a case; raise `InputError` where its target stays."""
    path = context.equation.path
    if path is None:
        raise InputError("sampler.kind", f"{kind!r} without a [path]", "a target that moves")
    annealed = context.equation.annealed
    if annealed is not None and annealed.power != 1:
        found = f"{annealed.power:g}, with sampler {kind!r}, whose weights are e^{{−W}}"
        raise InputError("path.power", found, "1")
    return path


@dataclass(frozen=True)
class AnnealedImportance(LibrarySampler):
    r"""Annealed importance sampling: moves in V_t, weights e^{−W} of the work.

    A step weighs by V_t − V_m where the particle is, moves it in V_m, m = t + dt/2, and weighs by
    V_m − V_{t+dt} where it has come; a further drift of the dynamics is made up for, too (see
    `wfrpde.equation.path`). Weak order 1 in dt; self-normalised weights bring a bias O(1/N).
    Without resampling the weights are those whose effective size `Solution.series` tells.

    References
    ----------
    R. Neal (2001), Statistics and Computing 11, 125; C. Jarzynski (1997), PRL 78, 2690.
    """

    path: Path
    alpha: float = 1.0
    resampling: Resampling = field(default_factory=lambda: Resampling(threshold=0.0))
    name: str = "ais"
    ranks: Ranks = field(default_factory=Ranks)
    walls: Walls | None = None
    dynamics: Dynamics | None = None
    kind: ClassVar[str] = "ais"
    takes: ClassVar[frozenset[str]] = frozenset({"diffusion", "circulation", "drift"})
    claims: ClassVar[str] = "feynman-kac"
    follows: ClassVar[bool] = True

    @classmethod
    def of(
        cls,
        context: SamplerContext,
        name: str,
        *,
        resampling: SchemeName = "none",
        ess_threshold: Threshold = 0.5,
        alpha: Alpha = None,
    ) -> Self:
        """Make the sampler of a case."""
        path = path_of(context, cls.kind)
        alpha = context.equation.alpha if alpha is None else alpha
        when = Resampling.named(resampling, ess_threshold)
        rest = context.ranks, context.walls, context.equation.dynamics
        return cls(path, alpha, when, name, *rest)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Weigh, move, weigh and, if need be, resample (collective)."""
        here, middle = ensemble.positions, t + dt / 2
        dynamics, rate = self.dynamics, Annealed(self.path)
        if dynamics is not None and dynamics.drift is not None:
            rate = Annealed(self.path, escort=replace(dynamics, alpha=self.alpha))
        gain = rate.on(here)(t, middle)
        h = integral(self.alpha, t, dt)
        now = None if dynamics is None else dynamics.at(middle)
        there = moved(self.path.frozen(middle), now, here, h, rng, self.walls)
        gain = gain + rate.on(there)(middle, t + dt)
        weighed = ensemble.moved(there).reweighted(ensemble.log_weights + gain)
        return self.resampling(weighed, rng, self.ranks)

    def law(self) -> LawStep | None:
        """Weights, a move towards the target at the middle of the step, and weights."""
        path = self.path
        if self.dynamics is not None and self.dynamics.terms:
            return None

        def before(x: Array, t: float, dt: float) -> Array:
            return _factor(path.gain(x, t, t + dt / 2))

        def after(x: Array, masses: Array, t: float, dt: float, _: Array) -> Array:
            return np.asarray(masses * _factor(path.gain(x, t + dt / 2, t + dt)))

        return replace(path_move(path, self.alpha), before=before, after=after)


def _factor(gain: Array) -> Array:
    """Return weights; where there is nothing they would overflow."""
    return np.asarray(np.exp(np.clip(gain, -700.0, 300.0)))


@dataclass(frozen=True)
class TemperedSmc(LibrarySampler):
    r"""Sequential Monte Carlo whose next target is as far as the weights allow.

    From one saved time to the next the target goes on as far as the conditional effective sample
    size of the weights stays at a share of N; then particles are resampled, and moved by
    Metropolis-adjusted Langevin steps that keep that target. The law at every saved time is π_t as
    N → ∞, whatever the moves do; weights bring a bias O(1/N).

    References
    ----------
    P. Del Moral, A. Doucet and A. Jasra (2006), J. R. Stat. Soc. B 68, 411; Y. Zhou, A. Johansen
    and J. Aston (2016), J. Comput. Graph. Stat. 25, 701.
    """

    path: Path
    threshold: float = 0.9
    moves: int = 5
    length: float = 0.05
    resampling: Resampling = field(default_factory=Resampling)
    name: str = "smc"
    ranks: Ranks = field(default_factory=Ranks)
    walls: Walls | None = None
    kind: ClassVar[str] = "smc"
    claims: ClassVar[str] = "feynman-kac"
    follows: ClassVar[bool] = True
    exact_in_time: ClassVar[bool] = True

    @classmethod
    def of(
        cls,
        context: SamplerContext,
        name: str,
        *,
        resampling: SchemeName = "systematic",
        ess_threshold: Threshold = 0.9,
        moves: Moves = 5,
        length: Length = 0.05,
    ) -> Self:
        """Make the sampler of a case."""
        path = path_of(context, cls.kind)
        when = Resampling.named(resampling, min(1.0, ess_threshold + 1e-6))
        return cls(
            path, ess_threshold, moves, length, when, name, context.ranks, context.walls
        )  # fmt: skip

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Go from one saved time to the next in as many targets as it takes (collective)."""
        now, end = t, t + dt
        while now < end:
            after = self._next(ensemble, now, end)
            gain = self.path.gain(ensemble.positions, now, after)
            ensemble = ensemble.reweighted(ensemble.log_weights + gain, targets=1)
            ensemble = self.resampling(ensemble, rng, self.ranks)
            kernel = Mala(self.path.frozen(after), 1.0, self.name, self.walls)
            for _ in range(self.moves):
                ensemble = kernel.step(ensemble, after, self.length, rng)
            now = after
        return ensemble

    def _next(self, ensemble: Ensemble, now: float, end: float) -> float:
        """Return the time up to which the weights stay good enough."""
        weights = self.ranks.normalised(ensemble)

        def good(t: float) -> bool:
            gain = self.path.gain(ensemble.positions, now, t)
            top = self.ranks.log_total(gain)
            with np.errstate(under="ignore"):
                factor = np.exp(gain - top)
            first = self.ranks.sum(float(weights @ factor))
            second = self.ranks.sum(float(weights @ factor**2))
            return bool(first**2 >= self.threshold * second)

        if good(end):
            return end
        low, high = now, end
        # halvings of the interval in which the next target of an adaptive schedule lies
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if good(middle) else (low, middle)
        return low if low > now + 1e-9 * (end - now) else now + 1e-3 * (end - now)
