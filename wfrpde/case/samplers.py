"""``[[sampler]]``: the samplers that a case compares with its flow, one table each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    model_serializer,
    model_validator,
)

from wfrpde.case.sections import OpenSection, PositiveNumber, Text
from wfrpde.errors import InputError
from wfrpde.fields.complaints import input_error

_Chains = Literal[
    "(chains, steps, d)", "(steps, chains, d)", "(steps*chains, d)", "(chains*steps, d)"
]  # fmt: skip
LAYOUTS = get_args(_Chains)
"""Orders of the axes of recorded Markov chains."""

Layout = Literal["(N, d)", "(d, N)", _Chains]

Claims = Literal[
    "W", "FR", "WFR", "feynman-kac", "target", "reverse-sde", "probability-flow", "corrected"
]  # fmt: skip

_SOURCES = ("kind", "python", "command", "samples")


class SamplerSpec(OpenSection):
    """One sampler: exactly one of ``kind``, ``python``, ``command`` and ``samples``.

    Attributes
    ----------
    name
        What it is called in tables; by default its kind, object, program or file.
    kind
        A sampler of the library, whose parameters are further keys of the table, or one that an
        installed package registers in the entry-point group ``wfrpde.samplers``.
    python
        ``"module:object"``: a sampler, or a function ``(target, n, times, rng)`` that returns
        positions, or positions and log weights.
    command
        A program and its arguments; it is given a JSON request and writes an ``.npz`` file.
    samples
        A file of recorded samples: ``.npz``, ``.npy``, ``.csv`` or ArviZ's ``.nc``.
    claims
        The equation that it claims to solve; ``target``: its samples are judged against π. With
        ``[noising]`` the process: ``reverse-sde``, ``probability-flow`` or ``corrected``.
    expected
        ``"consistent"``: that it is not is an error.
    particles
        Number N of particles of one replicate.
    dt
        Largest time step, in model time. Samplers of the library take a shorter one by default
        where V is steep: α dt κ is 0.04 at most, κ the largest curvature of V at its minima, or
        what the diffusion, circulation and drift of ``[dynamics]`` make of it.
    replicates
        Number R of independent replicates.
    seed
        Seed of its random numbers; by default it follows from that of the case.
    time_limit
        Seconds after which a replicate is given up, where the sampler is not of the library; of a
        ``batch`` as many times that.
    layout
        Order of the axes of arrays of positions that are not made by wfrpde: ``(N, d)`` or
        ``(d, N)`` of the last two; of recorded Markov chains also ``(chains, steps, d)`` or
        ``(steps, chains, d)``, and, with `chains`, ``(steps*chains, d)`` (one point of each chain
        after the other) or ``(chains*steps, d)`` (chain after chain).
    chains
        Number of chains in one list of points.
    batch
        How many replicates a ``command`` makes in one process, so that what it compiles serves
        them all: its request then holds a list of ``seeds``, and its arrays an axis of replicates
        in front. By default one replicate, without that axis.
    depends
        Files and folders that its replicates depend on besides what Python has loaded: those of a
        ``command``, data that it reads. Without it ``--resume`` makes those of a ``command`` anew;
        ``[]`` says that there are none but the files that the command names.
    parameters
        The further keys of the table: parameters of ``kind`` or ``python``, or what ``command``
        is told.
    """

    section: ClassVar[str] = "sampler"
    name: Text = ""
    kind: Text | None = None
    python: Text | None = None
    command: tuple[Text, ...] | None = None
    samples: Text | None = None
    claims: Claims | None = None
    expected: Literal["consistent"] | None = None
    particles: Annotated[int, Strict(), Field(ge=1)] = 1000
    dt: PositiveNumber = 0.01
    replicates: Annotated[int, Strict(), Field(ge=1)] = 20
    seed: Annotated[int, Strict(), Field(ge=0)] | None = None
    time_limit: PositiveNumber = 600.0
    layout: Layout = "(N, d)"
    chains: Annotated[int, Strict(), Field(ge=1)] | None = None
    batch: Annotated[int, Strict(), Field(ge=1)] | None = None
    depends: tuple[Text, ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [key for key in _SOURCES if getattr(self, key) is not None]
        if len(given) != 1:
            raise InputError(
                "sampler",
                " and ".join(given) or f"none of {', '.join(_SOURCES)}",
                f"exactly one of {', '.join(_SOURCES)}",
                "" if given else 'For example: kind = "langevin".',
            )
        if self.kind is not None:
            self._check_kind(self.kind)
        if self.samples is not None:
            self._reject_parameters("with sampler.samples")
        if self.layout in LAYOUTS and self.samples is None:
            found = f"{self.layout!r} without sampler.samples"
            raise InputError("sampler.layout", found, '"(N, d)" or "(d, N)"')
        if ("*" in self.layout) != (self.chains is not None):
            found = f"layout = {self.layout!r} with chains = {self.chains}"
            needed = f'chains together with layout = "{LAYOUTS[2]}" or "{LAYOUTS[3]}"'
            raise InputError("sampler.chains", found, needed)
        if self.command is not None and not self.command:
            raise InputError("sampler.command", "an empty list", "a program and its arguments")
        if self.batch is not None and self.command is None:
            raise InputError(
                "sampler.batch", "it without sampler.command", "a command that heeds it"
            )
        # Written past the frozen fields, and kept out of model_fields_set, like all defaults that
        # depend on other keys.
        if not self.name:
            object.__setattr__(self, "name", self._default_name())
        return self

    @model_serializer(mode="wrap")
    def _spread_parameters(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # without defaults: which keys a table gives decides its step, and what its code is told
        unset = set(type(self).model_fields) - self.model_fields_set - {"name"}
        data = super()._spread_parameters(handler)
        return {key: value for key, value in data.items() if key not in unset}

    @property
    def kept(self) -> frozenset[str]:
        """Keys that the table gives and that hold whatever the sampler is: no parameters of it."""
        return frozenset(self.model_fields_set) - {*_SOURCES, "name", "parameters"}

    def _check_kind(self, kind: str) -> None:
        from wfrpde.samplers.registry import validate_sampler

        validate_sampler(kind, self.parameters)

    def _default_name(self) -> str:
        path = self.command[0] if self.command else self.samples or ""
        return self.kind or self.python or Path(path).name or path


def checked_samplers(tables: Any) -> tuple[SamplerSpec, ...]:
    """Check the tables of ``[[sampler]]``; complaints name the number of the table.

    Raises
    ------
    InputError
        If one of them cannot be used, or two have the same name.
    """
    if not isinstance(tables, list | tuple):
        raise InputError("sampler", repr(tables), "a list of tables", "Write [[sampler]].")
    specs: list[SamplerSpec] = []
    for number, table in enumerate(tables):
        where = f"sampler[{number}]"
        try:
            spec = SamplerSpec.model_validate(table)
        except InputError as error:
            place = where + error.where.removeprefix("sampler")
            raise error.at(place) from None
        except ValidationError as error:
            raise input_error(error, SamplerSpec, table, where) from None
        if spec.name in [other.name for other in specs]:
            found = f"{spec.name!r}, which an earlier one is called, too"
            raise InputError(f"{where}.name", found, "a name of its own")
        specs.append(spec)
    return tuple(specs)
