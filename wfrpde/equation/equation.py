r"""The equation that a flow solves and a sampler claims, as an object without a mesh.

.. math:: \partial_t\rho = \alpha\,(-\nabla\cdot(b\rho) + \nabla\cdot\nabla\cdot(D\rho))
          + \rho\,(r - \langle r\rangle_\rho),
          \qquad r = U - \beta\log(\rho/\pi),\quad \pi\propto e^{-V}

Transport by b = −∇V with D = 1 is the Wasserstein gradient flow of KL(ρ‖π) (W), the reaction with β
its Fisher–Rao gradient flow (FR), and both together WFR; a given rate U makes it a Feynman–Kac
flow. See `wfrpde.equation.dynamics` for other transports.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation.alternation import Alternation
from wfrpde.equation.dynamics import Dynamics
from wfrpde.equation.path import Annealed, Path
from wfrpde.equation.reaction import fisher_rao, gain
from wfrpde.errors import InputError
from wfrpde.fields.protocols import Formula
from wfrpde.fields.schedules import gauss, integral, is_moving

TIME_NODES, PANELS = 4, 32
"""Gauss points in time of a moving reaction over one step, and such steps from 0 to any time."""

CLAIMS = ("W", "FR", "WFR", "feynman-kac")
"""Words for parts of a case's equation in case files; see `Equation.claimed`."""

PROCESSES = {
    "reverse-sde": "reverse SDE",
    "probability-flow": "probability flow",
    "corrected": "corrected process",
}
"""Words for score-based processes in case files, and as people say them."""

_WORDS = {
    "WFR": "Wasserstein–Fisher–Rao flow",
    "W": "Langevin (Wasserstein) flow",
    "FR": "Fisher–Rao flow",
    "FK": "Feynman–Kac flow",
}


@dataclass(frozen=True)
class Reaction:
    """What multiplies mass: r = U − β log(ρ/π).

    Attributes
    ----------
    beta
        Rate β ≥ 0 of the Fisher–Rao part, per unit time; perhaps a `Schedule`.
    rate
        U of a linear (Feynman–Kac) reaction, per unit time; None for U = 0. `Annealed`: that of a
        path.
    """

    beta: float = 0.0
    rate: Formula | Annealed | None = None

    @property
    def moving(self) -> bool:
        """Whether β or U depend on time."""
        return is_moving(self.beta) or (self.rate is not None and self.rate.moving)

    def step(
        self,
        log_mass: Array,
        log_target: Array,
        rate: Callable[[float], Array | float],
        t: float,
        dt: float,
    ) -> Array:
        """Return the nodal log mass after the reaction alone from t to t + Δt, not normalised.

        ``log ρ_{t+Δt} = θ log ρ_t + (1 − θ) log π + ∫ θ_s U_s ds``, θ_s = exp(−∫_s^{t+Δt} β),
        exact, and by Gauss' rule where U or β move.

        Parameters
        ----------
        log_target
            Log of the nodal mass of π.
        rate
            U at the nodes at a time; not asked for without U.
        """
        lost = integral(self.beta, t, dt)
        mixed = log_mass if lost == 0.0 else fisher_rao(log_mass, log_target, lost, 1.0)
        return mixed if self.rate is None else mixed + self.gained(rate, t, dt)

    def kept(self, t: float) -> float:
        """θ = exp(−∫₀^t β ds), the share of log(ρ₀/π) that is left at time t."""
        if not is_moving(self.beta):
            return float(np.exp(-self.beta * t))
        step = t / PANELS
        return float(np.exp(-sum(integral(self.beta, k * step, step) for k in range(PANELS))))

    def gained(
        self, rate: Callable[[float], Array | float], t: float, dt: float, panels: int = 1
    ) -> Array | float:
        """``∫_t^{t+Δt} exp(−∫_s^{t+Δt} β) U_s ds``, in so many panels where U or β move."""
        if not self.moving:
            return gain(self.beta, dt) * rate(t)
        total: Array | float = 0.0
        step = dt / panels
        for begin in (t + k * step for k in range(panels)):
            end = begin + step
            total = np.exp(-integral(self.beta, begin, step)) * total
            for s, weight in gauss(begin, step, TIME_NODES):
                total = total + weight * np.exp(-integral(self.beta, s, end - s)) * rate(s)
        return total


