"""What a case with ``[noising]`` says, as data, schedule, score and start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.case import Case
from wfrpde.case.noising import NOISED
from wfrpde.domain.extent import automatic_box
from wfrpde.domain.landscape import Landscape, sample
from wfrpde.errors import InputError
from wfrpde.fields.parameters import Parameters
from wfrpde.fields.user_code import load_object
from wfrpde.noising.correctors import Corrector, FormulaReward, annealed, combined, rewarded
from wfrpde.noising.mixture import Mixture
from wfrpde.noising.schedules import Noising
from wfrpde.noising.scores import Data, Exact, OfUser, Score, Wrong, altered
from wfrpde.noising.tabulated import Tabulated

REACH = 6.5
"""Standard deviations of every law that a lattice holds."""

FEWEST_CELLS = {1: 64, 2: 32, 3: 20}
MOST_CELLS = {1: 2400, 2: 160, 3: 32}
"""Cells along an axis of the coarsest lattice, by dimension."""


@dataclass(frozen=True)
class Process:
    """A score-based process of a case.

    Attributes
    ----------
    case
        The case.
    data
        The density of the data.
    noising
        The schedule.
    halvings
        How often cells and steps are halved.
    """

    case: Case
    data: Data
    noising: Noising
    halvings: int = 0

    @classmethod
    def of(cls, case: Case) -> Process:
        """Read a case, of at most three dimensions."""
        assert case.noising is not None
        noising = case.noising.build()
        first = case.noising.stop if case.score is not None else min(case.flow.save)
        spread = np.sqrt(noising.variance(first)) / noising.scale(first)
        made = cls(case, _data(case, float(spread)), noising)
        if made.corrector is not None:
            made.corrector.check_tails()
            made.corrector.check_at(sample(made.box))
        return made

    @property
    def reverse(self) -> bool:
        """Whether it goes from noise to data."""
        return self.case.score is not None

    @property
    def end(self) -> float:
        """Return T, the time at which forward noising ends."""
        return self.case.flow.t_end

    @cached_property
    def exact(self) -> Exact:
        """The score of the data."""
        return Exact(self.data, self.noising)

    @cached_property
    def score(self) -> Score:
        """The score that the reverse process uses."""
        spec = self.case.score
        assert spec is not None
        if spec.python is not None:
            function = load_object(spec.python, "score.python")
            base: Score = OfUser(function, spec.python, self.noising)
        elif spec.alters_mixture:
            if not isinstance(self.data, Mixture):
                key = "weights" if spec.weights is not None else (
                    "shift" if spec.shift else "spread")  # fmt: skip
                raise InputError(f"score.{key}", "one for data that are no mixture", "a mixture")
            if spec.weights is not None and len(spec.weights) != len(self.data.weights):
                raise InputError(
                    "score.weights", f"{len(spec.weights)}", f"{len(self.data.weights)} weights"
                )
            other = altered(self.data, spec.weights, spec.shift, spec.spread)
            base = Exact(other, self.noising)
        else:
            base = self.exact
        if (spec.scale, spec.ripple, spec.rotation) == (1.0, 0.0, 0.0):
            return base
        return Wrong(base, spec.scale, spec.ripple, spec.wave, spec.rotation)

    @cached_property
    def times(self) -> Array:
        """Saved times ``(T,)`` of the process, 0 first."""
        flow = self.case.flow
        if not self.reverse:
            return np.array([0.0, *flow.save])
        assert self.case.noising is not None
        last = self.end - self.case.noising.stop
        given = [t for t in flow.save if t < last * (1 - 1e-9)]
        return np.array([0.0, *given, last])

    def noise_time(self, t: float) -> float:
        """Return the time of the forward process at the process's own time t."""
        return max(self.end - t, 0.0) if self.reverse else t

    def exact_law(self, t: float) -> Any:
        """Return the density of noised data at the process's own time t."""
        here = self.noise_time(t)
        return self.data.noised(self.noising.scale(here), self.noising.variance(here))

    @cached_property
    def starts_noised(self) -> bool:
        """Whether the reverse process starts from the noised data themselves."""
        return self.case.initial.kind == NOISED

    @cached_property
    def corrector(self) -> Corrector | None:
        """What the particles are driven and weighed by; None for the plain reverse process."""
        spec = self.case.corrector
        if spec is None:
            return None
        if not isinstance(self.data, Mixture):
            raise InputError("target", "data that are no mixture, with [corrector]", "a mixture")
        whole = self.noising.clock(self.end)
        last = whole - self.noising.clock(float(self.noise_time(self.times[-1])))
        tame, rest = spec.drift == "tame", {"diffusion": spec.diffusion}
        if spec.kind == "anneal":
            a = None if tame else spec.a
            return annealed(self.data, spec.power, whole, last, a=a, **rest)
        if spec.kind == "reward":
            assert spec.reward is not None
            reward = FormulaReward(spec.reward, self.case.dim)
            return rewarded(self.data, reward, whole, last, tame=tame, **rest)
        other = mixture_of("mixture", spec.other, self.case.dim)
        assert other is not None
        if other.dim != self.data.dim:
            needed = f"{self.data.dim}, that of the target"
            raise InputError("corrector.other", f"means in {other.dim} dimension(s)", needed)
        w = spec.guidance
        powers = (1.0, 1.0) if spec.kind == "product" else (1 + w, -w)
        return combined((self.data, other), powers, whole, last, tame=tame, **rest)

    def log_start(self, x: Array) -> Array:
        """Log density at t = 0 of the reverse process, at points ``(n, d)``."""
        if self.starts_noised and self.corrector is not None:
            y = np.asarray(x / self.noising.unit(self.end), dtype=float)
            return self.corrector.log_path(y, 0.0)
        if self.starts_noised:
            return np.asarray(self.exact_law(0.0).log_density(x))
        return np.asarray(self._initial.log_density(x))

    @cached_property
    def _initial(self) -> Any:
        return self.case.initial.build(self.case.build_target())

    @cached_property
    def start_box(self) -> Array:
        """Box ``(d, 2)`` of the start."""
        if self.starts_noised:
            return _reach(self.data, self.noising, self.end)
        initial = self._initial
        if initial.gaussian is not None:
            mean, covariance = initial.gaussian
            return Mixture.gaussian(mean, covariance).reach(REACH)
        return automatic_box(_landscape(lambda x: -initial.log_density(x), initial.seeds))

    @cached_property
    def box(self) -> Array:
        """Box ``(d, 2)`` of y = x/r in which the laws lie."""
        given = self.case.domain.box
        if given is not None:
            return np.array(given)
        unit, late = self.noising.unit, float(self.noise_time(self.times[-1]))
        boxes = [self.start_box / unit(self.noise_time(0.0))]
        for t in np.linspace(late ** (1 / 3), self.end ** (1 / 3), 9) ** 3:
            boxes.append(_reach(self.data, self.noising, t) / unit(t))
        spec = self.case.score
        if spec is not None and spec.alters_mixture and isinstance(self.data, Mixture):
            other = altered(self.data, spec.weights, spec.shift, spec.spread)
            boxes.append(_reach(other, self.noising, late) / unit(late))
        if self.corrector is not None and self.corrector.powers[0] < 1:
            boxes += [box / np.sqrt(self.corrector.powers[0]) for box in list(boxes)]
        if self.corrector is not None:
            for t in (late, self.end):
                a, s2 = self.noising.scale(t), self.noising.variance(t)
                boxes += [p.noised(a, s2).reach(REACH) / unit(t) for p in self.corrector.parts]
        sides = np.array(boxes)
        return np.stack([sides[..., 0].min(axis=0), sides[..., 1].max(axis=0)], axis=1)

    @cached_property
    def cells(self) -> tuple[int, ...]:
        """Cells along each axis of the coarsest lattice."""
        return tuple(2**self.halvings * n for n in self._first_cells)

    @cached_property
    def _first_cells(self) -> tuple[int, ...]:
        dim = len(self.box)
        given = self.case.numerics.cells
        if given is not None:
            return tuple(given)
        late = float(self.noise_time(self.times[-1])) if self.reverse else 0.0
        a, s2 = self.noising.scale(late), self.noising.variance(late)
        narrowest = np.sqrt(a**2 * self.data.narrowest**2 + s2) / self.noising.unit(late)
        # cells of the coarsest lattice per least standard deviation, by dimension
        sizes = {1: 5.0, 2: 2.5, 3: 1.6}[dim] * (self.box[:, 1] - self.box[:, 0]) / narrowest
        return tuple(int(n) for n in np.clip(np.ceil(sizes), FEWEST_CELLS[dim], MOST_CELLS[dim]))

    def steps(self, start: float, end: float) -> Array:
        """Clock times of steps of the coarsest run, graded like the cube root of what is left."""
        whole = self.noising.clock(self.end)
        last = whole - self.noising.clock(float(self.noise_time(self.times[-1])))
        left = [np.cbrt(whole - t) for t in (0.0, start, end, last)]
        share = (left[1] - left[2]) / (left[0] - left[3])
        # steps of the coarsest run, by dimension
        count = max(1, int(np.ceil(2**self.halvings * {1: 24, 2: 12, 3: 8}[len(self.box)] * share)))
        times = whole - np.linspace(left[1], left[2], count + 1) ** 3
        times[0], times[-1] = start, end
        return np.asarray(times)

    def finer(self) -> Process | None:
        """Return the same on halved cells and steps; None where the case or the size forbids it."""
        most = MOST_CELLS[len(self.box)]
        if self.case.numerics.cells is not None or 2 * max(self.cells) > most:
            return None
        return replace(self, halvings=self.halvings + 1)

    def with_exact_score(self) -> Process:
        """Return the same with nothing wrong with its score."""
        return replace(self, case=_plain_score(self.case))

    def from_noised_data(self) -> Process:
        """Return the same, started from the noised data."""
        data = self.case.model_dump(exclude_unset=True)
        data["initial"] = {"kind": NOISED}
        return replace(self, case=Case.from_dict(data, self.case.source))


