r"""Functionals of densities, put together from what pieces of the mesh contribute.

On a piece k let p_k and q_k be the masses of π and of ρ, and both densities be normalised there.
The chain rules

.. math:: KL = \sum_k q_k KL_k + \sum_k q_k \log\frac{q_k}{p_k},\qquad
          \mathrm{Var}\,f = \sum_k q_k \left[\mathrm{Var}_k f + (E_k f - E f)^2\right]

have no negative term, so that nothing cancels. A piece needs to know nothing of the others, and is
visited once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.fields.exponentials import LEAST, exp_above, exp_or_zero

if TYPE_CHECKING:
    from wfrpde.discretisation.functionals import Points


@dataclass(frozen=True)
class Functionals:
    """Numbers at T times.

    ``kl``, ``mass``, ``fisher_information`` (∫ρ∇u·D∇u), ``reaction_variance`` (Var_ρ u): ``(T,)``;
    ``mean (T, d)``, ``covariance (T, d, d)``, ``mode_mass`` name → ``(T,)``;
    ``covariance_spread (T, d, d)`` the standard deviation of (x − μ)_i (x − μ)_j under ρ.
    ``log_normalisation`` is log ∫e^{−V}, ``density_norm`` ``(T,)`` the L2 norm of the density.
    """

    kl: Array
    mass: Array
    fisher_information: Array
    reaction_variance: Array
    mean: Array
    covariance: Array
    covariance_spread: Array
    mode_mass: dict[str, Array]
    log_normalisation: float
    density_norm: Array

    def series(self) -> dict[str, Array]:
        """Return the scalar time series by name."""
        names = ("kl", "mass", "fisher_information", "reaction_variance")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Samples:
    """Fields u and ∇u·D∇u at quadrature points, ``(T, n)`` each."""

    value: Array
    squared_slope: Array

    def rows(self, which: slice) -> Samples:
        """Return some of the fields."""
        return Samples(self.value[which], self.squared_slope[which])

    def shifted(self, shift: Array) -> Samples:
        """Return the fields plus a constant each, ``(T,)``."""
        return Samples(self.value + shift[:, None], self.squared_slope)

    def plus(self, value: Array) -> Samples:
        """Return the fields plus a function ``(n,)`` whose slopes are not known."""
        return Samples(self.value + value, np.full_like(self.squared_slope, np.nan))


@dataclass(frozen=True)
class Piece:
    """What a piece says of π and of F fields at T times.

    ``log_target`` and ``log_mass (F, T)``: logs of ∫e^{−V} and of ∫e^{u−V}. All else is of
    densities that are normalised on the piece, r_f and π: ``target_modes (R,)`` and ``modes
    (F, T, R)`` masses of regions, which hold ``counts (R,)`` points; ``kl``, ``fisher``,
    ``mean_u``, ``variance``, ``square`` (∫r²): ``(F, T)``; ``mean (F, T, d)``, ``covariance
    (F, T, d, d)``, and of c = x − mean ``third`` E[c_i² c_j] and ``fourth`` E[c_i² c_j²], alike;
    ``gap`` and ``cross`` ``(F, T)``: ∫(r_0 − r_f)² and ∫(r_0 − r_f) r_f.
    """

    names: tuple[str, ...]
    log_target: float
    target_modes: Array
    counts: Array
    log_mass: Array
    kl: Array
    fisher: Array
    mean_u: Array
    variance: Array
    square: Array
    mean: Array
    covariance: Array
    third: Array
    fourth: Array
    modes: Array
    gap: Array
    cross: Array

    @staticmethod
    def of(points: Points, fields: list[Samples]) -> Piece:
        """Return what points say of fields that were sampled there."""
        names, dim = tuple(points.inside), points.points.shape[1]
        shape = (len(fields), len(fields[0].value))
        log_target = _logsumexp(points.log_target)
        lam = points.log_target - log_target if np.isfinite(log_target) else points.log_target
        pi = exp_or_zero(lam)
        scalars = {name: np.zeros(shape) for name in SCALARS}
        log_mass = np.full(shape, -np.inf)
        moments: dict[str, Array] = {
            "mean": np.zeros((*shape, dim)),
            "modes": np.zeros((*shape, len(names))),
        }
        moments |= {name: np.zeros((*shape, dim, dim)) for name in SQUARES}
        for time in range(shape[1]):
            first: Array | None = None
            for k, samples in enumerate(fields):
                u = samples.value[time]
                shift, rho = _normalised(lam + u)
                log_mass[k, time] = shift
                if not np.isfinite(shift):
                    continue
                own = _Law(points, rho, pi, u - shift, samples.squared_slope[time], shift)
                for name in ("kl", "fisher", "mean_u", "variance", "square"):
                    scalars[name][k, time] = getattr(own, name)
                for name, moment in moments.items():
                    moment[k, time] = getattr(own, name)
                if first is None and k == 0:
                    first = own.rho
                elif first is not None:
                    difference = (first - own.rho) / points.rule.weights
                    scalars["gap"][k, time] = (difference * (first - own.rho)).sum()
                    scalars["cross"][k, time] = (difference * own.rho).sum()
        target_modes = np.array([pi[inside].sum() for inside in points.inside.values()])
        counts = np.array([float(inside.sum()) for inside in points.inside.values()])
        return Piece(
            names, log_target, target_modes, counts, log_mass + log_target,
            **scalars, **moments,
        )  # fmt: skip


SCALARS = ("kl", "fisher", "mean_u", "variance", "square", "gap", "cross")
SQUARES = ("covariance", "third", "fourth")


class _Law:
    """Numbers of one density ρ = π e^r, normalised by a shift: r = u − shift."""

    def __init__(
        self, points: Points, rho: Array, pi: Array, relative: Array, slope: Array, shift: float
    ) -> None:
        x, inside = points.columns, points.inside.values()
        self.rho = rho
        empty = None if rho.min(initial=1.0) > 0 else rho == 0
        if empty is not None:  # 0 log 0 = 0, also where u = −∞
            relative, slope = np.where(empty, 0.0, relative), np.where(empty, 0.0, slope)
        self.kl = _divergence(rho, pi, relative, empty)
        self.fisher = rho @ slope
        self.square = rho @ (rho / points.rule.weights)
        middle = rho @ relative
        self.mean_u = middle + shift
        relative = relative - middle
        relative *= relative
        self.variance = rho @ relative
        self.mean = x @ rho
        centred = x - self.mean[:, None]
        weighted, squares = rho * centred, centred**2
        self.covariance = weighted @ centred.T
        self.third, self.fourth = squares @ weighted.T, (rho * squares) @ squares.T
        self.modes = np.array([rho[some].sum() for some in inside])


def _divergence(rho: Array, pi: Array, relative: Array, empty: Flags | None) -> float:
    """KL of ρ = π e^r: the sum of π (h log h − h + 1) ≥ 0, h = e^r, π where ρ is `empty`."""
    far = relative > 0.5
    if empty is not None:
        far |= empty
    # without cancellation near h = 1
    terms = entropy(np.minimum(relative, 0.5))
    terms *= pi
    if far.any():
        terms[far] = rho[far] * (relative[far] - 1) + pi[far]
    return float(terms.sum())


@dataclass(frozen=True)
class Evaluated:
    """The pieces of a mesh, one after the other in every array of a `Piece`.

    ``share (K,)``: log of the share of π that each has.
    """

    names: tuple[str, ...]
    log_normalisation: float
    share: Array
    pieces: tuple[Piece, ...]

    @staticmethod
    def of(pieces: list[Piece]) -> Evaluated:
        """Put pieces together, none of which is without mass."""
        logs = np.array([piece.log_target for piece in pieces])
        whole = _logsumexp(logs)
        return Evaluated(pieces[0].names, whole, logs - whole, tuple(pieces))

    def log_mass(self, field: int) -> Array:
        """``log ∫ π e^u`` of a field, ``(T,)``."""
        return np.array([_logsumexp(column) for column in self._log_masses(field).T])

    def _log_masses(self, field: int) -> Array:
        return np.array([p.log_mass[field] for p in self.pieces]) - self.log_normalisation

    def functionals(self, field: int, shift: Array) -> Functionals:
        """Return the numbers of a field plus a constant ``(T,)``."""

        def of(name: str) -> Array:
            return np.array([getattr(p, name)[field] for p in self.pieces])

        total = self.log_mass(field)
        log_share = self._log_masses(field) - total  # log q_k
        q, mass = np.exp(log_share), np.exp(total + shift)
        with np.errstate(invalid="ignore"):
            ratio = np.where(q > 0, log_share - self.share[:, None], 0.0)
        p = np.exp(self.share)[:, None]
        between = np.where(
            (ratio > 0.5) | (q == 0), q * ratio - q + p, p * entropy(np.minimum(ratio, 0.5))
        )
        kl = (q * of("kl") + between).sum(axis=0)
        mean_u = (q * of("mean_u")).sum(axis=0)
        variance = (q * (of("variance") + (of("mean_u") - mean_u) ** 2)).sum(axis=0)
        mean = (q[..., None] * of("mean")).sum(axis=0)
        apart, inner = of("mean") - mean, of("covariance")
        row, column = apart[..., :, None], apart[..., None, :]
        covariance = (q[..., None, None] * (inner + row * column)).sum(axis=0)
        # E[(c + a)_i² (c + a)_j²], c centred
        fourth = of("fourth") + 2 * column * of("third")
        fourth += 2 * row * np.swapaxes(of("third"), -1, -2)
        own = np.einsum("...ii->...i", inner)
        fourth += column**2 * own[..., :, None] + row**2 * own[..., None, :]
        fourth += 4 * row * column * inner + (row * column) ** 2
        fourth = (q[..., None, None] * fourth).sum(axis=0)
        modes = (np.exp(log_share + total + shift)[..., None] * of("modes")).sum(axis=0)
        square = (np.exp(2 * (log_share + total + shift)) * of("square")).sum(axis=0)
        return Functionals(
            kl=mass * kl + entropy(total + shift),
            mass=mass,
            fisher_information=mass * (q * of("fisher")).sum(axis=0),
            reaction_variance=mass * variance,
            mean=mean,
            covariance=covariance,
            covariance_spread=np.sqrt(np.maximum(fourth - covariance**2, 0.0)),
            mode_mass=dict(zip(self.names, modes.T, strict=True)),
            log_normalisation=self.log_normalisation,
            density_norm=np.sqrt(square),
        )

    def l2_difference(self, field: int, shift: Array, other_shift: Array) -> Array:
        """``‖ρ₀ − ρ_f‖ / ‖ρ₀‖`` in L2(dx) ``(T,)``, of the fields plus constants each."""

        def of(name: str, k: int) -> Array:
            return np.array([getattr(piece, name)[k] for piece in self.pieces])

        one = np.exp(self._log_masses(0) + shift)
        other = np.exp(self._log_masses(field) + other_shift)
        apart = one - other
        # of ρ₀ − ρ_f = q_0 (r_0 − r_f) + (q_0 − q_f) r_f
        gap = one**2 * of("gap", field) + 2 * one * apart * of("cross", field)
        square, whole = of("square", field), one**2 * of("square", 0)
        gap = np.where(square > 0, gap + apart**2 * square, whole)  # all of it where ρ_f is nothing
        return np.asarray(np.sqrt(np.maximum(gap.sum(axis=0), 0.0) / whole.sum(axis=0)))

    def target_mode_mass(self) -> dict[str, float]:
        """Mass of π in each region."""
        modes = np.array([piece.target_modes for piece in self.pieces])
        return dict(zip(self.names, map(float, np.exp(self.share) @ modes), strict=True))

    def empty_regions(self) -> list[str]:
        """Warnings about regions that hold no point of the mesh."""
        texts = []
        every = np.sum([piece.counts for piece in self.pieces], axis=0)
        for name, count in zip(self.names, map(int, every), strict=True):
            if count == 0:
                texts.append(
                    f"the region '{name}' holds no point of the domain: it lies outside, or is "
                    "smaller than a cell, and its mass is reported as 0"
                )
            elif count < 8:  # quadrature points in a region below which a warning is given
                texts.append(
                    f"the region '{name}' holds only {count} quadrature points: its mass is "
                    "uncertain"
                )
        return texts


def _normalised(values: Array) -> tuple[float, Array]:
    """Return ``log Σ e^v`` and ``e^v / Σ e^v``, of which nothing is left where all is −∞."""
    top = float(values.max(initial=-np.inf))
    if not np.isfinite(top):
        return top, np.zeros_like(values)
    share = exp_or_zero(values - top)
    whole = float(share.sum())
    share /= whole
    return top + float(np.log(whole)), share


def _logsumexp(values: Array) -> float:
    return _normalised(values)[0]


def entropy(u: Array) -> Array:
    """``e^u (u − 1) + 1``, accurate near u = 0."""
    value: Array = exp_above(u)
    value *= np.maximum(u, LEAST) - 1
    value += 1
    small = np.abs(u) < 1e-3
    if small.any():
        near = u[small]
        value[small] = near * near * (0.5 + near / 3 + near * near / 8)
    return value
