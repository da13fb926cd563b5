"""Chains of coupled double wells by tensor trains: errors, seconds, memory; d = 4 by a full tensor.

    tools/env python validation/chains.py [--lengths 4 10 20] [--tolerances 1e-2 1e-3]
    tools/env python validation/chains.py --full

Each flow is solved in a process of its own, on one thread, and what `--kept` has already is not
solved again. The bars of four sites are checked by full tensors of more and more nodes, which share
no code with the package (see `full`), and those of longer chains by the values of a smaller
tolerance.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.interpolate import make_interp_spline

BARRIER, TILT, COUPLING, VARIANCE = 4.0, 0.25, 1.0, 0.05
TIMES = (0.5, 1.0, 2.0)
FULL = (22, 26, 30)
LENGTHS = 3
ROWS = ("kl", "all right", "half of them right", "mean of the first")

Array = np.ndarray


def train(length: int, tolerance: float) -> dict[str, object]:
    """Solve by `wfrpde.solve`."""
    import wfrpde

    case = wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "chain",
                "site": f"{BARRIER}*(x**2 - 1)**2 + {TILT}*x",
                "coupling": f"{COUPLING / 2}*(x - y)**2",
                "length": length,
                "modes": {
                    "all right": "all(x > 0)",
                    "half of them right": f"count(x > 0) >= {length // 2}",
                },
            },
            "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": [[VARIANCE]]},
            "flow": {"save": list(TIMES)},
            "accuracy": {"tolerance": tolerance},
            "output": {"compare": False},
        }
    )
    began = time.process_time()
    solution = wfrpde.solve(case)
    spent = time.process_time() - began
    found = {"kl": solution.estimated("kl"), "mean of the first": solution.estimated("mean")}
    found |= {name: solution.estimated("mode_mass", name) for name in ROWS[1:3]}
    first = {name: (e.value[1:], e.error[1:]) for name, e in found.items()}
    first["mean of the first"] = tuple(part[:, 0] for part in first["mean of the first"])
    return {
        "length": length,
        "tolerance": tolerance,
        "seconds": spent,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rank": solution.numerics["largest_rank"],
        "warnings": list(solution.warnings),
        "numbers": {name: [part.tolist() for part in pair] for name, pair in first.items()},
    }


def full(count: int, lengths: int = LENGTHS, cells: int = 4) -> dict[str, object]:
    """Solve four sites on all of their nodes.

    log(ρ/π) is an array of four dimensions. A site diffuses on a fine grid given its neighbours,
    by powers of matrices of finite volumes on two grids, extrapolated; steps are extrapolated from
    `lengths` of them, each half of the one before. Splines of degree 5 have an error of h⁶: what
    more nodes change says how far the nodes are from a continuum.
    """
    low, high, n = -2.1, 1.86, count
    x = np.linspace(low, high, n)

    def site(y: Array) -> Array:
        return BARRIER * (y * y - 1) ** 2 + TILT * y

    def grid(each: int) -> tuple[Array, Array]:
        h, beyond = (x[1] - x[0]) / each, 2 * each
        return low + h * np.arange(-beyond, (n - 1) * each + beyond + 1), beyond + each * np.arange(
            n
        )

    def rows(y: Array) -> Array:
        spline = make_interp_spline(x, np.eye(n), k=5)
        inside = np.clip(y, low, high)
        return spline(inside) + (y - inside)[:, None] * spline.derivative()(inside)

    def generator(y: Array, own: Array) -> Array:
        rise, h, m = np.diff(own), y[1] - y[0], len(y)
        matrix = np.zeros((m, m))
        safe = np.where(np.abs(rise) < 1e-9, 1.0, rise)
        up = np.where(np.abs(rise) < 1e-9, 1 - rise / 2, safe / np.expm1(safe)) / h**2
        matrix[range(m - 1), range(1, m)] = up
        matrix[range(1, m), range(m - 1)] = up * np.exp(rise)
        matrix[0] *= 2.0
        matrix[-1] *= 2.0  # half a volume at either end
        return matrix - np.diag(matrix.sum(axis=1))

    grids = [grid(cells), grid(2 * cells)]
    wide = [rows(y) for y, _ in grids]
    # with two neighbours V depends on their sum, with one on its place
    sums = np.linspace(2 * low, 2 * high, 2 * n - 1)
    fields = [
        np.stack(
            [site(y) + COUPLING * (y * y - y * s) for s in sums]
            + [site(y) + COUPLING * (y * y / 2 - y * s) for s in x]
        )
        for y, _ in grids
    ]
    generators = [
        np.stack([generator(y, own) for own in table])
        for (y, _), table in zip(grids, fields, strict=True)
    ]
    powers: dict[float, list[Array]] = {}

    def power(matrix: Array, tau: float) -> Array:
        size = matrix.shape[1]
        times = int(np.ceil(np.log2(8 * tau * np.abs(matrix).max())))
        step = matrix * (tau / 2**times)
        step = np.eye(size) + step @ (np.eye(size) + step @ (np.eye(size) + step / 3) / 2)
        step = np.maximum(step, 0.0)
        for _ in range(times):
            step = step @ step
        return step / step.sum(axis=2, keepdims=True)

    @cache
    def kernels(tau: float) -> tuple[Array, Array]:
        """Return what takes u to points of a fine grid, and e^u from there to the nodes, twice."""
        last = next((k for k in powers if abs(2 * k / tau - 1) < 1e-12), None)
        every = [m @ m for m in powers[last]] if last else [power(g, tau) for g in generators]
        powers.clear()
        powers[tau] = every
        (_, at), (_, among) = grids
        coarse, fine = every[0][:, at], every[1][:, among]
        # e^{τL} is smooth, so that few equidistant points have its sums: all rows add up to one
        parts = coarse.shape[2] - 1
        steps = [k for k in range(1, parts) if parts % k == 0]
        rest = [np.abs(2 * k * fine[..., :: 2 * k].sum(axis=2) - 1).max() for k in steps]
        few = [k for k, left in zip(steps, rest, strict=True) if left < 1e-7]
        if few:
            k = few[-1]
            spread = wide[0][::k]
            both = np.concatenate([coarse[..., ::k], fine[..., :: 2 * k]], axis=1)
            return spread, both / both.sum(axis=2, keepdims=True)
        both = np.zeros((len(fine), 2 * n, fine.shape[2]))
        both[:, :n, ::2], both[:, n:] = coarse, fine
        return wide[1], both

    middle = np.add.outer(np.arange(n), np.arange(n)).ravel()

    def diffuse(u: Array, k: int, tau: float) -> Array:
        if k in (0, 3):
            order, which = (1, 2, 3, 0) if k == 0 else (2, 0, 1, 3), 2 * n - 1 + np.arange(n)
        else:
            order, which = (k - 1, k + 1, 3 if k == 1 else 0, k), middle
        fibres = u.transpose(order).reshape(len(which), -1, n)
        spread, matrices = kernels(tau)
        after = np.empty((*fibres.shape[:2], 2 * n))
        for j, kind in enumerate(which):
            values = fibres[j] @ spread.T
            top = values.max(axis=1, keepdims=True)
            after[j] = np.log(np.exp(values - top) @ matrices[kind].T) + top
        found = (4 * after[..., n:] - after[..., :n]) / 3
        return found.reshape((n,) * 4).transpose(np.argsort(order))

    def march(halvings: int) -> list[Array]:
        at = np.meshgrid(x, x, x, x, indexing="ij")
        u = sum(-((y + 1) ** 2) / (2 * VARIANCE) + site(y) for y in at)
        u = u + COUPLING / 2 * sum((a - b) ** 2 for a, b in pairwise(at))
        ladder = [(1 / 256, 4), (1 / 256, 4), (1 / 128, 4), (1 / 64, 4), (1 / 32, 4), (1 / 16, 4)]
        parts = [ladder, [(1 / 8, 4)], [(1 / 8, 8)]]
        found = []
        for part in parts:
            for dt, number in part:
                h = dt / 2**halvings
                for _ in range(number * 2**halvings):
                    u = np.exp(-h / 2) * u
                    # the last site twice in turn, which is once for twice as long
                    for k, tau in zip((0, 1, 2, 3, 2, 1, 0), (1, 1, 1, 2, 1, 1, 1), strict=True):
                        u = diffuse(u, k, tau * h / 2)
                    u = np.exp(-h / 2) * u
            found.append(u)
            print(f"{halvings} halvings, {len(found)} of 3 times", file=sys.stderr, flush=True)
        return found

    node, weight = np.polynomial.legendre.leggauss(28)
    points = np.concatenate([low + (node + 1) / 2 * (0 - low), (node + 1) / 2 * high])
    weights = np.concatenate([weight / 2 * (0 - low), weight / 2 * high])
    at = np.meshgrid(*[points] * 4, indexing="ij", sparse=True)
    energy = sum(site(y) for y in at)
    energy = energy + COUPLING / 2 * sum((a - b) ** 2 for a, b in pairwise(at))
    measure = np.exp(-energy)
    for axis in range(4):
        measure = measure * weights.reshape([-1 if k == axis else 1 for k in range(4)])
    right = points > 0
    count_right = sum(np.where(y > 0, 1, 0) for y in at)

    def numbers(u: Array) -> Array:
        for _ in range(4):
            u = np.tensordot(u, rows(points), axes=(0, 1))
        top = u.max()
        law = measure * np.exp(u - top)
        total = law.sum()
        kl = (law * u).sum() / total - np.log(total) - top + np.log(measure.sum())
        mass = law[np.ix_(right, right, right, right)].sum() / total
        half = law[count_right >= 2].sum() / total
        return np.array([kl, mass, half, (law * at[0]).sum() / total])

    began = time.process_time()
    late = [np.array([numbers(u) for u in march(k)]) for k in range(lengths)]
    each = [late[-1].tolist()]
    for order in range(1, lengths):  # of steps two, then four, six: as the sweeps are symmetric
        late = [b + (b - a) / (4**order - 1) for a, b in pairwise(late)]
        each.append(late[-1].tolist())
    return {
        "seconds": time.process_time() - began,
        "nodes": count,
        "numbers": {name: late[-1][:, k].tolist() for k, name in enumerate(ROWS)},
        "by lengths": each,
    }


def kept(folder: Path, name: str, *words: str) -> dict[str, object] | None:
    """Return the result of a process of its own, if a folder lacks it; without words only that."""
    path = folder / f"{name}.json"
    if not path.is_file() and words:
        done = subprocess.run(
            [sys.executable, __file__, *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(done.stdout.splitlines()[-1] + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def left(tensors: list[dict], name: str, k: int) -> float:
    """Return what the nodes of the finest full tensor leave of a number: of splines, an h⁶."""
    coarse, fine = tensors[-2:]
    share = ((coarse["nodes"] - 1) / (fine["nodes"] - 1)) ** 6
    gap = abs(fine["numbers"][name][k] - coarse["numbers"][name][k])
    return float(gap * share / (1 - share))


def write(out: Path, runs: list[dict], tensors: list[dict]) -> None:
    """Write what was measured as a table in Markdown, and every number as CSV."""
    last, lines = len(TIMES) - 1, []
    with (out / "chains.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sites", "tolerance", "t", "number", "value", "bar", "known", "from"])
        for run in runs:
            finer = [
                other
                for other in runs
                if other["length"] == run["length"] and other["tolerance"] < run["tolerance"]
            ]
            known, what, source = None, "", ""
            if run["length"] == 4 and tensors:
                known, what = tensors[-1]["numbers"], "full tensor"
            elif finer:
                known = {name: value for name, (value, _) in finer[0]["numbers"].items()}
                what = f"tolerance {finer[0]['tolerance']:g}"
            covered, count = 0, 0
            for name, (value, bar) in run["numbers"].items():
                for k, t in enumerate(TIMES):
                    row = [run["length"], run["tolerance"], t, name, value[k], bar[k]]
                    truth = "" if known is None else known[name][k]
                    source = "" if known is None else what
                    writer.writerow([*row, truth, source])
                    if known is not None:
                        count += 1
                        more = left(tensors, name, k) if run["length"] == 4 else 0.0
                        covered += abs(value[k] - known[name][k]) <= bar[k] + more
            kl, right = (run["numbers"][name] for name in ROWS[:2])
            lines.append(
                f"| {run['length']} | {run['tolerance']:g} | {kl[0][last]:.7f} ± {kl[1][last]:.0e} "
                f"| {right[0][last]:.5e} ± {right[1][last]:.0e} | "
                + (f"{covered} of {count} ({what})" if count else "")
                + f" | {run['rank']} | {run['seconds']:.0f} | {run['megabytes']:.0f} |"
            )
    for tensor in tensors:
        kl, right = (tensor["numbers"][name][last] for name in ROWS[:2])
        name = f"full tensor, {tensor['nodes']} nodes"
        lines.append(f"| 4 | {name} | {kl:.7f} | {right:.5e} | | | {tensor['seconds']:.0f} | |")
    head = (
        "| sites | tolerance | KL | all right | within their bars | rank | CPU s | MB |\n"
        "| ---: | ---: | --- | --- | --- | ---: | ---: | ---: |\n"
    )
    (out / "chains.md").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[4, 10, 20])
    parser.add_argument("--tolerances", type=float, nargs="+", default=[1e-2, 1e-3])
    parser.add_argument("--out", type=Path, default=Path("docs/measured"))
    parser.add_argument("--kept", type=Path, default=Path("results/chains"))
    parser.add_argument("--known", action="store_true", help="tabulate what --kept has, no more")
    parser.add_argument("--full", type=int, help="nodes a site of a full tensor: print its numbers")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.full:
        print(json.dumps(full(given.full)))
    elif given.one:
        print(json.dumps(train(int(given.one[0]), float(given.one[1]))))
    else:
        runs = []
        for length in given.lengths:
            for tolerance in given.tolerances:
                words = () if given.known else ("--one", str(length), str(tolerance))
                runs.append(kept(given.kept, f"{length}-{tolerance:g}", *words))
        tensors = []
        for count in FULL:
            words = () if given.known else ("--full", str(count))
            tensors.append(kept(given.kept, f"full-{count}", *words))
        known = [tensor for tensor in tensors if tensor is not None]
        write(given.out, [run for run in runs if run is not None], known)


if __name__ == "__main__":
    main()
