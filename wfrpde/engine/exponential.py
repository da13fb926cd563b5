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

import numpy as np

from wfrpde.arrays import Array
from wfrpde.engine.protocol import Matrix
from wfrpde.errors import SolverError

MOST_MISSES = 500
"""Terms beyond the bulk of the Poisson distribution after which uniformisation is given up."""


class Exponential:
    """Applies ``e^{−τS}`` for a symmetric positive semidefinite S and any τ.

    Parameters
    ----------
    stiffness
        S, which is taken over: its entries change, and it is destroyed at the end.
    monotone
        Whether S has no positive entry off the diagonal (a few small ones of obtuse cells do no
        harm).
    """

    def __init__(self, stiffness: Matrix, *, monotone: bool) -> None:
        self._matrix, self.monotone = stiffness, monotone
        self._layout = stiffness.layout
        self._vectors = [np.empty(self._layout.n_owned) for _ in range(3 if monotone else 4)]
        bound = self._largest_diagonal() if monotone else self._largest_eigenvalue()
        self.rate = bound or 1.0
        if monotone:
            stiffness.change(-1.0 / self.rate, 1.0)
        else:
            stiffness.change(4.0 / self.rate, -2.0)  # twice the argument of the polynomials
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
        # Λτ beyond which a step is divided: e^{−Λτ} would underflow
        parts = max(1, ceil(self.rate * tau / 300.0))
        for _ in range(parts):
            x = self._uniformised(self.rate * tau / parts, x)
        return x

    def _largest_diagonal(self) -> float:
        return self._layout.max(self._matrix.diagonal())

    def _largest_eigenvalue(self) -> float:
        """Bound of Collatz and Wielandt: ``max_i (|S| x)_i / x_i`` for any positive x."""
        magnitudes = self._matrix.magnitudes()
        x, y = self._vectors[:2]
        x[:] = 1.0
        bound = np.inf
        for _ in range(12):  # products that the bound of the largest eigenvalue is made of
            magnitudes.product(x, y)
            bound = min(bound, self._layout.max(y / x))
            largest = self._layout.max(y)
            if largest == 0.0:
                break
            np.maximum(y / largest, 1e-9, out=y)
            x, y = y, x
        magnitudes.destroy()
        return 1.001 * bound

    def _uniformised(self, mean: float, x: Array) -> Array:
        from scipy.linalg.blas import daxpy

        power, following, total = self._vectors
        power[:] = x
        np.multiply(power, exp(-mean), out=total)
        bulk = ceil(mean + 5 * sqrt(mean)) + 4
        for k in range(1, bulk + ceil(3 * sqrt(mean)) + MOST_MISSES):
            self._matrix.product(power, following)
            power, following = following, power
            weight = exp(k * log(mean) - mean - lgamma(k + 1)) if mean > 0 else 0.0
            daxpy(power, total, a=weight)  # in place
            self.iterations += 1
            # terms from one check of the components to the next
            if k >= bulk and (k - bulk) % 4 == 0:
                # what is left falls at least like a geometric series of this ratio
                left = weight / (1 - mean / (k + 1))
                following[:] = 0.0
                np.divide(power, total, out=following, where=total != 0.0)
                # share of itself below which what is left of a component's series is left out
                if left * self._layout.max(np.abs(following)) <= 1e-14:
                    return total.copy()
        raise SolverError(f"the series of a transport step (Λτ = {mean:.3g}) did not converge")

    def _chebyshev(self, tau: float, x: Array) -> Array:
        from scipy.linalg.blas import daxpy
        from scipy.special import ive

        a = self.rate * tau / 2
        most = ceil(9 * sqrt(a + 4)) + 20
        weights = 2 * ive(np.arange(most), a)
        left = weights[::-1].cumsum()[::-1]
        # share of the norm below which what is left of the Chebyshev series is left out
        terms = max(2, int(np.count_nonzero(left > 1e-17)))
        weights[1::2] *= -1.0
        weights[0] /= 2
        before, here, following, total = self._vectors
        before[:] = x
        np.multiply(before, weights[0], out=total)
        self._matrix.product(before, here)
        here *= 0.5
        daxpy(here, total, a=weights[1])  # in place
        for k in range(2, terms):
            self._matrix.product(here, following)
            following -= before
            daxpy(following, total, a=weights[k])
            before, here, following = here, following, before
        self.iterations += terms - 1
        return total.copy()

    def destroy(self) -> None:
        """Free the matrix (collective)."""
        self._matrix.destroy()
