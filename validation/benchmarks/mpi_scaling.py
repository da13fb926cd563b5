"""Scaling over ranks, cost per unknown, and growth of the cost with the unknowns.

    tools/env python validation/benchmarks/mpi_scaling.py [--ranks 1 2] [--out FOLDER]

`make bench` runs it. It starts itself under ``mpirun`` for each number of ranks, and writes
``mpi-scaling.md`` and ``.csv``:

* strong scaling: the same 3-D problem on more ranks, assembly and the solve apart; weak scaling:
  as many unknowns for each rank;
* beside them the machine's memory bandwidth on as many cores, from a copy of large arrays as in
  STREAM: what a solve that streams matrices can gain at most;
* bytes and time per unknown; and in 2-D the time of a solve against the number of unknowns;
* the coupled Gaussian in 3-D by ``accuracy.tolerance = 1e-6``, with all that a tolerance means,
  against the exact flow.

All times are wall seconds of the slowest rank, medians over repeats, and over turns in which each
number of ranks has its go: a machine that others share is faster at one minute than at the next.
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
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

HERE = Path(__file__).parent
STRONG = 40
"""Cells along each axis of the coarser grid: the run that is timed halves them."""

WEAK = 28
ASSEMBLY = 104
"""Cells along each axis where the assembly alone is timed, so that it takes a second or so."""

ASKED = 1e-6
PLANE = (32, 64, 128, 256)
MEGA = 1e6


def bandwidth(comm: Any, repeats: int = 5) -> float:
    """Bytes per second that all ranks copy together: 16 for each number (read and write)."""
    n = 20_000_000
    source, target = np.ones(n), np.zeros(n)
    best = np.inf
    for _ in range(repeats):
        comm.barrier()
        began = time.perf_counter()
        np.copyto(target, source)
        comm.barrier()
        best = min(best, time.perf_counter() - began)
    return float(16 * n * comm.size / best)


def median_wall(comm: Any, work: Callable[[], Any], repeats: int) -> float:
    """Median over repeats of the time until the slowest rank is done."""
    seconds = []
    for _ in range(repeats):
        comm.barrier()
        began = time.perf_counter()
        work()
        comm.barrier()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def peak_bytes(comm: Any) -> float:
    """Largest memory that all ranks together have held so far."""
    return float(comm.allreduce(1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def gaussian_case(dim: int, cells: int, degree: int, steps: int) -> Any:
    """Flow between correlated Gaussians, with numerics set by hand and no second solution."""
    import wfrpde

    target = np.array([[1.0, 0.4, 0.2], [0.4, 0.7, -0.1], [0.2, -0.1, 0.8]])[:dim, :dim]
    half = 5.5
    return wfrpde.Case.model_validate(
        {
            "target": {"kind": "gaussian", "mean": [0.0] * dim, "covariance": target.tolist()},
            "initial": {
                "kind": "gaussian",
                "mean": [-0.8, 0.4, 0.5][:dim],
                "covariance": np.diag([0.7, 0.8, 0.9][:dim]).tolist(),
            },
            "domain": {"box": [[-half, half]] * dim},
            "flow": {"save": [0.25]},
            "numerics": {
                "formulation": "spectral" if degree > 1 else "edge-averaged",
                "certify": False,
                "degree": degree,
                "cells": [cells] * dim,
                "dt": 0.25 / steps,
            },
        }
    )


def assembly_of(case: Any, comm: Any, cells: int, degree: int) -> tuple[Callable[[], None], int]:
    """Return what makes nodes and matrix from a grid, and the number of unknowns."""
    from wfrpde.case.setup import make_problem
    from wfrpde.discretisation.fluxes import symmetrised_stiffness
    from wfrpde.discretisation.nodes import make_nodes
    from wfrpde.engine import Traits, Wish, assemble

    problem = make_problem(case)
    grid = problem.tensor_grid((cells,) * problem.dim)

    def assembly() -> None:
        nodes = make_nodes(comm, grid, degree)
        triplets, _ = symmetrised_stiffness(nodes, problem.potential(nodes.points))
        assemble(nodes, triplets, Traits(degree == 1, nodes.dim), Wish()).destroy()

    return assembly, make_nodes(comm, grid, degree).n_global


def measured(
    comm: Any, dim: int, cells: int, degree: int, steps: int, repeats: int, fine: int
) -> dict[str, Any]:
    """Seconds of assembly, on `fine` cells along each axis, and of the whole solve."""
    import wfrpde

    case = gaussian_case(dim, cells, degree, steps)
    assembly, unknowns = assembly_of(case, comm, fine, degree)
    assembly()
    seconds = median_wall(comm, assembly, repeats)
    before = peak_bytes(comm)
    solutions = []
    whole = median_wall(comm, lambda: solutions.append(wfrpde.solve(case, comm)), repeats)
    (run,) = solutions[0].numerics["runs"]
    return {
        "dim": dim,
        "cells": cells,
        "degree": degree,
        "steps": run["steps"],
        "ranks": comm.size,
        "unknowns": run["nodes"],
        "assembled": unknowns,
        "assembly": seconds,
        "solve": whole,
        "bytes": max(peak_bytes(comm) - before, 0.0),
    }


def to_tolerance(comm: Any) -> dict[str, Any]:
    """Solve the shipped 3-D Gaussian to `ASKED`: seconds, and errors, estimated and true."""
    import wfrpde
    from wfrpde.flow.accuracy import worst_error
    from wfrpde.flow.exact import gaussian_flow, gaussian_log_density

    shipped = wfrpde.load_case("gaussian-3d").model_dump(mode="json")
    shipped |= {"numerics": {}, "accuracy": {"tolerance": ASKED}}
    shipped["flow"]["save"] = [1.0]
    case = wfrpde.Case.model_validate(shipped)
    solutions = []
    seconds = median_wall(comm, lambda: solutions.append(wfrpde.solve(case, comm)), 1)
    (solution,) = solutions
    start, target = (
        (np.array(part["mean"]), np.array(part["covariance"]))
        for part in (shipped["initial"], shipped["target"])
    )
    mean, covariance = gaussian_flow(*start, *target, 1.0)
    # relative in L2(dx), by importance: points from a wider Gaussian than both
    wide = 1.5 * target[1]
    x = np.random.default_rng(1).multivariate_normal(target[0], wide, 40_000)
    x = x[np.all(np.abs(x) < np.array(shipped["domain"]["box"])[:, 1], axis=1)]
    exact = np.exp(gaussian_log_density(x, mean, covariance))
    weight = np.exp(-gaussian_log_density(x, target[0], wide))
    gap = solution.density(1.0, x) - exact
    run = solution.numerics["runs"][-1]
    return {
        "kind": "tolerance",
        "dim": 3,
        "degree": run["degree"],
        "steps": run["steps"],
        "ranks": comm.size,
        "unknowns": run["nodes"],
        "solve": seconds,
        "asked": ASKED,
        "estimated": worst_error(solution)[0],
        "true": float(np.sqrt((weight * gap**2).sum() / (weight * exact**2).sum())),
    }


def worker(kind: str, path: Path, repeats: int) -> None:
    """Measure one kind on the ranks that there are, and leave the numbers in a file."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    weak = round(WEAK * comm.size ** (1 / 3))
    problems = {
        "strong": [(3, STRONG, 1, 4, repeats, ASSEMBLY)],
        "weak": [(3, weak, 1, 4, repeats, 2 * weak)],
        "spectral": [(3, 10, 4, 4, repeats, 18)],
        "plane": [(2, n, 1, 4, repeats, n) for n in PLANE],
    }
    if kind == "tolerance":
        rows = [to_tolerance(comm)]
    else:
        rows = [{"kind": kind, **measured(comm, *what)} for what in problems[kind]]
    copied = bandwidth(comm)
    if comm.rank == 0:
        path.write_text(json.dumps({"bandwidth": copied, "rows": rows}))


