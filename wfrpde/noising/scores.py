"""Scores: ∇ log p_t of noised data, exact, wrong on purpose, or the user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.user_code import reals, told
from wfrpde.noising.mixture import Mixture
from wfrpde.noising.schedules import Noising
from wfrpde.noising.tabulated import Blurred, Tabulated

Data = Mixture | Tabulated
"""Densities that can be noised."""


class Score(Protocol):
    """What stands for ∇ log p_t."""

    def __call__(self, x: Array, t: float) -> Array:
        """Return the score ``(n, d)`` at points ``(n, d)``, per unit of x."""

    def divergence(self, x: Array, t: float) -> Array:
        """Return its divergence ``(n,)``."""


@dataclass(frozen=True)
class Exact:
    """The score of data that are known."""

    data: Data
    noising: Noising

    def density(self, t: float) -> Mixture | Blurred:
        """Return p_t."""
        return _noised(self.data, self.noising.scale(t), self.noising.variance(t))

    def __call__(self, x: Array, t: float) -> Array:
        """Return ∇ log p_t."""
        return self.density(t).score(x)

    def divergence(self, x: Array, t: float) -> Array:
        """Return Δ log p_t."""
        return self.density(t).derivatives(x)[2]


@lru_cache(maxsize=8)
def _noised(data: Data, scale: float, variance: float) -> Mixture | Blurred:
    return data.noised(scale, variance)


@dataclass(frozen=True)
class Wrong:
    """A score that is wrong on purpose: c s + A sin(k x) + ω J s, of another score s.

    Attributes
    ----------
    score
        s.
    scale
        c.
    ripple, wave
        A, per unit of x, and k, for each coordinate.
    rotation
        ω, in the plane; J turns by 90°. As ∇·(p J ∇ log p) = 0 it changes no marginal law.
    """

    score: Score
    scale: float = 1.0
    ripple: float = 0.0
    wave: float = 1.0
    rotation: float = 0.0

    def __call__(self, x: Array, t: float) -> Array:
        """Return the score."""
        exact = self.score(x, t)
        value = self.scale * exact + self.ripple * np.sin(self.wave * x)
        if self.rotation:
            value += self.rotation * np.stack([-exact[:, 1], exact[:, 0]], axis=1)
        return value

    def divergence(self, x: Array, t: float) -> Array:
        """Return its divergence; that of J∇ log p is 0."""
        waves = self.ripple * self.wave * np.cos(self.wave * x).sum(axis=1)
        return np.asarray(self.scale * self.score.divergence(x, t) + waves)


@dataclass(frozen=True)
class OfUser:
    """A function ``f(x (n, d), t) -> (n, d)`` that gives NumPy, JAX or PyTorch arrays.

    Attributes
    ----------
    function
        f; it gets NumPy arrays of doubles.
    name
        For messages.
    unit
        r(t), the length by which the steps of differences go.
    """

    function: Callable[..., Any]
    name: str
    noising: Noising

    def __call__(self, x: Array, t: float) -> Array:
        """Call the function; raise `InputError` if it fails or its result does not fit."""
        where = f"score.python = {self.name!r}"
        try:
            value = self.function(x, t)
            if hasattr(value, "detach"):
                value = value.detach().cpu().numpy()
            value = reals(value)
        except Exception as error:  # the user's code may raise anything
            raise InputError(where, told(error), "a function f(x, t)") from error
        if value.shape != x.shape or not np.isfinite(value).all():
            found = f"values of shape {value.shape}"
            if value.shape == x.shape:
                found = f"a score that is not finite at t = {t:.3g}"
            raise InputError(where, found, f"finite values of shape {x.shape}")
        return value

    def divergence(self, x: Array, t: float) -> Array:
        """Return its divergence, by central differences."""
        # step of central differences, in units of r(t)
        return differences(self, x, t, 1e-4 * self.noising.unit(t))


def differences(score: Callable[[Array, float], Array], x: Array, t: float, step: float) -> Array:
    """Return the divergence ``(n,)`` of a field by central differences."""
    total = np.zeros(len(x))
    for k in range(x.shape[1]):
        shift = np.zeros(x.shape[1])
        shift[k] = step
        total += (score(x + shift, t)[:, k] - score(x - shift, t)[:, k]) / (2 * step)
    return total


def altered(data: Mixture, weights: Any = None, shift: float = 0.0, spread: float = 1.0) -> Mixture:
    """Return a mixture with other weights, means + ``shift``, standard deviations × ``spread``."""
    own = data.weights if weights is None else np.asarray(weights, float)
    return Mixture(own / own.sum(), data.means + shift, data.covariances * spread**2)