def _plain_score(case: Case) -> Case:
    assert case.score is not None
    data = case.model_dump(exclude_unset=True)
    data["score"] = {"kind": case.score.kind, "process": case.score.process}
    return Case.from_dict(data, case.source)


def _reach(data: Data, noising: Noising, t: float) -> Array:
    """Box of data noised up to t: in a X + s Z."""
    a, s = noising.scale(t), float(np.sqrt(noising.variance(t)))
    if isinstance(data, Mixture):
        return data.noised(a, s * s).reach(REACH)
    return a * data.reach(REACH) + REACH * s * np.array([-1.0, 1.0])


def _landscape(potential: Any, seeds: Array) -> Landscape:
    # levels (kT) of data on a grid; e^{−32} = 1e-14 is left out
    return Landscape(potential, potential, seeds, reaction=False, transport=False,
                     level=32.0)  # fmt: skip


def mixture_of(kind: str | None, parameters: Any, dim: int) -> Mixture | None:
    """Return the mixture that a target or a start is, None if it is none."""
    from wfrpde.starts import KINDS
    from wfrpde.targets.gaussian import GaussianTarget, MixtureParameters
    from wfrpde.targets.registry import LIBRARY

    if kind == "gaussian":
        model = GaussianTarget.model_validate({**parameters, "dim": dim})
        return Mixture.gaussian(*model.moments())
    kinds: dict[str, type[Parameters]] = {**KINDS, **LIBRARY}
    of = kinds.get(kind or "")
    if of is not None and issubclass(of, MixtureParameters):
        return Mixture(*of.model_validate(parameters).components())
    return None


def _data(case: Case, least: float) -> Data:
    """Return the density of the data, on a grid for noise of s/a ≥ ``least`` if need be."""
    reverse = case.score is not None
    spec: Any = case.target if reverse else case.initial
    where = "noising.stop" if reverse else "flow.save"
    found = mixture_of(spec.kind, spec.parameters, case.dim)
    on_mesh = case.numerics.formulation not in ("auto", "closed form") or (
        case.score is not None and case.score.kind == "mesh"
    )
    if found is not None and not on_mesh:
        return found
    if case.dim > 3:
        needed = "one to three dimensions"
        raise InputError(
            "target" if reverse else "initial", f"data in {case.dim} dimensions", needed
        )
    if reverse:
        target = case.build_target()
        potential, seeds = target.potential, target.seeds
    else:
        initial = case.initial.build(case.build_target())
        potential, seeds = (lambda x: -initial.log_density(x)), initial.seeds
    box = automatic_box(_landscape(potential, seeds))
    return Tabulated.of(lambda x: -potential(x), box, least, where)
