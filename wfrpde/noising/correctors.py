r"""Feynman–Kac correctors: weights with which a wrong drift samples the right law.

For any drift b, noise D and positive path q_σ, particles dY = b dσ + √(2D) dW whose log weights
grow at the rate

.. math:: g = ∂_σ \log q + ∇·b + b·∇\log q − D\,(Δ\log q + |∇\log q|^2)

have the law q_σ/Z_σ if they start from it, and log E w = log Z_σ/Z_0. Here y, σ are the units of
`wfrpde.noising.schedules`, and log q = Σ c_i log p_i + (σ/S) R of noised densities p_i with scores
s_i and a reward R. The drifts are b = y + Σ β_i s_i + ζ(σ/S)∇R.

References
----------
M. Skreta et al. (2025), Feynman–Kac correctors in diffusion, arXiv:2503.02819.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation.moments import Far, moment_ends
from wfrpde.errors import InputError, place
from wfrpde.noising.mixture import Mixture

Reward = Callable[[Array], tuple[Array, Array, Array]]
"""R, its gradient and its Laplacian at points ``(n, d)``."""

FAR = 300.0
"""Distance, in units of r, at which tails are read off."""


@dataclass(frozen=True)
class FormulaReward:
    """A reward that is a formula in x, y, z."""

    text: str
    dim: int

    def __call__(self, y: Array) -> tuple[Array, Array, Array]:
        """Return R, its gradient and its Laplacian at points ``(n, d)``."""
        value, slope, bend = _parts_of(self.text, self.dim)
        return value(y), slope(y), bend(y)


@cache
def _parts_of(text: str, dim: int) -> tuple[Any, Any, Any]:
    from wfrpde.fields import coordinates, numpy_function, numpy_gradient, parse_expression

    formula = parse_expression(text, dim, "corrector.reward")
    bend = sum(formula.diff(symbol, 2) for symbol in coordinates(dim))
    return numpy_function(formula, dim), numpy_gradient(formula, dim), numpy_function(bend, dim)


@dataclass(frozen=True)
class Corrector:
    """A drift, its path, and the rate of its weights; see the module's docstring.

    Attributes
    ----------
    parts
        The data of each p_i.
    powers
        c_i.
    pushes
        β_i.
    diffusion
        D.
    whole, last
        Clock of the noise at the beginning, and σ at the end, S.
    reward
        R; None for none.
    share
        ζ, which part of ∇R drives.
    """

    parts: tuple[Mixture, ...]
    powers: tuple[float, ...]
    pushes: tuple[float, ...]
    diffusion: float
    whole: float
    last: float
    reward: Reward | None = None
    share: float = 0.0

    def _noised(self, clock: float) -> list[Mixture]:
        return [data.at(self.whole - clock) for data in self.parts]

    def log_path(self, y: Array, clock: float) -> Array:
        """Return log q ``(n,)``, which is not normalised."""
        laws = zip(self.powers, self._noised(clock), strict=True)
        total = sum((c * law.log_density(y) for c, law in laws), np.zeros(len(y)))
        if self.reward is not None:
            total = total + clock / self.last * self.reward(y)[0]
        return np.asarray(total)

    def drift(self, y: Array, clock: float) -> Array:
        """Return b ``(n, d)``."""
        total = y.copy()
        for push, law in zip(self.pushes, self._noised(clock), strict=True):
            total += push * law.score(y)
        if self.reward is not None and self.share:
            total += self.share * clock / self.last * self.reward(y)[1]
        return total

    def reaction(self, y: Array, clock: float) -> Array:
        """Return g ``(n,)``."""
        dim = y.shape[1]
        moving, spread = np.zeros(len(y)), np.full(len(y), float(dim))
        push, slope, bend = y.copy(), np.zeros_like(y), np.zeros(len(y))
        for c, beta, law in zip(self.powers, self.pushes, self._noised(clock), strict=True):
            _, score, laplacian = law.derivatives(y)
            # ∂_σ log p = −∇·v − v·s along the reverse probability flow v = y + s
            moving -= c * (dim + laplacian + np.einsum("nd,nd->n", y + score, score))
            spread += beta * laplacian
            push += beta * score
            slope += c * score
            bend += c * laplacian
        if self.reward is not None:
            value, gradient, laplacian = self.reward(y)
            here = clock / self.last
            moving += value / self.last
            slope += here * gradient
            bend += here * laplacian
            push += self.share * here * gradient
            spread += self.share * here * laplacian
        square = np.einsum("nd,nd->n", slope, slope)
        whole = moving + spread + np.einsum("nd,nd->n", push, slope)
        return np.asarray(whole - self.diffusion * (bend + square))

    @property
    def _rays(self) -> Array:
        """Points ``(2k, d)`` far out along the axes of the data, on either side."""
        dim = self.parts[0].dim
        own = [np.linalg.eigh(c)[1].T for part in self.parts for c in part.covariances]
        axes = np.concatenate(own) if dim > 1 else np.eye(1)
        return np.asarray(FAR * np.concatenate([axes, -axes]))

    def check_tails(self) -> None:
        """Raise `InputError` unless log q falls far out, at both ends."""
        for clock in (0.0, self.last):
            bad = ~(self.log_path(self._rays, clock) < self.log_path(self._rays / 2, clock))
            if bad.any():
                side = self._rays[bad][0] / FAR
                found = f"a law that does not fall far out towards {place(side)}"
                raise InputError("corrector", found, "one with a finite integral")

    def check_at(self, y: Array) -> None:
        """Raise `InputError` unless log q is a number at points ``(n, d)``, at the end."""
        bad = ~np.isfinite(self.log_path(y, self.last))
        if bad.any():
            key = "corrector" if self.reward is None else "corrector.reward"
            found = f"no number at x = {place(y[bad][0])}, in units of r"
            raise InputError(key, found, "a finite number everywhere in the domain")

    def moment_ends(self, order: float = 2.0) -> float:
        r"""Return the clock σ at which the weights lose their moment of an order; ∞ if never.

        Along rays on their own: see `wfrpde.equation.moments`. At constant coefficients κ and c
        that happens for long times unless λ c ≤ κ²/4D.
        """
        rays = self._rays
        first = -2 * (self.log_path(rays, 0.0) - self.log_path(rays / 2, 0.0)) / (0.75 * FAR**2)

        def each(values: Array) -> Array:
            return np.asarray(values[:, None, None] / FAR**2)

        def far(clock: float) -> Far:
            pull = -np.einsum("nd,nd->n", self.drift(rays, clock), rays)
            spread = np.full((1, 1, 1), self.diffusion)
            return Far(each(pull), spread, each(self.reaction(rays, clock)))

        return moment_ends(far, np.asarray(first[:, None, None]), self.last, order)


def annealed(
    data: Mixture, power: float, whole: float, last: float, *, a: float | None, diffusion: float
) -> Corrector:
    """Return the corrector for q = p^γ.

    Parameters
    ----------
    power
        γ.
    a
        Of the family b = y + 2ηs, η = γ + (1 − γ)a, D = (γ + 2(1 − γ)a)/γ, 0 ≤ a ≤ ½, whose weights
        grow like |s|²; None for b = y + s + D∇log q, with g = (1 − γ)∇·(y + s).
    diffusion
        D without a.
    """
    if a is None:
        push = 1 + diffusion * power
    else:
        push = 2 * (power + (1 - power) * a)
        diffusion = (power + (1 - power) * 2 * a) / power
    return Corrector((data,), (power,), (push,), diffusion, whole, last)


def combined(
    parts: tuple[Mixture, ...],
    powers: tuple[float, ...],
    whole: float,
    last: float,
    *,
    tame: bool,
    diffusion: float,
) -> Corrector:
    """Return the corrector for q = Π p_i^{c_i}: products of experts, guidance.

    The drift is y + 2∇log q, or with `tame` y + Σ c_i s_i/Σ c_i + D∇log q.
    """
    if tame:
        total = sum(powers)
        pushes = tuple(c / total + diffusion * c for c in powers)
    else:
        pushes, diffusion = tuple(2 * c for c in powers), 1.0
    return Corrector(parts, powers, pushes, diffusion, whole, last)


def rewarded(
    data: Mixture, reward: Reward, whole: float, last: float, *, tame: bool, diffusion: float
) -> Corrector:
    """Return the corrector for q = p e^{(σ/S) R}, from b = y + 2s, or tame."""
    if tame:
        return Corrector(
            (data,), (1.0,), (1 + diffusion,), diffusion, whole, last, reward, diffusion
        )
    return Corrector((data,), (1.0,), (2.0,), 1.0, whole, last, reward)
