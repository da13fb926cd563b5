r"""Strang splitting towards a target that moves, and with what weights are worth.

Over a step from t to t + Δ, with the middle m, V is frozen in each part: the Fisher–Rao halves take
it at their outer ends, transport at m. That is of order 2, and even in Δ. The reaction −λ∂V/∂t of a
path takes *differences*: halves multiply by :math:`e^{-\lambda(V_m - V_t)}` and
:math:`e^{-\lambda(V_{t+\Delta} - V_m)}`, and a Fisher–Rao part beside it takes V at m. Then
every part keeps π_t at λ = 1, so that a start at π₀ has the law π_t up to round-off with steps of
any size, as annealed importance sampling has.

What weights are worth is known without a particle, of a target that stays, too. Let g be what a
half of the reaction adds to the log of a weight at x. The flow that adds 2g has the mass E w², the
one that adds nothing is that of the particles without weights, and along it the conditional means
E[W | X = x] and E[W² | X = x] of the work W = −log w are transported: no moment is a difference of
large numbers. A reaction −β log(ρ/π) depends on the law, which is known: its weights have E w = 1.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.semi_discrete import SemiDiscrete
from wfrpde.equation import Annealed
from wfrpde.equation.reaction import fisher_rao
from wfrpde.errors import SolverError
from wfrpde.fields.schedules import integral
from wfrpde.flow.march import nodal_kl
from wfrpde.flow.steppers.stepper import Step
from wfrpde.flow.steppers.strang import RELEVANT, Splitting
from wfrpde.flow.steppers.transport import Transport

BULK = 15.0
"""Nats below the largest within which rows beside the law itself limit a step."""

EDGE = 0.02
"""Share of the width of the mesh that counts as its edge."""

WEIGHED, PLAIN, WORK, SQUARE = 1, 2, 3, 4
"""Rows of a state beyond the log mass: with weights squared, without weights (log masses both), and
E[W | X = x], E[W² | X = x] without weights."""


class Frozen(NamedTuple):
    """A target at one time: V at the owned nodes, π's nodal log mass, and log Z on the nodes."""

    potential: Array
    log_mass: Array
    log_partition: float


