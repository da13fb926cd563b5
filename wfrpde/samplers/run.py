"""`SamplerRun`: a sampler of a case, ready to run replicates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from wfrpde.equation import Equation
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.law import LawStep

Array = npt.NDArray[np.float64]


class SamplerRun(ABC):
    """A sampler of a case, ready to run replicates.

    Attributes
    ----------
    name
        What it is called.
    claims
        The equation that it claims to solve; None: only that its samples are those of π.
    """

    name: str
    claims: Equation | None

    @abstractmethod
    def run(
        self,
        replicate_seed: np.random.SeedSequence,
        n: int,
        dt: float,
        times: Sequence[float] | Array,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Trajectory:
        """Run one replicate of n particles with steps of at most dt; the ensembles at ``times``.

        Of a sampler of π itself there is one ensemble, at t = ∞.

        Raises
        ------
        SamplerError
            Names the sampler and what happened.
        """

    @property
    def replicates(self) -> float:
        """Number of replicates that there are at most."""
        return np.inf

    def law(self) -> LawStep | None:
        """Say what a step does to the law of infinitely many particles; None if that is unknown."""
        return None

    def close(self) -> None:  # noqa: B027 (most have none)
        """End the process that it may have."""
