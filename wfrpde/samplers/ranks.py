"""`Ranks`: what the parts of one ensemble on several MPI ranks have to tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.samplers.ensemble import Ensemble


@dataclass(frozen=True)
class Ranks:
    """The ranks that share an ensemble. Every method is collective; without ``comm`` it is alone.

    Parameters
    ----------
    comm
        mpi4py communicator, or None for a single process.
    """

    comm: Any = None

    @property
    def size(self) -> int:
        """Number of ranks."""
        return 1 if self.comm is None else int(self.comm.size)

    @property
    def rank(self) -> int:
        """Number of this rank."""
        return 0 if self.comm is None else int(self.comm.rank)

    def share(self, total: int) -> int:
        """Return how many of ``total`` particles this rank holds. Not collective."""
        return total // self.size + (self.rank < total % self.size)

    def sum(self, value: Any) -> Any:
        """Sum of numbers or arrays over the ranks, the same on each."""
        return value if self.size == 1 else self.comm.allreduce(value)

    def max(self, value: float) -> float:
        """Largest value of any rank."""
        return value if self.size == 1 else max(self.comm.allgather(value))

    def every(self, value: Any) -> list[Any]:
        """Return the values of all ranks, in their order."""
        return [value] if self.size == 1 else list(self.comm.allgather(value))

    def first(self, value: Any) -> Any:
        """Value of rank 0."""
        return value if self.size == 1 else self.comm.bcast(value, root=0)

    def exchange(self, parcels: list[Any]) -> list[Any]:
        """Send ``parcels[r]`` to rank r; return what each rank has sent here, in their order."""
        return parcels if self.size == 1 else list(self.comm.alltoall(parcels))

    def log_total(self, log_weights: Array) -> float:
        """Logarithm of the sum of all weights."""
        top = self.max(float(log_weights.max()))
        return top + float(np.log(self.sum(float(np.exp(log_weights - top).sum()))))

    def normalised(self, ensemble: Ensemble) -> Array:
        """Weights ``(N,)`` of the particles here; their sum over all ranks is 1."""
        if self.size == 1:
            return ensemble.weights
        return np.exp(ensemble.log_weights - self.log_total(ensemble.log_weights))

    def count(self, ensemble: Ensemble) -> int:
        """Particles on all ranks."""
        return int(self.sum(ensemble.size))

    def ess(self, ensemble: Ensemble) -> float:
        """Effective sample size of the whole ensemble."""
        return float(1.0 / self.sum(float(np.square(self.normalised(ensemble)).sum())))

    def average(self, ensemble: Ensemble, values: npt.ArrayLike) -> Any:
        """Average of values ``(N, …)`` over the whole ensemble, with its weights."""
        own = np.tensordot(self.normalised(ensemble), np.asarray(values, dtype=float), axes=1)
        return self.sum(own)

    def gathered(self, ensemble: Ensemble) -> Ensemble:
        """Return the whole ensemble, on every rank."""
        if self.size == 1:
            return ensemble
        log_weights = np.concatenate(self.every(ensemble.log_weights))
        return Ensemble(np.concatenate(self.every(ensemble.positions)), log_weights)
