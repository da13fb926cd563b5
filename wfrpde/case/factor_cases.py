"""The case of each factor of a product, by itself."""

from __future__ import annotations

import json
from typing import Any

from wfrpde.case.case import Case
from wfrpde.case.densities import InitialSpec
from wfrpde.case.factors import FactorSpec, factors_of
from wfrpde.errors import InputError
from wfrpde.fields.product_regions import complement, parse_product_region


def factor_key(case: Case) -> str:
    """Text by which equal factors are found."""
    return json.dumps(case.model_dump(mode="json"), sort_keys=True, default=str)


def factor_case(case: Case, index: int, *, start: bool = True) -> Case:
    """Return the case of one factor alone, with a stand-in for its start where none is needed.

    Its modes are the regions that the modes of the product are made of, and their complements.
    """
    spec = factors_of(case)[index]
    initial = spec.initial
    if initial is None and not start:
        initial = InitialSpec(kind="uniform")
    if initial is None:
        if all(factor.initial is None for factor in factors_of(case)):
            # a mixture beyond three dimensions has factors that nobody has written
            needed = "an initial density: factor.initial of each [[factor]], or [initial] without"
            raise InputError("initial", "nothing", needed)
        raise InputError(f"factor[{index}].initial", "nothing", "an initial density")
    data = case.model_dump(exclude_unset=True)
    target = spec.target.model_dump(exclude_unset=True)
    target["modes"] = _regions(case, spec)
    tables: dict[str, Any] = {
        "target": target,
        "initial": initial.model_dump(exclude_unset=True),
        "flow": {**data.get("flow", {})},
        **{key: data[key] for key in ("numerics", "accuracy", "dynamics") if key in data},
        **({} if spec.domain is None else {"domain": spec.domain.model_dump(exclude_unset=True)}),
        "output": {"compare": False},
    }
    if (
        start and case.numerics.formulation == "auto" and not case.is_coupled
    ):  # regions and lines of a factor are those of its mesh
        tables["numerics"] = {**tables.get("numerics", {}), "formulation": "mesh"}
    if case.accuracy.tolerance is not None:  # relative errors of masses add
        count = sum(factor.repeat for factor in factors_of(case))
        # least tolerance that is asked of a factor
        tables["accuracy"] = {"tolerance": max(case.accuracy.tolerance / count, 1e-9)}
    if spec.reaction is not None:
        tables["flow"]["reaction"] = spec.reaction
        if "beta" not in data.get("flow", {}):
            tables["flow"]["beta"] = case.flow.beta
    try:
        return Case.from_dict(tables, case.source)
    except InputError as error:
        if not case.target.is_product:
            raise
        raise error.at(f"factor[{index}].{error.where}") from None


def _regions(case: Case, spec: FactorSpec) -> dict[str, str]:
    """Return the regions of one factor that those of the product are made of."""
    if not (case.target.is_product or case.target.dimension > 3):
        return dict(spec.target.modes)
    modes: dict[str, str] = {}
    asked = {f"target.modes.{name}": text for name, text in case.target.modes.items()}
    rare = case.validation.probabilities.items()
    asked |= {f"validation.probabilities.{name}": text for name, text in rare}
    for where, text in asked.items():
        region = parse_product_region(text, where)
        if region.kind == "count" and region.means(spec.name):
            modes[region.region] = region.region
            modes[complement(region.region)] = complement(region.region)
    return modes
