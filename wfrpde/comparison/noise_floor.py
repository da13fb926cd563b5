"""Noise floors: the distances that independent draws of the Eulerian density itself have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.digest import digest_of
from wfrpde.comparison.exact_samples import ExactSampler, exact_sampler
from wfrpde.comparison.harness import Level, harvest
from wfrpde.comparison.meshless import MeshlessDensity
from wfrpde.comparison.replicates import Judge, Replicate

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.samplers import Trajectory


def noise_floors(
    case: Case,
    judged: Sequence[tuple[str, Judge, list[Replicate]]],
    comm: Any,
    observer: Callable[[Any], None] | None = None,
) -> dict[str, dict[str, Array]]:
    """Give, by sampler and metric, distances ``(R, T)`` of independent draws (collective).

    There are as many draws as particles; of a Markov chain, as many as its samples are worth.

    Parameters
    ----------
    judged
        Name, judge and finished replicates of each sampler.
    """
    levels: dict[tuple[int, int], Level] = {}
    of_sampler: dict[str, tuple[int, int]] = {}
    for name, judge, replicates in judged:
        if not replicates:
            continue
        n = replicates[0].particles
        if judge.claims is None:
            worth = [float(e) for r in replicates for e in np.ravel(r.effective) if np.isfinite(e)]
            n = int(np.clip(min(worth, default=n), 2, n))
        key = (id(judge), n)
        of_sampler[name] = key
        if key not in levels:
            levels[key] = _level(case, judge, n)
    result = harvest(list(levels.values()), comm, observer=observer)
    floors = {
        key: {
            name: np.array([r.metrics[name] for r in replicates]) for name in replicates[0].metrics
        }
        for key, replicates in zip(levels, result.replicates, strict=True)
        if len(replicates) > 1
    }
    return {name: floors[key] for name, key in of_sampler.items() if key in floors}


def _level(case: Case, judge: Judge, n: int) -> Level:
    from wfrpde.samplers import Ensemble, Trajectory

    samplers: dict[float, ExactSampler | MeshlessDensity] = {}

    def run(
        seeds: Sequence[np.random.SeedSequence], count: int, dt: float, stop: Callable[[], bool]
    ) -> list[Trajectory]:
        for t, density in judge.densities.items():
            if t not in samplers:
                if isinstance(density, MeshlessDensity):
                    samplers[t] = density
                else:
                    samplers[t] = exact_sampler(density)
        made = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            draws = (samplers[t].draw(count, rng) for t in judge.times)
            made.append(Trajectory(np.array(judge.times), tuple(map(Ensemble.equal, draws))))
        return made

    return Level(
        sampler=f"exact samples of {judge.label}",
        label="base",
        particles=n,
        dt=0.0,
        # 400_000: points that are drawn, in all, for the noise floor at each time
        replicates=int(np.clip(400_000 // n, 4, 32)),
        seed=case.validation.seed,
        digest=digest_of(case, {"exact": judge.label, "particles": n}),
        run=run,
        # distances are all that is wanted
        judge=replace(judge, observables=judge.observables[:1], known={}, wells=None, tested=False),
        stored=False,
    )
