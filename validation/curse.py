"""The curse of dimension: the bias of estimated densities against d, with the oracle beside it.

    tools/env python validation/curse.py [--replicates 24] [--out docs/measured]

Wasserstein-Fisher-Rao samplers of d shallow wells: `smc_wfr`, whose density is a sum of the kernels
of all pairs of particles, and `weighted` with the flow's own log(ρ/π). Both have N particles and
steps of 0.05. Told is the shift of the mean coordinate from the flow's in standard deviations, its
standard error over replicates, and the share of N that the weights leave.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

import wfrpde
from wfrpde.case.samplers import SamplerSpec
from wfrpde.samplers import SamplerContext, make_sampler, oracle_times

END, DT = 0.3, 0.05


def case_of(dim: int) -> wfrpde.Case:
    """Return the case of d wells, saved as often as an oracle needs."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"kind": "product"},
            "factor": [
                {
                    "repeat": dim,
                    "target": {"kind": "double_well", "barrier": 0.5, "tilt": 0.05},
                    "initial": {"mean": [0.5], "covariance": 0.3},
                }
            ],
            "flow": {"save": [END]},
        }
    )
    return case.with_overrides({"flow.save": list(oracle_times(case, 24))})


def main() -> None:
    """Measure, print the table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=24)
    parser.add_argument("--particles", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--dims", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--out", type=Path, default=Path("docs/measured"))
    given = parser.parse_args()
    rows = []
    for dim in given.dims:
        case = case_of(dim)
        solution = wfrpde.solve(case)
        context = SamplerContext.of(case, solution)
        mean, width = solution.mean[-1, 0], float(np.sqrt(solution.variance.value[-1, 0]))
        for name, table in (
            ("estimated", {"kind": "smc_wfr", "pairwise": True}),
            ("oracle", {"kind": "weighted", "density": "oracle"}),
        ):
            sampler = make_sampler(SamplerSpec.model_validate(table), context)
            for n in given.particles:
                shifts, shares = [], []
                for seed in range(given.replicates):
                    made = sampler.run(np.random.SeedSequence([seed, dim, n]), n, DT, [END])
                    last = made.ensembles[-1]
                    shifts.append((float((last.weights @ last.positions).mean()) - mean) / width)
                    shares.append(last.ess / n)
                error = np.std(shifts, ddof=1) / np.sqrt(len(shifts))
                rows.append((dim, n, name, np.mean(shifts), error, np.mean(shares)))
                print("d = {}, N = {}, {}: {:+.4f} ± {:.4f}, ESS/N {:.3f}".format(*rows[-1]),
                      flush=True)  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "curse.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["d", "N", "density", "shift", "error", "ess_share"])
        writer.writerows([(*row[:3], *(f"{x:.5f}" for x in row[3:])) for row in rows])
    draw(rows, given.out / "curse.png")


def draw(rows: list[tuple[int, int, str, float, float, float]], path: Path) -> None:
    """Draw shifts against the dimension."""
    from wfrpde.report import style

    with style.look():
        figure = style.new_figure(7.2, 4.0)
        axes = figure.add_subplot()
        for k, name in enumerate(("estimated", "oracle")):
            for n, line in zip(sorted({row[1] for row in rows}), ("--", "-"), strict=False):
                own = [row for row in rows if row[2] == name and row[1] == n]
                d, shift, error = (np.array([row[i] for row in own]) for i in (0, 3, 4))
                axes.errorbar(d, np.abs(shift), error, ls=line, marker="o", ms=4, capsize=2,
                              color=style.CYCLE[k], label=f"{name}, N = {n}")  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({row[0] for row in rows}))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel("dimension d")
        axes.set_ylabel("|shift of the mean|  [standard deviations]")
        axes.legend(fontsize=8.5, handlelength=3.5)
        style.save(figure, path)


if __name__ == "__main__":
    main()
