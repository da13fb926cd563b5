r"""What a step of a sampler does to the weights of its particles: the reaction U.

U = −β log(ρ_t/π) makes weighted particles follow the Wasserstein–Fisher–Rao flow, a given U(x)
the linear Feynman–Kac flow ∂_t ρ = α∇·(∇ρ + ρ∇V) + ρ(U − ⟨U⟩).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.schedules import integral, value_at
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.density import CELLS, DensitySource, KernelDensity, MeshDensity
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.law import LawStep, log_mass
from wfrpde.samplers.parameters import Bandwidth, Cells, Smoothing, SourceName
from wfrpde.samplers.ranks import Ranks

MOST_DIMENSIONS = 3
"""Dimensions up to which a density can be estimated on a lattice."""


class Reaction(ABC):
    """What a step does to the weights."""

    @abstractmethod
    def growth(self, before: Ensemble, positions: Array, t: float, dt: float) -> Array:
        """Return the change ``(N,)`` of log w, up to a constant, over a move to ``positions``.

        Collective.
        """

    def law(self, alpha: float) -> LawStep | None:
        """Say what it does, with Euler–Maruyama moves, to the law of infinitely many particles."""
        return None


@dataclass(frozen=True)
class PathReaction(Reaction):
    r"""A known rate U(t, x): ∫ U ds along the path by the trapezoidal rule.

    The error of the rule is O(dt²), so that the order of the scheme is that of its moves.

    Parameters
    ----------
    rate
        U: time and positions ``(N, d)`` → ``(N,)``, per unit model time.
    """

    rate: Callable[[float, Array], Array]

    def growth(self, before: Ensemble, positions: Array, t: float, dt: float) -> Array:
        """Return ½ dt (U(t, X_t) + U(t + dt, X_{t+dt}))."""
        return 0.5 * dt * (self.rate(t, before.positions) + self.rate(t + dt, positions))

    def law(self, alpha: float) -> LawStep:
        """Weigh by e^{½ dt U} before and after the move."""
        rate = self.rate
        return LawStep(
            alpha,
            lambda x, t, dt: np.exp(0.5 * dt * rate(t, x)),
            lambda x, mass, t, dt, log_target: mass * np.exp(0.5 * dt * rate(t + dt, x)),
        )


@dataclass(frozen=True)
class MeanFieldReaction(Reaction):
    r"""U = −β log(ρ̂/π) with ρ̂ from the moved particles themselves: an exact Fisher–Rao step.

    ρ ↦ ρ^θ π^{1−θ} with θ = e^{−β dt} multiplies the weights by (ρ̂/π)^{θ−1}. Lie splitting after
    the move: of order 1 in dt, and stable for any β dt.

    Parameters
    ----------
    beta
        Rate β, per unit model time.
    source
        Where log(ρ̂/π) comes from.
    """

    beta: float
    source: DensitySource
    ranks: Ranks = field(default_factory=Ranks)

    def growth(self, before: Ensemble, positions: Array, t: float, dt: float) -> Array:
        """Return (θ − 1) log(ρ̂/π)."""
        weights = self.ranks.normalised(before)
        log_relative = self.source.log_relative(positions, weights, t + dt)
        return np.asarray(np.expm1(-integral(self.beta, t, dt)) * log_relative)

    def law(self, alpha: float) -> LawStep | None:
        """Take an exact Fisher–Rao step after the move, with the density as it is smoothed."""
        if not self.source.has_law:
            return None
        return fisher_rao_law(alpha, self.beta, self.source.log_relative_of_law, self.source.width)


def fisher_rao_law(
    alpha: float,
    beta: float,
    log_relative: Callable[[Array, Array, float, Array], Array],
    spacing: Array | None = None,
) -> LawStep:
    """Multiply the moved density by (ρ/π)^{θ−1}, θ = e^{−β dt}; see `LawStep`."""

    def after(x: Array, mass: Array, t: float, dt: float, log_target: Array) -> Array:
        mass = mass / mass.sum()
        growth = math.expm1(-integral(beta, t, dt)) * log_relative(x, mass, t + dt, log_target)
        return np.asarray(np.exp(log_mass(mass) + growth))

    return LawStep(alpha, None, after, spacing)


def density_reaction(
    name: str,
    context: SamplerContext,
    beta: float,
    density: SourceName,
    cells: Cells,
    smoothing: Smoothing,
    bandwidth: Bandwidth,
) -> Reaction:
    """Return −β log(ρ/π) for a sampler of a case: along the path where ρ is known, else mean-field.

    Raises
    ------
    InputError
        If keys of another source are given, or there is no flow to ask.
    """
    own = {"mesh": ("cells", "smoothing"), "kde": ("bandwidth",), "oracle": ()}[density]
    given = {"cells": cells, "smoothing": smoothing, "bandwidth": bandwidth}
    for key, value in given.items():
        if value is not None and key not in own:
            raise InputError(
                f"sampler {name}: {key}", f"it with density = '{density}'", "it left out"
            )
    if density != "oracle" and context.target.dim > MOST_DIMENSIONS:
        found = f"'{density}' in {context.target.dim} dimensions, where no lattice holds a density"
        do = "It reads log(ρ/π) from the flow that was solved."
        raise InputError(f"sampler {name}: density", found, "'oracle'", do)
    sink = None if context.walls is None else context.walls.sink
    if sink is not None and density == "kde":
        found = f"'{density}' where sides or regions absorb"
        raise InputError(f"sampler {name}: density", found, "'mesh' or 'oracle' there")
    if density == "oracle":
        oracle = context.oracle(name)
        return PathReaction(lambda t, x: -value_at(beta, t) * oracle(t, x))
    target, ranks = context.target, context.ranks
    source: DensitySource
    if density == "kde":
        width = None if bandwidth is None else along_axes(bandwidth, name, "bandwidth", target.dim)
        source = KernelDensity(target, width, ranks, context.walls)
    else:
        lattice = mesh(name, context, cells)
        source = MeshDensity(target, lattice, 1.0 if smoothing is None else smoothing, ranks)
    return MeanFieldReaction(beta, source, ranks)


def mesh(name: str, context: SamplerContext, cells: Cells) -> Lattice:
    """Lay the mesh of a density source out in the box of a case."""
    box = context.box
    most = CELLS[len(box)]
    closed = () if context.walls is None else tuple(context.walls.closed)
    if cells is None:
        # cells of a mesh that is laid out by itself within the shortest length of V and log ρ₀
        return Lattice.over(box, context.scales / 4, most, closed)
    counts = along_axes(cells, name, "cells", len(box)).astype(int)
    if not ((counts >= 1) & (counts <= 10 * most)).all():
        raise InputError(f"sampler {name}: cells", repr(cells), f"1 to {10 * most}")
    shape = tuple(int(c) + 1 for c in counts)
    return Lattice(box[:, 0], (box[:, 1] - box[:, 0]) / counts, shape, closed)


def along_axes(value: float | tuple[float, ...], name: str, key: str, dim: int) -> Array:
    """Return ``(d,)`` numbers, one for each axis; a single one holds for all.

    Raises
    ------
    InputError
        If there are as many as axes neither nor one.
    """
    numbers = np.atleast_1d(np.asarray(value, dtype=float))
    if len(numbers) not in (1, dim):
        raise InputError(f"sampler {name}: {key}", f"{len(numbers)} numbers", f"1 or {dim}")
    return np.broadcast_to(numbers, (dim,)).copy()
