"""`Run`: one solution of a chain's flow, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.law import Energy, Law
from wfrpde.flow.chain.levels import Level
from wfrpde.flow.chain.march import Reaction, march
from wfrpde.flow.chain.measure import LAW_TOLERANCE, Measurement
from wfrpde.flow.chain.nodes import GAUSS, SiteNodes
from wfrpde.flow.chain.setting import Setting
from wfrpde.flow.chain.train import Cores, Train, on_grid
from wfrpde.parallel import Progress, StopRequest

STARTING, STARTING_TRUNCATION = 64, 1e-10
"""Nodes of a site, and truncation, with which the start is measured."""


@dataclass(frozen=True)
class Plan:
    """One run among those of a case.

    Attributes
    ----------
    role
        What it is for; see `wfrpde.flow.chain.estimate`.
    halvings
        How often the steps of the level are halved.
    """

    role: str
    level: Level
    halvings: int = 0

    @property
    def truncation(self) -> float:
        """What a sweep may leave out: as many small steps leave out as much as few long ones."""
        return self.level.truncation * 0.5**self.halvings


@dataclass(frozen=True)
class Run:
    """One solution of the flow: cores at the saved times that were reached, numbers of each."""

    role: str
    nodes: SiteNodes
    trains: tuple[Cores, ...]
    laws: tuple[Law, ...]
    numbers: dict[str, Array]
    widest: int
    steps: int
    nbytes: int


def runs_of(
    setting: Setting,
    plans: Sequence[Plan],
    stop: StopRequest,
    observer: Callable[[Progress], None] | None,
    words: str,
) -> list[Run]:
    """Solve for plans of equal nodes, which share their kernels; after a stop as far as it got.

    The first of them is measured by a coarser quadrature, too, if it is ``steps``.
    """
    first = plans[0].level
    nodes = setting.nodes(first)
    kernels = Kernels(setting, nodes, first.cells) if setting.alpha else None
    path = setting.path
    reaction = None if path is None else Reaction(path, setting.beta, nodes.points)
    paces = [setting.pace(plan.level) for plan in plans]
    for k, plan in enumerate(plans):
        for _ in range(plan.halvings):
            paces[k] = paces[k].halved()
    total, before = sum(pace.count for pace in paces), 0
    found = []
    for plan, pace in zip(plans, paces, strict=True):

        def tell(done: int, before: int = before) -> None:
            if observer is not None:
                observer(Progress.count(words, before + done, total, "steps"))

        train = start_of(setting, nodes, plan.truncation)
        trains = [train.cores()]
        for cores in march(
            train, kernels, pace, setting.alpha, setting.beta, tell, stop.requested, reaction
        ):
            trains.append(cores)
        nbytes = 0 if kernels is None else kernels.nbytes
        run = Run(plan.role, nodes, tuple(trains), (), {}, train.widest, pace.count, nbytes)
        found.append(measured(setting, run, GAUSS, LAW_TOLERANCE))
        if len(trains) < len(setting.times):
            break
        if plan.role == "steps":
            again = measured(setting, run, GAUSS - 4, LAW_TOLERANCE * 10)
            found.append(replace(again, role="quadrature"))
        before += pace.count
    return found


class Kernels:
    """The `SiteKernels` of a case, of the target at each time; the last of them are kept."""

    def __init__(self, setting: Setting, nodes: SiteNodes, cells: int) -> None:
        self._setting, self._nodes, self._cells = setting, nodes, cells
        self._known: tuple[tuple[float, float], SiteKernels] | None = None
        self._most = 0

    def at(self, t: float) -> SiteKernels:
        """Return those of a time."""
        path = self._setting.path
        shares = (0.0, 1.0) if path is None else path.shares(t)
        if self._known is None or self._known[0] != shares:
            self._most = self.nbytes
            chain = self._setting.target if path is None else path.at(t)
            lift = None if path is None else path.lift(t).functions()
            kernels = SiteKernels(self._nodes, *chain.functions(), self._cells, lift)
            self._known = (shares, kernels)
        return self._known[1]

    @property
    def nbytes(self) -> int:
        """Bytes that the matrices took, at most."""
        return self._most if self._known is None else max(self._most, self._known[1].nbytes)


def start_of(setting: Setting, nodes: SiteNodes, truncation: float) -> Train:
    """Return log(ρ₀/π) up to a constant."""
    x, n = nodes.points, nodes.count
    site, coupling = setting.target.functions()
    own = -setting.start.log_density(x[:, None]) - site(x)
    pair = -coupling(np.repeat(x, n), np.tile(x, n)).reshape(n, n)
    energy = Energy(setting.target.length, None, own, pair)
    train = Train(setting.target.length, n, truncation, setting.weight(nodes))
    energy.into(train, 2)
    return train


@dataclass(frozen=True)
class Still:
    """What all runs share that are measured alike: the start, and the target.

    Attributes
    ----------
    log_partition
        Log ∫ e^{−V} without a train.
    start, start_numbers
        ρ₀ and its numbers by name.
    target, target_masses
        π, and the masses that it gives to regions.
    """

    measurement: Measurement
    log_partition: float
    start: Law
    start_numbers: dict[str, Array]
    target: Law
    target_masses: dict[str, float]

    @classmethod
    def of(cls, setting: Setting, gauss: int, tolerance: float) -> Still:
        """Measure both."""
        # the start is known: it need not suffer from the nodes of the flow, nor from their box
        within, wide = (
            Measurement.of(
                setting.target, SiteNodes(*box, STARTING), setting.modes, gauss, tolerance,
                setting.pivots,
            )
            for box in (setting.box, setting.whole_box)
        )  # fmt: skip
        beyond = within.log_partition()
        many = SiteNodes(*setting.whole_box, STARTING)
        first = start_of(setting, many, STARTING_TRUNCATION).cores()
        law = within.law(on_grid(first, many.interpolation(within.points)), "start within")
        broad, numbers = wide.numbers(many, first, wide.log_partition(), "start")
        numbers |= along(setting, wide, broad, numbers, 0.0)
        return cls(within, beyond, law, numbers, *within.target_numbers())


def along(
    setting: Setting, measurement: Measurement, law: Law, numbers: dict[str, Array], t: float
) -> dict[str, Array]:
    """Return what is told of a law where the target moves, by name."""
    path = setting.path
    if path is None:
        return {}
    kl = measurement.to_path(law, float(numbers["kl"]), path.at(t), path.lift(t))
    return {"kl_to_path": np.array(kl)}


def measured(setting: Setting, run: Run, gauss: int, tolerance: float) -> Run:
    """Return a run with its densities, π as the last of them, and its numbers by name."""
    still = setting.once((gauss, tolerance), lambda: Still.of(setting, gauss, tolerance))
    beyond = still.log_partition
    rows = [(still.start, still.start_numbers)]
    for k, cores in enumerate(run.trains[1:]):
        law, own = still.measurement.numbers(run.nodes, cores, beyond, k)
        told = along(setting, still.measurement, law, own, float(setting.times[k + 1]))
        rows.append((law, own | told))
    numbers = {name: np.array([row[name] for _, row in rows]) for name in rows[0][1]}
    if setting.path is not None:
        chains = [setting.path.at(float(t)) for t in setting.times[: len(rows)]]
        logs = [replace(still.measurement, target=chain).log_partition() for chain in chains]
        numbers["free_energy"] = logs[0] - np.array(logs)
    numbers["log Z"] = np.array([still.target.log_mass, beyond])
    numbers |= {f"target {name}": np.array(mass) for name, mass in still.target_masses.items()}
    return replace(run, laws=(*(law for law, _ in rows), still.target), numbers=numbers)
