"""Asked, estimated and true: what `[accuracy] tolerance` delivers.

    OMP_NUM_THREADS=1 tools/env python validation/tolerance.py
    OMP_NUM_THREADS=1 tools/env python validation/tolerance.py --cases wells-8 ring --digits 2 4

Each case is solved for each tolerance. The true errors are those against the exact Gaussian flow
where that is known, else against a run by *another* formulation with a tolerance of its own, whose
estimate is printed: where it is no smaller than a third of the estimate that is judged, nothing is
concluded, and the pair is left out.

Every number at every saved time is a pair of an estimate and a true error, both relative as in
`wfrpde.flow.accuracy.relative_errors`. The table shows the worst of each solve; the last lines say
in how many pairs the estimate holds, and the median of their ratio. Errors below 1e-11 are
round-off: they count as covered, and have no ratio.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import wfrpde
from wfrpde.flow.accuracy import RATES, relative_errors, worst_error
from wfrpde.flow.exact import gaussian_flow, gaussian_kl, gaussian_log_density
from wfrpde.solution import ErrorEstimate, Solution

Array = np.ndarray[Any, Any]

ROUND_OFF = 1e-11
POINTS = {1: 2001, 2: 161, 3: 41}
"""Points along each axis at which densities are compared, by dimension."""


@dataclass(frozen=True)
class Probe:
    """A case; `other` names the formulation of the reference, None an exact Gaussian flow."""

    title: str
    target: dict[str, Any]
    initial: dict[str, Any]
    flow: dict[str, Any]
    other: str | None = None
    reference: float = 1e-10
    digits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    extra: dict[str, Any] = field(default_factory=dict)

    def case(self, **keys: Any) -> wfrpde.Case:
        """Return the case with some keys."""
        data = {"target": self.target, "initial": self.initial, "flow": self.flow, **self.extra}
        return wfrpde.Case.model_validate(data).with_overrides(keys)


def gaussian(mean: list[float], covariance: list[list[float]]) -> dict[str, Any]:
    """Return the table of a Gaussian."""
    return {"kind": "gaussian", "mean": mean, "covariance": covariance}


def well(barrier: float, **keys: Any) -> dict[str, Any]:
    """Return the table of a tilted double well."""
    return {"kind": "double_well", "barrier": barrier, "tilt": 0.5, **keys}


TIMES = [0.1, 0.5, 2.0]
PLANE = gaussian([0.0, 0.0], [[1.0, 0.4], [0.4, 0.7]])
START = gaussian([-1.0, 0.5], [[0.3, 0.0], [0.0, 0.5]])
LEFT = gaussian([-1.0], [[0.02]])
PROBES = {
    "line": Probe("Gaussian, 1-D, WFR", gaussian([0.0], [[1.0]]), gaussian([2.0], [[0.2]]),
                  {"save": TIMES}),
    "line-w": Probe("Gaussian, 1-D, W", gaussian([0.0], [[1.0]]), gaussian([2.0], [[0.2]]),
                    {"save": TIMES, "beta": 0.0}),
    "line-fr": Probe("Gaussian, 1-D, FR", gaussian([0.0], [[1.0]]), gaussian([1.0], [[0.5]]),
                     {"save": TIMES, "alpha": 0.0}),
    "plane": Probe("Gaussian, 2-D, WFR", PLANE, START, {"save": TIMES}),
    "plane-w": Probe("Gaussian, 2-D, W", PLANE, START, {"save": TIMES, "beta": 0.0}),
    "plane-fr": Probe("Gaussian, 2-D, FR", PLANE, START, {"save": TIMES, "alpha": 0.0}),
    "space": Probe("Gaussian, 3-D, WFR", gaussian([0.0] * 3, [[1.0, 0.3, 0.0], [0.3, 0.8, 0.2],
                   [0.0, 0.2, 0.9]]), gaussian([0.5, -0.4, 0.3], np.diag([0.6, 0.5, 0.7]).tolist()),
                   {"save": [0.2, 1.0]}, digits=(2, 3, 4)),
    "wells-2": Probe("Double well, barrier 2, WFR", well(2.0), LEFT, {"save": TIMES},
                     other="spectral"),
    "wells-8": Probe("Double well, barrier 8, WFR", well(8.0), LEFT, {"save": TIMES},
                     other="spectral"),
    "wells-20": Probe("Double well, barrier 20, WFR", well(20.0), LEFT, {"save": TIMES},
                      other="edge-averaged", reference=1e-8, digits=(2, 3, 4, 5, 6)),
    "wells-w": Probe("Double well, barrier 5, W", well(5.0), LEFT, {"save": TIMES, "beta": 0.0},
                     other="spectral", digits=(2, 3, 4, 5, 6, 7)),
    "mixture": Probe("Three Gaussians, 1-D, WFR", {"kind": "gaussian_mixture",
                     "weights": [0.5, 0.3, 0.2], "means": [[-2.0], [0.5], [3.0]],
                     "covariances": [[[0.3]], [[0.2]], [[0.5]]],
                     "modes": {"middle": "x > -0.8 and x < 1.5"}}, gaussian([-2.0], [[0.3]]),
                     {"save": TIMES}, other="edge-averaged", reference=1e-8,
                     digits=(2, 3, 4, 5, 6)),
    "wells-plane": Probe("Double well, 2-D, barrier 4, WFR", well(4.0, dim=2, stiffness=6.0,
                         coupling=0.5), gaussian([-1.0, -0.5], [[0.05, 0.0], [0.0, 0.1]]),
                         {"save": [0.1, 0.5, 1.0]}, other="spectral", reference=1e-7,
                         digits=(2, 3, 4, 5, 6)),
    "mixture-plane": Probe("Two Gaussians, 2-D, WFR", {"kind": "gaussian_mixture",
                           "weights": [0.6, 0.4], "means": [[-1.0, 0.0], [1.2, 0.6]],
                           "covariances": [[[0.3, 0.1], [0.1, 0.3]], [[0.3, 0.0], [0.0, 0.4]]],
                           "modes": {"right": "x > 0.1"}},
                           gaussian([-1.0, 0.0], [[0.3, 0.1], [0.1, 0.3]]),
                           {"save": [0.1, 0.5, 1.0]}, other="spectral", reference=1e-7,
                           digits=(2, 3, 4, 5, 6)),
    "banana": Probe("Banana, 2-D, WFR", {"kind": "banana"},
                    gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), {"save": [0.3, 1.0]},
                    other="spectral", reference=1e-5, digits=(2, 3)),
    "ring": Probe("Ring, 2-D, W", {"kind": "ring", "radius": 2.0, "width": 0.7},
                  gaussian([0.5, 0.0], [[0.4, 0.0], [0.0, 0.4]]), {"save": [0.1, 1.0], "beta": 0.0},
                  other="spectral", reference=1e-6, digits=(2, 3, 4)),
}  # fmt: skip


def exact_errors(probe: Probe, solution: Solution) -> ErrorEstimate:
    """Absolute errors against the exact flow between Gaussians."""
    dim = len(probe.target["mean"])
    ends = [np.asarray(part[key], float) for part in (probe.initial, probe.target)
            for key in ("mean", "covariance")]  # fmt: skip
    rates = {key: probe.flow.get(key, 1.0) for key in ("alpha", "beta")}
    moments = [gaussian_flow(*ends, t, **rates) for t in solution.times]
    kl = np.array([gaussian_kl(m, c, *ends[2:]) for m, c in moments])
    points = lattice(solution, dim)
    density = []
    for t, (m, c) in zip(solution.times, moments, strict=True):
        expected = np.exp(gaussian_log_density(points, m, c))
        density.append(distance(solution.density(t, points), expected))
    covariance = np.abs(solution.covariance - np.array([c for _, c in moments]))
    unknown = np.full(len(solution.times), np.nan)
    return ErrorEstimate(
        {"kl": np.abs(solution.series["kl"] - kl), **dict.fromkeys(RATES, unknown)},
        np.abs(solution.mean - np.array([m for m, _ in moments])),
        covariance,
        dict.fromkeys(solution.mode_mass, unknown),
        np.array(density),
    )


def errors_against(reference: Solution, solution: Solution) -> ErrorEstimate:
    """Absolute differences to another solution."""
    points = lattice(solution, solution.nodes.shape[1])
    names = ("kl", *RATES)
    return ErrorEstimate(
        {name: np.abs(solution.series[name] - reference.series[name]) for name in names},
        np.abs(solution.mean - reference.mean),
        np.abs(solution.covariance - reference.covariance),
        {k: np.abs(v - reference.mode_mass[k]) for k, v in solution.mode_mass.items()},
        np.array(
            [
                distance(solution.density(t, points), reference.density(t, points))
                for t in solution.times
            ]
        ),
    )


def lattice(solution: Solution, dim: int) -> Array:
    """Points of a regular lattice over the box of a solution."""
    axes = [np.linspace(low, high, POINTS[dim]) for low, high in solution.box]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)


def distance(one: Array, other: Array) -> float:
    """Relative distance in L2."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def pairs(
    solution: Solution, true: ErrorEstimate, reference: Solution | None
) -> list[tuple[str, float, float]]:
    """Name, estimate and true error of every number after the start that can be judged."""
    estimated, found = relative_errors(solution), relative_errors(solution, true)
    known = relative_errors(reference) if reference is not None else {}
    result = []
    for name, values in estimated.items():
        for k in range(1, len(solution.times)):
            own = known[name][k] if known else 0.0
            if np.isfinite(found[name][k]) and own <= values[k] / 3:
                result.append((name, float(values[k]), float(found[name][k])))
    return result


