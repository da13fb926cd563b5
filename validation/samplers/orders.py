"""Orders of the built-in samplers: bias against the time step, and against the number of particles.

    OMP_NUM_THREADS=1 tools/env python validation/samplers/orders.py

The flow from N(0, 1) to ½N(0, 1) + ½N(m, 1) with α = β = 1. The observable is x/m, whose mean is
near the mass of the right mode. By default m = 3; with ``--far`` it is 6, where the right mode
starts with next to nothing, and the few particles that get there decide.

* Time step: many particles, and the average is compared with that of the Eulerian flow. Weak
  order 1 halves the bias with the step.
* Particles: a step that is kept, few particles, and many replicates; the average is compared with
  that of many particles at the same step. A bias O(1/N) halves when N doubles.

Biases come with their standard errors; an order is fitted by weighted least squares on the
logarithms of those that exceed three of them, and is left out where there are fewer than two.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import wfrpde
from wfrpde.samplers import SamplerContext, make_sampler, oracle_times


def mixture(far: bool) -> tuple[wfrpde.Case, float]:
    """Give the case, and the place m of the right mode."""
    place, t = (6.0, 2.0) if far else (3.0, 1.0)
    case = wfrpde.Case.model_validate(
        {
            "target": {
                "kind": "gaussian_mixture",
                "weights": [0.5, 0.5],
                "means": [[0.0], [place]],
                "covariances": [[[1.0]], [[1.0]]],
            },
            "initial": {"mean": [0.0], "covariance": [[1.0]]},
            "flow": {"save": [t]},
        }
    )
    return case, place


STEPS = (0.2, 0.1, 0.05, 0.025)
SIZES = (50, 100, 200, 400)
TABLES: dict[str, dict[str, Any]] = {
    "langevin": {"kind": "langevin"},
    "mala": {"kind": "mala"},
    "weighted, oracle": {"kind": "weighted", "density": "oracle"},
    "birth_death, oracle": {"kind": "birth_death", "density": "oracle"},
    "weighted, mesh": {"kind": "weighted"},
    "birth_death, mesh": {"kind": "birth_death"},
    "weighted, kde of width 0.2": {"kind": "weighted", "density": "kde", "bandwidth": 0.2},
    "birth_death, kde of width 0.2": {"kind": "birth_death", "density": "kde", "bandwidth": 0.2},
    "smc_wfr": {"kind": "smc_wfr"},
    "fisher_rao": {"kind": "fisher_rao"},
}


def average(
    run: Any, t: float, seed: int, n: int, dt: float, replicates: int
) -> tuple[float, float]:
    """Mean of x over replicates, and its standard error."""
    values = []
    for one in np.random.SeedSequence(seed).spawn(replicates):
        ensemble = run.run(one, n, dt, [t]).ensembles[0]
        values.append(float(ensemble.average(ensemble.positions)[0]))
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(replicates))


def order(sizes: tuple[float, ...], biases: np.ndarray, errors: np.ndarray) -> str:
    """Fitted order with its standard error, or why there is none."""
    seen = np.abs(biases) > 3 * errors
    if seen.sum() < 2:
        return "lost in the noise"
    x, y = np.log(np.array(sizes))[seen], np.log(np.abs(biases))[seen]
    weight = (np.abs(biases) / errors)[seen]
    (slope, _), covariance = np.polyfit(x, y, 1, w=weight, cov="unscaled")
    return f"order {slope:.2f} ± {np.sqrt(covariance[0, 0]):.2f}"


def shown(biases: np.ndarray, errors: np.ndarray) -> str:
    """Biases and standard errors in units of 10⁻³."""
    return "  ".join(
        f"{1e3 * b:7.2f} ± {1e3 * e:4.2f}" for b, e in zip(biases, errors, strict=True)
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--particles", type=float, default=2e5, help="the many particles")
    parser.add_argument("--replicates", type=int, default=8, help="of many particles")
    parser.add_argument(
        "--few", type=float, default=4e5, help="particles in all of small ensembles"
    )
    parser.add_argument("--dt", type=float, default=0.1, help="the step of small ensembles")
    parser.add_argument("--far", action="store_true", help="the right mode at 6")
    parser.add_argument("--only", nargs="+", choices=TABLES)
    options = parser.parse_args()
    n, replicates = int(options.particles), options.replicates
    base, place = mixture(options.far)
    t = base.flow.save[-1]
    solutions = {}
    for name, changes in {"WFR": {}, "W": {"flow.beta": 0.0}, "FR": {"flow.alpha": 0.0}}.items():
        case = base.with_overrides({**changes, "flow.save": list(oracle_times(base))})
        solutions[name] = wfrpde.solve(case)
    context = SamplerContext.of(base, solutions["WFR"])
    error = float(solutions["WFR"].error.mean[-1, 0]) / place
    print(f"m = {place:g}, t = {t:g}; biases of x/m in 10⁻³, exact to {1e3 * error:.1g}; error of")
    print(f"log(ρ/π) where a saved time is left out: {context.oracle('').interpolation_error:.1e}")
    for name in options.only or TABLES:
        run = make_sampler(base.with_overrides({"sampler": [TABLES[name]]}).samplers[0], context)
        exact = float(solutions[run.claims].mean[-1, 0]) / place
        print(f"\n{name}: {run.claims}, {exact:.5f}", flush=True)
        if not getattr(run.sampler, "exact_in_time", False):
            found = np.array([average(run, t, 1, n, dt, replicates) for dt in STEPS]) / place
            biases = found[:, 0] - exact
            print(f"  dt = {', '.join(map(str, STEPS))}, N = {n:g} × {replicates}")
            fitted = order(STEPS, biases, found[:, 1])
            print(f"    {shown(biases, found[:, 1])}   {fitted}", flush=True)
        many, spread = np.array(average(run, t, 2, n, options.dt, replicates)) / place
        counts = [int(options.few / m) for m in SIZES]
        few = np.array(
            [
                average(run, t, 3, m, options.dt, k) for m, k in zip(SIZES, counts, strict=True)
            ]
        ) / place  # fmt: skip
        biases, errors = few[:, 0] - many, np.hypot(few[:, 1], spread)
        print(f"  N = {', '.join(map(str, SIZES))}, dt = {options.dt:g}, N × R = {options.few:g}")
        fitted = order(SIZES, biases, errors).replace("order -", "order 1/N^")
        print(f"    {shown(biases, errors)}   {fitted}", flush=True)


if __name__ == "__main__":
    main()
