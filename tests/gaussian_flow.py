"""The flow between Gaussians in closed form, independent of the package: the tests' exact solution.

From N(m₀, C₀) towards N(μ, Σ) with rates α and β the flow stays Gaussian, and with P = Σ⁻¹

    m' = −(α + βC) P (m − μ),    C' = 2α + AC + CAᵀ − βCPC,    A = β/2 − αP.

The second is a Riccati equation, solved by C = Y Z⁻¹ with the linear

    Y' = AY + 2αZ,    Z' = βPY − AᵀZ,    Y(0) = C₀, Z(0) = 1,

after which m − μ = e^{−βt/2} Z⁻ᵀ (m₀ − μ). A matrix exponential gives both to round-off while Z is
well-conditioned, so that late times are reached in steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from wfrpde import Case


def riccati(times, drift, noise, precision, beta, mean, covariance):
    """Means, covariances and KLs of the flow of dX = −BX dt + √(2D) dW with reaction β.

    The target is N(0, A⁻¹), whether the dynamics keep it or not.
    """

    d = len(mean)

    def slope(_, z):
        m, c = z[:d], z[d:].reshape(d, d)
        dm = -drift @ m - beta * c @ precision @ m
        dc = 2 * noise - drift @ c - c @ drift.T + beta * (c - c @ precision @ c)
        return np.concatenate([dm, dc.ravel()])

    start = np.concatenate([mean, np.ravel(covariance)])
    keys = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-14, "t_eval": times}
    y = solve_ivp(slope, (0, times[-1]), start, **keys).y.T
    m, c = y[:, :d], y[:, d:].reshape(-1, d, d)
    product = precision @ c
    kl = np.trace(product, axis1=1, axis2=2) - d - np.log(np.linalg.det(product))
    return m, c, (kl + np.einsum("ti,ij,tj->t", m, precision, m)) / 2


@dataclass(frozen=True)
class GaussianFlow:
    """Start N(mean, covariance), target N(target_mean, target_covariance), rates alpha and beta."""

    mean: tuple[float, ...]
    covariance: Any
    target_mean: tuple[float, ...]
    target_covariance: Any
    alpha: float = 1.0
    beta: float = 1.0

    @property
    def dim(self) -> int:
        return len(self.mean)

    def rates(self, alpha: float, beta: float) -> GaussianFlow:
        return replace(self, alpha=alpha, beta=beta)

    def at(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``(d,)`` and covariance ``(d, d)``."""
        one, mu = np.eye(self.dim), np.array(self.target_mean)
        precision = np.linalg.inv(self.target_covariance)
        a = self.beta / 2 * one - self.alpha * precision
        generator = np.block([[a, 2 * self.alpha * one], [self.beta * precision, -a.T]])
        steps = max(1, int(np.ceil(t * np.linalg.norm(generator, 2) / 2)))
        step = expm(t / steps * generator)
        covariance, gap = np.array(self.covariance), np.array(self.mean) - mu
        for _ in range(steps):
            y, z = np.split(step @ np.vstack([covariance, one]), 2)
            covariance = np.linalg.solve(z.T, y.T)
            covariance = (covariance + covariance.T) / 2
            gap = np.exp(-self.beta * t / steps / 2) * np.linalg.solve(z.T, gap)
        return mu + gap, covariance

    def kl(self, t: float) -> float:
        """KL divergence from the target, in nats."""
        mean, covariance = self.at(t)
        gap = mean - np.array(self.target_mean)
        product = np.linalg.solve(self.target_covariance, covariance)
        square = gap @ np.linalg.solve(self.target_covariance, gap)
        return float(np.trace(product) - self.dim - np.linalg.slogdet(product)[1] + square) / 2

    def fisher_information(self, t: float) -> float:
        """``∫ρ|∇log(ρ/π)|²``, by which the transport dissipates KL."""
        mean, covariance = self.at(t)
        precision, own = np.linalg.inv(self.target_covariance), np.linalg.inv(covariance)
        pull = precision @ (mean - np.array(self.target_mean))
        return float(pull @ pull + np.trace((precision - own) @ covariance @ (precision - own)))

    def reaction_variance(self, t: float) -> float:
        """``Var_ρ log(ρ/π)``, by which the reaction dissipates KL."""
        mean, covariance = self.at(t)
        precision, own = np.linalg.inv(self.target_covariance), np.linalg.inv(covariance)
        pull = precision @ (mean - np.array(self.target_mean))
        product = (precision - own) @ covariance
        return float(pull @ covariance @ pull + np.trace(product @ product) / 2)

    def log_density(self, t: float, x: np.ndarray) -> np.ndarray:
        """Log density at points ``(n, d)``."""
        mean, covariance = self.at(t)
        gap = x - mean
        square = np.einsum("ni,in->n", gap, np.linalg.solve(covariance, gap.T))
        return -(square + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2

    def error(self, solution: Any, t: float, half_width: float, points: int) -> float:
        """Relative L2 error of ``solution.density`` on a regular grid around the target's mean."""
        axes = [np.linspace(c - half_width, c + half_width, points) for c in self.target_mean]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.dim)
        exact = np.exp(self.log_density(t, x))
        return float(np.linalg.norm(solution.density(t, x) - exact) / np.linalg.norm(exact))

    def case(self, *save: float, **sections: dict[str, Any]) -> Case:
        """The case on a mesh, saved at the given times; `sections` are further tables."""
        tables: dict[str, Any] = {
            "target": {
                "kind": "gaussian",
                "mean": list(self.target_mean),
                "covariance": np.array(self.target_covariance).tolist(),
            },
            "initial": {
                "kind": "gaussian",
                "mean": list(self.mean),
                "covariance": np.array(self.covariance).tolist(),
            },
            "flow": {"alpha": self.alpha, "beta": self.beta, "save": list(save)},
            "numerics": {"formulation": "mesh"},
        }
        flow = {**tables["flow"], **sections.pop("flow", {})}
        numerics = {**tables["numerics"], **sections.pop("numerics", {})}
        return Case.model_validate({**tables, "flow": flow, "numerics": numerics, **sections})


LINE = GaussianFlow((-1.0,), [[0.3]], (0.0,), [[1.0]])
PLANE = GaussianFlow((-1.0, 0.5), [[0.3, 0.0], [0.0, 0.5]], (0.0, 0.0), [[1.0, 0.4], [0.4, 0.7]])
SPACE = GaussianFlow(
    (-0.8, 0.4, 0.5),
    [[0.4, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.6]],
    (0.0, 0.0, 0.0),
    [[1.0, 0.4, 0.2], [0.4, 0.7, -0.1], [0.2, -0.1, 0.8]],
)
