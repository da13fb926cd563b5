"""The problems of the benchmark, in plain NumPy: every method reads them from here.

Each is a flow from a Gaussian to π ∝ e^{−V} on a box with no-flux walls,

    ∂_t ρ = α ∇·(∇ρ + ρ∇V) − β ρ (log(ρ/π) − ⟨log(ρ/π)⟩_ρ),

judged at t = t_end by the relative L2 error of ρ on a fine grid and by the relative error of the
mass of the smaller mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BenchmarkProblem:
    """One problem.

    Attributes
    ----------
    target
        The table ``[target]`` of a wfrpde case.
    potential, gradient
        V ``(n, d) -> (n,)`` and ∇V ``(n, d) -> (n, d)``.
    box
        ``(d, 2)``.
    mean, covariance
        Of the Gaussian start.
    mode
        The smaller mode: x_1 below or above ``(sign, bound)``; sign −1 is below.
    points
        Points along each axis of the fine grid.
    """

    name: str
    title: str
    target: dict[str, Any]
    potential: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    box: Array
    mean: Array
    covariance: Array
    t_end: float
    mode: tuple[int, float]
    points: int
    alpha: float = 1.0
    beta: float = 1.0

    @property
    def dim(self) -> int:
        """Dimension d."""
        return len(self.box)

    def log_start(self, x: Array) -> Array:
        """``log ρ₀`` at points ``(n, d)``."""
        gap = x - self.mean
        _, logdet = np.linalg.slogdet(2 * np.pi * self.covariance)
        quadratic = np.einsum("ni,ij,nj->n", gap, np.linalg.inv(self.covariance), gap)
        return np.asarray(-(quadratic + logdet) / 2)

    @property
    def fine_axes(self) -> list[Array]:
        """Mid-points along each axis of the grid on which all methods are compared."""
        return [
            lo + (np.arange(self.points) + 0.5) * (hi - lo) / self.points for lo, hi in self.box
        ]

    @property
    def fine_points(self) -> Array:
        """``(points**d, d)``, the last axis fastest."""
        grids = np.meshgrid(*self.fine_axes, indexing="ij")
        return np.stack([g.ravel() for g in grids], axis=1)

    def in_mode(self, x: Array) -> Array:
        """Whether points ``(n, d)`` lie in the smaller mode."""
        sign, bound = self.mode
        return np.asarray(sign * (x[:, 0] - bound) > 0)


def _quadratic(precision: Array) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    return (
        lambda x: np.asarray(np.einsum("ni,ij,nj->n", x, precision, x) / 2),
        lambda x: np.asarray(x @ precision),
    )


G2_COVARIANCE = np.array([[1.0, 0.4], [0.4, 0.7]])
_P = np.linalg.inv(G2_COVARIANCE)
_g2 = _quadratic(_P)

G2 = BenchmarkProblem(
    name="G2",
    title="Gaussian in 2-D",
    target={"kind": "gaussian", "mean": [0.0, 0.0], "covariance": G2_COVARIANCE.tolist()},
    potential=_g2[0],
    gradient=_g2[1],
    box=np.array([[-6.0, 6.0], [-6.0, 6.0]]),
    mean=np.array([-1.0, 0.5]),
    covariance=np.diag([0.3, 0.5]),
    t_end=1.0,
    mode=(1, 0.0),  # one basin: its right half takes the place of a mode
    points=600,
)

D1 = BenchmarkProblem(
    name="D1",
    title="tilted double well in 1-D, barrier 8",
    target={"potential": "8*(x**2 - 1)**2 + 0.5*x"},
    potential=lambda x: 8 * (x[:, 0] ** 2 - 1) ** 2 + 0.5 * x[:, 0],
    gradient=lambda x: 32 * x * (x**2 - 1) + 0.5,
    box=np.array([[-2.2, 2.2]]),
    mean=np.array([-1.0]),
    covariance=np.array([[0.01]]),
    t_end=2.0,
    mode=(1, 0.0),
    points=8800,
)

W2 = BenchmarkProblem(
    name="W2",
    title="bent double well in 2-D, barrier 4",
    target={"potential": "4*(x**2 - 1)**2 + 0.5*x + 2*(y - 0.4*x**2)**2"},
    potential=lambda x: (
        4 * (x[:, 0] ** 2 - 1) ** 2 + 0.5 * x[:, 0] + 2 * (x[:, 1] - 0.4 * x[:, 0] ** 2) ** 2
    ),
    gradient=lambda x: np.stack(
        [
            16 * x[:, 0] * (x[:, 0] ** 2 - 1)
            + 0.5
            - 3.2 * x[:, 0] * (x[:, 1] - 0.4 * x[:, 0] ** 2),
            4 * (x[:, 1] - 0.4 * x[:, 0] ** 2),
        ],
        axis=1,
    ),
    box=np.array([[-2.4, 2.4], [-3.0, 4.2]]),
    mean=np.array([-1.0, 0.4]),
    covariance=np.diag([0.05, 0.1]),
    t_end=1.0,
    mode=(1, 0.0),
    points=600,
)

PROBLEMS = {problem.name: problem for problem in (G2, D1, W2)}
