"""fpcross beside chains by tensor trains, on its Ornstein–Uhlenbeck process, and beside a mesh.

    PEER=$(validation/benchmarks/make_peers.sh validation/benchmarks/requirements-fpcross.txt)
    tools/env python validation/benchmarks/beside_fpcross.py --peer "$PEER"

dX = −KX dt + dW from N(0, I), to t = 5, as its demonstration has it: with K = I, and with
neighbours that are coupled, K = I + L/4, where L is the path's Laplacian. The two take turns, each
in a process with one thread. Both are judged by the exact Gaussian at the same draws of it: root
mean square of the relative error of the density. fpcross has the settings of its demonstration, and
several numbers of steps; the ratio in bold is that of the cheapest run with the error of wfrpde, or
else of the most accurate one. wfrpde has `accuracy.tolerance = 1e-2`, error bars included.

The other demonstration, a dumbbell in a shear flow, is no chain of equal sites:

    ∂ρ/∂t = Δρ/2 + ∇·(ρ ∇φ/2) − ∂ρy/∂x,    φ = r²/2 + 4/5 e^{−2r²},

from N(0, I) to t = 10. wfrpde solves it on meshes in space. Both are judged by the larger of the
relative errors of η = ⟨x ∂φ/∂y⟩ and ψ = ⟨x ∂φ/∂x − y ∂φ/∂y⟩, whose values the demonstration knows.
Prints a table in Markdown.
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
BOX = ((-9.0, 9.0), (-6.0, 6.0), (-6.0, 6.0))
CELLS = (24, 16, 16)
DUMBBELL = (1.0328125, 2.071143)
DUMBBELL_STEPS = (50, 100)

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


def dumbbell_of_fpcross(steps: int) -> dict[str, float]:
    """Solve the dumbbell by fpcross, with all but the steps as in its demonstration."""
    from fpcross import EquationDum, FPCross

    equation = EquationDum()
    equation.set_grid_time(m=steps, t=10.0)
    equation.init()
    began = time.process_time()
    FPCross(equation, with_log=False).solve()
    spent = time.process_time() - began
    found = (equation.eta_list[-1], equation.psi_list[-1])
    return {"steps": steps, "seconds": spent, "error": off(found)}


def dumbbell_of_wfrpde() -> dict[str, float]:
    """Solve the dumbbell by `wfrpde.solve`: V = φ and α = 1/2, by which a drift is multiplied."""
    import wfrpde

    square = "(x**2 + y**2 + z**2)"
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": f"{square}/2 + 0.8*exp(-2*{square})", "dim": 3},
            "initial": {"kind": "gaussian", "mean": [0.0] * 3, "covariance": np.eye(3).tolist()},
            "flow": {"save": [10.0], "alpha": NOISE, "beta": 0.0},
            "dynamics": {"drift": ["2*y", "0", "0"]},
            "domain": {"box": [list(ends) for ends in BOX]},
            "numerics": {"cells": list(CELLS)},
            "output": {"compare": False},
        }
    )
    began = time.process_time()
    solution = wfrpde.solve(case)
    spent = time.process_time() - began
    node, weight = np.polynomial.legendre.leggauss(60)
    axes = [(low + high) / 2 + (high - low) / 2 * node for low, high in BOX]
    at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    law = np.einsum("i,j,k->ijk", weight, weight, weight).ravel() * solution.density(10.0, at)
    law /= law.sum()
    force = at * (1 - 3.2 * np.exp(-2 * (at**2).sum(axis=1)))[:, None]
    eta = law @ (at[:, 0] * force[:, 1])
    psi = law @ (at[:, 0] * force[:, 0] - at[:, 1] * force[:, 1])
    return {"seconds": spent, "error": off((eta, psi))}


def off(found: tuple[float, float]) -> float:
    """Return the larger relative error of η and ψ."""
    return max(abs(a / b - 1) for a, b in zip(found, DUMBBELL, strict=True))


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
    parser.add_argument("--couplings", type=float, nargs="*", default=COUPLINGS)
    parser.add_argument("--no-dumbbell", action="store_true")
    parser.add_argument("--side", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        _, what, *steps = given.side
        if what == "dumbbell":
            solved = dumbbell_of_fpcross(int(steps[0])) if steps else dumbbell_of_wfrpde()
        else:
            solved = fpcross(float(what), int(steps[0])) if steps else wfrpde(float(what))
        return print(json.dumps(solved))
    if given.peer is None:
        parser.error("name the Python that has fpcross")
    from machine import machine

    print(f"{machine()}\n\n| K | solver | steps | CPU s | error | ratio of CPU time |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    problems = [(str(k), "I" if k == 0 else f"I + {k:g} L", STEPS[k]) for k in given.couplings]
    if not given.no_dumbbell:
        problems.append(("dumbbell", "dumbbell", DUMBBELL_STEPS))
    for problem, name, steps in problems:
        ours = run(sys.executable, "wfrpde", problem)
        theirs = [run(given.peer, "fpcross", problem, str(m)) for m in steps]
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
