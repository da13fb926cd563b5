"""False alarms in d = 50, and planted faults of a weighted sampler in d = 100: counts of verdicts.

    tools/env python validation/dimensions.py [--trials 300] [--out docs/measured]

Exact draws are judged `trials` times at 5 %, all averages together; an oracle-weighted
Wasserstein-Fisher-Rao sampler is judged as it is, with 5 % too little noise, with its weights
dropped, and with one coordinate of a hundred that misses its force. Weights whose tail is heavy by
chance leave a verdict undecided, which is counted apart.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import wfrpde
from wfrpde.comparison.dimensions import Judgement, ProductJudge
from wfrpde.comparison.product_density import ProductDensity

STEPS, END, LEVEL = 24, 0.4, 0.05
TIMES = np.linspace(END / STEPS, END, STEPS)


def wells(dim: int, save: Sequence[float] = TIMES) -> wfrpde.ProductSolution:
    """Solve the flow of d shallow wells."""
    return wfrpde.solve(
        wfrpde.Case.from_dict(
            {
                "target": {
                    "kind": "product",
                    "modes": {
                        "half": f"count(x > 0) >= {dim // 2}",
                        "far": f"sum(x) > {0.1 * dim}",
                    },
                },
                "factor": [
                    {
                        "repeat": dim,
                        "target": {"kind": "double_well", "barrier": 0.5, "tilt": 0.05},
                        "initial": {"mean": [0.1], "covariance": 0.55},
                    }
                ],
                "flow": {"save": list(save)},
            }
        )
    )


def weighted(
    solution: wfrpde.ProductSolution,
    seed: int,
    *,
    noise: float = 1.0,
    weighted: bool = True,
    wrong: int = 0,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Run sixteen replicates of Langevin steps of weak order 2, weighted by the flow's log(ρ/π)."""
    part = solution.parts[0]
    grid = np.linspace(*part.solution.box[0], 3001)
    tables = [part.log_relative_density(k, grid[:, None]) for k in range(len(part.times))]
    rng = np.random.default_rng(seed)
    y = 0.1 + np.sqrt(0.55) * rng.standard_normal((16, 120, solution.dim))
    log_w, h = np.zeros(y.shape[:2]), END / STEPS

    def force(x: np.ndarray) -> np.ndarray:
        return -part.target.gradient(x.reshape(-1, 1)).reshape(x.shape)

    for step, table in enumerate(tables):
        log_w -= h * (0.5 if step in (0, STEPS) else 1.0) * np.interp(y, grid, table).sum(axis=2)
        if step == STEPS:
            break
        kick = noise * np.sqrt(2 * h) * rng.standard_normal(y.shape)
        before = force(y)
        after = y + h * (before + force(y + h * before + kick)) / 2 + kick
        if wrong:
            after[..., :wrong] = y[..., :wrong] + kick[..., :wrong]
        y = after
    return y, log_w if weighted else None


def counted(verdicts: Iterable[Judgement]) -> tuple[int, int]:
    """Return how many are found wrong, and how many are undecided."""
    every = [(not one.passed, bool(one.doubt)) for one in verdicts]
    undecided = sum(doubt for _, doubt in every)
    return sum(wrong for wrong, _ in every) - undecided, undecided


def main() -> None:
    """Count verdicts, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("docs/measured"))
    given = parser.parse_args()
    began = time.process_time()
    fifty = wells(50)
    judge, law = ProductJudge(fifty, END, level=LEVEL), ProductDensity(fifty, END)
    rng = np.random.default_rng(4)
    draws = (law.draw(12 * 60, rng).reshape(12, 60, 50) for _ in range(given.trials))
    found = counted(judge.judge(list(own)) for own in draws)
    rows = [("exact draws, d = 50", given.trials, *found)]
    print(rows[-1], f"{time.process_time() - began:.0f} CPU s", flush=True)
    hundred = wells(100)
    judge = ProductJudge(hundred, END, level=LEVEL)
    for name, fault in (
        ("weighted sampler, d = 100", {}),
        ("noise × 0.95", {"noise": 0.95}),
        ("weights dropped", {"weighted": False}),
        ("one factor without its force", {"wrong": 1}),
    ):
        seeds = range(1, given.seeds + 1)
        found = counted(judge.judge(*weighted(hundred, seed, **fault)) for seed in seeds)
        rows.append((name, given.seeds, *found))
        print(rows[-1], f"{time.process_time() - began:.0f} CPU s", flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "dimensions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["samples", "trials", "found wrong", "undecided"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
