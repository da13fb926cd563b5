"""The Wasserstein step: rational approximations of e^{−Δt α S} that share one factorisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb, factorial, sqrt

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.semi_discrete import NO_MASS, SemiDiscrete
from wfrpde.errors import SolverError
from wfrpde.fields.schedules import integral

MASS_JUMP_LIMIT = 1e-9
"""Relative change of mass by the linear solves of one W step beyond which the step is refused."""

UNDERFLOW = -700.0

COME = 30.0
"""How far above e^{UNDERFLOW} a value that was below it has to be after a step to be believed: what
stood in for it there is next to that. A reaction makes m^θ of a mass m, be it e^{−700}."""

LOST_MASS_LIMIT = 1e-15

ROUND_OFF = 1e-18
"""What stands in for a value that neither R nor v^s makes positive: this share of the largest, or
of the mass, or what it was before the step, whichever is least. A reaction lets what it is grow."""


@dataclass(frozen=True)
class RationalStep:
    """``R = Σ_k c_k v^k``, v = (1 + γ z)^{-1} ≈ e^{−z}: `stages` solves with one matrix.

    R(∞) = 0 for every choice, since no constant term appears. γ makes the order equal to the
    number of stages and R A-stable (Hairer and Wanner, Solving ODEs II, 1996, §IV.6, table 6.4).
    """

    stages: int
    gamma: float

    @property
    def coefficients(self) -> Array:
        """c_k ``(stages,)``, from the Taylor series of e^{−z}."""
        s, g = self.stages, self.gamma
        moments = [[(-g) ** m * comb(k + m - 1, m) for k in range(1, s + 1)] for m in range(s)]
        return np.linalg.solve(np.array(moments), [(-1.0) ** m / factorial(m) for m in range(s)])


IMPLICIT_EULER = RationalStep(1, 1.0)
SECOND_ORDER = RationalStep(2, 1 - 1 / sqrt(2))  # the stability function of TR-BDF2
FIFTH_ORDER = RationalStep(5, 0.27805384115)


@dataclass
class Incidents:
    """What went wrong in W steps and was mended: counted, never hidden.

    Attributes
    ----------
    cured_nodes
        Nodes where R v turned negative and the positive ``v^s`` was taken instead.
    cured_mass
        Largest share of mass that this added in one step.
    largest_mass_jump
        Largest relative change of mass in one W step, before normalisation.
    underflows
        Node-steps whose value fell below e^{−700} of the largest.
    """

    cured_nodes: int = 0
    cured_mass: float = 0.0
    largest_mass_jump: float = 0.0
    underflows: int = 0


class Transport:
    """W steps of ``∂_t ρ = α ∇·(∇ρ + ρ∇V)`` on the nodal log mass, in the variable √M h.

    Parameters
    ----------
    rational
        What stands for e^{−z} where S is solved with; not asked for with an exponential.
    cure_limit
        Share of mass that curing negative nodes may add in a step before the step is refused.

    Attributes
    ----------
    stages
        Of a step axis by axis: √M h before, between and after its parts.
    low
        Which nodes lay so low before a step that it did not see what they held.
    """

    def __init__(
        self,
        semi: SemiDiscrete,
        rational: RationalStep = SECOND_ORDER,
        cure_limit: float = 1e-9,
    ) -> None:
        self._semi, self._nodes, self._alpha = semi, semi.nodes, semi.equation.alpha
        self._rational, self._coefficients = rational, rational.coefficients
        self._cure_limit = cure_limit
        self.incidents = Incidents()
        self.stages: list[Array] = []
        self.low: Flags = np.zeros(len(semi.log_target), dtype=bool)
        self._kept: tuple[Array, Array, Array] = (np.empty(0), np.empty(0), np.empty(0))

    def step(self, log_mass: Array, dt: float, t: float = 0.0) -> Array:
        """Return the nodal log mass at t + `dt` from that at t (collective).

        A V that moves is frozen in the middle. Where nodes are absorbed the mass falls; what is
        left is returned as it is.

        Round-off of the matrix' diagonal changes the mass by about 1e-16 γ Δt λ_max in a step; the
        whole is scaled back by that factor, which is watched (`Incidents`).

        Raises
        ------
        SolverError
            If the linear solver fails, or the mass changes by more than `MASS_JUMP_LIMIT`.
        """
        return self.carried(log_mass, [], dt, t)[0]

    def carried(
        self, log_mass: Array, fields: Sequence[Array], dt: float, t: float = 0.0
    ) -> tuple[Array, list[Array]]:
        """Return the log mass after a `step`, and what became of means over those who are there.

        `fields` ``(n_owned,)`` are conditional means E[A | X = x], of whatever particles carry
        along. As averages they stay between their extremes.
        """
        frame = self._semi.at(t + dt / 2)
        half, root = self._roots(frame)
        relative = log_mass - half
        shift = self._nodes.max(relative)
        relative -= shift
        low = (relative < UNDERFLOW) & ~self._semi.absorbed
        if self._nodes.max(np.array([float(low.any())])) > 0:
            self._refuse_lost_mass(low, shift + half)
            self.incidents.underflows += int(np.count_nonzero(low))
        self.low = low
        start = np.exp(np.maximum(relative, UNDERFLOW))
        tau = integral(self._alpha, t, dt)
        before = self._nodes.sum(root * start)
        if frame.lines:
            total = value = self._along_axes(frame, tau, start, root)
        else:
            total, value = self._decayed(frame, tau, start)
        after = self._nodes.sum(root * total)
        if self._semi.killing is not None:
            total, _ = self._cured(total, value, start, root, before)
            log_mass = self._logs(total, relative, low) + shift + half
            return np.where(self._semi.absorbed, -NO_MASS, log_mass), list(fields)
        if not before > 0:
            raise SolverError(
                "no node holds any mass: the cells are far too large for the densities"
            )
        jump = abs(after / before - 1)
        self.incidents.largest_mass_jump = max(self.incidents.largest_mass_jump, jump)
        if not jump <= MASS_JUMP_LIMIT:
            raise SolverError(
                f"a transport step of {dt:.3g} changed the mass by {jump:.1e} of itself"
            )
        total, after = self._cured(total, value, start, root, before)
        means = [
            np.clip(self._decayed(frame, tau, start * field)[0] / total, *self._extremes(field))
            for field in fields
        ]
        logs = self._logs(total, relative, low)
        return np.asarray(logs + (shift - np.log(after / before)) + half), means

    @staticmethod
    def _logs(total: Array, before: Array, low: Flags) -> Array:
        """Return logarithms; what was `low` `before` stays unless something has come there."""
        logs = np.log(total)
        return np.where(low & (logs < UNDERFLOW + COME), before, logs) if low.any() else logs

    def _roots(self, frame: SemiDiscrete) -> tuple[Array, Array]:
        """Return half the log of the nodal mass of π, and √M over its largest value: kept."""
        known, half, root = self._kept
        if known is not frame.log_target:
            half = frame.log_target / 2
            root = np.exp(half - self._nodes.max(half))
            self._kept = frame.log_target, half, root
        return half, root

    def _extremes(self, field: Array) -> tuple[float, float]:
        return -self._nodes.max(-field), self._nodes.max(field)

    def _decayed(self, frame: SemiDiscrete, tau: float, start: Array) -> tuple[Array, Array]:
        """Return ``e^{−τS}`` of the start, and what stands in where that is not positive."""
        if frame.exponential is not None:
            return frame.exponential.apply(tau, start), start
        assert frame.solver is not None
        return self._rational_step(frame.solver.solve, tau, start)

    def _rational_step(
        self, solve: Callable[[float, Array], Array], tau: float, start: Array
    ) -> tuple[Array, Array]:
        """Return R, and the positive v^s."""
        first, *others = self._coefficients
        value = solve(self._rational.gamma * tau, start)
        total = first * value
        for coefficient in others:
            value = solve(self._rational.gamma * tau, value)
            total += coefficient * value
        return total, value

    def _along_axes(self, frame: SemiDiscrete, tau: float, start: Array, root: Array) -> Array:
        """Return ``e^{−τ ΣS_k}`` of the start by symmetric splitting, one axis after the other.

        Nodes that turn negative are cured at once, axis by axis.
        """
        *outer, middle = frame.lines[::-1]  # the last axis first: its lines are in order
        halves = [(lines, tau / 2) for lines in outer]
        value = start
        self.stages = [start]
        for lines, part in (*halves, (middle, tau), *halves[::-1]):
            total, positive = self._rational_step(lines.solve, part, lines.in_lines(value))
            last, value = value, lines.owned(total)
            if not total.min() > 0:
                before = self._nodes.sum(root * value)
                value, _ = self._cured(value, lines.owned(positive), last, root, before)
            self.stages.append(value)
        return value

    def _refuse_lost_mass(self, low: Flags, scale: Array) -> None:
        """Refuse to raise values below e^{−700} of the largest to it where that makes mass.

        `scale` is the log of the mass that 1 stands for.
        """
        log_mass = UNDERFLOW + scale[low]
        # what is less than the least adds nothing, and takes long: it is no normal number
        made = self._nodes.sum(np.exp(log_mass[log_mass > UNDERFLOW]))
        if made > LOST_MASS_LIMIT:
            raise SolverError(
                f"√π h spans more than e^700 over the mesh, which would make "
                f"a mass of {made:.0e} up"
            )

    def _cured(
        self, total: Array, positive: Array, start: Array, root: Array, before: float
    ) -> tuple[Array, float]:
        """Replace what is not positive; return the values and their mass."""
        bad = ~(total > 0)
        count = int(self._nodes.sum(bad.astype(float)))
        if count:
            # without an M-matrix that can be negative, too: then round-off stands in
            with np.errstate(divide="ignore", over="ignore"):
                least = ROUND_OFF * np.minimum(self._nodes.max(total), before / root)
                least = np.minimum(least, start)
            cured = np.where(bad, np.where(positive > 0, positive, least), total)
            gain = self._nodes.sum(root * (cured - total)) / before
            self.incidents.cured_nodes += count
            self.incidents.cured_mass = max(self.incidents.cured_mass, gain)
            if gain > self._cure_limit:
                raise SolverError(f"{count} nodes turned negative, with {gain:.1e} of the mass")
            total = cured
        return total, self._nodes.sum(root * total)
