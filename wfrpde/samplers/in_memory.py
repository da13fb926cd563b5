"""Samplers and samples that are handed over as Python objects, and run in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.errors import InputError, SamplerError
from wfrpde.fields.user_code import told
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.python_sampler import python_sampler
from wfrpde.samplers.recorded import RecordedSamples, posterior_arrays, recorded_arrays
from wfrpde.samplers.registry import claim, claim_of_samples
from wfrpde.samplers.run import ArraySampler, Request, SamplerRun

IN_MEMORY = "an object in memory"
"""What the table of such a sampler says in place of a reference or a file."""


def table_of(name: str, given: Any) -> tuple[dict[str, Any], Any]:
    """Return the table ``[[sampler]]`` of what was handed over, and the object itself.

    Parameters
    ----------
    name
        What it is called.
    given
        A function, an object with ``step``, an algorithm of BlackJAX, an array of samples, ArviZ's
        data, or such a table in which ``python`` or ``samples`` is one of these.

    Raises
    ------
    InputError
        If it is none of these.
    """
    table: dict[str, Any] = {}
    if not isinstance(given, Mapping) or _has_posterior(given) or "positions" in given:
        key, thing = _key_of(name, given), given
    else:
        table = dict(given)
        keys = [k for k in ("python", "samples") if k in table and not isinstance(table[k], str)]
        if len(keys) != 1:
            needed = "one of python and samples, which is an object"
            found = f"the keys {', '.join(table) or 'none'}"
            raise InputError(f"samplers[{name!r}]", found, needed)
        key = keys[0]
        thing = table.pop(key)
    if _is_blackjax(thing):
        table.setdefault("claims", "target")
    return {**table, "name": name, key: IN_MEMORY}, thing


def run_in_memory(table: Any, thing: Any, context: SamplerContext) -> SamplerRun:
    """Return what runs the replicates of a table, a `wfrpde.case.SamplerSpec`, and its object.

    Raises
    ------
    InputError
        If it cannot be used for this case.
    SamplerError
        If samples do not fit it.
    """
    name, layout = table.name, table.layout
    claims = claim(table, context)
    if table.samples is not None:
        arrays = posterior_arrays(thing["posterior"]) if _has_posterior(thing) else _arrays(thing)
        recorded = recorded_arrays(name, "it", arrays, context.target.dim, layout, table.chains)
        return RecordedSamples(name, claim_of_samples(table, context, recorded, claims), recorded)
    if context.ranks.size > 1:
        found = f"sampler {name}, which knows nothing of other ranks"
        raise InputError("comm", found, "a sampler of the library for an ensemble on many ranks")
    if _is_blackjax(thing):
        if claims is not None:
            found = f"{table.claims!r} of sampler {name}, a Markov chain"
            raise InputError("sampler.claims", found, '"target"')
        return BlackjaxChains(name, thing, context, **table.parameters)
    return python_sampler(
        name, thing, IN_MEMORY, claims, context, table.parameters, layout, table.kept
    )


def _key_of(name: str, given: Any) -> str:
    if isinstance(given, Mapping | list) or hasattr(given, "__array__"):
        return "samples"
    if callable(given) or hasattr(given, "step"):
        return "python"
    needed = "a function, an object with step, an array of samples, ArviZ's data, or a table"
    raise InputError(f"samplers[{name!r}]", f"a {type(given).__name__}", needed)


def _has_posterior(thing: Any) -> bool:
    """Whether it is ArviZ's `InferenceData`, or the tree of xarray that has taken its place."""
    return type(thing).__name__ in ("InferenceData", "DataTree")


def _is_blackjax(thing: Any) -> bool:
    return type(thing).__name__ == "SamplingAlgorithm" and isinstance(thing, tuple)


def _arrays(thing: Any) -> dict[str, npt.NDArray[Any]]:
    if isinstance(thing, Mapping):
        return {key: np.asarray(value) for key, value in thing.items()}
    return {"positions": np.asarray(thing)}


@dataclass(frozen=True)
class BlackjaxChains(ArraySampler):
    """Chains of a BlackJAX algorithm: one a replicate, from a draw of ρ₀.

    Attributes
    ----------
    algorithm
        ``blackjax.nuts(logdensity_fn, …)`` and the like, for positions ``(d,)``.
    warmup
        Steps of each chain that are left out.
    """

    name: str
    algorithm: Any
    context: SamplerContext
    warmup: int = 0
    claims: Equation | None = None
    layout: str = "(N, d)"

    def draw(self, request: Request, times: Array) -> tuple[Any, Any]:
        """Return the positions ``(n, d)`` of one chain."""
        import jax

        rng = np.random.default_rng(request.seed)
        start = self.context.initial.sample(1, rng)[0]
        key = jax.random.PRNGKey(int(rng.integers(2**31)))
        keys = jax.random.split(key, self.warmup + request.n)
        try:
            positions = self._chain(start, keys)
        except Exception as error:  # the code of others may raise anything
            raise SamplerError(self.name, told(error)) from error
        return np.asarray(positions)[self.warmup :], None

    @cached_property
    def _chain(self) -> Callable[[Any, Any], Any]:
        """What makes a chain from a start and keys, compiled once for all replicates."""
        import jax

        def step(state: Any, key: Any) -> tuple[Any, Any]:
            state, _ = self.algorithm.step(key, state)
            return state, state.position

        def chain(start: Any, keys: Any) -> Any:
            return jax.lax.scan(step, self.algorithm.init(start), keys)[1]

        made: Callable[[Any, Any], Any] = jax.jit(chain)
        return made
