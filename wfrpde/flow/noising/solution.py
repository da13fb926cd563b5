"""`NoisingSolution`: the law of a score-based process at its saved times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.case.case import Case
from wfrpde.case.stored import Result
from wfrpde.discretisation.interpolation import points_of
from wfrpde.fields import parse_region
from wfrpde.flow.noising.budget import Part
from wfrpde.flow.noising.certified import LEFT_OUT, Law, Run
from wfrpde.flow.noising.lattice import DISTANCES
from wfrpde.flow.noising.reverse import data_log_density, reference_logs
from wfrpde.flow.noising.setup import Process
from wfrpde.flow.saved import DerivedNumbers, Estimated
from wfrpde.noising.characteristics import flow_log_density
from wfrpde.noising.tabulated import Tabulated


@dataclass(frozen=True, repr=False)
class NoisingSolution(Result, DerivedNumbers):
    """The law ρ_t of noised data, or of a reverse process, whose time t goes from noise to data.

    Attributes
    ----------
    case
        What was solved.
    times
        Saved times ``(T,)`` of the process, 0 first.
    law
        The law in the units of `wfrpde.noising.schedules`: of y = x/r.
    series
        ``kl`` and ``reverse_kl``, KL(ρ_t‖p_t) and KL(p_t‖ρ_t), and ``l1``, ∫|ρ_t − p_t|. p_t are
        the noised data at the same noise, or what a corrector aims at; all are 0 of a process that
        makes no error. With weights w of a corrector also ``ess``, (E w)²/E w², and
        ``log_normalising_constant``, log E w, beside ``log_normalising_constant_of_path``.
    budget
        What each fault of a reverse process costs, alone and together.
    wall_time, ranks
        Seconds, and MPI ranks.
    tilted
        Law of the squared weights of a corrector.
    moment_ends
        Time of the process from which these have an infinite mean; ∞ if never.
    """

    case: Case
    times: Array
    law: Law = field(repr=False)
    budget: tuple[Part, ...] = field(repr=False)
    wall_time: float
    ranks: int
    complete: bool = True
    tilted: Law | None = field(default=None, repr=False)
    moment_ends: float = np.inf

    def __repr__(self) -> str:
        way = "reverse process" if self.process.reverse else "noised data"
        return (
            f"<NoisingSolution of {self.case.title or self.case.name!r}: {way} in {self.dim}-D, "
            f"{len(self.times)} times up to t = {self.times[-1]:g}>"
        )

    @cached_property
    def process(self) -> Process:
        """Data, schedule and score."""
        return Process.of(self.case)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.case.dim

    @property
    def is_flow(self) -> bool:
        """Whether it is the probability flow, whose density follows characteristics."""
        return self.case.score is not None and self.case.score.process == "ode"

    @cached_property
    def units(self) -> Array:
        """Length r ``(T,)`` of y = 1 at the saved times."""
        noise = [self.process.noise_time(float(t)) for t in self.times]
        return np.array([self.process.noising.unit(t) for t in noise])

    # --- numbers -----------------------------------------------------------------------------

    @cached_property
    def _series(self) -> dict[str, Estimated]:
        if not self.process.reverse:
            zero = np.zeros(len(self.times))
            return {name: Estimated(zero, zero) for name in ("kl", "reverse_kl", "l1")}
        found = {name: self.law.distance(self._distance(name)) for name in DISTANCES}
        return found if self.tilted is None else {**found, **self._weights(self.tilted)}

    def _weights(self, tilted: Law) -> dict[str, Estimated]:
        """Return what is known of the weights; the law and their growth end within the box."""
        once, twice = self.law.total_growth(), tilted.total_growth()
        ess = np.exp(np.minimum(2 * once.value - twice.value, 0.0))
        error = ess * np.expm1(np.minimum(2 * once.error + twice.error, 700.0))
        error = np.where(self.times >= self.moment_ends, np.inf, error)
        lattice = self.law.runs[-1].lattice
        totals = []
        for k, t in enumerate(self.times):
            noise = self.process.noise_time(float(t))
            logs = reference_logs(self.process, lattice, float(self.units[k]), noise)
            mass = np.exp(logs - logs.max()) @ lattice.weights.ravel()
            totals.append(float(np.log(mass) + logs.max()))
        path = np.array(totals) - totals[0]
        return {
            "ess": Estimated(ess, error),
            "log_normalising_constant": once,
            "log_normalising_constant_of_path": Estimated(path, np.full(len(path), LEFT_OUT)),
        }

    def _distance(self, name: str) -> Callable[[Run, int], float]:
        def distance(run: Run, index: int) -> float:
            return DISTANCES[name](run.masses(index), self._exact_masses(run, index))

        return distance

    def _exact_masses(self, run: Run, index: int) -> Array:
        key = (run.lattice.shape, index)
        if key not in self._masses:
            noise = self.process.noise_time(float(self.times[index]))
            logs = reference_logs(self.process, run.lattice, float(self.units[index]), noise)
            masses = np.exp(logs - logs.max()).reshape(run.lattice.shape) * run.lattice.weights
            self._masses[key] = masses / masses.sum()
        return self._masses[key]

    @cached_property
    def _masses(self) -> dict[Any, Array]:
        return {}

    @cached_property
    def _means(self) -> Estimated:
        def mean(run: Run, index: int) -> Array:
            return np.asarray(self.units[index] * (run.masses(index).ravel() @ run.lattice.points))

        return self.law.estimated(mean)

    @cached_property
    def _covariances(self) -> Estimated:
        def covariance(run: Run, index: int) -> Array:
            masses, y = run.masses(index).ravel(), run.lattice.points
            gap = y - masses @ y
            return np.asarray(self.units[index] ** 2 * (gap.T * masses) @ gap)

        return self.law.estimated(covariance)

    @cached_property
    def _modes(self) -> dict[str, Estimated]:
        return {name: self.mass_of(region) for name, region in self.regions.items()}

    @cached_property
    def regions(self) -> dict[str, Any]:
        """Named regions: those of ``target.modes``, or the data's own in a reverse process."""
        own = self.case.target.modes
        if own or not self.process.reverse:
            return {name: parse_region(text, self.dim, name) for name, text in own.items()}
        return dict(self.case.build_target().regions)

    def mass_of(self, region: str | Callable[[Array], Any]) -> Estimated:
        """Mass ``(T,)`` of a region, such as ``"x < 0"``, with its error."""
        inside = parse_region(region, self.dim, "region") if isinstance(region, str) else region

        def mass(run: Run, index: int) -> float:
            unit, density = float(self.units[index]), run.density(index)
            part = run.lattice.mass_in(density, lambda y: np.asarray(inside(unit * y)))
            return part / float((density * run.lattice.weights).sum())

        return self.law.estimated(mass)

    @cached_property
    def density_error(self) -> Array:
        """Estimated error ``(T,)`` of the density in L1."""
        if not self.process.reverse:
            return np.zeros(len(self.times))
        return np.array([self.law.density_error(k) for k in range(len(self.times))])

    @cached_property
    def depth(self) -> Array:
        """Levels (kT) below the maximum ``(T,)`` down to which log ρ is right to 0.05."""
        if not self.process.reverse or self.is_flow:
            return np.full(len(self.times), np.inf)
        return np.array([self.law.depth(k) for k in range(len(self.times))])

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        found = []
        fine = self.law.runs[-1]
        outer = np.ones(fine.lattice.shape, dtype=bool)
        outer[tuple([slice(4, -4)] * self.dim)] = False
        walls = max(float(fine.masses(k)[outer].sum()) for k in range(len(self.times)))
        # share of mass in the outermost cells of the lattice above which a warning is given
        if walls > 1e-6:
            found.append(
                f"a share of {walls:.1e} of the mass is at the sides of the box, which keep it in: "
                "the score does not confine it, or domain.box (in units of y = x/r) is too small"
            )
        if np.isfinite(self.moment_ends):
            found.append(
                f"the weights have no second moment from t = {self.moment_ends:.3g} on: no number "
                "of particles makes their averages reliable there, and ess has no error bar; "
                'corrector.drift = "tame" has weights that grow less'
            )
        # share of mass that was kept positive by hand above which a warning is given
        if self.law.mended > 1e-6:
            found.append(
                f"the weights grow too fast at the sides of the box: {self.law.mended:.1e} of the "
                "mass was kept positive by hand, which the error bars count"
            )
        asked = self.case.accuracy.tolerance
        if asked is not None and self.density_error.max() > asked:
            found.append(
                f"the estimated L1 error of the density is {self.density_error.max():.1e}, more "
                f"than accuracy.tolerance = {asked:g}: numerics.cells asks for a finer lattice"
            )
        return tuple(found)

    @property
    def numerics(self) -> dict[str, Any]:
        """How it was computed, JSON-ready."""
        process = self.process
        table = isinstance(process.data, Tabulated)
        method = "characteristics" if self.is_flow else "fluxes on a lattice"
        exact = "sum over a grid of the data" if table else "closed form"
        return {
            "formulation": method if process.reverse else exact,
            "reason": "the reverse process of a score" if process.reverse else "noised data",
            "box_of_y": [list(map(float, side)) for side in process.box],
            "cells": [n - 1 for n in self.law.runs[-1].lattice.shape],
            "depth_kT": [float(d) for d in self.depth if np.isfinite(d)],
            "mended_mass": self.law.mended,
            "ranks": self.ranks,
            "checks": [],
        }

    # --- densities ---------------------------------------------------------------------------

    def log_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log ρ`` at points ``(n, d)``; t is one of `times`. Not collective."""
        points, index = points_of(x, self.dim), self.index_of(t)
        if not self.process.reverse:
            return self.log_exact_density(t, points)
        process, unit = self.process, float(self.units[index])
        if self.is_flow:
            noise = process.noise_time(float(self.times[index]))
            return flow_log_density(
                process.noising, process.score, process.end, noise, points, process.log_start
            )
        scaled = np.asarray(points / unit, dtype=float)
        return np.asarray(self.law.log_density(index, scaled) - self.dim * np.log(unit))

    def log_exact_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log p_t`` at points ``(n, d)``, of the noised data at any t of the process.

        With a corrector of what it aims at, normalised, at one of `times`.
        """
        points = points_of(x, self.dim)
        if self.process.corrector is not None:
            index = self.index_of(t)
            unit, lattice = float(self.units[index]), self.law.runs[-1].lattice
            noise = self.process.noise_time(float(self.times[index]))
            logs = reference_logs(self.process, lattice, unit, noise)
            mass = np.exp(logs - logs.max()) @ lattice.weights.ravel()
            clock = self.process.noising.clock(self.process.end) - self.process.noising.clock(noise)
            raw = self.process.corrector.log_path(np.asarray(points / unit), clock)
            return np.asarray(raw - logs.max() - np.log(mass) - self.dim * np.log(unit))
        if self.process.noise_time(t) == 0.0 and isinstance(self.process.data, Tabulated):
            return data_log_density(self.case, self.process.data)(points)
        return np.asarray(self.process.exact_law(t).log_density(points))
