"""Targets that are Python code of the user: ``python = "module:object"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.complaints import checked
from wfrpde.fields.user_code import load_object, reals, signature_of, told
from wfrpde.targets.minima import find_minima
from wfrpde.targets.target import Target, TargetParameters, read_regions

_WHERE = "target.python"
_NEEDED = (
    "a Target, or an object with potential(x (n, d)) -> (n,) and, if it has them, "
    "gradient(x) -> (n, d), dim, seeds, regions"
)


def load_python_target(
    reference: str,
    *,
    dim: int | None,
    parameters: Mapping[str, Any],
    box: npt.ArrayLike | None = None,
) -> Target:
    """Return the target that ``"module:object"`` names.

    A `TargetParameters` is built from ``parameters``; any other class or function is called with
    them first, and with ``dim`` if it has such a parameter. Without ``gradient`` the gradient
    comes from central differences; without ``seeds`` the minima are searched for.

    Raises
    ------
    InputError
        The object cannot be imported, made or used; the message says which, and why.
    """
    thing = load_object(reference, _WHERE)
    if isinstance(thing, Target):
        return _agreed(thing, dim)
    if isinstance(thing, type) and issubclass(thing, TargetParameters):
        return _agreed(checked(thing, parameters, "target").build(), dim)
    if isinstance(thing, type) or (callable(thing) and not hasattr(thing, "potential")):
        try:
            told_dim = {"dim": dim} if dim is not None and "dim" in signature_of(thing) else {}
            thing = thing(**told_dim, **parameters)
        except Exception as error:  # whatever the user's code raises is about their input
            message = f"{reference}, which failed when it was made: {told(error)}"
            raise InputError(_WHERE, message, "parameters that it accepts") from error
        if isinstance(thing, Target):
            return _agreed(thing, dim)
    elif parameters:
        key = next(iter(parameters))
        raise InputError(f"target.{key}", "an unknown key", "no parameters: the object is made")
    return _wrapped(thing, reference, dim, box)


def _agreed(target: Target, dim: int | None) -> Target:
    if dim is not None and dim != target.dim:
        raise InputError("target.dim", str(dim), f"{target.dim}, the dimension of {target.name}")
    return target


def _wrapped(thing: Any, reference: str, dim: int | None, box: npt.ArrayLike | None) -> Target:
    from wfrpde.fields.rendering import as_points, central_difference

    own_potential = getattr(thing, "potential", None)
    if not callable(own_potential):
        raise InputError(_WHERE, f"{reference}, a {type(thing).__name__} without potential",
                         _NEEDED)  # fmt: skip
    own_dim = getattr(thing, "dim", None)
    size = dim if own_dim is None else own_dim
    if size is None:
        raise InputError("target.dim", "nothing", f"1, 2 or 3: {reference} has no attribute dim")
    if size not in (1, 2, 3) or (dim is not None and dim != size):
        raise InputError("target.dim", f"{dim if dim is not None else size}",
                         f"{size}" if size in (1, 2, 3) else "1, 2 or 3")  # fmt: skip
    size = int(size)

    def potential(x: npt.ArrayLike) -> Array:
        points = as_points(x, size)
        return _shaped(own_potential(points), (len(points),), f"{reference}.potential")

    own_gradient = getattr(thing, "gradient", None)

    def gradient(x: npt.ArrayLike) -> Array:
        points = as_points(x, size)
        if callable(own_gradient):
            return _shaped(own_gradient(points), points.shape, f"{reference}.gradient")
        return central_difference(potential, points)

    probe = np.linspace(-0.5, 0.5, 2 * size).reshape(2, size)
    try:
        potential(probe), gradient(probe)
    except InputError:
        raise
    except Exception as error:  # the user's code may raise anything
        message = f"{reference}, which failed at {probe.tolist()}: {type(error).__name__}: {error}"
        raise InputError(_WHERE, message, _NEEDED) from error
    seeds = getattr(thing, "seeds", None)
    if seeds is None:
        seeds = find_minima(potential, gradient, size, where=_WHERE, box=box)
    return Target(
        dim=size,
        name=reference,
        description=str(getattr(thing, "description", f"Python object {reference}")),
        seeds=np.asarray(seeds, dtype=float),
        value=potential,
        slope=gradient,
        regions=read_regions(getattr(thing, "regions", {}), size),
    )


def _shaped(value: Any, shape: tuple[int, ...], name: str) -> Array:
    try:
        array = reals(value)
    except (TypeError, ValueError) as error:
        found = f"{name} that returns no real numbers: {error}"
        raise InputError(_WHERE, found, f"{shape} for {shape[0]} points") from error
    if array.shape != shape:
        raise InputError(_WHERE, f"{name} that returns the shape {array.shape}",
                         f"{shape} for {shape[0]} points")  # fmt: skip
    return array
