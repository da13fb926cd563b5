r"""Operators as objects: what they do to functions, and what they do to densities.

.. math:: A = \alpha L + U - \beta\,(1 - \langle\cdot\rangle_\pi), \qquad
          L = \Delta - \nabla V\cdot\nabla.

With U = β = 0 it is the generator of dX = −α∇V dt + √(2α) dW, with a U the Feynman–Kac operator,
and with a β the Wasserstein–Fisher–Rao flow linearised at π. All are symmetric in L²(π), so that
the left (forward) action on a density ρ is π A(ρ/π). On absorbing nodes functions vanish.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.engine import Matrix, Traits, Triplets, Wish, assemble
from wfrpde.operators.dirichlet_form import DirichletForm


@dataclass(frozen=True)
class Operator:
    """The operator A = αL + U − β(1 − ⟨·⟩_π) on the nodes of a Dirichlet form.

    Attributes
    ----------
    form
        Nodes, and energy and mass of π on them.
    alpha
        Diffusion rate α ≥ 0.
    rate
        U ``(n,)`` at the nodes of this rank, ghosts included; None for 0.
    beta
        Rate β ≥ 0 at which what deviates from its mean decays.
    absorbing
        ``(n,)``: nodes where functions vanish; None for none.
    """

    form: DirichletForm
    alpha: float = 1.0
    rate: Array | None = None
    beta: float = 0.0
    absorbing: Flags | None = None

    @property
    def conservative(self) -> bool:
        """Whether the constant is in the kernel: no U, and nothing absorbed."""
        return self.rate is None and self.absorbing is None

    @cached_property
    def free(self) -> Flags:
        """``(n,)``: the nodes that are not absorbing."""
        n = len(self.form.nodes.points)
        return np.ones(n, dtype=bool) if self.absorbing is None else ~self.absorbing

    @property
    def points(self) -> Array:
        """Coordinates ``(n_owned, d)`` of the nodes that this rank owns."""
        nodes = self.form.nodes
        return nodes.points[: nodes.n_owned]

    def right(self, function: npt.ArrayLike) -> Array:
        """Return A f at the owned nodes from f ``(n_owned,)`` there (collective).

        The backward action: ∂_t E[f(X_t)] = E[(A f)(X_t)] for the generator.
        """
        f = self.form.nodes.with_ghosts(np.where(self.free[self._owned], function, 0.0))
        result = -self.alpha * self.form.stiffness(f[None])[0] / self.form.mass
        if self.rate is not None:
            result += self.rate * f
        if self.beta:
            result -= self.beta * (f - self.form.mean(f[None])[0])
        return np.where(self.free, result, 0.0)[self._owned]

    def left(self, density: npt.ArrayLike) -> Array:
        """Return A* ρ at the owned nodes from a density ρ ``(n_owned,)`` there (collective).

        ρ and the result are densities with respect to Lebesgue measure: ∂_t ρ = A* ρ.
        """
        target = self.form.mass[self._owned] / self.form.nodes.weights[self._owned]
        return target * self.right(np.asarray(density) / target)

    def schroedinger(self, function: npt.ArrayLike) -> Array:
        """Return H w = −π^{1/2} A (π^{-1/2} w), the Witten (Schrödinger) form (collective).

        For the generator with α = 1 it is −Δ + |∇V|²/4 − ΔV/2.
        """
        target = self.form.mass[self._owned] / self.form.nodes.weights[self._owned]
        root = np.sqrt(target)
        return -root * self.right(np.asarray(function) / root)

    @property
    def _owned(self) -> slice:
        return slice(self.form.nodes.n_owned)

    # ------------------------------------------------------------ for the eigensolver: −αL − U

    def energy(self, functions: Array) -> Array:
        """Matrix ``(k, k)`` of ⟨f_a, −(αL + U) f_b⟩_π, in differences (collective)."""
        total = self.alpha * self.form.energy(functions)
        if self.rate is not None:
            total -= self.form.product(functions, by=self.rate)
        return total

    def weak(self, functions: Array, values: Array | float = 0.0) -> Array:
        """Return −(αL + U) f − λ f in the weak sense, ``(k, n)``, from differences (collective)."""
        result = self.alpha * self.form.stiffness(functions)
        factor: Array = np.reshape(np.asarray(values, dtype=float), (-1, 1))
        if self.rate is not None:
            factor = factor + self.rate[None]
        result -= factor * self.form.mass * functions
        result[:, ~self.free] = 0.0
        return result

    def matrix(self, shift: float, wish: Wish) -> Matrix:
        """Return M^{-1/2} (αK − M U + shift M) M^{-1/2} (collective). The caller destroys it.

        Rows and columns of absorbing nodes are those of a large multiple of the identity, which
        puts their eigenvalues beyond all others.
        """
        nodes = self.form.nodes
        triplets, _ = symmetrised_stiffness(nodes, self.form.potential)
        row, column, value = triplets.row, triplets.column, self.alpha * triplets.value
        n_owned = nodes.n_owned
        diagonal = np.full(n_owned, shift)
        if self.rate is not None:
            diagonal -= self.rate[:n_owned]
        if self.absorbing is not None:
            keep = self.free[row] & self.free[column]
            row, column, value = row[keep], column[keep], value[keep]
            wall = 1e3 * max(nodes.max(value), 1.0)
            diagonal[self.absorbing[:n_owned]] = wall
        own = np.arange(n_owned)
        every = Triplets.joined([Triplets(row, column, value), Triplets(own, own, diagonal)])
        return assemble(nodes, every, Traits(nodes.degree == 1, nodes.dim), wish)