def on_ranks(size: int, kind: str, out: Path, repeats: int) -> dict[str, Any]:
    """Start the worker of one kind: its own process, so that its memory is its own."""
    path = out.resolve() / f"mpi-{kind}-{size}.json"
    words = ["mpirun", "-n", str(size), sys.executable, __file__, "--kind", kind]
    words += ["--worker", str(path), "--repeats", str(repeats)]
    subprocess.run(words, check=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def in_turns(sizes: list[int], kinds: list[str], turns: int, go: Callable[..., Any]) -> Any:
    """Return ``{size: {kind: what the go of median time found}}``, of assembly and solve apart."""
    found: dict[int, dict[str, list[Any]]] = {size: {kind: [] for kind in kinds} for size in sizes}
    for _ in range(turns):
        for size in sizes:
            for kind in kinds:
                found[size][kind].append(go(size, kind))
    return {size: {kind: typical(goes) for kind, goes in of.items()} for size, of in found.items()}


def typical(goes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one of several goes, with the median of each of its times."""
    rows = [dict(row) for row in goes[0]["rows"]]
    for k, row in enumerate(rows):
        for time_of in ("assembly", "solve"):
            row[time_of] = float(np.median([go["rows"][k][time_of] for go in goes]))
    return {"bandwidth": max(go["bandwidth"] for go in goes), "rows": rows}


def report(results: dict[int, dict[str, Any]]) -> str:
    """Tables in Markdown."""
    sizes = sorted(results)
    first = results[sizes[0]]
    lines = [
        "| ranks | copy, GB/s | strong: assembly s | solve s | weak: assembly s | solve s |"
        " spectral: assembly s | solve s |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]

    def row(size: int, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = next(r for r in results[size]["rows"] if r["kind"] == kind)
        return found

    for size in sizes:
        cells = [f"{size}", f"{results[size]['bandwidth'] / 1e9:.1f}"]
        for kind in ("strong", "weak", "spectral"):
            for what in ("assembly", "solve"):
                value, alone = row(size, kind)[what], row(sizes[0], kind)[what]
                gain = f" ({alone / value:.2f}×)" if size > sizes[0] else ""
                cells.append(f"{value:.2f}{gain}")
        if size > sizes[0]:
            cells[1] += f" ({results[size]['bandwidth'] / first['bandwidth']:.2f}×)"
        lines.append("| " + " | ".join(cells) + " |")
    strong, spectral = row(sizes[0], "strong"), row(sizes[0], "spectral")
    lines += [
        "",
        f"Strong: assembly of {strong['assembled']} unknowns in 3-D, edge-averaged, and a solve "
        f"with {strong['unknowns']}, {strong['steps']} steps; weak: about "
        f"{row(sizes[0], 'weak')['unknowns']} for each rank; spectral: assembly of "
        f"{spectral['assembled']} unknowns of degree 4, and a solve with {spectral['unknowns']}, "
        f"{spectral['steps']} steps. Numbering the nodes is part of the assembly, and of the "
        "solve all of `wfrpde.solve`, for one solution without the certifying one.",
        "",
        "| 3-D, coupled Gaussian, ranks | asked | estimated, worst number | true, density in L2 |"
        " unknowns | degree | steps | s |",
        "| ---: | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for size in sizes:
        r = row(size, "tolerance")
        lines.append(
            f"| {size} | {r['asked']:.0e} | {r['estimated']:.1e} | {r['true']:.1e} | "
            f"{r['unknowns']} | {r['degree']} | {r['steps']} | {r['solve']:.1f} |"
        )
    lines += [
        "",
        "| 3-D on one rank | unknowns | µs per unknown and step | kB per unknown |"
        " as copies of an array |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, r in (("edge-averaged", strong), ("spectral, degree 4", spectral)):
        each = r["solve"] / r["unknowns"] / r["steps"]
        copies = each * first["bandwidth"] / 16
        memory = r["bytes"] / r["unknowns"] / 1e3
        lines.append(
            f"| {name} | {r['unknowns']} | {each * MEGA:.2f} | {memory:.2f} | {copies:.0f} |"
        )
    plane = [r for r in first["rows"] if r["kind"] == "plane"]
    lines += [
        "",
        "| 2-D unknowns | solve s | µs per unknown and step | exponent | n log n would be |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for before, r in zip([None, *plane[:-1]], plane, strict=True):
        each = r["solve"] / r["unknowns"] / r["steps"] * MEGA
        grown = bound = ""
        if before is not None:
            span = np.log(r["unknowns"] / before["unknowns"])
            grown = f"{np.log(r['solve'] / before['solve']) / span:.2f}"
            logs = np.log(np.log(r["unknowns"]) / np.log(before["unknowns"]))
            bound = f"{1 + logs / span:.2f}"
        lines.append(f"| {r['unknowns']} | {r['solve']:.2f} | {each:.2f} | {grown} | {bound} |")
    return "\n".join(lines)


def main() -> None:
    """Start a worker for each number of ranks, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker is not None:
        worker(given.kind, given.worker, given.repeats)
        return
    given.out.mkdir(parents=True, exist_ok=True)

    def go(size: int, kind: str) -> dict[str, Any]:
        return on_ranks(size, kind, given.out, given.repeats)

    parts = in_turns(given.ranks, ["strong", "weak", "spectral"], given.turns, go)
    for size in given.ranks:
        parts[size]["tolerance"] = go(size, "tolerance")
    parts[given.ranks[0]]["plane"] = go(given.ranks[0], "plane")
    results = {
        size: {
            "bandwidth": max(part["bandwidth"] for part in of.values()),
            "rows": [row for part in of.values() for row in part["rows"]],
        }
        for size, of in parts.items()
    }
    load = os.getloadavg()[0]
    about = (
        f"Measured on {date.today().isoformat()}: {machine()}; load average {load:.1f} at the end."
    )
    text = f"{about}\n\n{report(results)}\n"
    (given.out / "mpi-scaling.md").write_text(text)
    rows = [r for size in sorted(results) for r in results[size]["rows"]]
    with (given.out / "mpi-scaling.csv").open("w", newline="") as file:
        names = list(dict.fromkeys(name for r in rows for name in r))
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(text)


if __name__ == "__main__":
    main()
