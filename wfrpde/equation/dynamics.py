r"""How particles move: one class of dynamics, overdamped and kinetic, that keep π ∝ e^{−V}.

.. math:: dX = \alpha\,b\,dt + \sqrt{2\alpha D}\,dW,\qquad
          b = -(D + J)\nabla V + \operatorname{div}(D + J) + f,\qquad J^T = -J,

in Itô's sense, with (div A)_i = Σ_j ∂_j A_ij. D spreads, J circulates along the levels of V, and
both keep π; a further drift f keeps no law that is known in advance. Kinetic Langevin dynamics of
positions q and momenta p with friction γ are of this class: V is H = U(q) + |p|²/2, D = diag(0, γ)
and J = [[0, −1], [1, 0]].
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.tensors import MatrixField, VectorField

TERMS = ("diffusion", "circulation", "drift", "kinetic")
"""What dynamics may have beyond dX = −α∇V dt + √(2α) dW, by the keys of ``[dynamics]``."""


@dataclass(frozen=True)
class Dynamics:
    """Dynamics without their potential; see the module's docstring.

    Attributes
    ----------
    alpha
        Rate α > 0 that multiplies the dynamics as a whole, per unit time.
    diffusion
        D, symmetric and positive; None for the unit matrix.
    circulation
        J, skew; None for 0.
    drift
        f, a further drift; None for 0.
    friction
        γ of kinetic dynamics, whose points are (q, p); None for overdamped ones.
    """

    alpha: float = 1.0
    diffusion: MatrixField | None = None
    circulation: MatrixField | None = None
    drift: VectorField | None = None
    friction: float | None = None

    @property
    def kinetic(self) -> bool:
        """Whether points are positions and momenta."""
        return self.friction is not None

    @property
    def reversible(self) -> bool:
        """Whether paths at equilibrium look the same backwards: no J, no further drift."""
        return self.circulation is None and self.drift is None and not self.kinetic

    @property
    def degenerate(self) -> bool:
        """Whether some direction has no noise of its own."""
        return self.kinetic

    @property
    def keeps_target(self) -> bool:
        """Whether π is stationary."""
        return self.drift is None

    def at(self, t: float) -> Dynamics:
        """Return the dynamics with the further drift of a time."""
        drift = self.drift
        return self if drift is None or not drift.moving else replace(self, drift=drift.at(t))

    @property
    def terms(self) -> tuple[str, ...]:
        """Names in `TERMS` of what these dynamics have."""
        has = (self.diffusion, self.circulation, self.drift, self.friction)
        return tuple(name for name, term in zip(TERMS, has, strict=True) if term is not None)

    def objection(self, takes: Collection[str], who: str) -> InputError | None:
        """Return what is wrong if `who` takes no other terms than those; None if nothing is."""
        for name in self.terms:
            if name in takes:
                continue
            takers = [f"dynamics.{term}" for term in TERMS if term in takes]
            needed = "overdamped dynamics without it" + (
                f" ({', '.join(takers)} will do)" if takers else ""
            )
            if name == "kinetic":
                return InputError("dynamics.kind", f"'kinetic', which {who} cannot do", needed)
            return InputError(f"dynamics.{name}", f"one, which {who} cannot do", needed)
        return None

    def diffusion_at(self, x: Array) -> Array:
        """D ``(n, d, d)`` at points ``(n, d)``."""
        if self.friction is not None:
            half = x.shape[1] // 2
            return np.broadcast_to(
                np.diag(np.repeat([0.0, self.friction], half)), (len(x), 2 * half, 2 * half)
            )
        if self.diffusion is None:
            return np.broadcast_to(np.eye(x.shape[1]), (len(x), *2 * x.shape[1:]))
        return self.diffusion(x)

    def mobility_at(self, x: Array) -> Array:
        """D + J ``(n, d, d)`` at points ``(n, d)``."""
        half = x.shape[1] // 2
        if self.kinetic:
            turn = np.kron([[0.0, -1.0], [1.0, 0.0]], np.eye(half))
            return self.diffusion_at(x) + turn
        spread = self.diffusion_at(x)
        return spread if self.circulation is None else spread + self.circulation(x)

    def circulating(self, x: Array, gradient: Array) -> Array:
        """``v = −J∇V + div J (n, d)``: the velocity, without α, that goes along with π.

        It has div(πv) = 0. `gradient` is ∇V ``(n, d)``.
        """
        if self.kinetic:
            half = x.shape[1] // 2
            return np.concatenate([gradient[:, half:], -gradient[:, :half]], axis=1)
        if self.circulation is None:
            return np.zeros_like(x)
        turned = np.einsum("nij,nj->ni", self.circulation(x), gradient)
        return np.asarray(self.circulation.divergence(x) - turned)

    def downhill(self, x: Array, gradient: Array) -> Array:
        """``−D∇V + div D (n, d)``: the drift, without α, of the reversible part."""
        if self.friction is not None:
            half = x.shape[1] // 2
            return np.concatenate(
                [np.zeros_like(x[:, half:]), -self.friction * gradient[:, half:]], axis=1
            )
        if self.diffusion is None:
            return -gradient
        pulled = np.einsum("nij,nj->ni", self.diffusion(x), gradient)
        return np.asarray(self.diffusion.divergence(x) - pulled)

    def velocity(self, x: Array, gradient: Array) -> Array:
        """``b (n, d)``, without α, at points ``(n, d)`` where ∇V is `gradient` ``(n, d)``."""
        total = self.downhill(x, gradient) + self.circulating(x, gradient)
        return total if self.drift is None else total + self.drift(x)
