"""Orders of the built-in samplers in the time step and in the number of particles.

    OMP_NUM_THREADS=1 tools/env python validation/samplers/orders.py
    OMP_NUM_THREADS=1 tools/env python validation/samplers/orders.py --only particles --match well

Two problems with α = β = 1: ``mixture``, from N(0, 1) to ½N(0, 1) + ½N(6, 1), and ``well``, from
N(1, 0.05) to the tilted double well of the shipped case ``validate-double-well``. Some rows start
the mixture near its target. Every number is about two averages, (x/m)² and the share of one mode.

``step``
    The law of infinitely many particles is compared with the flow, for a step and its halves; of a
    mesh or a kernel also for halves of its width. No noise is in it. Of MALA, whose law is not
    known, the difference from Langevin moves with the same proposals is averaged.
``particles``
    A step that is kept, and few particles. Where 1/N is to be expected: the width of the density
    estimate is kept, and there are particles wherever the law has mass.
``default``
    The same for the samplers as they come, and what makes them slower than 1/N.

Each row is kept in a file and not computed again; the tables and the figure in docs/measured are
written from all of them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import (
    PROBLEMS,
    Bench,
    beside_langevin,
    halves,
    known_where_few,
    replicates,
)

Array = np.ndarray[Any, Any]
SEED = 2026
NEVER = {"resampling": "none"}
STEPS = {"mixture": (1.0, 0.2), "well": (0.5, 0.005)}
"""Time of the comparison, and the longest step."""


@dataclass(frozen=True)
class StepRow:
    """A sampler whose step is halved; ``widths`` are values of a key that are halved besides.

    The step starts from that of the problem, or from ``longest``.
    """

    problem: str
    name: str
    table: dict[str, Any]
    key: str = ""
    widths: tuple[float, ...] = ()
    longest: float = 0.0


@dataclass(frozen=True)
class SizeRow:
    """A sampler whose number of particles grows; ``coupled``: by halves, or by replicates."""

    problem: str
    name: str
    table: dict[str, Any]
    t: float
    dt: float
    sizes: tuple[int, ...] = (100, 400, 1600, 6400)
    counts: tuple[int, ...] = (400, 400, 400, 200)
    coupled: bool = True
    known: float = 0.0


def step_rows() -> list[StepRow]:
    """Return the rows of the part ``step``."""
    rows = []
    # rejections are rare: MALA shows its order above the noise with longer steps
    for problem, cells, width, rare in (("mixture", 48, 0.5, 0.2), ("well", 24, 0.16, 0.0125)):
        mesh = tuple(cells * 2**k for k in range(4))
        kernel = tuple(width / 2**k for k in range(4))
        rows += [
            StepRow(problem, "langevin", {"kind": "langevin"}),
            StepRow(problem, "mala", {"kind": "mala"}, longest=rare),
            StepRow(problem, "feynman_kac", {"kind": "feynman_kac"}),
            StepRow(problem, "weighted, birth_death: oracle", oracle("weighted")),
            StepRow(problem, "weighted, birth_death: mesh", {"kind": "weighted"}, "cells", mesh),
            StepRow(problem, "weighted, birth_death: kde",
                    {"kind": "weighted", "density": "kde"}, "bandwidth", kernel),
            StepRow(problem, "smc_wfr", {"kind": "smc_wfr"}),
        ]  # fmt: skip
    return rows


def oracle(kind: str) -> dict[str, Any]:
    """Return the table of a sampler that takes the density from the flow."""
    return {"kind": kind, "density": "oracle"}


def size_rows() -> list[SizeRow]:
    """Return the rows of the part ``particles``."""
    wide: dict[str, Any] = {"kind": "weighted", **NEVER}
    kde = {"density": "kde"}
    single = {"sizes": (25, 100, 400), "counts": (2000, 2000, 2000), "coupled": False}
    many = {"sizes": (50, 100, 200, 400), "counts": (4000,) * 4, "coupled": False}
    more = {**many, "counts": (6000, 8000, 12000, 16000)}
    wells = {"sizes": (50, 100, 200), "counts": (2000, 2500, 2500), "coupled": False}
    later = {"sizes": (400, 1600, 6400), "counts": (400, 400, 200)}
    return [
        SizeRow("mixture", "langevin", {"kind": "langevin"}, 0.5, 0.1, **single),
        SizeRow("mixture", "mala", {"kind": "mala"}, 0.5, 0.1, **single),
        SizeRow("mixture", "fisher_rao", {"kind": "fisher_rao"}, 0.2, 0.2),
        SizeRow("mixture", "feynman_kac", {"kind": "feynman_kac", **NEVER}, 0.5, 0.1, **later),
        SizeRow("mixture", "weighted, oracle", {**oracle("weighted"), **NEVER}, 0.5, 0.1, **later),
        SizeRow("mixture", "weighted, mesh of 12 cells", {**wide, "cells": 12}, 0.5, 0.1, **later),
        SizeRow("mixture", "weighted, kde of width 2",
                {**wide, **kde, "bandwidth": 2.0}, 0.5, 0.1, **later),
        SizeRow("mixture, near π", "weighted, oracle", {**oracle("weighted"), **NEVER}, 0.5, 0.1),
        SizeRow("mixture, near π", "weighted, mesh", wide, 0.5, 0.1),
        SizeRow("mixture, near π", "weighted, kde of width 0.5",
                {**wide, **kde, "bandwidth": 0.5}, 0.5, 0.1),
        SizeRow("mixture, near π", "smc_wfr", {"kind": "smc_wfr", **NEVER}, 0.5, 0.1),
        SizeRow("mixture, near π", "birth_death, oracle", oracle("birth_death"), 0.5, 0.1, **many),
        SizeRow("mixture, near π", "birth_death, mesh", {"kind": "birth_death"}, 0.5, 0.1, **many),
        SizeRow("mixture, near π", "birth_death, kde of width 0.5",
                {"kind": "birth_death", **kde, "bandwidth": 0.5}, 0.5, 0.1, **more),
        SizeRow("well", "langevin", {"kind": "langevin"}, 0.5, 0.0125, **single),
        SizeRow("well", "mala", {"kind": "mala"}, 0.5, 0.0125, **single),
        SizeRow("well", "fisher_rao", {"kind": "fisher_rao"}, 0.5, 0.5),
        SizeRow("well", "feynman_kac", {"kind": "feynman_kac", **NEVER}, 0.5, 0.0125),
        SizeRow("well", "weighted, oracle", {**oracle("weighted"), **NEVER}, 0.5, 0.0125),
        SizeRow("well", "weighted, mesh of 6 cells", {**wide, "cells": 6}, 0.5, 0.0125),
        SizeRow("well", "weighted, kde of width 0.4",
                {**wide, **kde, "bandwidth": 0.4}, 0.5, 0.0125, **later),
        SizeRow("well", "smc_wfr", {"kind": "smc_wfr", **NEVER}, 0.5, 0.0125),
        SizeRow("well", "birth_death, oracle", oracle("birth_death"), 1.0, 0.02, **wells),
        SizeRow("well", "birth_death, mesh of 12 cells",
                {"kind": "birth_death", "cells": 12}, 1.0, 0.02, **wells),
        SizeRow("well", "birth_death, kde of width 0.4",
                {"kind": "birth_death", **kde, "bandwidth": 0.4}, 1.0, 0.02, **wells),
    ]  # fmt: skip


def default_rows() -> list[SizeRow]:
    """Return the rows of the part ``default``."""
    often = {"sizes": (100, 400, 1600, 6400, 25600), "counts": (400, 400, 300, 150, 50)}
    wide: dict[str, Any] = {"kind": "weighted", **NEVER}
    return [
        SizeRow("mixture", "weighted, oracle", {**oracle("weighted"), **NEVER}, 1.0, 0.1, **often),
        SizeRow("mixture", "weighted, mesh", wide, 1.0, 0.1, **often),
        SizeRow("mixture", "weighted, mesh, law where few", wide, 1.0, 0.1, **often, known=20.0),
        SizeRow("mixture", "weighted, kde", {**wide, "density": "kde"}, 1.0, 0.1, **often),
        SizeRow("mixture", "smc_wfr", {"kind": "smc_wfr", **NEVER}, 1.0, 0.1, **often),
        SizeRow("mixture, near π", "weighted, kde", {**wide, "density": "kde"}, 1.0, 0.1, **often),
    ]  # fmt: skip


def measured_step(bench: Bench, row: StepRow) -> dict[str, Any]:
    """Biases ``(widths, steps, 2)`` of infinitely many particles, and their errors."""
    t, longest = STEPS[row.problem]
    halvings = 4 if row.longest else 6
    steps = [(row.longest or longest) / 2**k for k in range(halvings)]
    runner = bench.runner(row.table)
    truth, error = bench.truth(runner.claims, t)
    values, spread = [], 0.0
    for width in row.widths or (None,):
        table = row.table if width is None else {**row.table, row.key: width}
        runner = bench.runner(table)
        found = []
        for dt in steps:
            if row.table["kind"] == "mala":
                moves = bench.infinite(bench.runner({"kind": "langevin"}), t, dt)
                gap, noise = beside_langevin(bench, runner, 20_000, 20, t, dt, SEED)
                found.append(moves + gap)
                spread = max(spread, float(noise.max()))
            else:
                found.append(bench.infinite(runner, t, dt))
        values.append(np.array(found) - truth)
    biases = np.array(values)
    return {
        "claims": runner.claims.word,
        "t": t,
        "steps": steps,
        "truth": truth.tolist(),
        "truth_error": error,
        "biases": biases.tolist(),
        "noise": spread,
    }


def measured_size(bench: Bench, row: SizeRow) -> dict[str, Any]:
    """Biases ``(sizes, 2)`` of N particles, or their changes from N/2, and their errors."""
    runner = bench.runner(row.table)
    limit = bench.infinite(runner, row.t, row.dt)
    sampler = runner.sampler
    if row.known:
        sampler = known_where_few(bench, sampler, row.t, row.dt, row.known)
    means, errors = [], []
    for n, count in zip(row.sizes, row.counts, strict=True):
        if row.coupled:
            mean, error = halves(bench, sampler, n, count, row.t, row.dt, SEED)
        else:
            mean, error = replicates(bench, runner, n, count, row.t, row.dt, SEED)
            mean, error = np.stack([mean, mean]), np.stack([error, error])
        means.append(mean)
        errors.append(error)
    if limit is None and row.table["kind"] == "fisher_rao":
        limit, _ = bench.truth(runner.claims, row.t)
    return {
        "limit": None if limit is None else limit.tolist(),
        "means": np.array(means).tolist(),
        "errors": np.array(errors).tolist(),
    }


def stored(folder: Path, part: str, row: Any, benches: dict[str, Bench]) -> dict[str, Any]:
    """Read a row from its file, or compute it and write it."""
    name = "".join(c if c.isalnum() else "-" for c in f"{part} {row.problem} {row.name}")
    path = folder / f"{name}.json"
    settings = json.loads(json.dumps(asdict(row)))
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["row"] == settings:
            return dict(kept)
    print(f"{part}: {row.problem}: {row.name}", flush=True)
    bench = benches[row.problem]
    _ = bench.context  # a flow that rows share is none of their time
    began = time.process_time()
    found = measured_step(bench, row) if part == "step" else measured_size(bench, row)
    kept = {"row": settings, "seconds": time.process_time() - began, **found}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1))
    return kept


def main() -> None:
    """Measure what is missing, and write tables and figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("runs/sampler-orders"))
    parser.add_argument("--docs", type=Path, default=Path("docs/measured"))
    parser.add_argument("--only", nargs="+", choices=["step", "particles", "default"])
    parser.add_argument("--match", default="", help="only rows whose problem or name has this")
    options = parser.parse_args()
    benches = {name: Bench(problem) for name, problem in PROBLEMS.items()}
    parts: dict[str, list[Any]] = {
        "step": list(step_rows()), "particles": list(size_rows()), "default": list(default_rows()),
    }  # fmt: skip
    results: dict[str, list[dict[str, Any]]] = {}
    for part, rows in parts.items():
        if options.only and part not in options.only:
            continue
        chosen = [r for r in rows if options.match in f"{r.problem}: {r.name}"]
        results[part] = [stored(options.results, part, row, benches) for row in chosen]
    if not options.only and not options.match:
        from tabulate_orders import write

        write(results, options.docs)


if __name__ == "__main__":
    main()
