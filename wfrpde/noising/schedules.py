r"""How data are noised: :math:`X_t = a(t) X_0 + s(t) Z` with Z standard normal.

The process is :math:`dX = f X\,dt + g\,dW` with f = ȧ/a and g² = d(s²)/dt − 2 f s². In units of
r = √(a² + s²) it is one and the same for all schedules,

.. math:: X_t/r = e^{-τ} X_0 + \sqrt{1 − e^{-2τ}}\,Z,\qquad τ = \log(r/a),

the Ornstein–Uhlenbeck process dY = −Y dτ + √2 dW; reversing time commutes with that change of
units. All densities are therefore solved in y and τ, and a schedule is a change of time and scale.
Only what takes steps in t, a sampler, sees f and g.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Self

from pydantic import Field, model_validator

from wfrpde.errors import InputError
from wfrpde.fields.parameters import Parameters, Positive

FAINTEST = 1e-100
"""Least a/r at the end of a process: squares of it are numbers."""


class Noising(Parameters, ABC):
    """A schedule of noise; see the module's docstring for a, s, f, g, r and τ."""

    kind: ClassVar[str]

    @abstractmethod
    def scale(self, t: float) -> float:
        """Return a(t), by which the data are shrunk; a(0) = 1."""

    @abstractmethod
    def variance(self, t: float) -> float:
        """Return s(t)² of the noise that is added; s(0) = 0."""

    @abstractmethod
    def drift(self, t: float) -> float:
        """Return f(t), per unit time: the drift is f(t) x."""

    @abstractmethod
    def diffusion(self, t: float) -> float:
        """Return g(t)², in units of x² per unit time."""

    def unit(self, t: float) -> float:
        """Return r(t) = √(a² + s²), the unit of length of y."""
        return math.sqrt(self.scale(t) ** 2 + self.variance(t))

    def check(self, end: float) -> None:
        """Raise `InputError` unless noise is added at all times, and data are left at the end."""
        times = [end * k / 64 for k in range(1, 65)]  # rates have no more than one sign change
        try:
            taken = [t for t in times if not self.diffusion(t) > 0]
            left = self.scale(end) / self.unit(end)
        except OverflowError:
            taken, left = [], 0.0
        if taken:
            found = f"noise that is taken away from t = {taken[0]:.3g} on"
            raise InputError("noising", found, f"rates that are positive up to t_end = {end:g}")
        if not left > FAINTEST:
            found = f"{end:g}, where {left:.1g} of the data is left beside the noise"
            raise InputError("flow.t_end", found, f"an end with more than {FAINTEST:g}")

    def clock(self, t: float) -> float:
        """Return τ(t) = log(r/a)."""
        return math.log1p(self.variance(t) / self.scale(t) ** 2) / 2

    def time(self, clock: float, end: float) -> float:
        """Return the t in [0, ``end``] of a τ."""
        from scipy.optimize import brentq

        if clock <= 0.0:
            return 0.0
        if clock >= self.clock(end):
            return end
        return float(brentq(lambda t: self.clock(t) - clock, 0.0, end, xtol=1e-15, rtol=1e-14))


class Ou(Noising):
    """dX = −X dt + √2 dW: a = e^{−t}, s² = 1 − e^{−2t}, τ = t."""

    kind: ClassVar[str] = "ou"

    def scale(self, t: float) -> float:
        """Return e^{−t}."""
        return math.exp(-t)

    def variance(self, t: float) -> float:
        """Return 1 − e^{−2t}."""
        return -math.expm1(-2 * t)

    def drift(self, t: float) -> float:
        """Return −1."""
        return -1.0

    def diffusion(self, t: float) -> float:
        """Return 2."""
        return 2.0


class Vp(Noising):
    """Variance preserving: dX = −½β X dt + √β dW with β(t) = beta_min + t (beta_max − beta_min).

    ``beta_min`` and ``beta_max`` are rates per unit time, of a process that ends at t = 1.
    """

    kind: ClassVar[str] = "vp"
    beta_min: Positive = Field(default=0.1, description="a positive rate β at t = 0")
    beta_max: Positive = Field(default=20.0, description="a positive rate β at t = 1")

    def rate(self, t: float) -> float:
        """Return β(t)."""
        return self.beta_min + t * (self.beta_max - self.beta_min)

    def total(self, t: float) -> float:
        """Return B(t) = ∫₀^t β."""
        return self.beta_min * t + (self.beta_max - self.beta_min) * t * t / 2

    def scale(self, t: float) -> float:
        """Return e^{−B/2}."""
        return math.exp(-self.total(t) / 2)

    def variance(self, t: float) -> float:
        """Return 1 − e^{−B}."""
        return -math.expm1(-self.total(t))

    def drift(self, t: float) -> float:
        """Return −β/2."""
        return -self.rate(t) / 2

    def diffusion(self, t: float) -> float:
        """Return β."""
        return self.rate(t)


class SubVp(Vp):
    """Below VP's variance: dX = −½β X dt + √(β(1 − e^{−2B})) dW, so that s = 1 − e^{−B}."""

    kind: ClassVar[str] = "subvp"

    def variance(self, t: float) -> float:
        """Return (1 − e^{−B})²."""
        return math.expm1(-self.total(t)) ** 2

    def diffusion(self, t: float) -> float:
        """Return β (1 − e^{−2B})."""
        return -self.rate(t) * math.expm1(-2 * self.total(t))


class Ve(Noising):
    """Exploding variance: dX = g dW, a = 1, s² = σ(t)² − σ(0)², σ = sigma_min (max/min)^t.

    ``sigma_min`` and ``sigma_max`` are standard deviations at t = 0 and t = 1.
    """

    kind: ClassVar[str] = "ve"
    sigma_min: Positive = Field(default=0.01, description="a positive σ at t = 0")
    sigma_max: Positive = Field(default=10.0, description="a σ at t = 1, above sigma_min")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.sigma_max > self.sigma_min:
            raise InputError("sigma_max", f"{self.sigma_max:g}", f"more than {self.sigma_min:g}")
        return self

    @property
    def growth(self) -> float:
        """Return log(σ(1)/σ(0))."""
        return math.log(self.sigma_max / self.sigma_min)

    def scale(self, t: float) -> float:
        """Return 1."""
        return 1.0

    def variance(self, t: float) -> float:
        """Return σ(t)² − σ(0)²."""
        return self.sigma_min**2 * math.expm1(2 * t * self.growth)

    def drift(self, t: float) -> float:
        """Return 0."""
        return 0.0

    def diffusion(self, t: float) -> float:
        """Return d(σ²)/dt."""
        return 2 * self.growth * self.sigma_min**2 * math.exp(2 * t * self.growth)


NOISINGS: dict[str, type[Noising]] = {one.kind: one for one in (Vp, SubVp, Ve, Ou)}
"""The kinds of ``[noising]``, by name."""
