"""The same numbers from one to four ranks: a solution and a run's summary, whoever solved it.

Started by mpirun (``make test-mpi`` does, on two, three and four), this compares what all ranks
find together with what each computes alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

MPI = pytest.importorskip("mpi4py.MPI")

RELATIVE, ABSOLUTE = 1e-8, 1e-12

FACTS = {"wall_time", "ranks", "created", "versions"}
"""What a summary says of the machine and the moment."""

EFFORT = {"iterations", "cured_nodes", "underflows", "cured_mass", "largest_mass_jump"}
"""How round-off fell out: other orders of summation, other noise where there is next to nothing."""

MODES = {"left": "x < 0", "right": "x >= 0"}
WELL = {"kind": "double_well", "barrier": 4.0, "tilt": 0.25, "modes": MODES}
PLANE = {
    "kind": "gaussian",
    "mean": [0.0, 0.0],
    "covariance": [[1.0, 0.4], [0.4, 0.7]],
    "modes": MODES,
}
CASES: dict[str, dict[str, Any]] = {
    "line, log-density": {
        "target": WELL,
        "initial": {"mean": [-1.0], "covariance": [[0.05]]},
        "flow": {"save": [0.02, 0.05]},
    },
    "line, edge-averaged": {
        "target": WELL,
        "initial": {"mean": [-1.0], "covariance": [[0.05]]},
        "flow": {"beta": 0.0, "save": [0.06, 0.16]},
        "numerics": {"cells": [60], "dt": 0.02},
    },
    "plane, full diffusion": {
        "target": PLANE,
        "initial": {"mean": [1.0, -0.5], "covariance": [[0.4, 0.1], [0.1, 0.4]]},
        "dynamics": {"diffusion": [[0.8, 0.4], [0.4, 0.4]]},
        "flow": {"save": [0.1]},
        "domain": {"box": [[-7, 7], [-6, 6]]},
        "numerics": {"cells": [7, 6], "degree": 5, "dt": 0.02},
    },
    "line, linear reaction": {
        "target": WELL,
        "initial": {"mean": [-1.0], "covariance": [[0.05]]},
        "flow": {"reaction": "tanh(2*x)", "beta": 0.3, "save": [0.06, 0.16]},
        "numerics": {"cells": [60], "dt": 0.02},
    },
    "plane, edge-averaged": {
        "target": {**WELL, "dim": 2, "stiffness": 4.0, "coupling": 0.5},
        "initial": {"mean": [-1.0, -0.5], "covariance": [[0.05, 0.0], [0.0, 0.2]]},
        "flow": {"save": [0.1, 0.2]},
        "numerics": {"formulation": "edge-averaged", "cells": [20, 12]},
    },
    "plane, spectral": {
        "target": PLANE,
        "initial": {"mean": [-1.0, 0.5], "covariance": [[0.3, 0.0], [0.0, 0.5]]},
        "domain": {"box": [[-6.0, 6.0], [-6.0, 6.0]]},
        "flow": {"save": [0.1, 0.2]},
        "numerics": {"degree": 5, "cells": [6, 6], "dt": 0.05},
    },
    "plane, edge-averaged, turned": {
        "target": {
            "potential": "5*((0.8*x + 0.6*y)**2 - 1)**2 + (0.8*y - 0.6*x)**2/2",
            "modes": MODES,
        },
        "initial": {"mean": [-0.8, -0.5], "covariance": [[0.05, 0.0], [0.0, 0.05]]},
        "domain": {"axes": "principal"},
        "flow": {"save": [0.1, 0.2]},
        "numerics": {"formulation": "edge-averaged", "cells": [24, 12], "dt": 0.05},
    },
    "plane, log-density, axes that are chosen": {
        "target": {
            "potential": "2*((0.8*x + 0.6*y)**2 - 1)**2 + 100*(0.8*y - 0.6*x)**2",
            "modes": MODES,
        },
        "initial": {"mean": [0.7, 0.5], "covariance": [[0.0338, 0.0216], [0.0216, 0.0212]]},
        "flow": {"save": [0.1, 0.2]},
        "accuracy": {"tolerance": 1e-2},
    },
    "plane, triangles": {
        "target": PLANE,
        "initial": {"mean": [-0.5, 0.5], "covariance": [[0.3, 0.0], [0.0, 0.5]]},
        "domain": {"box": [[-5.0, 5.0], [-5.0, 5.0]], "cell": "simplex"},
        "flow": {"save": [0.1, 0.2]},
        "numerics": {"formulation": "edge-averaged", "cells": [16, 16], "dt": 0.05},
    },
    "space, edge-averaged": {
        "target": {
            "kind": "gaussian",
            "mean": [0.0, 0.0, 0.0],
            "covariance": [[1.0, 0.4, 0.2], [0.4, 0.7, -0.1], [0.2, -0.1, 0.8]],
            "modes": MODES,
        },
        "initial": {"mean": [-0.8, 0.4, 0.5], "covariance": (0.5 * np.eye(3)).tolist()},
        "domain": {"box": [[-5.0, 5.0]] * 3},
        "flow": {"save": [0.1, 0.3]},
        "numerics": {"formulation": "edge-averaged", "cells": [8, 8, 8], "dt": 0.05},
    },
}


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested tables and lists, with their place."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in FACTS | EFFORT:
                yield from numbers(entry, f"{path}.{key}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from numbers(entry, f"{path}[{index}]")
    else:
        yield path, value


def differing(one: Any, other: Any) -> list[str]:
    """What is not the same up to the tolerances; texts are compared where they hold no figures."""
    first, second = dict(numbers(one)), dict(numbers(other))
    report = [f"{path} is in one only" for path in first.keys() ^ second.keys()]
    for path in first.keys() & second.keys():
        a, b = first[path], second[path]
        if isinstance(a, float) and isinstance(b, float):
            if abs(a - b) > max(ABSOLUTE, RELATIVE * max(abs(a), abs(b))):
                report.append(f"{path}: {a!r} and {b!r}")
        elif a != b:
            report.append(f"{path}: {a!r} and {b!r}")
    return sorted(report)


def summary(solution: Any, folder: Any, comm: Any) -> dict[str, Any]:
    """What is written of a run, on the rank that writes it; elsewhere nothing."""
    from wfrpde.report.flow import write_run

    write_run(solution, folder, options=SimpleNamespace(paraview=False, figures=False), comm=comm)
    return json.loads((folder / "summary.json").read_text()) if comm.rank == 0 else {}


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="compares ranks with one another")
@pytest.mark.parametrize("name", CASES)
def test_all_ranks_find_what_one_finds(name, tmp_path):
    import wfrpde

    case = wfrpde.Case.model_validate(CASES[name])
    together, alone = (wfrpde.solve(case, comm=comm) for comm in (MPI.COMM_WORLD, MPI.COMM_SELF))
    for key in ("times", "mean", "covariance", "series", "mode_mass"):
        one, other = getattr(together, key), getattr(alone, key)
        for part in one if isinstance(one, dict) else [...]:
            np.testing.assert_allclose(
                one[part], other[part], rtol=RELATIVE, atol=ABSOLUTE, err_msg=f"{key} {part}"
            )
    points = np.random.default_rng(1).uniform(-1, 1, (50, case.dim))
    for t in together.times:
        np.testing.assert_allclose(
            together.log_density(t, points), alone.log_density(t, points), atol=1e-8
        )
    np.testing.assert_array_equal(together.nodes, alone.nodes)
    np.testing.assert_array_equal(together.cells, alone.cells)
    written = summary(together, tmp_path / "together", MPI.COMM_WORLD)
    if written:
        assert written["ranks"] == MPI.COMM_WORLD.size
        formulation = name.split(", ")[1]
        if formulation not in ("triangles", "linear reaction", "full diffusion"):
            assert written["numerics"]["formulation"] == formulation
        assert differing(summary(alone, tmp_path / "alone", MPI.COMM_SELF), written) == []


def test_a_difference_is_found():
    summary = {"results": {"kl": {"value": [0.5, None], "error": [1e-14, None]}}, "ranks": 1}
    same = {"results": {"kl": {"value": [0.5 + 4e-9, None], "error": [0.0, None]}}, "ranks": 4}
    other = {"results": {"kl": {"value": [0.5 + 6e-9, None], "error": [0.0, None]}}, "ranks": 4}
    assert differing(summary, same) == []
    assert differing(summary, other) == [".results.kl.value[0]: 0.5 and 0.500000006"]
