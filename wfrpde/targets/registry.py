"""Targets by name: what ``[target]`` of a case file can say, turned into a `Target`."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.errors import InputError
from wfrpde.fields.complaints import checked, choose
from wfrpde.targets.axial import AxialTarget
from wfrpde.targets.chain import ChainTarget
from wfrpde.targets.double_well import DoubleWellTarget
from wfrpde.targets.gaussian import GaussianMixtureTarget, GaussianTarget
from wfrpde.targets.landscapes import BananaTarget, FourModesTarget, MullerBrownTarget, RingTarget
from wfrpde.targets.minima import find_minima
from wfrpde.targets.phase_space import phase_space
from wfrpde.targets.product import product_target
from wfrpde.targets.python_target import load_python_target
from wfrpde.targets.radial import RadialTarget, StudentTarget
from wfrpde.targets.target import Target, TargetParameters, read_regions, symbolic_target

# A new target adds its class here; `TargetParameters` says what it needs.
LIBRARY: dict[str, type[TargetParameters]] = {
    model.kind: model
    for model in (
        GaussianTarget,
        GaussianMixtureTarget,
        DoubleWellTarget,
        FourModesTarget,
        BananaTarget,
        RingTarget,
        MullerBrownTarget,
        RadialTarget,
        StudentTarget,
        AxialTarget,
        ChainTarget,
    )
}

OWN = "one of your own is python = 'module:object'"


def validate_parameters(kind: str, parameters: Mapping[str, Any]) -> TargetParameters:
    """Check the parameters of a library target and return them as its model.

    Raises
    ------
    InputError
        Names ``target.kind`` and lists the kinds, or names ``target.<key>``.
    """
    return checked(LIBRARY[choose(kind, LIBRARY, "target.kind", OWN)], parameters, "target")


def make_target(
    *,
    potential: str | None = None,
    kind: str | None = None,
    python: str | None = None,
    dim: int | None = None,
    modes: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    box: npt.ArrayLike | None = None,
    kinetic: bool = False,
) -> Target:
    """Return the target that a case describes.

    Parameters
    ----------
    potential, kind, python
        Exactly one: V as formula, the name of a library target, or ``"module:object"``.
    dim
        Dimension; inferred from the coordinates that the formula uses, or from the parameters.
    modes
        Named regions; the library target's own where none are given.
    parameters
        Parameters of the library target, or of the Python class or function.
    box
        (d, 2) domain, where the case gives one: minima are searched for inside, and a potential
        that falls without bound outside is no error then.
    kinetic
        Whether the target of the positions is wanted, or that of `phase_space`.

    Raises
    ------
    InputError
        With the key of ``[target]`` that is wrong.
    """
    given = [k for k, v in (("potential", potential), ("kind", kind), ("python", python)) if v]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise InputError("target", found, "exactly one of potential, kind, python")
    settings = dict(parameters or {})
    if dim is not None and dim not in (1, 2, 3) and kind is None:
        raise InputError("target.dim", repr(dim), "1, 2 or 3")
    if kind is not None:
        target = _of_library(kind, _frozen(settings), dim)
    elif python is not None:
        target = load_python_target(python, dim=dim, parameters=settings, box=box)
    else:
        if settings:
            key = next(iter(settings))
            raise InputError(f"target.{key}", "an unknown key", "potential, dim, modes")
        sides = None if box is None else _frozen(np.asarray(box, dtype=float).tolist())
        target = _of_formula(str(potential), dim, sides)
    if modes:
        target = dataclasses.replace(target, regions=read_regions(modes, target.dim))
    recipe = {
        "potential": potential,
        "kind": kind,
        "python": python,
        "dim": target.dim,
        "modes": {name: region.text for name, region in target.regions.items()},
        "parameters": settings,
        "box": None if box is None else np.asarray(box, dtype=float).tolist(),
    }
    target = dataclasses.replace(target, recipe=recipe)
    return phase_space(target) if kinetic else target


def target_of(recipe: Mapping[str, Any]) -> Target:
    """Return a target made before, from its `Target.recipe`; the user's code is run at once."""
    if "factors" not in recipe:
        return make_target(**recipe)
    factors = [(entry["repeat"], target_of(entry["recipe"])) for entry in recipe["factors"]]
    rotation = recipe["rotation"]
    return product_target(factors, None if rotation is None else np.array(rotation))


def target_again(*, recipe: Mapping[str, Any], description: str, seeds: npt.ArrayLike) -> Target:
    """Return a target made before, from its `Target.recipe`.

    Python code of the user is run when the potential is first asked for.
    """
    if "factors" in recipe or recipe["python"] is None:
        return target_of(recipe)

    kinetic, dim = recipe.get("kinetic", False), recipe["dim"]
    own = {name: value for name, value in recipe.items() if name != "kinetic"}

    @functools.cache
    def made() -> Target:
        return make_target(**own)

    target = Target(
        dim=dim,
        name=recipe["python"],
        description=description,
        seeds=np.asarray(seeds, dtype=float)[:, :dim],
        value=lambda x: made().potential(x),
        slope=lambda x: made().gradient(x),
        regions=read_regions(recipe["modes"], dim),
        recipe=own,
    )
    return phase_space(target) if kinetic else target


def _frozen(settings: Any) -> str:
    """Return settings as a text, by which a target that was made before is found again."""
    return json.dumps(settings, sort_keys=True, default=repr)


@functools.lru_cache(maxsize=32)
def _of_library(kind: str, frozen: str, dim: int | None) -> Target:
    settings = json.loads(frozen)
    model = LIBRARY[choose(kind, LIBRARY, "target.kind", OWN)]
    if dim is not None and "dim" in model.model_fields:
        settings.setdefault("dim", dim)
    target = checked(model, settings, "target").build()
    if dim is not None and dim != target.dim:
        needed = f"{target.dim}, the dimension of this {kind} (or leave dim out)"
        raise InputError("target.dim", str(dim), needed)
    return target


@functools.lru_cache(maxsize=32)
def _of_formula(text: str, dim: int | None, frozen_box: str | None) -> Target:
    from wfrpde.fields import coordinates, parse_expression

    where = "target.potential"
    box = None if frozen_box is None else json.loads(frozen_box)
    expression = parse_expression(text, dim or 3, where)
    used = max((coordinates(3).index(s) + 1 for s in expression.free_symbols), default=1)
    size = dim or used
    try:
        target = symbolic_target(
            expression,
            size,
            name="expression",
            description=f"V = {' '.join(text.split())}",
            seeds=[[0.0] * size],
        )
    except Exception as error:  # SymPy raises many kinds, from formulas that no one means
        found = f"an expression without a derivative ({type(error).__name__}: {error})"
        raise InputError(where, found, "a potential with a gradient") from error
    seeds = find_minima(target.potential, target.gradient, size, where=where, box=box)
    return dataclasses.replace(target, seeds=seeds)
