"""One run of the splitting: steps, checks after each of them, retries, and the saved states."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.nodes import Nodes
from wfrpde.errors import SolverError
from wfrpde.flow.schedule import Schedule
from wfrpde.flow.steppers.splitting import Splitting, Step
from wfrpde.parallel import Stopped

Array = npt.NDArray[np.float64]

MAX_HALVINGS = 5

KL_SLACK = 1e-12
"""Round-off allowed when KL must not increase, relative to KL plus one."""


class StepPolicy(Protocol):
    """Chooses the steps: `LadderControl` or `Replay`."""

    worst: float
    rejected: int

    def propose(self, t: float) -> float:
        """Return the next step from time t."""
        ...

    def accept(self, t: float, dt: float, measure: float) -> float | None:
        """Return the time reached, or None if the step must be repeated."""
        ...

    def schedule(self) -> Schedule:
        """Return the steps taken."""
        ...


@dataclass
class History:
    """What every accepted step leaves behind."""

    t: list[float] = field(default_factory=list)
    dt: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    mass: list[float] = field(default_factory=list)

    def append(self, t: float, dt: float, kl: float, mass: float) -> None:
        """Add one step."""
        for column, value in zip(
            (self.t, self.dt, self.kl, self.mass), (t, dt, kl, mass), strict=True
        ):
            column.append(value)

    def arrays(self) -> dict[str, Array]:
        """Return the columns as arrays."""
        return {name: np.array(getattr(self, name)) for name in ("t", "dt", "kl", "mass")}


@dataclass(frozen=True)
class March:
    """The outcome of a run on one mesh.

    ``u (T, n)``: log(ρ/π) on the canonical nodes at the times reached, t = 0 first.
    ``mass (T,)``: total nodal mass. ``growth (T,)``: ∫₀^t⟨r⟩ of a linear reaction.
    """

    times: Array
    u: Array
    mass: Array
    growth: Array
    history: History
    schedule: Schedule
    worst_measure: float
    rejected: int
    retries: int
    kl_increase: float
    complete: bool


def nodal_kl(nodes: Nodes, log_mass: Array, log_target: Array) -> float:
    """``Σ_i π_i (h log h − h + 1)`` over the nodes (collective)."""
    u = log_mass - log_target
    mass, target = np.exp(log_mass), np.exp(log_target)
    small = np.abs(u) < 1e-3
    series = target * u * u * (0.5 + u / 3 + u * u / 8)
    return nodes.sum(np.where(small, series, mass * u - mass + target))


def march(
    splitting: Splitting,
    log_mass: Array,
    save: tuple[float, ...],
    policy: StepPolicy,
    *,
    on_step: Callable[[float, float, float], None],
    stop: Callable[[], bool],
    at_once: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> March:
    """Step from t = 0 through the times of `save` (collective).

    A step that changes mass, loses the sign or increases KL (unless a linear reaction makes it
    rise) is repeated as two of half the size,
    up to `MAX_HALVINGS` times; each repetition is counted. `stop` is asked before every step, and
    a step during which `at_once` raises `Stopped` is dropped.
    """
    nodes, target = splitting.nodes, splitting.log_target
    runner = _Retrying(splitting)
    history = History()
    kl, mass = nodal_kl(nodes, log_mass, target), nodes.sum(np.exp(log_mass))
    history.append(0.0, 0.0, kl, mass)
    saved, masses, reached = [nodes.gather(log_mass - target)[1]], [mass], [0.0]
    growths, growth = [0.0], 0.0
    t, increase, complete = 0.0, 0.0, True
    for end in save:
        while end - t > 1e-12 * end:
            if stop():
                complete = False
                break
            dt = policy.propose(t)
            try:
                with at_once():
                    step, after = runner.step(log_mass, dt, kl)
            except Stopped:
                complete = False
                break
            now = policy.accept(t, dt, step.measure)
            if now is None:
                continue
            t, log_mass = now, step.log_mass
            growth += step.growth
            before, kl = kl, after
            mass = nodes.sum(np.exp(log_mass))
            increase = max(increase, kl - before)
            history.append(t, dt, kl, mass)
            on_step(t, dt, kl)
        if not complete:
            break
        saved.append(nodes.gather(log_mass - target)[1])
        masses.append(mass)
        growths.append(growth)
        reached.append(end)
    return March(
        np.array(reached),
        np.array(saved),
        np.array(masses),
        np.array(growths),
        history,
        policy.schedule(),
        policy.worst,
        policy.rejected,
        runner.retries,
        increase,
        complete,
    )


class _Retrying:
    """Steps that are halved when an invariant breaks."""

    def __init__(self, splitting: Splitting) -> None:
        self._splitting = splitting
        self.retries = 0

    def step(self, log_mass: Array, dt: float, kl: float, depth: int = 0) -> tuple[Step, float]:
        """Return the step and KL after it."""
        splitting = self._splitting
        try:
            step = splitting.step(log_mass, dt)
            after = nodal_kl(splitting.nodes, step.log_mass, splitting.log_target)
            if splitting.descends and not after <= kl + KL_SLACK * (1 + kl):
                raise SolverError(f"a step of {dt:.3g} raised KL from {kl:.6g} to {after:.6g}")
            if not np.isfinite(after):
                raise SolverError(f"a step of {dt:.3g} made KL {after}")
        except SolverError:
            if depth == MAX_HALVINGS:
                raise
            self.retries += 1
            first, middle = self.step(log_mass, dt / 2, kl, depth + 1)
            second, end = self.step(first.log_mass, dt / 2, middle, depth + 1)
            measure = first.measure + second.measure
            return Step(second.log_mass, measure, first.growth + second.growth), end
        return step, after
