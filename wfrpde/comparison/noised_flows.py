"""The law of a reverse process as samplers of it are judged by, and what these are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.density import MeshedDensity
from wfrpde.comparison.observables import (
    Observable,
    expressions,
    independent,
    known_errors,
    masses,
    moments,
)
from wfrpde.comparison.replicates import Judge
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid
from wfrpde.equation import Equation
from wfrpde.errors import InputError
from wfrpde.flow.noising.certified import Law
from wfrpde.flow.noising.setup import Process
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.noising.process import ReverseProcess
from wfrpde.samplers.context import SamplerContext, drawable

if TYPE_CHECKING:
    from wfrpde.case import Case


@dataclass(frozen=True)
class LawAt:
    """A law of a process at one of its times.

    Attributes
    ----------
    solution
        The process.
    law
        Its law, or that of a sampler with a fault, in the units of `wfrpde.noising.schedules`.
    index
        Number of the saved time.
    """

    solution: NoisingSolution
    law: Law
    index: int

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.solution.dim

    def log_density(self, x: Array) -> Array:
        """Return log ρ ``(n,)`` at points ``(n, d)``; −∞ outside of the box."""
        unit = float(self.solution.units[self.index])
        y = np.asarray(x / unit, dtype=float)
        return np.asarray(self.law.log_density(self.index, y) - self.dim * np.log(unit))


def meshed(solution: NoisingSolution, law: Law, index: int, error: float) -> MeshedDensity:
    """Return a law at one of the times of a process, on the nodes of its lattice."""
    unit, lattice = float(solution.units[index]), law.best[0]
    breaks = tuple(np.asarray(unit * axis, dtype=float) for axis in lattice.axes)
    grid = TensorGrid(breaks, np.ones([len(axis) - 1 for axis in breaks], dtype=bool))
    time, source = float(solution.times[index]), LawAt(solution, law, index)
    return MeshedDensity(time, TensorInterpolation(grid, 1), source, error)


def meshed_laws(solution: NoisingSolution, law: Law) -> list[MeshedDensity]:
    """Return a law at all saved times but the start, as if it were exact."""
    return [meshed(solution, law, k, 0.0) for k in range(1, len(solution.times))]


def process_judge(case: Case, claims: Equation | None, solution: NoisingSolution) -> Judge:
    """Make what compares samplers with the law of a process at all of its saved times."""
    spec = case.validation
    densities = {
        float(t): meshed(solution, solution.law, k, float(solution.density_error[k]))
        for k, t in enumerate(solution.times)
        if k
    }
    found: list[Observable] = []
    if spec.moments:
        found += moments(case.coordinates)
        found += [step for k in range(case.dim) for step in _steps(case.coordinates[k], k)]
    if spec.modes:
        whole = np.ones(len(solution.times))
        found += masses(independent(solution.regions, solution.mode_mass, whole))
    found += expressions(spec.observables, case.dim, "validation.observables")
    return Judge(claims, densities, found, known_errors(solution), metrics=spec.metrics)


def _steps(name: str, k: int) -> list[Observable]:
    """Return smooth steps ½ + ½ tanh(2 (x − c)/σ) along an axis, which know its whole law."""

    def step(share: float) -> Callable[[Array, Any], Array]:
        def evaluate(x: Array, density: MeshedDensity) -> Array:
            mean, covariance = density.moments
            width = np.sqrt(covariance[k, k])
            return np.asarray(0.5 + 0.5 * np.tanh(2 * ((x[:, k] - mean[k]) / width - share)))

        return evaluate

    # where smooth steps lie, in standard deviations σ from the mean m of the law
    return [
        Observable(f"step {name} at {where}", f"½ + ½ tanh(2({name} − c)/σ), c = {where}",
                   step(share))
        for where, share in {"m − σ": -1.0, "m": 0.0, "m + σ": 1.0}.items()
    ]  # fmt: skip


def process_context(case: Case) -> SamplerContext:
    """Return what samplers of a reverse process may know.

    Raises
    ------
    InputError
        If the case has no reverse process.
    """
    if case.score is None:
        raise InputError("noising", "noise alone, in validate", "[score], for a reverse process")
    if case.validation.probabilities:
        raise InputError("validation.probabilities", "some, with [noising]", "target.modes")
    process = Process.of(case)
    assert case.noising is not None
    noising, stop = process.noising, case.noising.stop
    told = ReverseProcess(
        noising, process.score, process.end, stop, process.data, process.start_box,
        process.corrector, case.corrector is None or case.corrector.weights,
    )  # fmt: skip
    noised = process.starts_noised
    initial = told.start() if noised else case.initial.build(case.build_target())
    units = [noising.unit(process.noise_time(float(t))) for t in process.times]
    a, s2 = noising.scale(stop), noising.variance(stop)
    narrowest = float(np.sqrt((a * process.data.narrowest) ** 2 + s2))
    tables = {"target", "initial", "noising", "score", "corrector", "flow"}
    return SamplerContext(
        case.equation,
        case.build_target(),
        drawable(initial, process.start_box),
        np.asarray(max(units) * process.box),
        np.full(case.dim, narrowest),
        tables=case.model_dump(mode="json", exclude_unset=True, include=tables),
        folder=None if case.source is None else case.source.resolve().parent,
        process=told,
    )