@dataclass(frozen=True)
class Equation:
    """Transport, reaction, and whether mass is kept; see the module's docstring.

    Attributes
    ----------
    dynamics
        None without transport (α = 0).
    reaction
        None without a reaction (β = 0 and U = 0).
    conserve
        Whether ⟨r⟩ is subtracted, which keeps the mass.
    killed
        Whether transport loses mass at absorbing sides or regions. ρ is then the law of what is
        left, conditioned, and so is ⟨r⟩_ρ.
    alternation
        The order and size of steps in which transport and reaction take turns, each exact; None
        where both act at once.
    path
        How π moves; None where it does not.
    process
        One of `PROCESSES` of score-based diffusion, which has no target; else None.
    """

    dynamics: Dynamics | None
    reaction: Reaction | None
    conserve: bool = True
    killed: bool = False
    alternation: Alternation | None = None
    path: Path | None = None
    process: str | None = None

    @classmethod
    def of(
        cls,
        alpha: float,
        beta: float,
        rate: Formula | Annealed | None = None,
        *,
        dynamics: Dynamics | None = None,
        conserve: bool = True,
        killed: bool = False,
        path: Path | None = None,
    ) -> Self:
        """Make the equation with the rates α and β, and U; what is zero is left out.

        The dynamics, with α in place of their own rate, are overdamped ones by default.
        """
        moves = replace(dynamics or Dynamics(), alpha=alpha) if alpha > 0 else None
        if isinstance(rate, Annealed):
            pushed = moves is not None and moves.drift is not None
            rate = replace(rate, escort=moves if pushed else None)
        return cls(
            moves,
            Reaction(beta, rate) if beta > 0 or rate is not None else None,
            conserve,
            killed and alpha > 0,
            path=path,
        )

    @property
    def alpha(self) -> float:
        """Rate α of the transport, per unit time; 0 without."""
        return 0.0 if self.dynamics is None else self.dynamics.alpha

    @property
    def beta(self) -> float:
        """Rate β of the Fisher–Rao reaction, per unit time; 0 without."""
        return 0.0 if self.reaction is None else self.reaction.beta

    @property
    def rate(self) -> Formula | Annealed | None:
        """U of a linear reaction; None without."""
        return None if self.reaction is None else self.reaction.rate

    @property
    def spread(self) -> Callable[[Array], Array] | None:
        """D ``(n, d, d)`` at points ``(n, d)``; None for the unit matrix, or without transport."""
        dynamics = self.dynamics
        if dynamics is None or (dynamics.diffusion is None and not dynamics.kinetic):
            return None
        return dynamics.diffusion_at

    @property
    def moving(self) -> bool:
        """Whether α, β, U or π depend on time."""
        moves = self.reaction is not None and self.reaction.moving
        return self.path is not None or moves or is_moving(self.alpha)

    @property
    def annealed(self) -> Annealed | None:
        """The reaction of a path; None without."""
        return self.rate if isinstance(self.rate, Annealed) else None

    @property
    def label(self) -> str:
        """Short name: ``W``, ``FR``, ``WFR``, ``FK`` with a linear reaction, or of a process."""
        if self.process is not None:
            return self.process
        if self.rate is not None:
            return "FK"
        return ("W" if self.dynamics else "") + ("FR" if self.reaction else "")

    @property
    def word(self) -> str:
        """Name in case files: as `label`, but ``feynman-kac`` with a linear reaction."""
        return self.label if self.rate is None else "feynman-kac"

    @property
    def words(self) -> str:
        """Name as people say it."""
        return PROCESSES[self.process] if self.process is not None else _WORDS[self.label]

    @property
    def descends(self) -> bool:
        """Whether KL(ρ‖π) falls along the flow: not where U or a further drift leads elsewhere.

        Nor where π moves.
        """
        keeps = self.dynamics is None or (self.dynamics.keeps_target and not self.killed)
        return self.rate is None and keeps and self.path is None and self.process is None

    @property
    def weighs(self) -> bool:
        """Whether ∫⟨r⟩ is a result of its own: the log of what U makes of the mass, γ_t(1)."""
        return self.conserve and self.rate is not None

    @property
    def reaches_target(self) -> bool:
        """Whether π is what the flow leads to, from a start that is positive everywhere."""
        return self.descends

    def objection(self, takes: Collection[str], who: str) -> InputError | None:
        """Return what is wrong if `who` takes no other terms of dynamics than those."""
        return None if self.dynamics is None else self.dynamics.objection(takes, who)

    def with_rates(self, alpha: float, beta: float) -> Self:
        """Return the equation with other rates α and β, and the same dynamics and U."""
        made = type(self).of(alpha, beta, self.rate, dynamics=self.dynamics, path=self.path)
        return replace(made, conserve=self.conserve, killed=self.killed and alpha > 0)

    def without_reaction(self) -> Self:
        """Return the transport alone (W)."""
        return replace(self, reaction=None, alternation=None)

    def without_transport(self) -> Self:
        """Return the reaction alone."""
        return replace(self, dynamics=None, killed=False, alternation=None)

    def without_rate(self) -> Self:
        """Return the equation with U = 0."""
        made = type(self).of(self.alpha, self.beta, dynamics=self.dynamics, path=self.path)
        return replace(made, conserve=self.conserve, killed=self.killed)

    def along(self, path: Path) -> Self:
        """Return the equation with another path, which its reaction may be that of."""
        if self.annealed is None:
            return replace(self, path=path)
        assert self.reaction is not None
        reaction = replace(self.reaction, rate=replace(self.annealed, path=path))
        return replace(self, path=path, reaction=reaction)

    def companions(self) -> dict[str, Self]:
        """Return the parts of the equation that a flow is compared with, by their labels."""
        if self.dynamics is None or self.reaction is None:
            return {}
        alone = self.without_reaction()
        if self.rate is not None or self.killed:  # without transport nothing is absorbed
            return {alone.label: alone}
        other = self.without_transport()
        return {alone.label: alone, other.label: other}

    def claimed(self, word: str, rate: Formula | None = None) -> Self | None:
        """Return the part of this equation that a word of a case file names.

        Parameters
        ----------
        word
            One of `CLAIMS`, or of `PROCESSES`.
        rate
            U of ``feynman-kac``, where it is not that of this equation.

        Returns
        -------
        Equation or None
            None where this equation has no such part, or with a rate of 0.
        """
        if word not in (*CLAIMS, *PROCESSES):
            raise ValueError(f"{word!r} names no equation; one of {', '.join(CLAIMS)} does")
        if self.process is not None or word in PROCESSES:
            plain = {"reverse-sde", "probability-flow"}
            same = word == self.process or {word, self.process} <= plain
            return replace(self, process=word) if same and self.process is not None else None
        if word == "feynman-kac":
            known = rate or self.rate
            if known is None:
                return None
            return replace(self, reaction=Reaction(0.0, known))
        part = self.without_rate()
        if word == "W":
            part = part.without_reaction()
        elif word == "FR":
            part = part.without_transport()
        return part if part.dynamics or part.reaction else None
