"""Parameters of samplers in case files: the keyword arguments of `LibrarySampler.of`."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from pydantic import Field, create_model

from wfrpde.errors import InputError
from wfrpde.fields.parameters import Parameters, Positive
from wfrpde.samplers.resampling import Scheme

if TYPE_CHECKING:
    from wfrpde.samplers.context import SamplerContext
    from wfrpde.samplers.protocol import LibrarySampler

_Number = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]

Alpha = Annotated[
    _Number, Field(description="a number ≥ 0, the rate of diffusion; `flow.alpha` by default")
]
Friction = Annotated[
    Positive | None, Field(description="a number > 0; `dynamics.friction` by default")
]
Beta = Annotated[
    _Number, Field(description="a number ≥ 0, the rate of the reaction; `flow.beta` by default")
]
SchemeName = Annotated[
    Scheme | Literal["none"],
    Field(description="`systematic`, `stratified`, `residual`, `multinomial` or `none`"),
]
_LEAST = "share of N, 0 to 1, below which the effective sample size makes it resample"
Threshold = Annotated[float, Field(ge=0, le=1, strict=True, description=_LEAST)]
SourceName = Annotated[
    Literal["mesh", "kde", "oracle"],
    Field(description="source of log(ρ/π): `mesh`, `kde`, or `oracle` (the flow that was solved)"),
]
Cells = Annotated[
    int | tuple[int, ...] | None,
    Field(description="`mesh`: cells along each axis, whole numbers > 0; chosen by default"),
]
Smoothing = Annotated[
    _Number,
    Field(description="`mesh`: a number ≥ 0, width of the smoothing in cells; 1 by default"),
]
Bandwidth = Annotated[
    Positive | tuple[Positive, ...] | None,
    Field(description="`kde`: width of the kernel, > 0 (along each axis); Silverman's by default"),
]


@cache
def parameters_of(kind: type[LibrarySampler]) -> type[Parameters]:
    """Return the model of a sampler's parameters, made from the signature of its `of`."""
    hints = get_type_hints(kind.of, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, object), ... if own.default is own.empty else own.default)
        for name, own in inspect.signature(kind.of).parameters.items()
        if own.kind is own.KEYWORD_ONLY
    }
    model: type[Parameters] = create_model(
        f"{kind.__name__}Parameters", __base__=Parameters, __module__=kind.__module__, **fields
    )
    return model


def gradient_rates(
    kind: str, context: SamplerContext, alpha: float | None, beta: float | None
) -> tuple[float, float]:
    """Return the rates α and β, those of the flow by default.

    Raises
    ------
    InputError
        If the flow has a linear reaction, too.
    """
    if context.equation.rate is not None:
        raise InputError(
            "sampler.kind",
            f"{kind!r} with flow.reaction, which it does not know",
            "'feynman_kac', or no flow.reaction",
        )
    return (
        context.equation.alpha if alpha is None else alpha,
        context.equation.beta if beta is None else beta,
    )
