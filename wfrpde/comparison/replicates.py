"""What is kept of one replicate: numbers at the saved times, not the particles.

A `Judge` turns the ensembles of a replicate into the values of the observables and the distances
to the density that the sampler claims to follow. It is the same for all replicates, and has no
part in the sampler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.comparison.autocorrelation import Averages, chains_error
from wfrpde.comparison.density import MeshedDensity
from wfrpde.comparison.halves import Gap, gaps_of
from wfrpde.comparison.law_tails import LawTails
from wfrpde.comparison.meshless import MeshlessDensity
from wfrpde.comparison.metrics import Yardstick, yardstick
from wfrpde.comparison.observables import (
    Observable,
    ReferenceValue,
    reference_values,
    values,
)
from wfrpde.comparison.statistics import expectation
from wfrpde.comparison.sticking import sticks
from wfrpde.comparison.tails import pareto_shape
from wfrpde.comparison.visits import Wells, left_of, stays, thinned
from wfrpde.comparison.weighed import corrected, distinct, normalised
from wfrpde.domain.sides import Sides
from wfrpde.equation import Equation
from wfrpde.errors import SamplerError
from wfrpde.fields.protocols import Density

if TYPE_CHECKING:
    from wfrpde.samplers import Ensemble, Trajectory


AnyDensity = MeshedDensity | MeshlessDensity
"""What samplers are judged by."""


@dataclass(frozen=True)
class Replicate:
    """The numbers of one replicate at T times.

    Attributes
    ----------
    times
        ``(T,)``.
    values
        ``(T, k)`` weighted averages of the observables.
    divided
        ``(T, k)`` bias of these to first order in 1/N that the division by the sum of weights
        leaves, as the points tell it.
    summed
        ``(T, 2, k)``: second and third moment of their errors, if points were independent.
    errors, freedom, effective, r_hat
        ``(T, k)`` standard error of each within the replicate and its degrees of freedom, effective
        sample size and R̂, where the points are those of Markov chains; NaN elsewhere.
    visits
        ``(T, 2, m)``: how often Markov chains have stayed inside and outside of the m regions that
        are watched; see `wfrpde.comparison.visits`.
    sticks
        ``(T, k)``: whether chains stick far from the average; see `wfrpde.comparison.sticking`.
    metrics
        Distances ``(T,)`` by the name of the metric; empty where they are not wanted.
    gaps
        Of distances that are tested, the gaps ``(T, m)`` whose squared lengths they are, by name.
    ess, weight_variance
        ``(T,)`` effective sample size, and variance of N × weight.
    tail, worth, heaviest
        ``(T,)`` of the weights of points that differ: k of their tail, 1/Σw², and the largest; 0
        where all are the same.
    seconds
        Wall time.
    particles
        Number of particles.
    shown
        ``(T, n, d + 1)``: some particles, and their weights; empty but for the first replicate.
    chains
        Number of Markov chains.
    note
        What looks odd about the order of its points, or "".
    code
        What code of the user made it, as JSON of `wfrpde.fields.user_code.loaded_code`; "" where
        there was none, `UNKNOWN` where that cannot be told.
    """

    times: Array
    values: Array
    divided: Array
    summed: Array
    errors: Array
    freedom: Array
    effective: Array
    r_hat: Array
    visits: Array
    sticks: Flags
    metrics: dict[str, Array]
    gaps: dict[str, Array]
    ess: Array
    weight_variance: Array
    tail: Array
    worth: Array
    heaviest: Array
    seconds: float
    particles: int
    shown: Array
    chains: int = 1
    note: str = ""
    code: str = ""

    def arrays(self) -> dict[str, Any]:
        """As named arrays, for a file."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        named = {f"{key}.{name}": a for key in _NAMED for name, a in own.pop(key).items()}
        return {**{key: np.asarray(value) for key, value in own.items()}, **named}

    @classmethod
    def of(cls, arrays: dict[str, Array]) -> Replicate:
        """From named arrays; ValueError if another version has written them."""
        data: dict[str, Any] = {key: {} for key in _NAMED}
        for key, array in arrays.items():
            head, dot, name = key.partition(".")
            if dot:
                data[head][name] = array
            else:
                data[key] = array
        if lacking := {f.name for f in fields(cls)} - set(data):
            raise ValueError(f"a replicate of another version, without {', '.join(lacking)}")
        for key, kind in (("seconds", float), ("particles", int), ("chains", int), *_TEXTS):
            data[key] = kind(data[key])
        return cls(**data)


_NAMED = ("metrics", "gaps")
_TEXTS = (("note", str), ("code", str))

UNKNOWN = "unknown"
"""What `Replicate.code` says of a program whose files are not known."""


