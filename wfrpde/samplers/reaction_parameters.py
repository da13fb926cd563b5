"""Case-file parameters of the samplers with a reaction: rates, density source and resampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wfrpde.errors import InputError
from wfrpde.fields.parameters import Positive
from wfrpde.samplers.birth_death import BirthDeathLangevin
from wfrpde.samplers.density import CELLS, DensitySource, KernelDensity, MeshDensity
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.protocol import ALPHA, BETA, Claim, SamplerContext, SamplerParameters
from wfrpde.samplers.resampling import Resampling, Scheme
from wfrpde.samplers.smc_wfr import SmcWfr
from wfrpde.samplers.weighted import MeanFieldReaction, PathReaction, Reaction, WeightedLangevin

Array = npt.NDArray[np.float64]

FINENESS = 4
"""Cells of a mesh that is laid out by itself within the shortest length of V and log ρ₀."""

Axes = Positive | tuple[Positive, ...]
CellCounts = int | tuple[int, ...]


class ResampledParameters(SamplerParameters):
    """Parameters of samplers that resample."""

    resampling: Scheme | Literal["none"] = Field(
        default="systematic",
        description="`systematic`, `stratified`, `residual`, `multinomial` or `none`",
    )
    ess_threshold: float = Field(
        default=0.5,
        ge=0,
        le=1,
        strict=True,
        description="share of N, 0 to 1, below which the effective sample size makes it resample",
    )

    @property
    def when(self) -> Resampling:
        """When to resample and how."""
        if self.resampling == "none":
            return Resampling(threshold=0.0)
        return Resampling(self.resampling, self.ess_threshold)


class RatesParameters(SamplerParameters):
    """Rates of diffusion and reaction."""

    alpha: float | None = Field(default=None, ge=0, allow_inf_nan=False, description=ALPHA)
    beta: float | None = Field(default=None, ge=0, allow_inf_nan=False, description=BETA)

    def rates(self, context: SamplerContext) -> tuple[float, float]:
        """Return α and β, those of the flow by default.

        Raises
        ------
        InputError
            If the flow has a linear reaction, too.
        """
        flow = context.case.flow
        alpha = flow.alpha if self.alpha is None else self.alpha
        if flow.reaction is not None:
            raise InputError(
                "sampler.kind",
                f"{self.kind!r} with flow.reaction, which it does not know",
                "'feynman_kac', or no flow.reaction",
            )
        return alpha, flow.beta if self.beta is None else self.beta


class DensityParameters(RatesParameters):
    """Where log(ρ/π) comes from."""

    density: Literal["mesh", "kde", "oracle"] = Field(
        default="mesh",
        description="source of log(ρ/π): `mesh`, `kde`, or `oracle` (the flow that was solved)",
    )
    cells: CellCounts | None = Field(
        default=None,
        description="`mesh`: cells along each axis, whole numbers > 0; chosen by default",
    )
    smoothing: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="`mesh`: a number ≥ 0, width of the smoothing in cells; 1 by default",
    )
    bandwidth: Axes | None = Field(
        default=None,
        description="`kde`: width of the kernel, > 0 (along each axis); Silverman's by default",
    )

    def reaction(self, name: str, context: SamplerContext) -> Reaction:
        """Return the reaction −β log(ρ/π): along the path where ρ is known, else mean-field.

        Raises
        ------
        InputError
            If keys of another source are given, or there is no flow to ask.
        """
        own = {"mesh": ("cells", "smoothing"), "kde": ("bandwidth",), "oracle": ()}[self.density]
        for key in ("cells", "smoothing", "bandwidth"):
            if getattr(self, key) is not None and key not in own:
                raise InputError(
                    f"sampler {name}: {key}", f"it with density = '{self.density}'", "it left out"
                )
        _, beta = self.rates(context)
        if self.density == "oracle":
            oracle = context.oracle(name)
            return PathReaction(lambda t, x: -beta * oracle(t, x))
        return MeanFieldReaction(beta, self._source(name, context), context.ranks)

    def _source(self, name: str, context: SamplerContext) -> DensitySource:
        if self.density == "kde":
            width = self.bandwidth
            axes = None if width is None else along_axes(width, name, "bandwidth", context)
            return KernelDensity(context.target, axes, context.ranks)
        smoothing = 1.0 if self.smoothing is None else self.smoothing
        return MeshDensity(context.target, self._lattice(name, context), smoothing, context.ranks)

    def _lattice(self, name: str, context: SamplerContext) -> Lattice:
        box = context.problem.box
        most = CELLS[len(box)]
        if self.cells is None:
            return Lattice.over(box, context.problem.scales / FINENESS, most)
        cells = along_axes(self.cells, name, "cells", context).astype(int)
        if not ((cells >= 1) & (cells <= 10 * most)).all():
            raise InputError(f"sampler {name}: cells", repr(self.cells), f"1 to {10 * most}")
        shape = tuple(int(c) + 1 for c in cells)
        return Lattice(box[:, 0], (box[:, 1] - box[:, 0]) / cells, shape)


def along_axes(
    value: float | tuple[float, ...], name: str, key: str, context: SamplerContext
) -> Array:
    """Return ``(d,)`` numbers, one for each axis; a single one holds for all.

    Raises
    ------
    InputError
        If there are as many as axes neither nor one.
    """
    numbers = np.atleast_1d(np.asarray(value, dtype=float))
    dim = context.target.dim
    if len(numbers) not in (1, dim):
        raise InputError(f"sampler {name}: {key}", f"{len(numbers)} numbers", f"1 or {dim}")
    return np.broadcast_to(numbers, (dim,)).copy()


class WeightedParameters(DensityParameters, ResampledParameters):
    """Weighted SDE: Langevin moves with Feynman–Kac weights for U = −β log(ρ/π).

    d log w = −β (log(ρ/π) − ⟨log(ρ/π)⟩) dt. Weak order 1; the bias in N is O(1/N), plus that of the
    density source.

    References
    ----------
    arXiv:2512.17878
    """

    kind: ClassVar[str] = "weighted"
    claims: ClassVar[Claim] = "WFR"

    def build(self, name: str, context: SamplerContext) -> WeightedLangevin:
        """Return the sampler for a case."""
        alpha, _ = self.rates(context)
        reaction = self.reaction(name, context)
        return WeightedLangevin(context.target, reaction, alpha, self.when, name, context.ranks)


class FeynmanKacParameters(ResampledParameters):
    """Linear Feynman–Kac flow ∂_t ρ = α∇·(∇ρ + ρ∇V) + ρ(U − ⟨U⟩), by weighted Langevin particles.

    Weak order 1; the bias in N is O(1/N).
    """

    kind: ClassVar[str] = "feynman_kac"
    claims: ClassVar[Claim] = "feynman-kac"
    alpha: float | None = Field(default=None, ge=0, allow_inf_nan=False, description=ALPHA)
    reaction: str | None = Field(
        default=None,
        description="U as an expression in x (and y, z), per unit time; `flow.reaction` by default",
    )

    def build(self, name: str, context: SamplerContext) -> WeightedLangevin:
        """Return the sampler for a case."""
        alpha = context.case.flow.alpha if self.alpha is None else self.alpha
        reaction = PathReaction(self._rate(name, context))
        return WeightedLangevin(context.target, reaction, alpha, self.when, name, context.ranks)

    def _rate(self, name: str, context: SamplerContext) -> Callable[[float, Array], Array]:
        from wfrpde.fields import numpy_function, parse_expression

        text = self.reaction or context.case.flow.reaction
        where = f"sampler {name}: reaction"
        if text is None:
            raise InputError(where, "nothing, and no flow.reaction", "an expression for U")
        dim = context.target.dim
        function = numpy_function(parse_expression(text, dim, where), dim)
        return lambda t, x: function(x)


class BirthDeathParameters(DensityParameters):
    """Birth–death Langevin: the reaction as deaths and births; the number of particles stays.

    Weak order 1; the bias in N is O(1/N), plus that of the density source.

    References
    ----------
    Y. Lu, J. Lu and J. Nolen (2019), arXiv:1905.09863.
    """

    kind: ClassVar[str] = "birth_death"
    claims: ClassVar[Claim] = "WFR"

    def build(self, name: str, context: SamplerContext) -> BirthDeathLangevin:
        """Return the sampler for a case."""
        alpha, _ = self.rates(context)
        reaction = self.reaction(name, context)
        return BirthDeathLangevin(context.target, reaction, alpha, name, context.ranks)


class SmcWfrParameters(RatesParameters, ResampledParameters):
    """SMC-WFR: a Langevin move, then weights (π/q)^{1−exp(−β dt)} with the mixture q of the moves.

    Weak order 1; the bias is O(1/(N (2α dt)^{d/2})).

    References
    ----------
    F. R. Crucinio and S. Pathiraja (2025), arXiv:2506.05905.
    """

    kind: ClassVar[str] = "smc_wfr"
    claims: ClassVar[Claim] = "WFR"
    pairwise: bool = Field(
        default=False,
        strict=True,
        description="whether q is summed over all pairs, O(N²), and not on a lattice",
    )

    def build(self, name: str, context: SamplerContext) -> SmcWfr:
        """Return the sampler for a case."""
        alpha, beta = self.rates(context)
        if alpha == 0:
            raise InputError(f"sampler {name}: alpha", "0", "a positive number", "Nothing moves.")
        return SmcWfr(context.target, alpha, beta, self.when, self.pairwise, name, context.ranks)
