"""Observables φ: what a sampler's average ⟨φ⟩ is compared in.

All are averages of a function, linear in the density, so that independent samples estimate them
without a bias: the coordinates, their squared distances from the Eulerian mean, the masses of
regions, and the user's expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.density import MeshedDensity
from wfrpde.comparison.statistics import ROUND_OFF, expectation

if TYPE_CHECKING:
    from wfrpde.fields import Region
    from wfrpde.flow.noising.solution import NoisingSolution
    from wfrpde.flow.solution import Solution


HELD = (1e-70, 1e70)
"""Sizes of values whose fourth powers floating point holds."""


@dataclass(frozen=True)
class Observable:
    """A function whose average is compared.

    Attributes
    ----------
    name
        As it is reported.
    description
        In words.
    evaluate
        Values ``(n,)`` from points ``(n, d)`` and the Eulerian density at the time, of which
        second moments use the mean.
    region
        The region, if this is the indicator of one.
    survival
        Whether it is no average over the law, but the share that has not been absorbed.
    share
        Whether it is an indicator, whose average is a probability.
    truth
        What it is under an Eulerian density that no mesh can be integrated over; None: on the mesh.
    along
        Of a function of a linear form, under such a density: how far ``(n,)`` its values lie from
        the average, far out, and with which masses; None: as the points of the density tell it.
    made_of
        How large the numbers are ``(n,)`` that a formula is made of at points ``(n, d)``, see
        `wfrpde.fields.round_off`; None: as large as its values.
    """

    name: str
    description: str
    evaluate: Callable[[Array, Any], Array] = field(repr=False)
    region: Region | None = None
    survival: bool = False
    share: bool = False
    truth: Callable[[Any], ReferenceValue] | None = field(repr=False, default=None)
    along: Callable[[Any], tuple[Array, Array]] | None = field(repr=False, default=None)
    made_of: Callable[[Array], Array] | None = field(repr=False, default=None)


@dataclass(frozen=True)
class ReferenceValue:
    """What an observable is under the Eulerian density.

    Attributes
    ----------
    value
        ⟨φ⟩.
    error
        Estimated error of the value; a bound, as it is the same in every replicate.
    spread
        Standard deviation of φ.
    lost
        What round-off may change the value by, which is part of the error.
    beyond
        Why floating point does not hold the powers of φ that errors are made of, or "".
    """

    value: float
    error: float
    spread: float
    lost: float = 0.0
    beyond: str = ""


def moments(names: Sequence[str]) -> list[Observable]:
    """Give the mean of each coordinate, and second moments about the Eulerian mean."""
    first = [
        Observable(f"mean {name}", f"mean of {name}", _coordinate(i))
        for i, name in enumerate(names)
    ]
    second = [
        Observable(
            _second(names, i, j),
            f"second moment of {names[i]}{names[j]} about the Eulerian mean",
            _second_moment(i, j),
        )
        for i in range(len(names))
        for j in range(i, len(names))
    ]
    return first + second


def _second(names: Sequence[str], i: int, j: int) -> str:
    return f"var {names[i]}" if i == j else f"cov {names[i]}{names[j]}"


def known_errors(solution: Solution | NoisingSolution) -> dict[float, dict[str, float]]:
    """Errors that the solver has estimated for the default observables, by time and name."""
    names, entries = solution.case.coordinates, {}
    mean, covariance = solution.estimated("mean"), solution.estimated("covariance")
    for i, name in enumerate(names):
        entries[f"mean {name}"] = mean[:, i]
        entries |= {_second(names, i, j): covariance[:, i, j] for j in range(i, len(names))}
    if "survival" in solution.series:
        entries["survival"] = solution.estimated("survival")
    entries |= {
        f"mass {mode}": solution.estimated("mode_mass", mode) for mode in solution.mode_mass
    }
    return {
        float(t): {name: float(entry.error[k]) for name, entry in entries.items()}
        for k, t in enumerate(solution.times)
    }


def independent(
    regions: Mapping[str, Region], held: Mapping[str, Array], whole: Array
) -> dict[str, Region]:
    """Give named regions; where they part space, but the one that holds most at first.

    `held` are their masses ``(T,)``, `whole` that of all space.
    """
    kept = dict(regions)
    if len(kept) > 1 and np.abs(sum(held.values()) - whole).max() < 1e-6:
        del kept[max(kept, key=lambda name: float(held[name][0]))]  # it is what the others leave
    return kept


def masses(regions: Mapping[str, Region], prefix: str = "mass") -> list[Observable]:
    """Give the mass of each named region."""
    return [
        Observable(
            f"{prefix} {name}", f"mass of {region.text}", _indicator(region), region, share=True
        )
        for name, region in regions.items()
    ]


def survival() -> Observable:
    """Give the share that has not been absorbed: the mean of the weights of particles."""
    one = _free(lambda x: np.ones(len(x)))
    return Observable("survival", "share that has not been absorbed", one, survival=True)


def expressions(texts: Mapping[str, str], dim: int, where: str) -> list[Observable]:
    """Give the averages of the user's expressions; errors name ``where.<name>``."""
    from wfrpde.fields import numpy_function, parse_expression
    from wfrpde.fields.round_off import made_of

    result = []
    for name, text in texts.items():
        formula = parse_expression(text, dim, f"{where}.{name}")
        function, size = (numpy_function(f, dim) for f in (formula, made_of(formula)))
        result.append(Observable(name, f"average of {text}", _free(function), made_of=size))
    return result


