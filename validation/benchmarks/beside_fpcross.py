"""Chains by tensor trains beside fpcross, on its Ornstein–Uhlenbeck process in five dimensions.

    PEER=$(validation/benchmarks/make_peers.sh validation/benchmarks/requirements-fpcross.txt)
    tools/env python validation/benchmarks/beside_fpcross.py --peer "$PEER"

dX = −KX dt + dW from N(0, I), to t = 5, as its demonstration has it: with K = I, and with
neighbours that are coupled, K = I + L/4, where L is the path's Laplacian. The two take turns, each
in a process with one thread. Both are judged by the exact Gaussian at the same draws of it: root
mean square of the relative error of the density. fpcross has the settings of its demonstration, and
several numbers of steps; the ratio in bold is that of the cheapest run with the error of wfrpde, or
else of the most accurate one. wfrpde has `accuracy.tolerance = 1e-2`, error bars included. Prints a
table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
DIM, END, NOISE, NODES = 5, 5.0, 0.5, 30
COUPLINGS = (0.0, 0.25)
STEPS = {0.0: (25, 50, 100, 200), 0.25: (50, 100)}
DRAWS = 500

Array = np.ndarray


def matrix(coupling: float) -> Array:
    """Return K ``(d, d)``."""
    laplacian = np.diag([1.0, *[2.0] * (DIM - 2), 1.0]) - np.eye(DIM, k=1) - np.eye(DIM, k=-1)
    return np.eye(DIM) + coupling * laplacian


def exact(coupling: float) -> tuple[Array, Array]:
    """Return draws of the law at the end ``(N, d)``, and its density there."""
    values, vectors = np.linalg.eigh(matrix(coupling))
    variances = NOISE / values + np.exp(-2 * values * END) * (1 - NOISE / values)
    z = np.random.default_rng(0).standard_normal((DRAWS, DIM))
    density = np.exp(-(z**2).sum(axis=1) / 2) / np.sqrt(np.prod(2 * np.pi * variances))
    return (z * np.sqrt(variances)) @ vectors.T, density


def judged(density: Array, known: Array) -> float:
    """Return the root mean square of the relative error."""
    return float(np.sqrt(np.mean((density / known - 1) ** 2)))


def fpcross(coupling: float, steps: int) -> dict[str, float]:
    """Solve by fpcross, with all else as in its demonstration."""
    from fpcross import EquationOUP, FPCross

    equation = EquationOUP(DIM, 1e-4)
    equation.set_coef_rhs(matrix(coupling))
    equation.set_grid(n=NODES, a=-5.0, b=5.0)
    equation.set_grid_time(m=steps, t=END)
    equation.init()
    began = time.process_time()
    solver = FPCross(equation, with_log=False)
    solver.solve()
    spent = time.process_time() - began
    draws, known = exact(coupling)
    return {"steps": steps, "seconds": spent, "error": judged(solver.get(draws), known)}


def wfrpde(coupling: float) -> dict[str, float]:
    """Solve by `wfrpde.solve`: V = x·Kx, α = 1/2."""
    import wfrpde

    case = wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "chain",
                "site": "x**2",
                "coupling": f"{coupling}*(x - y)**2",
                "length": DIM,
            },
            "initial": {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]},
            "flow": {"save": [END], "alpha": NOISE, "beta": 0.0},
            "accuracy": {"tolerance": 1e-2},
            "output": {"compare": False},
        }
    )
    began = time.process_time()
    solution = wfrpde.solve(case)
    spent = time.process_time() - began
    draws, known = exact(coupling)
    bar = float(solution.density_error[-1])
    return {"seconds": spent, "error": judged(solution.density(END, draws), known), "bar": bar}


def run(python: str, *words: str) -> dict[str, float]:
    """Run one of these in a process of its own."""
    done = subprocess.run(
        [python, str(HERE), "--side", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(words, found, file=sys.stderr, flush=True)
    return found


def row(name: str, solver: str, steps: str, one: dict[str, float], ratio: str) -> None:
    """Print a row of the table."""
    cells = (name, solver, steps, f"{one['seconds']:.2f}", f"{one['error']:.1e}", ratio)
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="the Python that has fpcross")
    parser.add_argument("--couplings", type=float, nargs="+", default=COUPLINGS)
    parser.add_argument("--side", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        _, coupling, *steps = given.side
        solved = fpcross(float(coupling), int(steps[0])) if steps else wfrpde(float(coupling))
        return print(json.dumps(solved))
    if given.peer is None:
        parser.error("name the Python that has fpcross")
    from machine import machine

    print(f"{machine()}\n\n| K | solver | steps | CPU s | error | ratio of CPU time |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for coupling in given.couplings:
        name = "I" if coupling == 0 else f"I + {coupling:g} L"
        ours = run(sys.executable, "wfrpde", str(coupling))
        theirs = [run(given.peer, "fpcross", str(coupling), str(m)) for m in STEPS[coupling]]
        enough = [one for one in theirs if one["error"] <= ours["error"]]
        if enough:
            best = min(enough, key=lambda one: one["seconds"])
        else:
            best = min(theirs, key=lambda one: one["error"])
        row(name, "wfrpde", "", ours, "1")
        for one in theirs:
            ratio = f"{one['seconds'] / ours['seconds']:.1f}"
            row(name, "fpcross", f"{one['steps']:g}", one, f"**{ratio}**" if one is best else ratio)
    return None


if __name__ == "__main__":
    main()
