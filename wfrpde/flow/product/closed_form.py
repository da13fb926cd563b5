r"""The flow between Gaussians in any dimension, by two closed forms that share no algebra.

With :math:`P = C_\pi^{-1}`, :math:`D = C - C_\pi`, :math:`\Gamma = \alpha P + \beta/2` the Riccati
equation reads :math:`D' = -\Gamma D - D\Gamma - \beta DPD`, and for :math:`D^{-1}` it is linear:

.. math:: D_t = F\,[1 + D_0 B(1 - F^2)]^{-1} D_0 F,\qquad F = e^{-\Gamma t},\quad
          B = \beta P (2\Gamma)^{-1},\qquad
          m_t - m_\pi = e^{-\beta t/2} F\,[1 + D_0 B(1 - F^2)]^{-1} (m_0 - m_\pi),

which for α = β = 1 is that of arXiv:2511.18060 and never overflows. `linear_fractional` instead
takes steps of :math:`C = XY^{-1}`, where X and Y obey a linear equation.

Of dynamics dX = −αMP(X − m_π) dt + √(α(M + Mᵀ)) dW, which keep N(m_π, C_π) whatever the matrix M
(D + J of `wfrpde.equation.dynamics`), the same holds with :math:`\Gamma = \alpha MP + \beta/2`,

.. math:: D_t = F\,[1 + D_0 W]^{-1} D_0 F^T,\qquad
          W = \beta(Q - F^T Q F),\quad \Gamma^T Q + Q\Gamma = P.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array


@dataclass(frozen=True)
class GaussianFlow:
    """The flow from N(m₀, C₀) to N(m_π, C_π) with rates α, β.

    Attributes
    ----------
    mean, target_mean
        ``(d,)``.
    covariance, target_covariance
        ``(d, d)``.
    mobility
        M = D + J ``(d, d)``; None for the unit matrix.
    """

    mean: Array
    covariance: Array
    target_mean: Array
    target_covariance: Array
    alpha: float
    beta: float
    mobility: Array | None = None

    def at(self, t: float) -> tuple[Array, Array]:
        """Return mean ``(d,)`` and covariance ``(d, d)`` at time t."""
        if self.mobility is not None:
            return self._turned(self.mobility, t)
        variance, basis = np.linalg.eigh(self.target_covariance)
        gap = basis.T @ (self.mean - self.target_mean)
        start = basis.T @ self.covariance @ basis - np.diag(variance)
        gamma = self.alpha / variance + self.beta / 2
        decay = np.exp(-gamma * t)
        damping = self.beta / (2 * gamma * variance) * -np.expm1(-2 * gamma * t)
        system = np.eye(len(variance)) + start * damping
        moved = np.linalg.solve(system, np.column_stack([start, gap])) * decay[:, None]
        difference = moved[:, :-1] * decay
        difference = (difference + difference.T) / 2
        mean = self.target_mean + np.exp(-self.beta * t / 2) * (basis @ moved[:, -1])
        return mean, basis @ (np.diag(variance) + difference) @ basis.T

    def _turned(self, mobility: Array, t: float) -> tuple[Array, Array]:
        """`at` with a mobility that is not the unit matrix."""
        from scipy.linalg import expm, solve_continuous_lyapunov

        size = len(self.mean)
        precision = np.linalg.inv(self.target_covariance)
        gamma = self.alpha * mobility @ precision + self.beta / 2 * np.eye(size)
        decay = expm(-gamma * t)
        difference, gap = self.covariance - self.target_covariance, self.mean - self.target_mean
        if self.beta > 0:  # Γ has eigenvalues of positive real part alone
            inner = solve_continuous_lyapunov(gamma.T, precision)
            damping = self.beta * (inner - decay.T @ inner @ decay)
            system = np.eye(size) + difference @ damping
            moved = np.linalg.solve(system, np.column_stack([difference, gap]))
            difference, gap = moved[:, :-1], np.exp(-self.beta * t / 2) * moved[:, -1]
        difference = decay @ difference @ decay.T
        difference = (difference + difference.T) / 2
        return self.target_mean + decay @ gap, self.target_covariance + difference

    def linear_fractional(self, t: float) -> tuple[Array, Array] | None:
        """Return what `at` does from the linear equation of X and Y, or None if it takes long.

        With B = αMP:  X' = (β/2 − B)X + α(M + Mᵀ)Y,  Y' = βPX + (Bᵀ − β/2)Y,  C = XY^{-1};  the
        mean's equation m' = −(B + βCP)(m − m_π) is linear, too:
        (m − m_π)_t = e^{-βt/2} Y^{-T}(m₀ − m_π).
        """
        precision = np.linalg.inv(self.target_covariance)
        size = len(precision)
        mobility = np.eye(size) if self.mobility is None else self.mobility
        drift, spread = self.alpha * mobility @ precision, self.alpha * (mobility + mobility.T)
        rate = float(np.linalg.norm(drift, ord=2)) + self.beta / 2
        # beyond an exponent Γ·dt of 1, a step of `linear_fractional` would lose digits
        steps = max(1, int(np.ceil(rate * t)))
        if steps > 400:  # steps beyond which `linear_fractional` is not worth its time
            return None
        from scipy.linalg import expm

        one = np.eye(size)
        generator = np.block(
            [
                [self.beta / 2 * one - drift, spread],
                [self.beta * precision, drift.T - self.beta / 2 * one],
            ]
        )
        step = expm(generator * (t / steps))
        gap, covariance = self.mean - self.target_mean, self.covariance
        for _ in range(steps):
            x, y = np.split(step @ np.concatenate([covariance, one]), 2)
            inverse = np.linalg.inv(y)
            covariance = x @ inverse
            covariance = (covariance + covariance.T) / 2
            gap = np.exp(-self.beta * t / steps / 2) * (inverse.T @ gap)
        return self.target_mean + gap, covariance

    def numbers(self, mean: Array, covariance: Array) -> dict[str, float]:
        """Return KL, Fisher information and Var log(ρ/π) of N(mean, covariance).

        With A = C^{-1}: ∇ log(ρ/π) = (A − P)(x − m) − P(m − m_π).
        """
        precision = np.linalg.inv(self.target_covariance)
        gap = mean - self.target_mean
        force = precision @ gap
        # by the eigenvalues of PC − 1: no cancellation near the target
        factor = np.linalg.cholesky(self.target_covariance)
        half = np.linalg.solve(factor, covariance - self.target_covariance)
        excess = np.linalg.eigvalsh(np.linalg.solve(factor, half.T))
        kl = float(np.sum(excess - np.log1p(excess)) + gap @ force) / 2
        variance = float(np.sum(excess**2) / 2 + force @ covariance @ force)
        slope = precision - np.linalg.inv(covariance)
        if self.mobility is None:
            fisher = float(np.sum((slope @ covariance) * slope) + force @ force)
        else:
            spread = (self.mobility + self.mobility.T) / 2
            fisher = float(np.sum((slope @ covariance @ slope) * spread) + force @ spread @ force)
        return {"kl": kl, "fisher_information": fisher, "reaction_variance": variance}
