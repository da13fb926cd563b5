"""`Run`: one solution of a chain's flow, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.law import Energy, Law
from wfrpde.flow.chain.levels import Level
from wfrpde.flow.chain.march import march
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
    site, coupling = setting.target.functions()
    kernels = SiteKernels(nodes, site, coupling, first.cells) if setting.alpha else None
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
        for cores in march(train, kernels, pace, setting.alpha, setting.beta, tell, stop.requested):
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


def start_of(setting: Setting, nodes: SiteNodes, truncation: float) -> Train:
    """Return log(ρ₀/π) up to a constant."""
    x, n = nodes.points, nodes.count
    site, coupling = setting.target.functions()
    own = -setting.start.log_density(x[:, None]) - site(x)
    pair = -coupling(np.repeat(x, n), np.tile(x, n)).reshape(n, n)
    energy = Energy(setting.target.length, None, own, pair)
    train = Train(setting.target.length, n, truncation, setting.weight(nodes))
    train.fill(
        lambda other, bond: energy.block(other.left[bond], other.right[bond + 2], bond),
        2,
        np.random.default_rng(0),
    )
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
        _, numbers = wide.numbers(many, first, wide.log_partition(), "start")
        return cls(within, beyond, law, numbers, *within.target_numbers())


def measured(setting: Setting, run: Run, gauss: int, tolerance: float) -> Run:
    """Return a run with its densities, π as the last of them, and its numbers by name."""
    still = setting.once((gauss, tolerance), lambda: Still.of(setting, gauss, tolerance))
    beyond = still.log_partition
    rows = [(still.start, still.start_numbers)]
    rows += [
        still.measurement.numbers(run.nodes, cores, beyond, k)
        for k, cores in enumerate(run.trains[1:])
    ]
    numbers = {name: np.array([row[name] for _, row in rows]) for name in rows[0][1]}
    numbers["log Z"] = np.array([still.target.log_mass, beyond])
    numbers |= {f"target {name}": np.array(mass) for name, mass in still.target_masses.items()}
    return replace(run, laws=(*(law for law, _ in rows), still.target), numbers=numbers)
