r"""An equation on nodes: π, U and the generator there, and what solves with it.

Let M_i be the nodal mass of π and h = ρ/π. In the variable y = √M h transport is

.. math:: y' = -\alpha S y,

with a sparse, symmetric, positive semidefinite S whose kernel is √M. Where dynamics circulate, or
have a drift of their own, S is not symmetric, and keeps the mass: Sᵀ√M = 0. What is chosen for
e^{−τS} and for (I + cS)^{-1} follows from what S is: `SemiDiscrete.monotone`, and how its factors
fill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.absorption import killed_stiffness
from wfrpde.discretisation.fluxes import (
    edge_averaged_rows,
    stiffness_along_axes,
    symmetrised_stiffness,
)
from wfrpde.discretisation.nodes import Nodes
from wfrpde.discretisation.swept import Sweep
from wfrpde.engine import RowBlocks, Traits, Triplets, Wish, decay, is_polynomial
from wfrpde.engine.exponential import Exponential
from wfrpde.engine.lines import LineSolver
from wfrpde.engine.shifted import ShiftedSolver
from wfrpde.errors import AccuracyError, InputError, place

if TYPE_CHECKING:
    from wfrpde.domain.absorption import Absorption
    from wfrpde.equation import Dynamics, Equation


NO_MASS = 1e5
"""Minus the log of the mass of an absorbed node: it vanishes, and differences are finite."""

WORK = ("factorisations", "solves", "iterations")
"""What is counted of the linear algebra."""

SPAN_LIMIT = 1400.0
"""Span of V (kT) over the mesh beyond which √π under- or overflows in the symmetrised variable."""


class SemiDiscrete:
    """An equation on the nodes of a mesh; a context manager, since it holds solvers (collective).

    Parameters
    ----------
    equation
        What is solved.
    nodes
        Where.
    potential
        V ``(n,)`` at all nodes of this rank (kT).
    rate
        U ``(n_owned,)`` at the owned nodes at a time, per unit time; None without.
    absorption
        What absorbs, and V as a function of points; None where nothing does. Needs degree 1.
    levels
        Gives the levels ``(n,)`` (kT) at which nodes matter; asked for where the largest
        eigenvalue of S decides what e^{−τS} costs.
    moving
        V ``(n,)`` at all nodes of this rank at a time, where it moves; then `potential` is the
        reference that `log_target` stands for, and `at` gives the equation at a time. None where V
        stays.
    value
        V at points, at a time; needed where dynamics circulate, or have a drift of their own.
    time
        The time at which a drift that moves is meant.
    wish
        What a case asks of the linear solvers.
    by_axes
        Whether S is wanted as the sum of its parts along the axes of an open box of degree 1.
    bare
        Whether nothing but π at the nodes is wanted.

    Attributes
    ----------
    log_weights, log_target
        ``(n_owned,)`` logs of the quadrature weights, and of the nodal mass of π, which sums to 1.
    absorbed, killing
        ``(n_owned,)``: which nodes are absorbed, and the rate at which S takes mass away from each
        node; None where nothing absorbs.
    symmetric, monotone
        Whether S is symmetric, and whether it has no positive entry off the diagonal, those of
        `obtuse_edges` aside.
    solver, exponential
        What solves ``(I + cS) x = b``, or what applies e^{−τS}: one of them, none without
        transport, or `by_axes`.
    lines
        What solves with ``I + cS_k``, S = Σ_k S_k, axis by axis; empty if not `by_axes`.
    flux
        Facts about the fluxes.

    Raises
    ------
    AccuracyError
        If there is transport, and V spans more than `SPAN_LIMIT` over the nodes.
    """

    def __init__(
        self,
        equation: Equation,
        nodes: Nodes,
        potential: Array,
        *,
        rate: Callable[[float], Array | float] | None = None,
        levels: Callable[[], Array] | None = None,
        absorption: tuple[Absorption, Callable[[Array], Array]] | None = None,
        moving: Callable[[float], Array] | None = None,
        value: Callable[[Array, float], Array] | None = None,
        time: float = 0.0,
        wish: Wish | None = None,
        by_axes: bool = False,
        bare: bool = False,
    ) -> None:
        self.equation, self.nodes = equation, nodes
        self._moving, self._wish, self._value = moving, wish, value
        self._frame: tuple[float, SemiDiscrete] | None = None
        self._spent = dict.fromkeys(WORK, 0)
        self.rate = rate or (lambda t: 0.0)
        self.monotone = nodes.degree == 1
        self.symmetric = equation.dynamics is None or equation.dynamics.reversible
        n = nodes.n_owned
        self.log_weights: Array = np.log(nodes.weights[:n])
        absorbed: Flags = np.zeros(len(nodes.points), dtype=bool)
        if absorption is not None:
            absorbed = absorption[0].holds(nodes.points)
            self._check_room(absorbed)
            potential = np.where(absorbed, NO_MASS, potential)
        self.absorbed = absorbed[:n]
        self.killing: Array | None = None
        self.log_target = self.conditioned(self.log_weights - potential[:n])
        self.solver: ShiftedSolver | None = None
        self.exponential: Exponential | None = None
        self.lines: list[LineSolver] = []
        self.flux: dict[str, float] = {}
        if equation.dynamics is None or bare:
            return
        if moving is not None:
            self.flux = self.at(0.0).flux
            return
        span = self._span(potential[:n])
        if np.isposinf(span):
            raise AccuracyError(
                "the potential is infinite at nodes of the mesh. End [domain] box a little before "
                "that place, by a millionth of its width"
            )
        if not span <= SPAN_LIMIT:
            raise AccuracyError(
                f"the potential spans {span:.4g} kT over the mesh; the relative-density form works "
                f"up to {SPAN_LIMIT:.0f} kT. Give a [domain] box, or a narrower one, at whose ends "
                "the potential is lower: what starts beyond it is left out"
                + ("; or (1-D) set numerics.formulation = 'log-density'" * equation.descends)
            )
        dynamics, wish = equation.dynamics, wish or Wish()
        polynomial = is_polynomial(nodes.dim, wish)
        matters = levels() if polynomial and not self.monotone and levels is not None else None
        sweep = None
        if not self.symmetric:
            assert value is not None
            here = value
            sweep = Sweep(nodes, potential, dynamics.at(time), lambda x: here(x, time))
        entries: Triplets | RowBlocks
        if by_axes:
            parts = stiffness_along_axes(nodes, potential, _spread(dynamics, nodes.points))
            self.lines = [LineSolver(nodes, p, nodes.in_lines(k)) for k, p in enumerate(parts)]
            return
        if absorption is None:
            spread = _spread(dynamics, nodes.points)
            if polynomial and self.monotone and nodes.on_open_box:
                entries = edge_averaged_rows(nodes, potential, spread)
            else:
                entries, self.flux = symmetrised_stiffness(nodes, potential, matters, spread, sweep)
        else:
            sink, at = absorption
            entries, self.killing, self.flux = killed_stiffness(
                nodes, potential, sink, absorbed, at, lambda x: _spread(dynamics, x), sweep
            )
        if sweep is not None:
            self.flux = {**self.flux, "smeared": sweep.smeared()}
        traits = Traits(self.monotone, nodes.dim, symmetric=self.symmetric)
        made = decay(nodes, entries, traits, wish)
        if isinstance(made, Exponential):
            self.exponential = made
        else:
            self.solver = made

    @property
    def obtuse_edges(self) -> int:
        """Edges of simplices where S has a positive entry off the diagonal."""
        return int(self.flux.get("obtuse_edges", 0))

    @property
    def work(self) -> dict[str, int]:
        """Factorisations, solves and iterations so far."""
        made = self.solver or self.exponential
        own = {name: getattr(made, name) if made else 0 for name in WORK}
        for line in self.lines:
            own = {name: count + getattr(line.solver, name) for name, count in own.items()}
        if self._frame is not None:
            own = self._frame[1].work
        return {name: count + self._spent[name] for name, count in own.items()}

    def recall(self, work: Mapping[str, int], factors: Sequence[float]) -> None:
        """Bring factors and counts to where they were (collective)."""
        if self.solver is not None:
            self.solver.recall(factors)
        made = self.solver or self.exponential
        for name in WORK:
            if made is None:
                self._spent[name] = work[name] - self.work[name]
            else:
                setattr(made, name, work[name])

    def at(self, t: float) -> SemiDiscrete:
        """Return the equation with the V of a time, frozen; itself where V stays (collective).

        Solvers of the one before are freed.
        """
        if self._moving is None:
            return self
        if self._frame is None or self._frame[0] != t:
            if self._frame is not None:
                self._spent = self.work
                self._frame[1].close()
                self._frame = None
            frame = SemiDiscrete(
                self.equation, self.nodes, self._moving(t), value=self._value, time=t,
                wish=self._wish,
            )  # fmt: skip
            self._frame = (t, frame)
        return self._frame[1]

    def potential(self, t: float) -> Array:
        """V ``(n_owned,)`` of a time at the owned nodes, where it moves."""
        assert self._moving is not None
        return self._moving(t)[: self.nodes.n_owned]

    def normalised(self, log_mass: Array) -> Array:
        """Return the nodal log mass ``(n_owned,)`` shifted so that it sums to 1 (collective)."""
        return log_mass - self.nodes.logsumexp(log_mass)

    def conditioned(self, log_mass: Array) -> Array:
        """Return it without what absorbed nodes have, and shifted so that it sums to 1."""
        return self.normalised(np.where(self.absorbed, -NO_MASS, log_mass))

    def _span(self, potential: Array) -> float:
        """How much V varies over the nodes that are not absorbed (collective)."""
        free = potential[~self.absorbed]
        return self.nodes.max(free) + self.nodes.max(-free)

    def _check_room(self, absorbed: Flags) -> None:
        own = absorbed[: self.nodes.n_owned]
        if self.nodes.sum((~own).astype(float)) == 0:
            raise InputError(
                "domain.absorbing", "every node of the mesh absorbed", "some room to live in"
            )
        if self.nodes.sum(own.astype(float)) == 0:
            raise InputError(
                "domain.absorbing",
                "no node of the mesh absorbed",
                "a region that the mesh can resolve",
                "Take more cells, a larger region, or a box that reaches it.",
            )

    def close(self) -> None:
        """Free the solvers (collective)."""
        for part in (self.solver, self.exponential):
            if part is not None:
                part.destroy()
        if self._frame is not None:
            self._frame[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _spread(dynamics: Dynamics, points: Array) -> Array | None:
    """Return D along each axis ``(n, d)``, or whole ``(n, d, d)``; None where it is 1."""
    if dynamics.diffusion is None:
        return None
    whole = dynamics.diffusion_at(points)
    full = not dynamics.diffusion.is_diagonal
    values = np.linalg.eigvalsh(whole) if full else np.einsum("nii->ni", whole)
    bad = ~(np.isfinite(values) & (values > 0)).all(axis=1)
    if bad.any():
        raise InputError(
            "dynamics.diffusion",
            f"{'an eigenvalue of ' * full}{values[bad][0].min():g} at x = {place(points[bad][0])}",
            "a positive number everywhere in the domain",
        )
    return np.asarray(whole if full else values)
