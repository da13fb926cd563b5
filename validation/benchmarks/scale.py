"""Seconds and bytes a node on each of several ranks, of a solve and a spectrum in space.

    tools/env python validation/benchmarks/scale.py [--ranks 1 2] [--cells 80] [--spectrum]

Starts itself under ``mpirun`` for each number of ranks, and prints what each rank took, and the
ratios to the first number: run it on a quiet machine, with as many cores as ranks. All ranks are
taken to be on this machine, where each of them has its part of the fields that they share. The
flow is that of a correlated Gaussian on a box, edge-averaged, one grid, four steps; with
``--spectrum`` the five slowest rates of the same target are asked for instead.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TARGET = {
    "kind": "gaussian",
    "mean": [0.0] * 3,
    "covariance": [[1.0, 0.3, 0.0], [0.3, 0.8, 0.2], [0.0, 0.2, 0.6]],
}


def peak(ranks: int) -> float:
    """Largest memory of this process so far, in bytes; of what ranks share now its part."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    shared = next(int(line.split()[1]) for line in status if line.startswith("RssShmem"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024.0 * (most - shared * (1 - 1 / ranks))


def worker(cells: int, spectrum: bool) -> None:
    """Solve once on few cells, so that all is loaded, and then what is measured."""
    import wfrpde
    from wfrpde.parallel.mpi import MPI

    comm = MPI.COMM_WORLD

    def made(n: int) -> Any:
        numerics: dict[str, Any] = {"formulation": "edge-averaged", "cells": [n // 2] * 3}
        if not spectrum:
            numerics |= {"certify": False, "dt": 0.1}
        tables: dict[str, Any] = {
            "target": TARGET,
            "domain": {"box": [[-5.0, 5.0]] * 3},
            "numerics": numerics,
            "flow": {"save": [0.1, 0.2]},
            "initial": {
                "mean": [-1.0, 0.5, 0.0],
                "covariance": [[0.3, 0, 0], [0, 0.5, 0], [0, 0, 0.4]],
            },
        }
        if spectrum:
            tables["spectrum"] = {"count": 5}
            tables["numerics"] = {"cells": [n // 2] * 3, "degree": 1}
        return wfrpde.Case.from_dict(tables)

    def solved(n: int) -> tuple[int, float]:
        """Return how many nodes there are, and the memory while the result is still there."""
        if spectrum:
            modes = wfrpde.spectrum(made(n), comm)
            return len(modes.nodes), peak(comm.size)
        solution = wfrpde.solve(made(n), comm)
        return int(solution.numerics["nodes"]), peak(comm.size)

    _, before = solved(16)
    comm.Barrier()
    wall, cpu = time.perf_counter(), time.process_time()
    nodes, after = solved(cells)
    comm.Barrier()
    row = (time.perf_counter() - wall, time.process_time() - cpu, (after - before) / nodes)
    rows = comm.gather(row, root=0)
    if comm.rank == 0:
        print("RESULT", json.dumps({"nodes": nodes, "rows": rows}), flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--cells", type=int, default=80, help="along each axis")
    parser.add_argument("--spectrum", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        worker(given.cells, given.spectrum)
        return
    print(f"load average {os.getloadavg()[0]:.1f}")
    print("ranks    nodes  wall s  (gain)  CPU s a rank  (gain)  bytes a node a rank  (share)")
    first: tuple[float, ...] | None = None
    for size in given.ranks:
        words = ["mpirun", "-n", str(size), sys.executable, str(Path(__file__)), "--worker"]
        words += ["--cells", str(given.cells)] + ["--spectrum"] * given.spectrum
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        done = subprocess.run(words, check=True, env=environment, capture_output=True, text=True)
        line = next(text for text in done.stdout.splitlines() if text.startswith("RESULT"))
        found = json.loads(line.removeprefix("RESULT"))
        wall, cpu, size_of = (max(column) for column in zip(*found["rows"], strict=True))
        first = first or (wall, cpu, size_of)
        print(
            f"{size:5d} {found['nodes']:8d} {wall:7.2f} {first[0] / wall:6.2f}x {cpu:13.2f} "
            f"{first[1] / cpu:6.2f}x {size_of:20.0f} {size_of / first[2]:8.2f}"
        )


if __name__ == "__main__":
    main()