def values(observables: list[Observable], x: Array, density: Any) -> Array:
    """Evaluate all observables, ``(n, k)``."""
    return np.stack([o.evaluate(x, density) for o in observables], axis=1)


def reference_values(
    observables: list[Observable], density: Any, known: Mapping[str, float]
) -> list[ReferenceValue]:
    """Integrate the observables against a density.

    The error is that which the solution estimates for its own numbers (``known``: name → error),
    or ``spread`` × the density's relative error; plus what a rule with fewer points changes.
    """
    if all(o.truth is not None for o in observables):
        return [o.truth(density) for o in observables if o.truth is not None]
    regions = [o.region for o in observables if o.region is not None]
    fine = density.atoms(regions)
    coarse = density.atoms(regions, fewer=1)
    result = []
    for observable in observables:
        if observable.survival:
            error = float(np.nan_to_num(known.get(observable.name, 0.0), posinf=np.inf))
            value = density.survival
            spread = float(np.sqrt(max(value - value**2, 0.0)))
            result.append(rounded(value, error, spread))
            continue
        value, spread, farthest = _integrals(observable, fine, density)
        other, *_ = _integrals(observable, coarse, density)
        error = known.get(observable.name, spread * np.nan_to_num(density.error, posinf=np.inf))
        error = float(np.nan_to_num(error, posinf=np.inf)) + abs(value - other)
        found = rounded(value, error, spread, _size(observable, fine))
        result.append(replace(found, beyond=_beyond(farthest)))
    return result


def _beyond(farthest: float) -> str:
    """Say so where the fourth powers of numbers of this size are none that floating point holds."""
    if farthest == 0 or HELD[0] < farthest < HELD[1]:
        return ""
    return (
        f"its values lie up to {farthest:.2g} from their average, and errors are made of "
        f"powers that floating point holds between {HELD[0]:g} and {HELD[1]:g} only: scale it"
    )


def rounded(value: float, error: float, spread: float, size: float = 0.0) -> ReferenceValue:
    """Return what is known of an observable, with what round-off may add to its error.

    Of numbers of this `size` that its values are made of. Spread below that is none.
    """
    lost = ROUND_OFF * max(abs(value), spread, size)
    return ReferenceValue(value, error + lost, spread if spread > lost else 0.0, lost)


def _size(observable: Observable, atoms: tuple[Array, Array]) -> float:
    """Average size of the numbers that an observable is made of, where these are known."""
    if observable.made_of is None:
        return 0.0
    points, mass = atoms
    size = observable.made_of(points)
    known = (mass > 0) & np.isfinite(size)
    return float(size[known] @ mass[known])


def _integrals(
    observable: Observable, atoms: tuple[Array, Array], density: MeshedDensity
) -> tuple[float, float, float]:
    """Average, standard deviation, and how far values are from the average at most."""
    points, mass = atoms
    held = mass > 0  # where there is nothing φ may overflow
    value, mass = observable.evaluate(points, density)[held], mass[held]
    mean = float(expectation(value, mass))
    gaps = value - mean
    farthest = float(np.nan_to_num(np.abs(gaps), nan=np.inf, posinf=np.inf).max())
    with np.errstate(over="ignore"):
        return mean, float(np.sqrt(mass @ gaps**2)), farthest


def _coordinate(i: int) -> Callable[[Array, Any], Array]:
    return lambda x, density: x[:, i]


def _second_moment(i: int, j: int) -> Callable[[Array, Any], Array]:
    def about_the_mean(x: Array, density: MeshedDensity) -> Array:
        centre = density.moments[0]
        return np.asarray((x[:, i] - centre[i]) * (x[:, j] - centre[j]))

    return about_the_mean


def _indicator(region: Region) -> Callable[[Array, Any], Array]:
    return lambda x, density: np.asarray(region(x), dtype=float)


def _free(function: Callable[[Array], Array]) -> Callable[[Array, Any], Array]:
    return lambda x, density: np.asarray(function(x), dtype=float)