@dataclass(frozen=True)
class Judge:
    """Compares ensembles with the densities that a sampler claims to follow.

    Attributes
    ----------
    claims
        The equation; None of samplers of π itself.
    densities
        Its density at each time.
    observables
        What is averaged.
    known
        Errors of observables that the solver has estimated: time → name → error.
    metrics, tested
        Whether distances are wanted, and whether those of products are tested.
    sides
        What closes axes: samples are compared within the box there. None where nothing does.
    wells
        Those of π, which Markov chains ought to visit; None where there is one, or no mesh.
    """

    claims: Equation | None
    densities: Mapping[float, AnyDensity]
    observables: list[Observable]
    known: dict[float, dict[str, float]]
    metrics: bool = True
    tested: bool = True
    sides: Sides | None = None
    wells: Wells | None = None
    _yardsticks: dict[tuple[float, int], Yardstick] = field(default_factory=dict, repr=False)
    _tails: dict[float, LawTails] = field(default_factory=dict, repr=False)

    @cached_property
    def gaps(self) -> dict[float, dict[str, Gap]]:
        """Time → the distances that are tested there, by name: of products."""
        wanted = self.densities if self.metrics and self.tested else {}
        return {t: gaps_of(d) for t, d in wanted.items() if isinstance(d, MeshlessDensity)}

    @property
    def label(self) -> str:
        """What is claimed, in a word of case files."""
        return "target" if self.claims is None else self.claims.word

    @property
    def times(self) -> list[float]:
        """The times that are judged."""
        return list(self.densities)

    def averages(self, densities: Iterable[MeshedDensity]) -> Array:
        """Averages ``(T, k)`` of the observables under other densities at the same times."""
        regions = [o.region for o in self.observables if o.region is not None]
        rows = []
        for other, density in zip(densities, self.densities.values(), strict=True):
            x, mass = other.atoms(regions)
            held = mass > 0  # where there is nothing φ may overflow
            x, mass = x[held], mass[held]
            rows.append(
                [
                    other.survival
                    if o.survival
                    else float(expectation(o.evaluate(x, density), mass))
                    for o in self.observables
                ]
            )
        return np.array(rows)

    def averages_of_laws(self, laws: Iterable[Density]) -> Array:
        """Averages ``(T, k)`` under densities without a mesh, on the meshes of its own."""
        own = [d for d in self.densities.values() if isinstance(d, MeshedDensity)]
        return self.averages(d.of(law) for law, d in zip(laws, own, strict=True))

    @cached_property
    def references(self) -> dict[float, list[ReferenceValue]]:
        """Eulerian values of the observables at each time."""
        return {
            t: reference_values(self.observables, density, self.known.get(t, {}))
            for t, density in self.densities.items()
        }

    def tails_at(self, t: float) -> LawTails:
        """Return the tails of the observables under the density at a judged time."""
        if t not in self._tails:
            self._tails[t] = LawTails.of_all(self.observables, self.densities[t])
        return self._tails[t]

    @cached_property
    def watched(self) -> tuple[list[str], Array]:
        """Regions that chains of π should come into and leave, with their shares ``(m,)`` of it."""
        names, shares = [], []
        for observable, reference in zip(self.observables, self.references[np.inf], strict=True):
            if observable.region is not None:
                names.append(observable.name.partition(" ")[2])
                shares.append(reference.value)
        if self.wells is None:
            return names, np.array(shares)
        return names + self.wells.names, np.concatenate([shares, self.wells.shares])

    def watched_in(self, particles: int) -> Array:
        """How many points of chains, of so many, are asked where they are: ``(m,)``."""
        wells = 0 if self.wells is None else len(self.wells.names)
        named = len(self.watched[0]) - wells
        return np.repeat([particles, left_of(particles)], [named, wells])

    def _visits(self, x: Array, phi: Array, chains: int) -> Array:
        """Stays ``(2, m)`` of chains inside and outside of what is watched."""
        named = [o.region is not None for o in self.observables]
        found = stays(phi[:, named] > 0.5, chains)
        if self.wells is None:
            return found
        held = self.wells.holding(thinned(x, chains))
        return np.concatenate([found, stays(held, chains)], axis=1)

    def density_at(self, t: float) -> tuple[float, AnyDensity] | None:
        """Find the judged time that equals ``t`` up to round-off, and its density."""
        for time, density in self.densities.items():
            if time == t or abs(time - t) <= 1e-9 * max(1.0, abs(t)):
                return time, density
        return None

    def assess(
        self, name: str, trajectory: Trajectory, seconds: float, *, show: bool = False
    ) -> Replicate:
        """Reduce a replicate to its numbers.

        Raises
        ------
        SamplerError
            If its times or its dimension are not those of the case.
        """
        rows, note = [], ""
        for t, ensemble in zip(trajectory.times, trajectory.ensembles, strict=True):
            found = self.density_at(float(t))
            if found is None:
                known = ", ".join(f"{time:g}" for time in self.times)
                raise SamplerError(name, f"gave samples for t = {t:g}; the times are {known}")
            if ensemble.dim != found[1].dim:
                what = f"gave points of dimension {ensemble.dim} instead of {found[1].dim}"
                raise SamplerError(name, what)
            ensemble, odd = self._in_box(ensemble, found[1])
            note = note or odd
            rows.append((*found, ensemble))
        averages, divided, along, visits, stuck, shown = [], [], [], [], [], []
        tails, worth, heaviest, summed = [], [], [], []
        own = [o.survival for o in self.observables]
        chains = int(trajectory.facts.get("chains", 1))
        distances: dict[str, list[float]] = {}
        gaps: dict[str, list[Array]] = {}
        for t, density, ensemble in rows:
            x, weights = ensemble.positions, ensemble.weights
            phi = values(self.observables, x, density)
            mean = expectation(phi.T, weights)
            # absorbed particles have no weight, and those that are left one that tells of it
            mean[own] = np.exp(ensemble.log_weights).mean()
            if not np.isfinite(mean).all():
                bad = self.observables[int(np.argmin(np.isfinite(mean)))].name
                raise SamplerError(name, f"observable {bad} is not finite at its particles")
            averages.append(mean)
            some, logs, copies = distinct(x, ensemble.log_weights)
            tails.append(pareto_shape(logs, copies))
            # absorbed particles have none
            shares = normalised(logs) if np.isfinite(logs.max()) else np.zeros(len(logs))
            light = np.ptp(shares) <= 1e-9 * shares.max()
            worth.append(1 / (shares @ shares) if shares.any() else 0.0)
            heaviest.append(0.0 if light else float(shares.max()))
            off = phi[some] - expectation(phi[some].T, shares)
            divided.append(np.where(own, 0.0, (shares - corrected(shares)) @ off))
            summed.append([np.where(own, 0.0, shares**p @ off**p) for p in (2, 3)])
            if np.isinf(t):
                averages_of_pi = np.array([r.value for r in self.references[t]])
                stuck.append(sticks(copies, phi[some], averages_of_pi))
                spread = np.array([r.spread for r in self.references[t]])
                along.append(chains_error(phi, weights, chains, spread))
                visits.append(self._visits(x, phi, chains))
            else:
                unknown = np.full(len(mean), np.nan)
                along.append(Averages(unknown, unknown, unknown, unknown))
                visits.append(np.zeros((2, 0), dtype=int))
                stuck.append(np.zeros(len(mean), dtype=bool))
            if self.metrics:
                for key, value in self._yardstick(t, density, len(x)).distances(x, weights).items():
                    distances.setdefault(key, []).append(value)
            for key, gap in self.gaps.get(t, {}).items():
                gaps.setdefault(key, []).append(gap.of(x, corrected(weights)))
            if show and density.dim <= 3:  # nothing else can be drawn
                # particles that are kept of a first replicate, for the pictures
                stride = -(-len(x) // 2000)
                some = np.concatenate([x[::stride], weights[::stride, None]], axis=1)
                shown.append(some)
        return Replicate(
            times=np.array([t for t, _, _ in rows]),
            values=np.array(averages),
            divided=np.array(divided),
            summed=np.array(summed),
            errors=np.array([a.error for a in along]),
            freedom=np.array([a.freedom for a in along]),
            effective=np.array([a.ess for a in along]),
            r_hat=np.array([a.r_hat for a in along]),
            visits=np.array(visits),
            sticks=np.array(stuck),
            metrics={key: np.array(values) for key, values in distances.items()},
            gaps={key: np.array(values) for key, values in gaps.items()},
            ess=np.array([e.ess for _, _, e in rows]),
            weight_variance=np.array([float((e.size * e.weights).var()) for _, _, e in rows]),
            tail=np.array(tails),
            worth=np.array(worth),
            heaviest=np.array(heaviest),
            seconds=seconds,
            particles=rows[0][2].size if rows else 0,
            shown=np.array(shown) if shown else np.empty((0, 0, 0)),
            chains=chains,
            note=note or next((a.note for a in along if a.note), ""),
            code=str(trajectory.facts.get("code", "")),
        )

    def _in_box(self, ensemble: Ensemble, density: AnyDensity) -> tuple[Ensemble, str]:
        """Bring particles into the box along axes that close, and say so if some were not."""
        if not isinstance(density, MeshedDensity) or not (self.sides and any(self.sides.closed)):
            return ensemble, ""
        nodes = density.interpolation.nodes
        box = np.stack([nodes.min(axis=0), nodes.max(axis=0)], axis=1)
        inside = self.sides.wrapped(ensemble.positions, box)
        moved = np.abs(inside - ensemble.positions) > 1e-9 * np.ptp(box, axis=1)
        if not moved.any():
            return ensemble, ""
        axis = int(moved.any(axis=0).argmax())
        note = (
            f"{moved.any(axis=1).mean():.1%} of its points lie outside [{box[axis, 0]:.6g}, "
            f"{box[axis, 1]:.6g}] along {'xyz'[axis]}, which is periodic: they are compared where "
            "they come in again, and what it does with a density should wrap them, too"
        )
        return ensemble.moved(inside), note

    def _yardstick(self, t: float, density: AnyDensity, n: int) -> Yardstick:
        key = (t, n)
        if key not in self._yardsticks:
            self._yardsticks[key] = yardstick(density, n)
        return self._yardsticks[key]
