"""Particle-steps per second of every built-in sampler, and how they grow with the particles.

    OMP_NUM_THREADS=1 tools/env python validation/benchmarks/particle_throughput.py

Each number is the median over ``--repeats`` of the processor time of ``--steps`` steps, after one
step that is not counted: what is laid out once, such as a mesh, is left out. The memory is the
largest that one step allocates. The target is that of the shipped case ``four-modes`` (2-D, a
mixture of four Gaussians, whose gradient takes more than half of the time).

``--goal`` runs what the project promises: 10⁶ particles, 100 steps of birth–death Langevin with the
density projected on the mesh, on one core, in at most 60 s, and prints the time.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from typing import Any

import numpy as np
from machine import machine

import wfrpde
from wfrpde.samplers import SamplerContext, make_sampler, oracle_times

TABLES: dict[str, dict[str, Any]] = {
    "langevin": {"kind": "langevin"},
    "mala": {"kind": "mala"},
    "fisher_rao": {"kind": "fisher_rao"},
    "feynman_kac": {"kind": "feynman_kac", "reaction": "-x**2/100"},
    "weighted, mesh": {"kind": "weighted"},
    "weighted, kde": {"kind": "weighted", "density": "kde"},
    "weighted, oracle": {"kind": "weighted", "density": "oracle"},
    "birth_death, mesh": {"kind": "birth_death"},
    "birth_death, kde": {"kind": "birth_death", "density": "kde"},
    "birth_death, oracle": {"kind": "birth_death", "density": "oracle"},
    "smc_wfr": {"kind": "smc_wfr"},
}
DT = 0.01
"""Step of all samplers; the goal's end is 100 of them."""


def prepared(oracle: bool) -> tuple[wfrpde.Case, SamplerContext]:
    """Give the case, and what its samplers need."""
    case = wfrpde.load_case("four-modes", {"flow.t_end": 100 * DT, "flow.save": [100 * DT]})
    if not oracle:
        return case, SamplerContext.of(case)
    changes = {"flow.save": list(oracle_times(case, 16)), "numerics.certify": False}
    return case, SamplerContext.of(case, wfrpde.solve(case.with_overrides(changes)))


def measured(sampler: Any, start: np.ndarray, steps: int, repeats: int) -> tuple[float, float]:
    """Give particle-steps per second, and the bytes that a step needs for each particle."""
    rng = np.random.default_rng(0)
    first = sampler.step(sampler.init(start, rng), 0.0, DT, rng)
    seconds = []
    for _ in range(repeats):
        ensemble, began = first, time.process_time()
        for k in range(1, steps + 1):
            ensemble = sampler.step(ensemble, k * DT, DT, rng)
        seconds.append(time.process_time() - began)
    tracemalloc.start()
    sampler.step(first, DT, DT, rng)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return len(start) * steps / max(statistics.median(seconds), 1e-9), peak / len(start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e3, 1e4, 1e5, 1e6])
    parser.add_argument("--steps", type=int, default=5, help="steps of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=TABLES, help="samplers; all by default")
    parser.add_argument("--goal", action="store_true", help="run what the project promises")
    options = parser.parse_args()
    names = options.only or list(TABLES)
    case, context = prepared(any("oracle" in name for name in names) and not options.goal)
    print(f"{machine()}; {options.steps} steps of {DT}, medians of {options.repeats}")
    if options.goal:
        spec = case.with_overrides({"sampler": [TABLES["birth_death, mesh"]]}).samplers[0]
        run = make_sampler(spec, context)
        began, clock = time.perf_counter(), time.process_time()
        run.run(np.random.SeedSequence(1), 10**6, DT, [100 * DT])
        wall, cpu = time.perf_counter() - began, time.process_time() - clock
        print(
            f"10⁶ particles, 100 steps, birth_death, mesh: {wall:.1f} s ({cpu:.1f} s of processor)"
        )
        return
    sizes = [int(n) for n in options.sizes]
    heading = "".join(f"{f'N = {n:.0e}':>14}" for n in sizes)
    print(f"{'million particle-steps per second':36}{heading}   bytes/particle")
    for name in names:
        spec = case.with_overrides({"sampler": [TABLES[name]]}).samplers[0]
        sampler = make_sampler(spec, context).sampler
        cells, memory = "", 0.0
        for n in sizes:
            start = context.initial.sample(n, np.random.default_rng(1))
            rate, memory = measured(sampler, start, options.steps, options.repeats)
            cells += f"{rate / 1e6:14.2f}"
        print(f"{name:36}{cells}{memory:14.0f}", flush=True)


if __name__ == "__main__":
    main()
