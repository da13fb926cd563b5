"""From a case to the runs of its studies: which settings, in which order, how dear."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfrpde import __version__
from wfrpde.case.convergence import ConvergenceSpec
from wfrpde.case.origin import module_of
from wfrpde.errors import InputError
from wfrpde.fields.user_code import loaded_files
from wfrpde.studies.convergence.orders import order_in_space

if TYPE_CHECKING:
    from wfrpde.case import Case

STEPS = 8
"""Steps of the reference of a study in dt for each step of its finest run."""


@dataclass(frozen=True)
class PlannedRun:
    """One run.

    Attributes
    ----------
    key
        Name of the run on the disk: a hash of all that decides its result.
    case
        What is solved.
    value
        What the study varies, as the case file has it.
    unknowns
        About how many, if no cell is left out.
    cost
        Rough cost, in unknowns times steps.
    """

    key: str
    case: Case
    value: float
    unknowns: float
    cost: float


@dataclass(frozen=True)
class PlannedStudy:
    """One study: its runs from coarse to fine, and the finest one, to which they are compared.

    Attributes
    ----------
    expected
        Order of the theory; None: the errors only have to fall.
    algebraic
        Whether the error is a power of the size; else it falls exponentially with the value.
    reference
        None where an exact solution is known.
    """

    name: str
    spec: ConvergenceSpec
    runs: tuple[PlannedRun, ...]
    reference: PlannedRun | None
    expected: float | None
    algebraic: bool


def plan(case: Case, *, exact: bool) -> tuple[PlannedStudy, ...]:
    """Plan the studies of a case, or a study in h and one in dt where it asks for none.

    Raises
    ------
    InputError
        If a study does not fit the case.
    """
    specs = case.convergence or _default_specs(case)
    planned = []
    for number, spec in enumerate(specs):
        if spec.vary == "particles":  # of samplers: `wfrpde.studies.convergence.particles`
            continue
        try:
            planned.append(_planned(case, spec, exact=exact))
        except InputError as error:
            where = f"convergence[{number}]: {error.where}"
            raise InputError(where, error.found, error.needed, error.do) from None
    names = [study.name for study in planned]
    for name in names:
        if names.count(name) > 1:
            raise InputError("convergence", f"two studies '{name}'", "a name for each of them")
    return tuple(planned)


def _default_specs(case: Case) -> tuple[ConvergenceSpec, ...]:
    """Spectral elements in h, time steps of order 4; edge-averaged fluxes where those cannot go."""
    if case.mesh_path is not None:
        raise InputError(
            "convergence",
            "no [[convergence]] for a mesh from a file",
            "[[convergence]] tables with vary = 'dt'",
            "The cells of a mesh file cannot be varied.",
        )
    t_end = case.flow.t_end
    if case.domain.cell == "simplex":
        numerics: dict[str, Any] = {"formulation": "edge-averaged"}
        cells = (16, 24, 32) if case.dim == 3 else (32, 48, 64)
    else:
        numerics = {"formulation": "spectral", "degree": 4}
        cells = (8, 12, 16) if case.dim == 3 else (24, 32, 48)
    steps = tuple(t_end / n for n in (16, 32, 64))
    return (
        ConvergenceSpec(vary="h", values=cells, numerics={**numerics, "dt": t_end / 128}),
        ConvergenceSpec(vary="dt", values=steps, numerics={**numerics, "cells": cells[-1]}),
    )


def _planned(case: Case, spec: ConvergenceSpec, *, exact: bool) -> PlannedStudy:
    own = case.numerics.model_dump(exclude_unset=True)
    # single runs: their errors are what is studied, and nothing reads their estimates
    base = _listed({**own, "certify": False, **spec.numerics}, case.dim)
    runs = tuple(_run(case, _varied(case, spec, base, v), v) for v in spec.values)
    formulation = runs[-1].case.numerics.formulation
    degree = runs[-1].case.numerics.degree or 1
    extrapolated = bool(base["certify"])
    reference = None
    if not exact:
        finest = _finest(case, spec, base)
        reference = _run(case, {"numerics": {**finest, **_listed(spec.reference, case.dim)}}, 0.0)
    expected = spec.order
    if expected is None and spec.vary == "h":
        expected = order_in_space(formulation, degree, extrapolated=extrapolated)
    elif expected is None and spec.vary == "dt" and not extrapolated:
        expected = float(_order_in_time(runs[-1].case))
    name = spec.name or _name(spec, runs[-1].case, extrapolated=extrapolated)
    return PlannedStudy(name, spec, runs, reference, expected, spec.vary in ("h", "dt"))


def _order_in_time(case: Case) -> int:
    """Order of the stepper that the case names, or that its scheme takes."""
    from wfrpde.flow.schemes import SCHEMES

    name = case.numerics.formulation
    scheme = SCHEMES["spectral" if case.numerics.chooses else name]
    return int(scheme.stepper(case.numerics).order)


def _name(spec: ConvergenceSpec, case: Case, *, extrapolated: bool) -> str:
    kind: str = case.numerics.formulation
    if kind == "spectral":
        kind = f"degree {case.numerics.degree or 1}"
    elif kind == "edge-averaged" and extrapolated:
        kind += ", extrapolated"
    if spec.vary == "dt":
        return f"dt, order {_order_in_time(case)}"
    return {"h": f"h, {kind}", "p": "p", "domain": "domain"}.get(spec.vary, spec.vary)


def _listed(numerics: dict[str, Any], dim: int) -> dict[str, Any]:
    cells = numerics.get("cells")
    return {**numerics, "cells": [cells] * dim} if isinstance(cells, int) else numerics


def _varied(
    case: Case, spec: ConvergenceSpec, base: dict[str, Any], value: float
) -> dict[str, dict[str, Any]]:
    """Tables that one value of a study changes."""
    if spec.vary == "h":
        if case.mesh_path is not None:
            raise InputError("vary", "'h' for a mesh from a file", "dt: its cells are given")
        return {"numerics": {**base, "cells": [int(value)] * case.dim}}
    if spec.vary == "p":
        return {"numerics": {**base, "formulation": "spectral", "degree": int(value)}}
    if spec.vary == "dt":
        return {"numerics": {**base, "dt": float(value)}}
    if spec.vary == "domain":
        box, cells = case.domain.box, base.get("cells")
        if box is None or cells is None:
            raise InputError("vary", "'domain'", "domain.box and numerics.cells, to be scaled")
        middle = [(low + high) / 2 for low, high in box]
        half = [value * (high - low) / 2 for low, high in box]
        scaled = [[m - w, m + w] for m, w in zip(middle, half, strict=True)]
        return {
            "domain": {"box": scaled},
            "numerics": {**base, "cells": [max(1, round(n * value)) for n in cells]},
        }
    raise InputError("vary", f"'{spec.vary}'", "h, p, dt or domain")


def _finest(case: Case, spec: ConvergenceSpec, base: dict[str, Any]) -> dict[str, Any]:
    """Numerics of the reference: finer in what is varied, the same in what is not."""
    last = spec.values[-1]
    finest = {**base, "certify": True}
    if spec.vary == "h":
        degree = min(8, int(base.get("degree", 1)) + 2)
        if base.get("formulation") == "edge-averaged":
            return {**finest, "cells": [2 * int(last)] * case.dim}
        return {**finest, "cells": [int(last)] * case.dim, "degree": degree}
    if spec.vary == "p":
        return {**finest, "formulation": "spectral", "degree": min(8, int(last) + 1)}
    if spec.vary == "dt":
        return {**finest, "certify": False, "dt": float(last) / STEPS}
    raise InputError(
        "vary", f"'{spec.vary}' without an exact solution", "a Gaussian target and start"
    )


def _run(case: Case, tables: dict[str, dict[str, Any]], value: float) -> PlannedRun:
    overrides: dict[str, Any] = {"output.compare": False, "convergence": []}
    for table, keys in tables.items():
        if table == "numerics":
            overrides["numerics"] = keys
        else:
            overrides |= {f"{table}.{key}": item for key, item in keys.items()}
    changed = case.with_overrides({k: v for k, v in overrides.items() if k != "numerics"})
    data = changed.model_dump(exclude_unset=True)
    data["numerics"] = tables.get("numerics", {})
    run = type(case).from_dict(data, case.source)
    unknowns = _unknowns(run)
    return PlannedRun(_key(run), run, value, unknowns, _cost(run, unknowns))


def _key(case: Case) -> str:
    """Hash of what decides the numbers: the case without its title and outputs, and the version.

    Modules of the user count where the target is one of them.
    """
    data = case.model_dump(mode="json")
    for table in ("title", "output", "convergence", "spectrum", "sampler", "validation"):
        data.pop(table, None)
    mesh = case.mesh_path
    content = hashlib.sha256(mesh.read_bytes()).hexdigest() if mesh is not None else ""
    code = {} if module_of(case) is None else loaded_files()
    text = json.dumps([__version__, data, content, *([code] if code else [])], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _unknowns(case: Case) -> float:
    numerics = case.numerics
    halved = numerics.certify and numerics.formulation == "edge-averaged"
    along = (2 if halved else 1) * (numerics.degree or 1)
    unknowns = 1.0
    for cells in numerics.cells or (40,) * case.dim:
        unknowns *= cells * along
    return unknowns


def _cost(case: Case, unknowns: float) -> float:
    numerics = case.numerics
    degree = numerics.degree or 1
    steps = 50.0 if numerics.dt is None else case.flow.t_end / numerics.dt
    more = 3.0 if numerics.certify else 1.0
    growth = 1.2 if case.dim < 3 else 1.5
    return float(more * steps * unknowns**growth * degree)
