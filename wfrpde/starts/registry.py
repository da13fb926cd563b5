"""Initial densities by name: what ``[initial]`` of a case can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.fields.complaints import checked, choose
from wfrpde.starts.expression import ExpressionInitial
from wfrpde.starts.gaussian import DiracInitial, GaussianInitial, MixtureInitial
from wfrpde.starts.initial import InitialDensity, InitialParameters
from wfrpde.starts.product import product_start
from wfrpde.starts.radial import RadialInitial
from wfrpde.starts.uniform import UniformInitial
from wfrpde.starts.wrapping import wrapped
from wfrpde.targets.minima import box_sides
from wfrpde.targets.target import Target

# A new kind adds its class here; `InitialParameters` says what it needs.
KINDS: dict[str, type[InitialParameters]] = {
    model.kind: model
    for model in (
        GaussianInitial,
        MixtureInitial,
        ExpressionInitial,
        UniformInitial,
        DiracInitial,
        RadialInitial,
    )
}


def validate_initial(kind: str, parameters: Mapping[str, Any]) -> InitialParameters:
    """Check the parameters of an initial density and return them as its model.

    Raises
    ------
    InputError
        Names ``initial.kind`` and lists the kinds, or names ``initial.<key>``.
    """
    return checked(KINDS[choose(kind, KINDS, "initial.kind")], parameters, "initial")


def make_initial(
    *,
    kind: str,
    parameters: Mapping[str, Any],
    target: Target,
    box: npt.ArrayLike | None = None,
    closed: tuple[bool, ...] = (),
) -> InitialDensity:
    """Return the initial density that a case describes, in the dimension of its target.

    Parameters
    ----------
    kind, parameters
        As in ``[initial]``.
    box
        (d, 2) domain of the case, if it sets one: where a uniform density lives by default.
    closed
        Which axes of the box close upon themselves, around which Gaussians are wrapped.

    Raises
    ------
    InputError
        With the key of ``[initial]`` that is wrong.
    """
    sides = None if box is None else np.asarray(box, dtype=float).tolist()
    given = validate_initial(kind, parameters)
    given.check_dimension(target.dim)
    whole = {**parameters, **given.fitted(target, sides)}
    around = {"closed": list(closed)} if any(closed) else {}
    return initial_again(kind=kind, parameters=whole, dim=target.dim, box=sides, **around)


def initial_again(**recipe: Any) -> InitialDensity:
    """Return an initial density made before, from its `InitialDensity.recipe`."""
    if "factors" in recipe:
        factors = [(f["repeat"], initial_again(**f["recipe"])) for f in recipe["factors"]]
        rotation = recipe["rotation"]
        return product_start(factors, None if rotation is None else np.array(rotation))
    dim, box = recipe["dim"], recipe["box"]
    parameters = validate_initial(recipe["kind"], recipe["parameters"])
    parameters.check_dimension(dim)
    density = parameters.build(dim, None if box is None else box_sides(box, dim))
    if "closed" in recipe:
        density = wrapped(density, box_sides(box, dim), tuple(recipe["closed"]))
    return replace(density, recipe=recipe)
