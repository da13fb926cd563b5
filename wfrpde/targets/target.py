"""`Target`: the potential V of the density π = exp(−V)/Z that the flow tends to."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    import sympy

    from wfrpde.fields import Region


@dataclass(frozen=True, eq=False)
class Target:
    r"""A target density π(x) = exp(−V(x)) / Z on R^d; meshes have d = 1, 2, 3.

    Attributes
    ----------
    dim
        Dimension d.
    name
        Kind in the registry, ``"expression"``, or ``"module:object"``.
    description
        The potential as a formula or in words, for reports.
    seeds
        (k, d): a point near every minimum of V that carries mass.
    expression
        V as SymPy expression in the symbols of `wfrpde.fields.coordinates`; None for a
        potential that is given as Python code.
    regions
        Named regions whose mass is followed (modes).
    gaussian
        (mean (d,), covariance (d, d)) if π is Gaussian, else None.
    log_partition
        log Z = log ∫ exp(−V) over R^d where it is known in closed form, else None.
    recipe
        What `wfrpde.targets.make_target` made it from, as plain data; None if it was made by hand.
    """

    dim: int
    name: str
    description: str
    seeds: Array
    value: Callable[[npt.ArrayLike], Array] = field(repr=False)
    slope: Callable[[npt.ArrayLike], Array] = field(repr=False)
    expression: sympy.Expr | None = None
    regions: Mapping[str, Region] = field(default_factory=lambda: MappingProxyType({}))
    gaussian: tuple[Array, Array] | None = None
    log_partition: float | None = None
    recipe: Mapping[str, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise InputError("target.dim", str(self.dim), "at least 1")
        seeds = np.array(self.seeds, dtype=float).reshape(-1, self.dim)
        seeds.setflags(write=False)
        object.__setattr__(self, "seeds", seeds)
        object.__setattr__(self, "regions", MappingProxyType(dict(self.regions)))

    @property
    def known_smooth(self) -> bool:
        """Whether V is known to have no kinks: of a Gaussian, or as sums and products of powers."""
        if self.gaussian is not None:
            return True
        return self.expression is not None and _is_polynomial(self.expression)

    def potential(self, x: npt.ArrayLike) -> Array:
        """Return V (n,) in kT at the points x (n, d)."""
        return self.value(x)

    def gradient(self, x: npt.ArrayLike) -> Array:
        """Return ∇V (n, d), in kT per unit length, at the points x (n, d)."""
        return self.slope(x)


@functools.lru_cache(maxsize=128)
def _is_polynomial(expression: sympy.Expr) -> bool:
    import sympy

    powers = expression.is_polynomial(*expression.free_symbols)
    return bool(powers and not expression.atoms(sympy.Function))


class TargetParameters(Parameters, ABC):
    """Parameters of one library target; `build` makes the `Target`."""

    kind: ClassVar[str]

    @abstractmethod
    def build(self) -> Target:
        """Return the target with these parameters."""


def symbolic_target(
    expression: sympy.Expr,
    dim: int,
    *,
    name: str,
    seeds: npt.ArrayLike,
    description: str = "",
    regions: Mapping[str, str | Region] | None = None,
    gaussian: tuple[Array, Array] | None = None,
    log_partition: float | None = None,
    slope: Callable[[npt.ArrayLike], Array] | None = None,
) -> Target:
    """Return the `Target` whose value and gradient come from one expression.

    Parameters
    ----------
    expression
        V in kT, in the symbols of `wfrpde.fields.coordinates`.
    regions
        Named regions, as text or read; the other arguments are the attributes of `Target`.
    slope
        ∇V, where it is not to be derived.
    """
    from wfrpde.fields import numpy_function, numpy_gradient

    return Target(
        dim=dim,
        name=name,
        description=description or f"V = {expression}",
        seeds=np.asarray(seeds, dtype=float),
        value=numpy_function(expression, dim),
        slope=slope or numpy_gradient(expression, dim),
        expression=expression,
        regions=read_regions(regions or {}, dim),
        gaussian=gaussian,
        log_partition=log_partition,
    )


def read_regions(modes: Mapping[str, str | Region], dim: int) -> dict[str, Region]:
    """Parse named regions that are text; errors name ``target.modes.<name>``."""
    from wfrpde.fields import parse_region

    return {
        key: parse_region(mode, dim, f"target.modes.{key}") if isinstance(mode, str) else mode
        for key, mode in modes.items()
    }
