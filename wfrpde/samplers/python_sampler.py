"""Samplers in Python that wfrpde does not bring along: objects with ``step``, and functions."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.errors import InputError, SamplerError, WfrpdeError
from wfrpde.fields.user_code import load_object, signature_of, told
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.exchange import shaped_positions, to_trajectory
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.run import ArraySampler, Request
from wfrpde.samplers.simulate import StepByStep

GROUP = "wfrpde.samplers"
"""Entry-point group in which installed packages register samplers by name."""

_NEEDED = (
    "an object with init(positions, rng) and step(ensemble, t, dt, rng), a class that makes one "
    "from the target, or a function (target, n, times, rng)"
)


USUAL = 0.01
"""Default `dt` of a table, a `wfrpde.case.SamplerSpec`."""


def told_by_name(make: Callable[..., Any], context: SamplerContext) -> dict[str, Any]:
    """Return what a function or class is told because it has a parameter of that name.

    ``path`` is the `wfrpde.equation.Path` of a target that moves, ``process`` the
    `wfrpde.noising.process.ReverseProcess` of a case with ``[noising]``: schedule, score,
    corrector. None where the case has none, and the parameter no default of its own.
    """
    names = signature_of(make)
    process = context.process
    whole = None if process is None else replace(process, first=context.initial)
    known = {"path": context.equation.path, "process": whole}
    return {
        name: value
        for name, value in known.items()
        if name in names and (value is not None or names[name].default is inspect.Parameter.empty)
    }


def _reject_namesakes(
    where: str, reference: str, make: Callable[..., Any], keys: Collection[str]
) -> None:
    """Raise an `InputError` if a parameter has the name of a key that it would not be given."""
    for key in sorted(set(keys) & set(signature_of(make))):
        raise InputError(
            where,
            f"{reference}, whose parameter {key} is not given the {key} of the table",
            "another name for it",
            "Functions are told n, times, rng and dt; step is told dt.",
        )


def _step_of(function: Callable[..., Any], dt: float) -> dict[str, float]:
    """Return what a function is told of the step: nothing if it has no parameter for it."""
    return {"dt": dt} if "dt" in signature_of(function) else {}


def _own_step(function: Callable[..., Any]) -> float:
    """Return the step that a function takes by default, in units of that of the table."""
    parameter = signature_of(function).get("dt")
    own = None if parameter is None else parameter.default
    return own / USUAL if isinstance(own, float) and own > 0 else 1.0


def registered() -> dict[str, str]:
    """Names and references ``module:object`` of the samplers of installed packages."""
    entries = importlib.metadata.entry_points(group=GROUP)
    return {entry.name: entry.value for entry in entries}


@dataclass(frozen=True)
class FunctionSampler(ArraySampler):
    """A function ``(target, n, times, rng, **parameters)`` → positions[, log weights].

    ``times`` is an array ``(T,)``; it holds ``inf`` alone for a sampler of π itself. A parameter
    ``dt`` is the largest step of this run. Where the table gives none and the parameter has a
    default, that is the step: ``scale`` is how much of the table's own default it is.
    """

    name: str
    claims: Equation | None
    function: Callable[..., Any]
    context: SamplerContext
    parameters: Mapping[str, Any]
    layout: str
    scale: float = 1.0

    def draw(self, request: Request, times: Array) -> tuple[Any, Any]:
        """Call the function."""
        rng, target = np.random.default_rng(request.seed), self.context.target
        try:
            known = {
                **told_by_name(self.function, self.context),
                **_step_of(self.function, self.scale * request.dt),
                **self.parameters,
            }
            result = self.function(target, request.n, times.copy(), rng, **known)
        except Exception as error:  # the code of a user may raise anything
            raise SamplerError(self.name, told(error)) from error
        return result if isinstance(result, tuple) and len(result) == 2 else (result, None)


@dataclass(frozen=True)
class ObjectSampler:
    """An object of the user with ``init`` and ``step``.

    ``init`` may be missing: equal weights then. Both may return an `Ensemble`, positions, or
    positions and log weights.
    """

    name: str
    thing: Any
    context: SamplerContext
    layout: str

    def init(self, positions: Array, rng: np.random.Generator) -> Ensemble:
        """Make the ensemble at time 0."""
        if not callable(getattr(self.thing, "init", None)):
            return Ensemble.equal(positions)
        made = self.thing.init(self._laid_out(positions), rng)
        return self._ensemble(made, len(positions), 0.0)

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Return the ensemble at time t + dt."""
        made = self.thing.step(ensemble, t, dt, rng)
        return self._ensemble(made, ensemble.size, t + dt)

    def _laid_out(self, positions: Array) -> Array:
        return positions.T if self.layout == "(d, N)" else positions

    def _ensemble(self, made: Any, n: int, t: float) -> Ensemble:
        if isinstance(made, Ensemble):
            return made
        if not isinstance(made, np.ndarray | tuple | list):
            raise SamplerError(self.name, f"returned {type(made).__name__}, not an Ensemble")
        pair = isinstance(made, tuple) and len(made) == 2
        positions, log_weights = made if pair else (made, None)
        dim = self.context.target.dim
        shaped = shaped_positions(self.name, positions, 1, dim, self.layout, n)
        return to_trajectory(self.name, shaped, log_weights, np.array([t])).ensembles[0]


