"""Orders of the built-in samplers: bias against the time step, and against the number of particles.

    OMP_NUM_THREADS=1 tools/env python validation/samplers/orders.py [--case mixture]

Three flows with α = β = 1: ``gaussian``, from N(0, 1/2) to N(1, 1) at t = 0.6; ``mixture``, from
N(0, 1) to ½N(0, 1) + ½N(3, 1) at t = 1; ``far``, from N(0, 1) to ½N(0, 1) + ½N(6, 1) at t = 2,
where the right mode starts with next to nothing, and the few particles that get there decide.
Biases are those of x², divided by m² for the right mode at m, in units of 10⁻³.

* Time step: the law of infinitely many particles on a lattice (`wfrpde.comparison.limit`) is
  compared with the Eulerian flow. There is no noise in it. The order is that of the differences
  between one step and half of it: what the mesh of a density estimate adds does not vanish with
  the step, and is what they tend to, ``dt → 0``. For MALA, whose law is not computed, many
  particles take its place.
* Particles: a step that is kept, few particles, and many replicates, compared with infinitely many
  (for a kernel estimate, whose bandwidth is kept: with many). The logarithm of a density estimate
  from n particles is off by −1/(2n) in the mean, and n = N ρ(x) k for a kernel that covers k. In
  the reaction of x² this adds up to ∫x² dx / (2 N k) over all x that have neighbours, N ρ(x) k > 1:
  O(1/N) times a power of log N, (log N)^{3/2} for a Gaussian tail. Both the order in N and the
  bias times N / (log N)^{3/2}, which settles if that is so, are printed.

An order is fitted by weighted least squares on the logarithms of the biases that exceed 2.5
standard errors, and is left out where there are fewer than two.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import wfrpde
from wfrpde.comparison.limit import law_step, limit_laws
from wfrpde.samplers import SamplerContext, make_sampler, oracle_times


def chosen(name: str) -> tuple[wfrpde.Case, float]:
    """Give a case, and the length m that x is divided by."""
    if name == "gaussian":
        target: dict[str, Any] = {"kind": "gaussian", "mean": [1.0], "covariance": [[1.0]]}
        variance, place, t = 0.5, 1.0, 0.6
    else:
        place, t = (6.0, 2.0) if name == "far" else (3.0, 1.0)
        target = {
            "kind": "gaussian_mixture",
            "means": [[0.0], [place]],
            "covariances": [[[1.0]], [[1.0]]],
        }
        variance = 1.0
    case = wfrpde.Case.model_validate(
        {
            "target": target,
            "initial": {"mean": [0.0], "covariance": [[variance]]},
            "flow": {"save": [t]},
        }
    )
    return case, place


STEPS = (0.2, 0.1, 0.05, 0.025)
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
    run: Any, place: float, t: float, seed: int, n: int, dt: float, replicates: int
) -> tuple[float, float]:
    """Mean of (x/m)² over replicates, and its standard error."""
    values = []
    for one in np.random.SeedSequence(seed).spawn(replicates):
        ensemble = run.run(one, n, dt, [t]).ensembles[0]
        values.append(float(ensemble.average((ensemble.positions / place) ** 2)[0]))
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(replicates))


def infinite(run: Any, context: SamplerContext, place: float, t: float, dt: float) -> float:
    """Mean of (x/m)² for infinitely many particles; NaN where it is not known."""
    step = law_step(run.sampler)
    if step is None:
        return np.nan
    laws = limit_laws(step, context.target, context.initial, context.problem, dt, [t])
    if laws is None:
        return np.nan
    law = laws[0]
    return float(law.masses @ (law.lattice.points[:, 0] / place) ** 2 / law.masses.sum())


def order(sizes: tuple[float, ...], biases: np.ndarray, errors: np.ndarray) -> str:
    """Fitted order with its standard error, or why there is none."""
    seen = np.abs(biases) > 2.5 * errors
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
        "--few", type=float, default=1e6, help="particles in all of small ensembles"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 400, 1600, 6400])
    parser.add_argument("--dt", type=float, default=0.1, help="the step of small ensembles")
    parser.add_argument("--case", choices=["gaussian", "mixture", "far"], default="gaussian")
    parser.add_argument("--only", nargs="+", choices=TABLES)
    options = parser.parse_args()
    n, replicates = int(options.particles), options.replicates
    base, place = chosen(options.case)
    t = base.flow.save[-1]
    exact, error = {}, 0.0
    for name, changes in {"FR": {"flow.alpha": 0.0}, "W": {"flow.beta": 0.0}, "WFR": {}}.items():
        case = base.with_overrides({**changes, "flow.save": list(oracle_times(base))})
        solution = wfrpde.solve(case)
        exact[name] = float(solution.covariance[-1, 0, 0] + solution.mean[-1, 0] ** 2) / place**2
        error = max(error, float(solution.error.covariance[-1, 0, 0]) / place**2)
    context = SamplerContext.of(base, solution)
    print(f"{options.case}, t = {t:g}; biases of (x/m)² in 10⁻³, the truth to {1e3 * error:.0e};")
    print(f"log(ρ/π) with a saved time left out: {context.oracle('').interpolation_error:.0e}")
    for name in options.only or TABLES:
        run = make_sampler(base.with_overrides({"sampler": [TABLES[name]]}).samplers[0], context)
        truth = exact[run.claims]
        print(f"\n{name}: {run.claims}, {truth:.6f}", flush=True)
        if not getattr(run.sampler, "exact_in_time", False):
            found = np.array([[infinite(run, context, place, t, dt), 1e-6] for dt in STEPS])
            kind = "N = ∞"
            if np.isnan(found).any():
                kind = f"N = {n:g} × {replicates}"
                found = np.array([average(run, place, t, 1, n, h, replicates) for h in STEPS])
            biases = found[:, 0] - truth
            print(f"  dt = {', '.join(map(str, STEPS))}, {kind}")
            fitted = order(STEPS[:-1], -np.diff(biases), np.hypot(found[1:, 1], found[:-1, 1]))
            rest = 1e3 * (2 * biases[-1] - biases[-2])
            print(f"    {shown(biases, found[:, 1])}   {fitted}; dt → 0: {rest:.2f}")
        limit, spread = infinite(run, context, place, t, options.dt), 0.0
        if np.isnan(limit) or "kde" in name:
            limit, spread = average(run, place, t, 2, n, options.dt, replicates)
        sizes = tuple(options.sizes)
        counts = [int(options.few / m) for m in sizes]
        few = np.array(
            [
                average(run, place, t, 3, m, options.dt, k)
                for m, k in zip(sizes, counts, strict=True)
            ]
        )
        biases, errors = few[:, 0] - limit, np.hypot(few[:, 1], spread)
        print(f"  N = {', '.join(map(str, sizes))}, dt = {options.dt:g}, N × R = {options.few:g}")
        fitted = order(sizes, biases, errors).replace("order -", "order 1/N^")
        print(f"    {shown(biases, errors)}   {fitted}")
        scale = np.array(sizes) / np.log(sizes) ** 1.5
        print(f"    {shown(scale * biases, scale * errors)}   times N/(log N)^1.5", flush=True)


if __name__ == "__main__":
    main()
