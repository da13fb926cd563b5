"""The one loop over time: steps, checks after each of them, retries, and the saved states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from math import exp
from typing import Any, Protocol

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.stored import Result
from wfrpde.discretisation.nodes import Nodes
from wfrpde.errors import InputError, SolverError
from wfrpde.fields.blocks import BLOCK
from wfrpde.fields.schedules import value_at
from wfrpde.flow.control import StepPolicy
from wfrpde.flow.schedule import Schedule
from wfrpde.flow.steppers.stepper import Step, Stepper
from wfrpde.parallel import Stopped, collectively

MAX_HALVINGS = 12
"""How often a step that breaks an invariant is halved."""

MOST_DRIFT = 50.0
"""Log of the mass beyond which nothing is told of it."""

LAST = 2
"""Steps whose mean rates of absorption tell what it is at their end."""

HISTORY = ("t", "dt", "kl", "mass")


@dataclass(frozen=True)
class March(Result):
    """The outcome of a run on one mesh.

    ``u (T, n)``: log(ρ/π) on the canonical nodes at the times reached, t = 0 first.
    ``mass (T,)``: total mass as transport keeps it. ``growth (T,)``: ∫₀^t⟨r⟩ of a linear reaction.
    ``left (T,)`` and ``killing (T,)``: log of the share that is not absorbed, and the rate at which
    the rest is, per unit time.
    ``history``: ``t``, ``dt``, ``kl`` and ``mass`` after every accepted step, the start first;
    without steps empty. ``tallies``: name → ``(T,)`` of `Stepper.tallies`.
    """

    times: Array
    u: Array
    mass: Array
    growth: Array
    left: Array
    killing: Array
    history: Mapping[str, Array] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    worst_measure: float = 0.0
    rejected: int = 0
    retries: int = 0
    kl_increase: float = 0.0
    complete: bool = True
    tallies: Mapping[str, Array] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """What the steps were like, JSON-ready."""
        dt = self.schedule.dt
        return {
            "steps": len(dt),
            "smallest_dt": float(dt.min(initial=np.inf)),
            "largest_dt": float(dt.max(initial=0.0)),
            "rejected": self.rejected,
            "retries": self.retries,
            "worst_measure": self.worst_measure,
        }


@dataclass(frozen=True)
class Standing(Result):
    """Where a run stands between two steps: all that it takes to go on with the same digits.

    ``state`` and ``saved`` are those of this rank's own nodes, of which ``nodes`` is a checksum;
    ``rows (steps + 1, 4)`` is the `HISTORY` so
    far; ``recent (k, 2)`` are sizes of the last steps, and logs of what each has left;
    ``tallied (T + 1, k)`` are sums at the saved times, and now. ``policy`` is the memory of
    the step control.
    """

    t: float
    nodes: int
    state: Array
    kl: float
    growth: float
    drift: float
    increase: float
    retries: int
    rows: Array
    saved: Array
    masses: Array
    growths: Array
    left: float
    losses: Array
    recent: Array
    tallied: Array
    policy: Mapping[str, Any]


class Mark(Protocol):
    """Where a run leaves word of how far it is."""

    @property
    def start(self) -> Standing | None:
        """Where to go on; None to begin."""
        ...

    def pinned(self) -> Mark:
        """Return one for which what its caller counts stays as it is now."""
        ...

    def offer(self, size: int, standing: Callable[[], Standing]) -> None:
        """Keep where the run stands, of so many numbers, if it is time to (collective)."""
        ...

    def keep(self, standing: Callable[[], Standing]) -> None:
        """Keep where the run stands (collective)."""
        ...


def nodal_kl(
    nodes: Nodes,
    log_mass: Array,
    log_target: Array,
    target: Array | None = None,
    mass: Array | None = None,
) -> float:
    """``Σ_i π_i (h log h − h + 1)`` over the nodes, with π_i and π_i h_i if known (collective)."""
    terms = np.empty(len(log_mass))
    for start in range(0, len(terms), BLOCK):  # which stays in the cache
        here = slice(start, start + BLOCK)
        u = log_mass[here] - log_target[here]
        m = np.exp(log_mass[here]) if mass is None else mass[here]
        pi = np.exp(log_target[here]) if target is None else target[here]
        terms[here] = m * u - m + pi
        small = np.abs(u) < 1e-3
        if small.any():
            series = pi * u * u * (0.5 + u / 3 + u * u / 8)
            terms[here] = np.where(small, series, terms[here])
    return nodes.sum(terms)


def march(
    stepper: Stepper,
    state: Array,
    save: tuple[float, ...],
    policy: StepPolicy,
    *,
    on_step: Callable[[float, float, float], None],
    stop: Callable[[], bool],
    at_once: Callable[[], AbstractContextManager[None]] = nullcontext,
    mark: Mark | None = None,
) -> March:
    """Step from t = 0 through the times of `save` (collective).

    A step that changes mass, loses the sign or increases KL (where the equation makes it fall) is
    repeated as two of half the size, up to `MAX_HALVINGS` times; each repetition is counted. `stop`
    is asked before every step, and a step during which `at_once` raises `Stopped` is dropped.
    Where it stands is offered to `mark` after every step; there a run that goes on starts. The
    fields of what is returned are those at the nodes of this rank: see `gathered`.
    """
    nodes = stepper.semi.nodes
    runner = _Retrying(stepper, policy)
    kl, mass = runner.kl(state), stepper.mass(state)
    rows: list[tuple[float, ...]] = [(0.0, 0.0, kl, mass)]
    saved, masses, reached = [stepper.log_relative(state)], [mass], [0.0]
    growths, growth, drift = [0.0], 0.0, 0.0
    left, losses = 0.0, [(0.0, runner.killing(state, 0.0))]
    recent: list[tuple[float, float]] = []
    tally: Array = np.zeros(len(stepper.tallies))
    tallied = [tally]
    t, increase, complete = 0.0, 0.0, True
    here = None if mark is None else mark.start
    if here is not None:
        with collectively(nodes.comm):
            if here.nodes != nodes.checksum:
                raise InputError("resume", "nodes that were divided otherwise", "the same division")
        t, kl, state = here.t, here.kl, here.state
        growth, drift, increase = here.growth, here.drift, here.increase
        rows = [tuple(map(float, row)) for row in here.rows]
        saved = list(here.saved)
        masses, growths = list(map(float, here.masses)), list(map(float, here.growths))
        left, losses = here.left, [(float(a), float(b)) for a, b in here.losses]
        recent = [(float(a), float(b)) for a, b in here.recent]
        *tallied, tally = list(here.tallied)
        reached += save[: len(saved) - 1]
        runner.retries = here.retries
        policy.recall(here.policy)

    def standing() -> Standing:
        before = np.array(saved), np.array(masses), np.array(growths)
        counted = (growth, drift, increase, runner.retries)
        lost = np.array(losses), np.array(recent), np.array([*tallied, tally])
        return Standing(
            t, nodes.checksum, state, kl, *counted, np.array(rows), *before, left, *lost,
            policy.memory(),
        )  # fmt: skip

    for end in save[len(reached) - 1 :]:
        while end - t > 1e-12 * end:
            if stop():
                complete = False
                break
            dt = policy.propose(t)
            without = mark and mark.pinned(), runner.retries
            try:
                with at_once():
                    step, after = runner.step(state, t, dt, kl)
            except Stopped:
                mark, runner.retries = without
                complete = False
                break
            now = policy.accept(t, dt, step.measure, runner.parts)
            if now is None:
                continue
            t, state = now, step.state
            growth += step.growth
            drift += step.drift
            left += step.left
            recent = [*recent[1 - LAST :], (dt, step.left)]
            tally = tally + step.tallied
            before, kl = kl, after
            mass = stepper.mass(state) * exp(max(-MOST_DRIFT, min(MOST_DRIFT, drift)))
            increase = max(increase, kl - before)
            rows.append((t, dt, kl, mass))
            on_step(t, dt, kl)
            if mark is not None:
                mark.offer(nodes.n_global * (len(saved) + 1), standing)
        if not complete:
            if mark is not None:
                mark.keep(standing)
            break
        saved.append(stepper.log_relative(state))
        masses.append(mass)
        growths.append(growth)
        losses.append((left, runner.killing(state, end, recent)))
        tallied.append(tally)
        reached.append(end)
    return March(
        np.array(reached),
        np.array(saved),
        np.array(masses),
        np.array(growths),
        np.array(losses)[:, 0],
        np.array(losses)[:, 1],
        dict(zip(HISTORY, np.array(rows).T, strict=True)),
        policy.schedule(),
        policy.worst,
        policy.rejected,
        runner.retries,
        increase,
        complete,
        dict(zip(stepper.tallies, np.array(tallied).T, strict=True)),
    )


def gathered(march: March, nodes: Nodes) -> March:
    """Return a march with its fields on the canonical nodes, on every rank (collective)."""
    return replace(march, u=nodes.gather_rows(march.u))


class _Retrying:
    """Steps that are halved when an invariant breaks."""

    def __init__(self, stepper: Stepper, policy: StepPolicy) -> None:
        self._stepper, self._policy = stepper, policy
        self._known: tuple[Array, Array] = (np.empty(0), np.empty(0))  # π at the nodes, and its log
        self.retries = 0
        self.parts: list[float] = []  # of the last step, in which it was taken

    def kl(self, state: Array) -> float:
        """KL of a state over the nodes (collective)."""
        semi, steps = self._stepper.semi, self._stepper
        if self._known[0] is not semi.log_target:
            self._known = semi.log_target, np.exp(semi.log_target)
        return nodal_kl(semi.nodes, steps.log_mass(state), *self._known, steps.nodal_mass(state))

    def killing(self, state: Array, t: float, recent: Sequence[tuple[float, float]] = ()) -> float:
        """Rate at which a state of mass 1 is absorbed, per unit time (collective).

        Half a step of the reaction changes ρ most where it is least, next to what absorbs, and
        transport has not mended that yet: there the rate is the one that the last steps tend to.
        """
        semi = self._stepper.semi
        if semi.killing is None:
            return 0.0
        if value_at(semi.equation.beta, t) and len(recent) == LAST:
            dt, left = np.array(recent).T
            if (left < 0).all():
                middles = dt / 2 - np.cumsum(dt[::-1])[::-1]
                return exp(float(np.polyfit(middles, np.log(-left / dt), LAST - 1)[-1]))
        mass = np.exp(self._stepper.log_mass(state))
        return semi.nodes.sum(mass * semi.killing) * value_at(semi.equation.alpha, t)

    def step(
        self, state: Array, t: float, dt: float, kl: float, depth: int = 0
    ) -> tuple[Step, float]:
        """Return the step and KL after it, which nobody asks for if the control refuses it."""
        stepper = self._stepper
        if depth == 0:
            self.parts = []
        try:
            step = stepper.step(state, t, dt)
            if not self._policy.takes(dt, step.measure):
                self.parts.append(dt)
                return step, kl
            after = self.kl(step.state)
            slack = stepper.kl_slack * (1 + kl)
            if stepper.semi.equation.descends and not after <= kl + slack:
                raise SolverError(f"a step of {dt:.3g} raised KL, {kl:.6g}, by {after - kl:.1e}")
            if not np.isfinite(after):
                raise SolverError(f"a step of {dt:.3g} made KL {after}")
        except SolverError:
            if depth == MAX_HALVINGS or self.retries >= self._policy.most_retries:
                raise
            self.retries += 1
            first, middle = self.step(state, t, dt / 2, kl, depth + 1)
            second, end = self.step(first.state, t + dt / 2, dt / 2, middle, depth + 1)
            return first.then(second), end
        self.parts.append(dt)
        return step, after