def load_python_sampler(
    name: str,
    reference: str,
    claims: Equation | None,
    context: SamplerContext,
    parameters: Mapping[str, Any],
    layout: str,
    keys: Collection[str] = (),
) -> FunctionSampler | StepByStep:
    """Return the sampler that ``"module:object"`` names; see `python_sampler`."""
    thing = load_object(reference, f"sampler {name}: python")
    return python_sampler(name, thing, reference, claims, context, parameters, layout, keys)


def _check_call(
    where: str,
    called: str,
    function: Callable[..., Any],
    arguments: tuple[str, ...],
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Raise an `InputError` if a function cannot take its arguments: a solve may come before it.

    What a decorator makes is what is called, whatever the function within it takes.
    """
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (NameError, TypeError, ValueError):  # some compiled functions have none
        return
    try:
        signature.bind(*arguments, **parameters)
    except TypeError as error:
        found = f"{called}, which takes {signature}: {error}"
        raise InputError(where, found, _NEEDED) from error


def python_sampler(
    name: str,
    thing: Any,
    reference: str,
    claims: Equation | None,
    context: SamplerContext,
    parameters: Mapping[str, Any],
    layout: str,
    keys: Collection[str] = (),
) -> FunctionSampler | StepByStep:
    """Return the sampler that an object of the user is, which messages call ``reference``.

    A class is called with the target and ``parameters`` and has to make an object with ``step``;
    an object with ``step`` is taken as it is; any other callable is taken for a function. ``keys``
    are those that the table gives to the harness, such as ``dt``.

    Raises
    ------
    InputError
        If it cannot be imported, made or used, or has a parameter of the name of one of these keys
        that it would not be given.
    """
    where = f"sampler {name}: python"
    if isinstance(thing, type):
        make = thing
        _reject_namesakes(where, reference, make, keys)
        try:
            thing = make(context.target, **{**told_by_name(make, context), **parameters})
        except WfrpdeError:
            raise
        except Exception as error:  # the code of a user may raise anything
            found = f"{reference}, which failed when it was made: {told(error)}"
            do = ""
            if issubclass(make, LibrarySampler):
                do = "Or its kind, in a script of yours that gives it to wfrpde.samplers.register."
            needed = "a class called with (target, **parameters)"
            raise InputError(where, found, needed, do) from error
    elif callable(thing) and not hasattr(thing, "step"):
        _reject_namesakes(where, reference, thing, set(keys) - {"dt"})
        known = {**told_by_name(thing, context), **_step_of(thing, 0.0), **parameters}
        _check_call(where, reference, thing, ("target", "n", "times", "rng"), known)
        scale = 1.0 if "dt" in keys else _own_step(thing)
        return FunctionSampler(name, claims, thing, context, parameters, layout, scale)
    elif parameters:
        key = next(iter(parameters))
        raise InputError(f"sampler {name}: {key}", "an unknown key", "none: the object is made")
    if not callable(getattr(thing, "step", None)):
        raise InputError(where, f"{reference}, a {type(thing).__name__} without step", _NEEDED)
    _check_call(where, f"{reference}: step", thing.step, ("ensemble", "t", "dt", "rng"))
    if callable(getattr(thing, "init", None)):
        _check_call(where, f"{reference}: init", thing.init, ("positions", "rng"))
    return StepByStep(name, claims, ObjectSampler(name, thing, context, layout), context)
