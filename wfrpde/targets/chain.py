"""Chains of equal sites, each coupled to its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wfrpde.arrays import Array
from wfrpde.targets.target import Target, TargetParameters


class Chain(Protocol):
    """Sites and couplings that are alike all along."""

    @property
    def length(self) -> int:
        """Number d of sites."""

    def functions(self) -> tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]:
        """Return site and coupling, as functions of arrays ``(m,)``."""


class ChainTarget(TargetParameters):
    """V(x) = Σ_i site(x_i) + Σ_i coupling(x_i, x_{i+1}): a field on a line, as φ⁴.

    The flow is that of log(ρ/π) as a tensor train, from a start that is alike for all sites.
    """

    kind: ClassVar[str] = "chain"
    site: str = Field(description='a formula in x, as "(x**2 - 1)**2"')
    coupling: str = Field(description='a formula in neighbours x and y, as "0.5*(x - y)**2"')
    length: int = Field(description="a number of sites from 2 to 64", ge=2, le=64)

    def functions(self) -> tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]:
        """Return site and coupling, as functions of arrays ``(m,)``."""
        from wfrpde.fields import numpy_function, parse_expression

        site = numpy_function(parse_expression(self.site, 1, "target.site"), 1)
        coupling = numpy_function(parse_expression(self.coupling, 2, "target.coupling"), 2)

        def own(x: Array) -> Array:
            return np.asarray(np.broadcast_to(site(x[:, None]), x.shape), dtype=float)

        def pair(x: Array, y: Array) -> Array:
            both = np.stack([x, y], axis=1)
            return np.asarray(np.broadcast_to(coupling(both), x.shape), dtype=float)

        return own, pair

    def build(self) -> Target:
        """Return the target with these parameters."""
        from wfrpde.fields import numpy_gradient, parse_expression

        site, coupling = self.functions()
        own_slope = numpy_gradient(parse_expression(self.site, 1, "target.site"), 1)
        pair_slope = numpy_gradient(parse_expression(self.coupling, 2, "target.coupling"), 2)

        def potential(x: npt.ArrayLike) -> Array:
            points = np.asarray(x, dtype=float)
            count = len(points)
            own = site(points.ravel()).reshape(count, -1).sum(axis=1)
            pair = coupling(points[:, :-1].ravel(), points[:, 1:].ravel())
            return np.asarray(own + pair.reshape(count, -1).sum(axis=1))

        def gradient(x: npt.ArrayLike) -> Array:
            points = np.asarray(x, dtype=float)
            slope = np.broadcast_to(own_slope(points.reshape(-1, 1)), (points.size, 1))
            found = np.array(slope, dtype=float).reshape(points.shape)
            both = np.stack([points[:, :-1].ravel(), points[:, 1:].ravel()], axis=1)
            pair = np.broadcast_to(pair_slope(both), both.shape).reshape(len(points), -1, 2)
            found[:, :-1] += pair[..., 0]
            found[:, 1:] += pair[..., 1]
            return found

        return Target(
            dim=self.length,
            name=self.kind,
            description=f"V = Σ ({self.site}) + Σ ({self.coupling}), {self.length} sites",
            seeds=np.zeros((1, self.length)),
            value=potential,
            slope=gradient,
        )
