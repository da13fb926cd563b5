r"""Targets that move: a path of potentials V_t, and what it does to weights.

Three kinds of path,

.. math:: V_t = (1 - s_t) V_0 + s_t V_1,\qquad V_t = V / T_t,\qquad V_t = V(x, t):

**tempering** from the start :math:`\pi_0 \propto e^{-V_0}`, **annealing** of a target, and a
formula. Langevin dynamics in V_t with weights e^{−W}, :math:`W = \int \partial_s V_s(X_s)\,ds`,
have the law π_t exactly at all times if they begin with it, and :math:`E\,e^{-W} = Z_t/Z_0`: the
identity of annealed importance sampling, and of Jarzynski. So have any dynamics
dX = b dt + √(2D) dW if weights grow at the rate of the *residual*

.. math:: g = \partial_t\log q + \nabla\cdot b + b\cdot\nabla\log q
          - D\,(\Delta\log q + |\nabla\log q|^2),\qquad q = e^{-V_t},

which is −∂_tV + ∇·f − f·∇V where b is what keeps π_t and a further drift f.

References
----------
Jarzynski, Phys. Rev. Lett. 78 (1997) 2690; Neal, Statistics and Computing 11 (2001) 125;
Vaikuntanathan and Jarzynski, Phys. Rev. Lett. 100 (2008) 190601 (a further drift).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation.dynamics import Dynamics
from wfrpde.fields.courses import Course, in_time
from wfrpde.fields.protocols import Formula
from wfrpde.fields.schedules import gauss, value_at
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets.target import Target

KINDS = ("temper", "anneal", "expression")

ANNEALED = "annealed"
"""What ``flow.reaction`` says for the reaction −∂V/∂t of the path."""

STEP = float(np.finfo(float).eps ** (1 / 3))


@dataclass(frozen=True)
class Path:
    """Potentials V_t in time; see the module's docstring.

    Attributes
    ----------
    kind
        One of `KINDS`.
    course
        s_t of tempering, T_t of annealing; not used by a formula.
    formula
        V(x, t) of a path that is one.
    base, target
        π₀ of tempering, and the target V (V₁ of tempering, V of annealing); `between` gives them.
    """

    kind: str
    course: Course
    formula: Formula | None = None
    base: InitialDensity | None = field(default=None, compare=False, repr=False)
    target: Target | None = field(default=None, compare=False, repr=False)

    def between(self, base: InitialDensity, target: Target) -> Self:
        """Return the path with its two ends."""
        return replace(self, base=base, target=target)

    def without_ends(self) -> Self:
        """Return what is plain data of the path."""
        return replace(self, base=None, target=None)

    def on(self, x: Array) -> Callable[[float], Array]:
        """Return V at points ``(n, d)``, in kT, as a function of time."""
        if self.formula is not None:
            formula = self.formula
            return lambda t: formula(x, t)
        assert self.target is not None
        end: Array = np.asarray(self.target.potential(x), dtype=float)
        if self.kind == "anneal":
            return lambda t: np.asarray(end / self.course(t), dtype=float)
        start: Array = self._start(x)

        def mixed(t: float) -> Array:
            s = self.course(t)
            mean: Array = (1 - s) * start + s * end
            return end if s == 1 else start if s == 0 else mean

        return mixed

    def potential(self, x: Array, t: float) -> Array:
        """V_t at points ``(n, d)``, in kT."""
        return np.asarray(self.on(x)(t), dtype=float)

    def gain(self, x: Array, t0: float, t1: float) -> Array:
        """Return the log of what weights are multiplied by at points: ``V(t₀) − V(t₁)``."""
        value = self.on(x)
        return np.asarray(value(t0) - value(t1))

    def in_time(self, x: Array, t: float) -> Array:
        """∂V/∂t at points ``(n, d)``, in kT per unit time."""
        if self.formula is not None:
            return np.asarray(self._in_time(x, t))
        assert self.target is not None
        end = np.asarray(self.target.potential(x))
        if self.kind == "anneal":
            return np.asarray(-end * self.course.slope(t) / self.course(t) ** 2)
        return np.asarray(self.course.slope(t) * (end - self._start(x)))

    def gradient(self, x: Array, t: float) -> Array:
        """∇V_t at points ``(n, d)``, in kT per unit length."""
        return self.gradient_on(x)(t)

    def gradient_on(self, x: Array) -> Callable[[float], Array]:
        """Return ∇V_t at points ``(n, d)`` as a function of time."""
        if self.formula is not None:
            formula = self.formula

            def sloping(t: float) -> Array:
                slope = formula.gradient(x, t)
                bad = ~np.isfinite(slope).all(axis=1)
                if bad.any():
                    slope[bad] = self._differences(lambda y: formula(y, t), x[bad])
                return slope

            return sloping
        assert self.target is not None
        end = self.target.gradient(x)
        if self.kind == "anneal":
            return lambda t: np.asarray(end / self.course(t))
        start = self._differences(self._start, x)

        def mixed(t: float) -> Array:
            s = self.course(t)
            return np.asarray((1 - s) * start + s * end)

        return mixed

    def corners(self, end: float) -> tuple[float, ...]:
        """Return times within (0, end) at which ∂V/∂t jumps."""
        return () if self.formula is not None else self.course.corners(end)

    def at(self, t: float) -> Callable[[Array], Array]:
        """Return V_t as a function of points."""
        return lambda x: self.potential(x, t)

    def frozen(self, t: float) -> Target:
        """Return the target at a time."""
        assert self.target is not None
        return replace(
            self.target,
            name=f"{self.kind} at t = {t:g}",
            value=lambda x: self.potential(np.asarray(x, dtype=float), t),
            slope=lambda x: self.gradient(np.asarray(x, dtype=float), t),
            expression=None,
            gaussian=None,
            recipe=None,
        )

    def _start(self, x: Array) -> Array:
        assert self.base is not None
        # V where the density is 0 (kT)
        return np.minimum(-np.asarray(self.base.log_density(x)), 1e5)

    @staticmethod
    def _differences(value: Callable[[Array], Array], x: Array) -> Array:
        """Return the gradient by central differences of order 4."""
        result = np.empty_like(x)
        for axis in range(x.shape[1]):
            step = 30 * STEP * np.maximum(1.0, np.abs(x[:, axis]))
            total = np.zeros(len(x))
            for k, weight in ((1, 8.0), (2, -1.0)):
                ahead, behind = x.copy(), x.copy()
                ahead[:, axis] += k * step
                behind[:, axis] -= k * step
                total += weight * (value(ahead) - value(behind))
            result[:, axis] = total / (12 * step)
        return result

    @cached_property
    def _in_time(self) -> Any:
        assert self.formula is not None
        return in_time(self.formula)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_in_time"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


@dataclass(frozen=True)
class Annealed:
    """The reaction U = λ (−∂V/∂t + α(∇·f − f·∇V)) of a path, whose weights are e^{−λW}.

    What weights a law exactly knows its integral over time at a point (`on`), as a formula does
    not: steps in time take that.

    Attributes
    ----------
    power
        λ: 1 gives π_t, 2 the second moment of the weights.
    escort
        Dynamics with a further drift f and their rate α; None for f = 0.
    """

    path: Path
    power: float = 1.0
    escort: Dynamics | None = None
    text: str = ANNEALED
    moving: ClassVar[bool] = True

    def __call__(self, x: Array, t: float | Array = 0.0) -> Array:
        """U at points ``(n, d)`` at a time, per unit time."""
        if isinstance(t, np.ndarray) and t.ndim:
            one = np.broadcast_to(t, (len(x),))
            return np.array([self(x[k : k + 1], float(one[k]))[0] for k in range(len(x))])
        rate = -self.path.in_time(x, float(t))
        if self.escort is not None:
            rate = rate + self._compressed(x)(float(t))
        return np.asarray(self.power * rate)

    def on(self, x: Array) -> Callable[[float, float], Array]:
        """Return ∫U dt at points, with λ (V(t₀) − V(t₁)) in it, as a function of both times."""
        value = self.path.on(x)
        if self.escort is None:
            return lambda t0, t1: self.power * (value(t0) - value(t1))
        rate = self._compressed(x)

        def gained(t0: float, t1: float) -> Array:
            # Gauss points in time of the part of a reaction that a further drift brings, over half
            # a step
            pushed = sum(weight * rate(t) for t, weight in gauss(t0, t1 - t0, 2))
            return np.asarray(self.power * (value(t0) - value(t1) + pushed))

        return gained

    def _compressed(self, x: Array) -> Callable[[float], Array]:
        """Return α(∇·f − f·∇V) at points as a function of time."""
        assert self.escort is not None
        assert self.escort.drift is not None
        drift, alpha, slope = self.escort.drift, self.escort.alpha, self.path.gradient_on(x)

        def rate(t: float) -> Array:
            now = drift.at(t)
            along = np.einsum("nd,nd->n", now(x), slope(t))
            return np.asarray(value_at(alpha, t) * (now.divergence(x) - along))

        return rate
