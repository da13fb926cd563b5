r"""The Eyring–Kramers estimate of λ₁ for a target with two minima.

.. math:: k_a \approx \frac{|\mu_s|}{2\pi}\sqrt{\frac{\det H_a}{|\det H_s|}}\,e^{-(V_s - V_a)},
          \qquad \lambda_1 \approx k_a + k_b,

with the saddle s on the lowest pass between the minima a and b, H the Hessian of V and μ_s its
negative eigenvalue at s. It is an asymptotic formula for high barriers, off by some per cent at
10 kT: context, not a reference (Bovier, Eckhoff, Gayrard and Klein, J. Eur. Math. Soc. 6 (2004)
399).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.landscape import SAMPLES, sample
from wfrpde.targets.curvature import hessian

if TYPE_CHECKING:
    from wfrpde.targets import Target


def eyring_kramers(target: Target, box: Array) -> float | None:
    """Estimate λ₁, or return None if there are not two minima in the box with a pass between."""
    inside = ((target.seeds >= box[:, 0]) & (target.seeds <= box[:, 1])).all(axis=1)
    if inside.sum() != 2:
        return None
    minima = [_stationary(target, seed, box) for seed in target.seeds[inside]]
    start = _pass(target, box, target.seeds[inside])
    if start is None or any(m is None for m in minima):
        return None
    saddle = _stationary(target, start, box)
    if saddle is None:
        return None
    at_saddle = np.linalg.eigvalsh(hessian(target, saddle, box))
    if (at_saddle < 0).sum() != 1:
        return None
    rate = 0.0
    for minimum in minima:
        assert minimum is not None
        in_well = np.linalg.eigvalsh(hessian(target, minimum, box))
        if in_well[0] <= 0:
            return None
        both = target.potential(np.array([saddle, minimum]))
        prefactor = np.sqrt(in_well.prod() / abs(at_saddle.prod()))
        rate += abs(at_saddle[0]) / (2 * np.pi) * prefactor * np.exp(both[1] - both[0])
    return float(rate)


def _stationary(target: Target, start: Array, box: Array) -> Array | None:
    """Find ∇V = 0 near `start` by Newton's method; None if it runs away."""
    x = np.array(start, dtype=float)
    width = np.ptp(box, axis=1)
    for _ in range(50):
        slope = target.gradient(x[None])[0]
        bent = hessian(target, x, box)
        if not (np.isfinite(slope).all() and np.isfinite(bent).all()):
            return None
        step = np.linalg.lstsq(bent, -slope, rcond=None)[0]
        step *= min(1.0, 0.02 * float((width / np.maximum(np.abs(step), 1e-300)).min()))
        x = x + step
        if (np.abs(x - start) > 0.1 * width).any():
            return None
        if (np.abs(step) < 1e-10 * width).all():
            return np.asarray(x)
    return None


def _pass(target: Target, box: Array, ends: Array) -> Array | None:
    """Find the highest sample point on the lowest way between two points, by flooding."""
    from scipy.ndimage import label

    points = sample(box)
    shape = (SAMPLES[target.dim],) * target.dim
    value = target.potential(points)
    near = [int(((points - end) ** 2).sum(axis=1).argmin()) for end in ends]
    heights = np.unique(value[np.isfinite(value) & (value >= value[near].max())])
    low, high = 0, len(heights) - 1  # positions in `heights`: the answer is one of them
    while low < high:
        middle = (low + high) // 2
        part = label((value <= heights[middle]).reshape(shape))[0].ravel()
        if part[near[0]] == part[near[1]]:
            high = middle
        else:
            low = middle + 1
    if len(heights) == 0:
        return None
    return np.asarray(points[np.flatnonzero(value == heights[low])[0]])
