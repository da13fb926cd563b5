"""Closed forms: the Gaussian flow, and the densities that are known at every point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.discretisation.pieces import Samples
from wfrpde.discretisation.stencils import squared_norm
from wfrpde.fields.schedules import value_at

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.case.terms import Densities


NEAR, FAR = 1e-5, 1e-3
"""Steps of differences, in shortest lengths: one crosses few kinks, the other loses few digits."""


@dataclass(frozen=True)
class GeometricMean:
    """``u = θ (log ρ₀ + V) + G_t + shift``: the start (θ = 1, t = 0), and all flows if α = 0.

    G is what a linear reaction has gained by the `time` t: φ_t U, where U does not move.
    """

    problem: Densities
    theta: float
    shift: float = 0.0
    time: float = 0.0

    def __call__(self, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""
        return self.given(self.problem.potential(x), x)

    def given(self, potential: Array, x: Array) -> Array:
        """Return log(ρ/π) at points where V is known."""
        start = self.problem.log_initial(x, zero=-np.inf) + potential
        return self.theta * start + self._gained(x) + self.shift

    def _gained(self, x: Array) -> Array:
        return self.problem.gained(x, self.time) if self.time else np.zeros(len(x))

    def samples(
        self, x: Array, scales: Array, potential: Array | None = None
    ) -> tuple[Array, Array]:
        """Return u and ∇u·D∇u at points; slopes by differences over a fraction of `scales`.

        Where V is known at the points it is given.

        They are 0 where ρ is so small that nothing comes of them: a gradient may cost many values.
        """
        potential = self.problem.potential(x) if potential is None else potential
        squared = np.zeros(len(x))
        u = self.given(potential, x)
        with np.errstate(invalid="ignore"):
            log_density = u - potential
            # logarithm of how far below its maximum a density counts for nothing: e^{−60} = 9e-27
            matters = log_density > np.fmax.reduce(log_density, initial=-np.inf) - 60.0
        squared[matters] = self._squared_slopes(x[matters], scales)
        return u, squared

    def _squared_slopes(self, x: Array, scales: Array) -> Array:
        slope = self.problem.target.gradient(x) if len(x) else np.zeros_like(x)
        known = self.problem.initial.gradient
        if known is not None and self.time == 0:
            slopes = list(self.theta * (known(x) + slope).T)
        else:
            units = np.diag(scales)
            slopes = [
                self._rise(x, unit) + self.theta * own
                for unit, own in zip(units, slope.T, strict=True)
            ]
        spread = self.problem.equation.spread
        return squared_norm(slopes, None if spread is None else spread(x))

    def _rise(self, x: Array, unit: Array) -> Array:
        """Slope of θ log ρ₀ + G along an axis, of fourth order, but for kinks and ends of ρ₀."""

        def rise(step: float) -> Array:
            start = [self.problem.log_initial(x + s * step * unit, zero=-np.inf) for s in (1, -1)]
            gained = self._gained(x + step * unit) - self._gained(x - step * unit)
            with np.errstate(invalid="ignore"):
                own = np.nan_to_num(start[0] - start[1], nan=0.0)  # no slope where there is nothing
                return np.asarray((self.theta * own + gained) / (2 * step * unit.max()))

        near = rise(NEAR)
        with np.errstate(invalid="ignore", over="ignore"):
            smooth = (4 * rise(FAR) - rise(2 * FAR)) / 3
            # what both may differ by, in kT per shortest length, where there is no kink between
            # them
            regular = np.abs(smooth - near) * unit.max() < 1e-5
        return np.where(regular, smooth, near)


def sampled(
    fields: list[GeometricMean], x: Array, scales: Array, potential: Array | None = None
) -> Samples:
    """Sample several fields at points; V there is given where it is known."""
    pairs = [field.samples(x, scales, potential) for field in fields]
    return Samples(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]))


def blur_defect(problem: Problem, times: Array) -> Array:
    """Return relative errors ``(T,)`` of what stands for a point; 0 where nothing does, and at 0.

    Of width w it has the variance w² where a point has 0; by diffusion both grow by about 2αt.
    """
    blur = problem.initial.blur**2
    if blur == 0:
        return np.zeros(len(times))
    defect = blur / (blur + 2 * problem.equation.alpha * times)
    defect[0] = 0.0
    return np.asarray(defect)


def gaussian_flow(
    mean: npt.ArrayLike,
    covariance: npt.ArrayLike,
    target_mean: npt.ArrayLike,
    target_covariance: npt.ArrayLike,
    t: float,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> tuple[Array, Array]:
    """Mean ``(d,)`` and covariance ``(d, d)`` of the flow between Gaussians at time t.

    With π = N(μ, Σ), P = Σ^{-1}:

        m' = −αP(m − μ) − βCP(m − μ),   C' = α(2I − PC − CP) + β(C − CPC),

    integrated to 13 digits; the rates may be a `Schedule`.
    """
    from scipy.integrate import solve_ivp

    m0, c0 = np.atleast_1d(np.asarray(mean, float)), np.atleast_2d(np.asarray(covariance, float))
    mu = np.atleast_1d(np.asarray(target_mean, float))
    precision = np.linalg.inv(np.atleast_2d(np.asarray(target_covariance, float)))
    d = len(m0)
    if t == 0:
        return m0, c0

    def slope(s: float, state: Array) -> Array:
        m, c = state[:d], state[d:].reshape(d, d)
        a, b = value_at(alpha, s), value_at(beta, s)
        dm = -(a * np.eye(d) + b * c) @ precision @ (m - mu)
        dc = a * (2 * np.eye(d) - precision @ c - c @ precision) + b * (c - c @ precision @ c)
        return np.concatenate([dm, dc.ravel()])

    start = np.concatenate([m0, c0.ravel()])
    end = solve_ivp(slope, (0.0, t), start, rtol=1e-13, atol=1e-14, method="DOP853").y[:, -1]
    return end[:d], end[d:].reshape(d, d)


def gaussian_kl(
    mean: Array, covariance: Array, target_mean: Array, target_covariance: Array
) -> float:
    """``KL(N(m, C) ‖ N(μ, Σ))`` in nats."""
    precision = np.linalg.inv(target_covariance)
    product = precision @ covariance
    gap = mean - target_mean
    sign, logdet = np.linalg.slogdet(product)
    return float(np.trace(product) - len(mean) - sign * logdet + gap @ precision @ gap) / 2


def gaussian_log_density(x: Array, mean: Array, covariance: Array) -> Array:
    """Log density of N(m, C) at points ``(n, d)``."""
    gap = x - mean
    quadratic = np.einsum("ni,ij,nj->n", gap, np.linalg.inv(covariance), gap)
    _, logdet = np.linalg.slogdet(2 * np.pi * covariance)
    return np.asarray(-(quadratic + logdet) / 2)
