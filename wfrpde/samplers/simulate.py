"""`simulate`: one replicate of a sampler, from draws of ρ₀ to the ensembles at the saved times."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.errors import InputError, SamplerError, WfrpdeError
from wfrpde.fields.user_code import told
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble, Trajectory
from wfrpde.samplers.law import LawStep
from wfrpde.samplers.protocol import LibrarySampler, Sampler, equal_strides
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.run import Request, SamplerRun, checked_times
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets import Target


def simulate(
    sampler: Sampler,
    target: Target,
    initial: InitialDensity,
    times: Sequence[float] | Array,
    dt: float,
    n: int,
    rng: np.random.Generator,
    *,
    comm: Any = None,
    stop: Callable[[], bool] | None = None,
) -> Trajectory:
    """Run a sampler from n independent draws of ρ₀ (collective).

    Between two saved times all steps are equal and at most ``dt``. A sampler that is exact in
    time (its attribute ``exact_in_time`` is true) takes one step from each saved time to the next.

    Parameters
    ----------
    times
        ``(T,)`` ascending model times ≥ 0, in units of the flow.
    dt
        Largest step, in model time.
    n
        Particles in all.
    rng
        Source of all randomness, at the same state on all ranks; each rank spawns its own from it.
    comm
        Ranks over which the ensemble is split, which the sampler has to know too; the trajectory
        then holds the particles of this rank.
    stop
        Asked after each step, on every rank, whether to end early.

    Raises
    ------
    InputError
        If the times, ``dt`` or ``n`` cannot be used, or ρ₀ cannot be sampled.
    SamplerError
        If the sampler raises, or returns what is no `Ensemble` of n finite particles.
    """
    ladder = checked_times(times)
    if not (math.isfinite(dt) and dt > 0):
        raise InputError("dt", repr(dt), "a positive number")
    ranks = Ranks(comm)
    if n < ranks.size:
        raise InputError("particles", f"{n}", f"at least one for each of {ranks.size} ranks")
    own = rng.spawn(ranks.size)[ranks.rank] if ranks.size > 1 else rng
    began = time.perf_counter()
    positions = initial.sample(ranks.share(n), own)
    shape = positions.shape
    ensemble = _checked(sampler, partial(sampler.init, positions, own), shape)
    saved: list[Ensemble] = []
    now, steps, longest, stopped = 0.0, 0, 0.0, False
    for end in ladder:
        for t, step in _strides(sampler, now, end, dt):
            ensemble = _checked(sampler, partial(sampler.step, ensemble, t, step, own), shape)
            longest = max(longest, float(step))
            steps += 1
            stopped = stop is not None and stop()
            if stopped:
                break
        if stopped:
            break
        now = end
        saved.append(ensemble)
    facts = {
        "particles": n,
        "steps": steps,
        "dt": longest,
        "seconds": time.perf_counter() - began,
        "complete": len(saved) == len(ladder),
        **{name: float(ranks.sum(count)) for name, count in ensemble.counts.items()},
    }
    return Trajectory(ladder[: len(saved)], tuple(saved), facts)


@dataclass(frozen=True)
class StepByStep(SamplerRun):
    """A sampler with ``init`` and ``step`` that runs in this process."""

    name: str
    claims: Equation | None
    sampler: Sampler
    context: SamplerContext

    def replicate(self, request: Request) -> Trajectory:
        """Run one replicate (collective if the context has ranks)."""
        context, rng = self.context, np.random.default_rng(request.seed)
        ends, size = (context.target, context.initial), (request.dt, request.n)
        made = simulate(
            self.sampler, *ends, request.times, *size, rng, comm=context.comm, stop=request.stop
        )
        if isinstance(self.sampler, LibrarySampler):
            self._within(made)
        if self.claims is not None or not made.facts["complete"]:
            return made
        return Trajectory(np.array([np.inf]), made.ensembles[-1:], made.facts)

    def _within(self, made: Trajectory) -> None:
        """Raise where a sampler of a case has not met the walls that send its particles back."""
        if self.context.walls is None:
            return
        for ensemble in made.ensembles:
            beyond = self.context.walls.passed(ensemble.positions)
            if beyond.any():
                place = ", ".join(f"{x:.4g}" for x in ensemble.positions[beyond][0])
                what = f"has passed a wall that reflects: {int(beyond.sum())} particles are beyond"
                do = "A sampler returns `context.walls.folded(x)`"
                raise SamplerError(self.name, f"{what}, one at ({place}). {do}")

    def law(self) -> LawStep | None:
        """Return that of the sampler."""
        return self.sampler.law() if isinstance(self.sampler, LibrarySampler) else None


def _strides(sampler: Sampler, start: float, end: float, dt: float) -> list[tuple[float, float]]:
    if end <= start:
        return []
    if isinstance(sampler, LibrarySampler):
        return sampler.strides(start, end, dt)
    if getattr(sampler, "exact_in_time", False):
        return [(start, end - start)]
    return equal_strides(start, end, dt)


def _checked(sampler: Sampler, call: Callable[[], Any], shape: tuple[int, ...]) -> Ensemble:
    try:
        ensemble = call()
    except WfrpdeError:
        raise
    except Exception as error:  # the code of a user may raise anything
        raise SamplerError(sampler.name, told(error)) from error
    if not isinstance(ensemble, Ensemble):
        what = f"returned {type(ensemble).__name__}, not an Ensemble"
        raise SamplerError(sampler.name, what)
    if ensemble.positions.shape != shape:
        what = f"returned positions of shape {ensemble.positions.shape}, not {shape}"
        raise SamplerError(sampler.name, what)
    return ensemble
