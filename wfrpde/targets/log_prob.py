"""A target from what gives log π at a point: a function in NumPy, JAX or PyTorch, a Stan model.

Such functions are what other samplers are given (BlackJAX's ``logdensity_fn``, emcee's
``log_prob_fn``). The gradient comes from automatic differentiation where the library has it.
Models of posteriordb are such targets as BridgeStan compiles them, in unconstrained coordinates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.user_code import reals

Function = Callable[[Array], Array]

Library = Literal["numpy", "jax", "torch", "stan"]

_WHERE = "log_prob_target"


@dataclass(frozen=True, eq=False)
class LogProbTarget:
    """What ``target.python`` takes; `log_prob_target` makes it.

    Attributes
    ----------
    dim
        Dimension d.
    description
        For reports.
    potential
        V = −log π up to a constant, ``(n,)`` at points ``(n, d)``.
    gradient
        ∇V ``(n, d)``; None: by central differences.
    seeds
        ``(k, d)`` points near the minima; None: they are searched for.
    regions
        Named regions.
    """

    dim: int
    description: str
    potential: Function
    gradient: Function | None
    seeds: npt.ArrayLike | None = None
    regions: Mapping[str, str] = field(default_factory=dict)


def log_prob_target(
    log_prob: Any,
    dim: int,
    *,
    library: Library | None = None,
    batched: bool = False,
    seeds: npt.ArrayLike | None = None,
    regions: Mapping[str, str] | None = None,
) -> LogProbTarget:
    """Make a target π ∝ exp(log_prob) for ``{"target": {"python": log_prob_target(f, 2)}}``.

    Parameters
    ----------
    log_prob
        log π up to a constant at a point ``(d,)``; −∞ outside of the support. Or a model with
        ``log_density_gradient``, which returns it and ∇ log π ``(d,)``: a ``bridgestan.StanModel``.
    dim
        Dimension d, 1 to 3.
    library
        What the function is written in; by default JAX or PyTorch if they are imported and can
        differentiate it, else NumPy, whose gradient comes from central differences.
    batched
        Whether it takes points ``(n, d)`` at once and returns ``(n,)``.
    seeds
        ``(k, d)`` points near every minimum that matters; searched for by default.
    regions
        Named regions, such as ``{"left": "x < 0"}``.

    Raises
    ------
    InputError
        If the function cannot be evaluated at a point.
    """
    if dim not in (1, 2, 3):
        raise InputError(f"{_WHERE}: dim", repr(dim), "1, 2 or 3")
    if library is not None and library not in get_args(Library):
        raise InputError(f"{_WHERE}: library", repr(library), f"one of {get_args(Library)}")
    makers = {"jax": _in_jax, "torch": _in_torch, "numpy": _in_numpy, "stan": _in_stan}
    if library is None and hasattr(log_prob, "log_density_gradient"):
        library = "stan"
    tried = [library] if library else [n for n in makers if n in sys.modules]
    point = np.linspace(-0.25, 0.25, dim, dtype=np.float64)[None]
    failure: Exception | None = None
    for name in tried:
        try:
            value, gradient = makers[name](log_prob, batched)
            shape = value(point).shape
            slope = (1, dim) if gradient is None else gradient(point).shape
        except Exception as error:  # the code of a user, or a library that cannot take it
            failure = error
            continue
        if shape != (1,) or slope != (1, dim):
            raise InputError(_WHERE, f"values of shape {shape} for one point", "one number a point")
        description = f"exp of {_named(log_prob)} ({name})"
        return LogProbTarget(dim, description, value, gradient, seeds, dict(regions or {}))
    needed = f"a function of {'points (n, d)' if batched else 'a point (d,)'} that gives log π"
    found = f"{_named(log_prob)}, which failed: {type(failure).__name__}: {failure}"
    raise InputError(_WHERE, found, needed) from failure


def _named(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _in_numpy(log_prob: Callable[..., Any], batched: bool) -> tuple[Function, Function | None]:
    def potential(x: Array) -> Array:
        values = log_prob(x) if batched else [log_prob(point) for point in x]
        return -reals(values)

    return potential, None


def _in_stan(model: Any, batched: bool) -> tuple[Function, Function | None]:
    def found(x: Array) -> list[tuple[float, Array]]:
        return [model.log_density_gradient(point) for point in x]

    def potential(x: Array) -> Array:
        return -np.array([value for value, _ in found(x)], dtype=float)

    def gradient(x: Array) -> Array:
        return -np.array([slope for _, slope in found(x)], dtype=float).reshape(x.shape)

    return potential, gradient


def _in_jax(log_prob: Callable[..., Any], batched: bool) -> tuple[Function, Function | None]:
    import jax

    def one(point: Any) -> Any:
        return log_prob(point[None])[0] if batched else log_prob(point)

    value, slope = (jax.jit(jax.vmap(f)) for f in (one, jax.grad(one)))

    def negated(function: Callable[[Any], Any]) -> Function:
        def evaluate(x: Array) -> Array:
            if not len(x):
                return np.zeros(0)
            # as many points as a power of two: JAX compiles a function for every number anew
            most = 1 << (len(x) - 1).bit_length()
            padded = np.concatenate([x, np.broadcast_to(x[:1], (most - len(x), x.shape[1]))])
            with jax.enable_x64(True):
                return -reals(function(padded))[: len(x)]

        return evaluate

    return negated(value), negated(slope)


def _in_torch(log_prob: Callable[..., Any], batched: bool) -> tuple[Function, Function | None]:
    import torch

    def values(points: Any) -> Any:
        if batched:
            return log_prob(points)
        return torch.stack([log_prob(point) for point in points])

    def potential(x: Array) -> Array:
        with torch.no_grad():
            return -reals(values(torch.as_tensor(x)).numpy())

    def gradient(x: Array) -> Array:
        points = torch.as_tensor(x).clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(values(points).sum(), points)
        return -reals(slope.numpy())

    return potential, gradient
