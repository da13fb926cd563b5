"""`ReverseProcess`: what a sampler of a score-based process is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wfrpde.arrays import Array
from wfrpde.noising.correctors import Corrector
from wfrpde.noising.mixture import Mixture
from wfrpde.noising.schedules import Noising
from wfrpde.noising.scores import Data, Score
from wfrpde.starts.initial import InitialDensity, Sampler


@dataclass(frozen=True)
class ReverseProcess:
    """A reverse process as samplers know it; its own time t runs from noise to data.

    Attributes
    ----------
    noising
        The schedule: ``drift`` f, ``diffusion`` g², ``scale`` a and ``variance`` s² at the time of
        the *forward* process, T − t.
    score
        ŝ(x, T − t) at points ``(n, d)``; `Score.divergence` besides.
    end, stop
        T, and the time of the forward process at which it ends.
    corrector
        Drift and weights of a corrected process, in the units y = x/r and the clock of the noise;
        None for a plain one.
    weighed
        Whether particles of a corrected one are weighed.
    data
        The density of the data.
    box
        ``(d, 2)`` that holds the start.
    first
        The start, where it is known already.
    """

    noising: Noising
    score: Score
    end: float
    stop: float
    data: Data = field(repr=False)
    box: Array = field(repr=False)
    corrector: Corrector | None = None
    weighed: bool = True
    first: InitialDensity | None = field(default=None, repr=False)

    def left(self, t: float) -> float:
        """Return the time of the forward process, T − t."""
        return max(self.end - t, 0.0)

    def start(self) -> InitialDensity:
        """Return the start: ``start().sample(n, rng)`` gives points ``(n, d)`` at t = 0.

        The noised data, what a corrector's path is at the beginning, or ``[initial]``.
        """
        if self.first is not None:
            return self.first
        unit, corrector, box = self.noising.unit(self.end), self.corrector, self.box
        scale, variance = self.noising.scale(self.end), self.noising.variance(self.end)
        law = self.data.noised(scale, variance)

        def draws(n: int, rng: np.random.Generator) -> Array:
            data = self.data.sample(n, rng)
            return np.asarray(scale * data + np.sqrt(variance) * rng.standard_normal(data.shape))

        def aimed_at(x: Array) -> Array:
            assert corrector is not None
            return corrector.log_path(np.asarray(x / unit, dtype=float), 0.0)

        evaluate = law.log_density if corrector is None else aimed_at
        sampler: Sampler | None = draws if corrector is None else None
        seeds = scale * self.data.means if isinstance(self.data, Mixture) else law.mean[None]
        return InitialDensity(
            box.shape[0], "noised", "the noised data", seeds, evaluate,
            normalised=corrector is None, sampler=sampler,
        )  # fmt: skip
