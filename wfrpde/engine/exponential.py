"""``e^{−τS} x`` by polynomials in S: matrix products alone, the same on any number of ranks.

Two expansions, by what S is:

* an **M-matrix** (edge-averaged fluxes on boxes): uniformisation. With Λ no less than any diagonal
  entry, ``P = I − S/Λ`` has no negative entry, and

      e^{−τS} x = Σ_k e^{−Λτ} (Λτ)^k / k!  P^k x

  has no negative term if x has none. Nothing cancels: every component is accurate *relative to
  itself*, over any number of decades, and stays positive. It takes about Λτ + 8 √(Λτ) products.
* **otherwise** Chebyshev polynomials on [0, ρ], with ρ no less than any eigenvalue:

      e^{−τS} x = Σ'_k 2 (−1)^k e^{−a} I_k(a)  T_k(2S/ρ − I) x,   a = τρ/2,

  accurate in the norm of x. It takes about 8 √a products.

References
----------
Stewart, Introduction to the Numerical Solution of Markov Chains (1994), §8.2 (uniformisation);
Tal-Ezer and Kosloff, J. Chem. Phys. 81 (1984) 3967 (Chebyshev).
"""

from __future__ import annotations

from math import ceil, exp, lgamma, log, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.errors import SolverError

if TYPE_CHECKING:
    from petsc4py import PETSc

Array = npt.NDArray[np.float64]

TERM = 1e-14
"""Share of itself below which what is left of a component's series is left out."""

TAIL = 1e-17
"""Share of the norm below which what is left of the Chebyshev series is left out."""

MOST_AT_ONCE = 300.0
"""Λτ beyond which a step is divided: e^{−Λτ} would underflow."""

CHECKED = 4
"""Terms from one check of the components to the next."""

MOST_MISSES = 500
"""Terms beyond the bulk of the Poisson distribution after which uniformisation is given up."""

BOUNDS = 12
"""Products that the bound of the largest eigenvalue is made of."""


class Exponential:
    """Applies ``e^{−τS}`` for a symmetric positive semidefinite S and any τ.

    Parameters
    ----------
    stiffness
        S, which is taken over: its entries change.
    monotone
        Whether S has no positive entry off the diagonal (a few small ones of obtuse cells do no
        harm).
    """

    def __init__(self, stiffness: PETSc.Mat, *, monotone: bool) -> None:
        self._matrix, self.monotone = stiffness, monotone
        self._vectors = [stiffness.createVecRight() for _ in range(3 if monotone else 4)]
        self.rate = (self._largest_diagonal() if monotone else self._largest_eigenvalue()) or 1.0
        if monotone:
            stiffness.scale(-1.0 / self.rate)
            stiffness.shift(1.0)
        else:
            stiffness.scale(4.0 / self.rate)
            stiffness.shift(-2.0)  # twice the argument of the polynomials
        self.factorisations = 0
        self.solves = 0
        self.iterations = 0

    def apply(self, tau: float, x: Array) -> Array:
        """Return ``e^{−τS} x`` ``(n_owned,)`` (collective).

        Raises
        ------
        SolverError
            If a component of uniformisation's series does not converge.
        """
        self.solves += 1
        if not self.monotone:
            return self._chebyshev(tau, x)
        parts = max(1, ceil(self.rate * tau / MOST_AT_ONCE))
        for _ in range(parts):
            x = self._uniformised(self.rate * tau / parts, x)
        return x

    def _largest_diagonal(self) -> float:
        return float(self._matrix.getDiagonal().max()[1])

    def _largest_eigenvalue(self) -> float:
        """Bound of Collatz and Wielandt: ``max_i (|S| x)_i / x_i`` for any positive x."""
        magnitude = self._matrix.copy()
        indptr, indices, data = magnitude.getValuesCSR()
        magnitude.setValuesCSR(indptr, indices, np.abs(data))
        magnitude.assemble()
        x, y = self._vectors[:2]
        x.set(1.0)
        bound = np.inf
        ratio = x.duplicate()
        for _ in range(BOUNDS):
            magnitude.mult(x, y)
            ratio.pointwiseDivide(y, x)
            bound = min(bound, float(ratio.max()[1]))
            largest = float(y.max()[1])
            if largest == 0.0:
                break
            y.scale(1.0 / largest)
            y.array[:] = np.maximum(y.array_r, 1e-9)
            x, y = y, x
        ratio.destroy()
        magnitude.destroy()
        return 1.001 * bound

    def _uniformised(self, mean: float, x: Array) -> Array:
        from petsc4py.PETSc import NormType

        power, following, total = self._vectors
        power.array[:] = x
        power.copy(total)
        total.scale(exp(-mean))
        bulk = ceil(mean + 5 * sqrt(mean)) + 4
        for k in range(1, bulk + ceil(3 * sqrt(mean)) + MOST_MISSES):
            self._matrix.mult(power, following)
            power, following = following, power
            weight = exp(k * log(mean) - mean - lgamma(k + 1)) if mean > 0 else 0.0
            total.axpy(weight, power)
            self.iterations += 1
            if k >= bulk and (k - bulk) % CHECKED == 0:
                # what is left falls at least like a geometric series of this ratio
                left = weight / (1 - mean / (k + 1))
                following.pointwiseDivide(power, total)
                if left * float(following.norm(NormType.NORM_INFINITY)) <= TERM:
                    return np.array(total.array_r)
        raise SolverError(f"the series of a transport step (Λτ = {mean:.3g}) did not converge")

    def _chebyshev(self, tau: float, x: Array) -> Array:
        from scipy.special import ive

        a = self.rate * tau / 2
        most = ceil(9 * sqrt(a + 4)) + 20
        weights = 2 * ive(np.arange(most), a)
        left = weights[::-1].cumsum()[::-1]
        terms = max(2, int(np.count_nonzero(left > TAIL)))
        weights[1::2] *= -1.0
        weights[0] /= 2
        before, here, following, total = self._vectors
        before.array[:] = x
        before.copy(total)
        total.scale(weights[0])
        self._matrix.mult(before, here)
        here.scale(0.5)
        total.axpy(weights[1], here)
        for k in range(2, terms):
            self._matrix.mult(here, following)
            following.axpy(-1.0, before)
            total.axpy(weights[k], following)
            before, here, following = here, following, before
        self.iterations += terms - 1
        return np.array(total.array_r)

    def destroy(self) -> None:
        """Free PETSc's vectors, but not the matrix (collective)."""
        for vector in self._vectors:
            vector.destroy()