def measure(probe: Probe, digits: list[int] | None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the rows of a case, and all its pairs."""
    reference = None
    if probe.other is not None:
        keys = {"accuracy.tolerance": probe.reference, "numerics.formulation": probe.other}
        reference = wfrpde.solve(probe.case(**keys))
        rows = [f"{probe.title} (reference: {probe.other}, {worst_error(reference)[0]:.0e})"]
    else:
        rows = [f"{probe.title} (reference: exact)"]
    judged: list[tuple[Any, ...]] = []
    for digit in probe.digits if digits is None else digits:
        began = time.process_time()
        solution = wfrpde.solve(probe.case(**{"accuracy.tolerance": 10.0**-digit}))
        spent = time.process_time() - began
        true = (
            exact_errors(probe, solution)
            if reference is None
            else errors_against(reference, solution)
        )
        estimate, what = worst_error(solution)
        new = pairs(solution, true, reference)
        judged += new
        aimed = [t for name, _, t in new if name not in RATES]
        met = "" if estimate <= 10.0**-digit else "  not met"
        rows.append(
            f"  1e-{digit}  {estimate:8.1e}  {max(aimed, default=np.nan):8.1e}  {spent:7.2f}  "
            f"{len(solution.numerics['accuracy']['attempts'])}  {len(solution.nodes):6d}  "
            f"{solution.numerics['formulation']:13s}  {what}{met}"
        )
    return rows, judged


def main() -> None:
    """Print the table and the summary."""
    parser = argparse.ArgumentParser(description="Asked, estimated and true errors.")
    parser.add_argument("--cases", nargs="*", choices=list(PROBES), default=list(PROBES))
    parser.add_argument("--digits", nargs="*", type=int)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    judged: list[tuple[Any, ...]] = []
    print("  asked  estimated      true    CPU s  runs  nodes  formulation    worst number")
    for name in chosen.cases:
        rows, new = measure(PROBES[name], chosen.digits)
        print("\n".join(rows), flush=True)
        judged += new
        report(new, "    of them")
    report(judged, "all")


def report(judged: list[tuple[Any, ...]], words: str) -> None:
    """Print how often the estimates hold, and the median of their ratio to the truth."""
    if judged:
        estimate, true = (np.array([row[k] for row in judged]) for k in (1, 2))
        holds = np.mean(true <= np.maximum(estimate, ROUND_OFF))
        seen = true > ROUND_OFF
        ratio = np.median(estimate[seen] / true[seen]) if seen.any() else np.nan
        print(
            f"{words}: {len(judged)} numbers, true <= estimated in {holds:.1%}, "
            f"median of estimated/true {ratio:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
