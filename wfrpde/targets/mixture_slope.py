"""∇V of mixtures of many Gaussians, by matrices: their formula takes k² exponentials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.fields.rendering import as_points

MANY = 4
"""Components from which matrices are faster than the formula."""

AT_ONCE = 4_096
"""Points whose distances from all means stay in the processor's cache."""


@dataclass(frozen=True)
class MixtureSlope:
    """``∇V (n, d)`` of ``V = −log Σ_k w_k N(x; m_k, C_k)`` at points ``(n, d)``.

    Attributes
    ----------
    log_weights
        ``(k,)``: log w_k − ½ log det(2πC_k).
    means
        ``(k, d)``.
    whitening
        ``(k, d, d)``: L_k with L_kᵀL_k = C_k⁻¹.
    """

    log_weights: Array
    means: Array
    whitening: Array

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Return the slope at points ``(n, d)``."""
        points = as_points(x, self.means.shape[1])
        starts = range(0, len(points), AT_ONCE)
        parts = [self._slope(points[start : start + AT_ONCE]) for start in starts]
        return np.concatenate(parts) if parts else np.empty(points.shape)

    def _slope(self, points: Array) -> Array:
        count, dim = self.means.shape
        centre = self.means.mean(axis=0)  # about which little cancels
        middle = np.einsum("kij,kj->ki", self.whitening, self.means - centre)
        white = self.whitening.reshape(-1, dim) @ (points - centre).T
        white = white.reshape(count, dim, -1) - middle[:, :, None]
        share = self.log_weights[:, None] - np.einsum("kin,kin->kn", white, white) / 2
        share = np.exp(share - share.max(axis=0))
        share /= share.sum(axis=0)
        pulled = (share[:, None] * white).reshape(count * dim, -1)
        return np.asarray((self.whitening.reshape(-1, dim).T @ pulled).T)