class Following(Splitting):
    """``R(Δ/2) W(Δ) R(Δ/2)`` with V frozen in each part; see the module's docstring.

    A state is the log mass ``(1, n)``, or has the `WEIGHED` and further rows where weights are told
    of. The measure of a step is the largest change of log ρ by transport at a node that matters. A
    step in which KL to the frozen target rises is refused where dynamics keep that.

    Tallied are the work ⟨W⟩ and its variance without weights, log Z_t/Z_0 on the nodes, by how much
    KL to frozen targets fell, log E w² − 2 log E w, and the share of E w² at the edge of the mesh.
    """

    order: ClassVar[int] = 2
    estimates_error: ClassVar[bool] = False
    tallies: ClassVar[tuple[str, ...]] = (
        "work",
        "work_variance",
        "log_partition",
        "kl_lost",
        "log_second_moment",
        "second_moment_at_edge",
    )

    def __init__(
        self, semi: SemiDiscrete, *, measured: bool = True, cure_limit: float = 1e-9
    ) -> None:
        super().__init__(semi, measured=measured, cure_limit=cure_limit)
        # with steps too long for them rows beside the law are poor, which the certificate tells
        self._beside = Transport(semi, self.rational, np.inf)
        rate, stays = self._reaction.rate, semi.equation.path is None
        owned = semi.nodes.points[: semi.nodes.n_owned]
        self._gain = rate.on(owned) if isinstance(rate, Annealed) else None
        self._weighs, self._stays = stays or self._gain is not None, stays
        self._plain = isinstance(rate, Annealed) and rate.escort is None
        dynamics = semi.equation.dynamics
        self._keeps = dynamics is None or dynamics.keeps_target
        self._known: dict[float, Frozen] = {}
        self._edge = self._edges()

    def begun(self, log_mass: Array) -> Array:
        """Return the rows to begin with: the same law with and without weights, and no work."""
        if not self._weighs:
            return log_mass[None]
        nothing = np.zeros_like(log_mass)
        return np.stack([log_mass, log_mass, log_mass, nothing, nothing])

    def log_mass(self, state: Array) -> Array:
        """Return the first row."""
        return np.asarray(state[0])

    def log_relative(self, state: Array) -> Array:
        """``u = log(ρ/π)`` at the owned nodes, π being the target at the end."""
        return super().log_relative(state[0])

    def step(self, state: Array, t: float, dt: float) -> Step:
        """Return the state after `dt`, normalised (collective)."""
        begin, middle, end = (self._frozen(t + share * dt) for share in (0.0, 0.5, 1.0))
        rows, before = state.copy(), self._moments(state)
        told = dict.fromkeys(self.tallies, 0.0)
        if not self._weighs:
            self._drawn(rows, told, begin, t, dt / 2)
            self._worked(rows[0], told, begin, middle)
        else:
            growth = self._weighed(rows, told, begin, middle, t, dt / 2, last=False)
        change = self._transported(rows, told, middle, t, dt)
        if not self._weighs:
            growth = 0.0
            self._worked(rows[0], told, middle, end)
            self._drawn(rows, told, end, t + dt / 2, dt / 2)
        else:
            growth += self._weighed(rows, told, middle, end, t + dt / 2, dt / 2, last=True)
            after = self._moments(rows)
            told["work"], told["work_variance"] = after[0] - before[0], after[1] - before[1]
            told["second_moment_at_edge"] = self._at_edge(rows) - self._at_edge(state)
        told["log_partition"] = end.log_partition - begin.log_partition
        return Step(rows, change, growth, tallied=np.array(list(told.values())))

    def _weighed(
        self,
        rows: Array,
        told: dict[str, float],
        begin: Frozen,
        end: Frozen,
        t: float,
        dt: float,
        *,
        last: bool,
    ) -> float:
        """Let half a step of the reaction act on all rows; return ∫⟨r⟩ of it.

        Beside a path a Fisher–Rao part acts at the middle of the step, before the `last` half or
        after the first; the work is that of the path alone.
        """
        here, total = rows[0].copy(), self.semi.nodes.logsumexp
        if self._gain is None:
            rows[0], growth = self.reacted(here, t, dt)
            # a mean-field rate is known up to its mean, by which E w = 1
            made = growth if self._reaction.beta == 0.0 else 0.0
            rise = here - rows[0] - made
        else:
            if last:
                self._drawn(rows, told, begin, t, dt)
            gain = self._gain(t, t + dt)
            rows[0] += gain
            made = growth = total(rows[0])
            rows[0] -= growth
            if not last:
                self._drawn(rows, told, end, t, dt)
            rise = end.potential - begin.potential if self._plain else -gain
        rows[WEIGHED] += 2 * (rows[0] - here + made)
        second = total(rows[WEIGHED])
        rows[WEIGHED] -= second
        told["log_second_moment"] += second - 2 * made
        rows[SQUARE] += rise * (2 * rows[WORK] + rise)
        rows[WORK] += rise
        return growth

    def _worked(self, log_mass: Array, told: dict[str, float], begin: Frozen, end: Frozen) -> None:
        """Let the target move under a law without weights."""
        rise = end.potential - begin.potential
        told["work"] += self.semi.nodes.sum(np.exp(log_mass) * rise)

    def _drawn(
        self, rows: Array, told: dict[str, float], target: Frozen, t: float, dt: float
    ) -> None:
        """Let a Fisher–Rao reaction act on the law, towards a frozen target."""
        lost = integral(self._reaction.beta, t, dt)
        if lost == 0.0:
            return
        state = fisher_rao(rows[0], target.log_mass, lost, 1.0)
        state = state - self.semi.nodes.logsumexp(state)
        told["kl_lost"] += self._fallen(rows[0], state, target)
        rows[0] = state

    def _transported(
        self, rows: Array, told: dict[str, float], target: Frozen, t: float, dt: float
    ) -> float:
        """Transport all rows with V frozen; return the largest change of log ρ at what matters."""
        assert self.transport is not None
        before, change = rows.copy(), 0.0
        rows[0] = self.transport.step(rows[0], dt, t)
        told["kl_lost"] += self._fallen(before[0], rows[0], target)
        if self._weighs:
            rows[WEIGHED] = self._beside.step(rows[WEIGHED], dt, t)
            means = [rows[WORK], rows[SQUARE]]
            rows[PLAIN], means = self._beside.carried(rows[PLAIN], means, dt, t)
            rows[WORK], rows[SQUARE] = means
        if self._measured:
            near = self._near(target.log_mass, RELEVANT)
            levels = (RELEVANT, BULK, BULK) if self._weighs else (RELEVANT,)
            for row, level in enumerate(levels):
                here = self._near(rows[row], level) | (near if row == 0 else False)
                jump = np.abs(rows[row] - before[row])[here]
                change = max(change, self.semi.nodes.max(jump))
        return change

    def _near(self, log_mass: Array, level: float) -> Flags:
        return np.asarray(log_mass - self.semi.nodes.max(log_mass) > -level)

    def _fallen(self, before: Array, after: Array, target: Frozen) -> float:
        """Return by how much KL to a frozen target fell; raise `SolverError` if it rose."""
        nodes = self.semi.nodes
        was, is_now = (nodal_kl(nodes, state, target.log_mass) for state in (before, after))
        if self._keeps and not is_now <= was + self.kl_slack * (1 + was):
            raise SolverError(f"KL to a frozen target rose from {was:.6g} to {is_now:.6g}")
        return was - is_now

    def _moments(self, rows: Array) -> tuple[float, float]:
        """Mean and variance of the work of particles without weights."""
        if not self._weighs:
            return 0.0, 0.0
        mass, sum_of = np.exp(rows[PLAIN]), self.semi.nodes.sum
        mean = sum_of(mass * rows[WORK])
        return mean, sum_of(mass * rows[SQUARE]) - mean**2

    def _at_edge(self, rows: Array) -> float:
        """Share of the second moment of the weights that is held where the mesh ends."""
        return self.semi.nodes.sum(np.exp(rows[WEIGHED])[self._edge])

    def _edges(self) -> Flags:
        nodes = self.semi.nodes
        near = np.zeros(nodes.n_owned, dtype=bool)
        for k in range(nodes.dim):
            if k in nodes.closed_axes:
                continue
            x = nodes.points[: nodes.n_owned, k]
            low, high = -nodes.max(-x), nodes.max(x)
            near |= (x - low < EDGE * (high - low)) | (high - x < EDGE * (high - low))
        return near

    def _frozen(self, t: float) -> Frozen:
        """Return V at a time; that at the end of a step is that at the beginning of the next."""
        if self._stays:
            return Frozen(np.zeros_like(self.semi.log_target), self.semi.log_target, 0.0)
        if t not in self._known:
            v = self.semi.potential(t)
            log_mass = self.semi.log_weights - v
            log_partition = self.semi.nodes.logsumexp(log_mass)
            kept = list(self._known.items())[-2:]
            self._known = {**dict(kept), t: Frozen(v, log_mass - log_partition, log_partition)}
        return self._known[t]
