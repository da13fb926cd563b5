"""Birth–death Langevin dynamics: the reaction as deaths and births of particles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wfrpde.samplers.density import DensitySource
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.langevin import euler_maruyama
from wfrpde.samplers.protocol import EquallyWeighted
from wfrpde.samplers.ranks import Ranks
from wfrpde.targets import Target

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BirthDeathLangevin(EquallyWeighted):
    r"""Langevin moves, and jumps at the rate of the reaction Λ = −β(log(ρ/π) − ⟨log(ρ/π)⟩).

    A particle with Λ < 0 dies at rate |Λ|, and a uniformly drawn one is copied in its place; one
    with Λ > 0 is copied at rate Λ, in the place of a uniformly drawn one. The number of particles
    stays N, and their weights equal. In a step each particle jumps with probability
    1 − e^{−|Λ| dt}, all at the same time: what that leaves out, like two jumps that meet, is O(dt²)
    in a step. Weak order 1 in dt; the bias is O(1/N) beside that of the density source.

    Parameters
    ----------
    target
        π ∝ exp(−V).
    source
        Where log(ρ/π) comes from.
    alpha, beta
        Rates of diffusion and reaction, per unit model time.

    References
    ----------
    Y. Lu, J. Lu and J. Nolen (2019), Accelerating Langevin sampling with birth-death,
    arXiv:1905.09863, Algorithm 1.
    """

    target: Target
    source: DensitySource
    alpha: float = 1.0
    beta: float = 1.0
    name: str = "birth_death"
    ranks: Ranks = field(default_factory=Ranks)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Move every particle, then let them die and multiply (collective)."""
        positions = euler_maruyama(self.target, ensemble.positions, self.alpha * dt, rng)
        total = self.ranks.count(ensemble)
        weights = np.full(ensemble.size, 1.0 / total)
        excess = self.source.log_relative(positions, weights, t + dt)
        excess -= float(self.ranks.sum(float(excess.sum()))) / total
        jumps = rng.random(ensemble.size) < -np.expm1(-self.beta * dt * np.abs(excess))
        dying = np.flatnonzero(jumps & (excess > 0))
        multiplying = np.flatnonzero(jumps & (excess < 0))
        replacements = self._drawn(positions, len(dying), rng)
        newborn = self._scattered(positions[multiplying], ensemble.size, rng)
        positions[dying] = replacements
        positions[rng.integers(ensemble.size, size=len(newborn))] = newborn
        return ensemble.moved(positions, deaths=len(dying), births=len(newborn))

    def _drawn(self, positions: Array, count: int, rng: np.random.Generator) -> Array:
        """Draw ``count`` particles uniformly from those of all ranks (collective)."""
        if self.ranks.size == 1:
            return positions[rng.integers(len(positions), size=count)]
        sizes = np.array(self.ranks.every(len(positions)))
        asked = self.ranks.exchange(list(rng.multinomial(count, sizes / sizes.sum())))
        parcels = [positions[rng.integers(len(positions), size=k)] for k in asked]
        return np.concatenate(self.ranks.exchange(parcels))

    def _scattered(self, copies: Array, size: int, rng: np.random.Generator) -> Array:
        """Send copies to the ranks of uniformly drawn particles; return what came here."""
        if self.ranks.size == 1:
            return copies
        sizes = np.array(self.ranks.every(size))
        where = rng.choice(len(sizes), size=len(copies), p=sizes / sizes.sum())
        parcels = [copies[where == rank] for rank in range(len(sizes))]
        return np.concatenate(self.ranks.exchange(parcels))
