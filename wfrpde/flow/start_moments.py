"""A Gaussian start at nodes that are too far apart for it: what is wrong with it, and how long.

No distance of runs tells: a start on one node has lost its width in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.fields.schedules import integral

GAP = 1 / 4
"""Least gap of a log-concave density on a line, in units of 1/C: that of e^{−x} with x > 0."""

TINY = 1e-300


@dataclass(frozen=True)
class StartMoments:
    """What nodes misrepresent of a Gaussian start, along each axis ``(d,)``.

    Attributes
    ----------
    shift, growth
        How far its mean and its variance are off.
    variance
        Its variance, or that at the nodes where it is less.
    """

    shift: Array
    growth: Array
    variance: Array

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> StartMoments | None:
        """Return those of a run; None where it has none."""
        found = facts.get("start_moments")
        return None if found is None else cls(*(np.asarray(found[k]) for k in cls.names()))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the attributes, in order."""
        return tuple(cls.__dataclass_fields__)

    @classmethod
    def left(
        cls,
        found: Sequence[StartMoments | None],
        left_of: Callable[[Sequence[float]], float],
    ) -> StartMoments | None:
        """Return what runs from coarse to fine leave of it, if each has one."""
        runs = [run for run in found if run is not None]
        if len(runs) < len(found):
            return None
        shift, growth = (
            np.array([left_of(values) for values in zip(*columns, strict=True)])
            for columns in ([run.shift for run in runs], [run.growth for run in runs])
        )
        return cls(shift, growth, runs[-1].variance)

    def facts(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        return {name: getattr(self, name).tolist() for name in self.names()}

    @property
    def relative(self) -> float:
        """The largest of shifts and growths, in units of the width and of its square."""
        shift, growth = self.shift / np.sqrt(self.variance), self.growth / self.variance
        return float(np.maximum(shift, growth).max())

    def later(self, problem: Problem, times: Array, covariance: Array) -> Array:
        r"""Return the relative errors of ρ that come of it ``(T,)``, in L² under ρ.

        Of a Gaussian with variance C in the well Px²/2 the shift δ and the growth g obey

        .. math:: (\log\delta^2/C)' = -2\alpha/C - \beta(1 + PC),\qquad
                  (\log g/C)' = -2\alpha/C - \beta PC,

        C' = 2α + (β − 2αP)C − βPC². So where P = 0 both stay as they are while C grows by τ = 2αt,
        or by 2α(1 − e^{−κt})/κ in units of what a reaction makes of it, κ = β, and κ = β + 2α|P| on
        a ridge, P < 0. Later, in one well, C is that of the flow, `covariance` ``(T, d, d)``, and
        both fall by e^{−βt} besides, as far as C does not grow. At t = 0 numbers are those of a
        formula.
        """
        equation = problem.equation
        plain = equation.descends and equation.spread is None
        one_well = plain and len(problem.target.seeds) == 1
        ridge = _ridge(problem) if plain else np.inf
        alpha, beta = (
            np.array([integral(rate, 0.0, float(t)) for t in times])
            for rate in (equation.alpha, equation.beta)
        )
        # where other terms act nothing is taken to be forgotten
        grown = [_grown(a, b, ridge) if plain else 0.0 for a, b in zip(alpha, beta, strict=True)]
        variance = self.variance + np.array(grown)[:, None]
        spread = np.einsum("tii->ti", covariance)
        squares, growth = self.shift**2 / self.variance, self.growth / self.variance
        found = np.zeros(len(times))
        for k in range(1, len(times)):
            forgotten = np.exp(beta[k - 1] - beta[k])
            falls = variance[k - 1] / variance[k]
            falls_squared = falls * forgotten
            if one_well and k > 1:
                wider = np.maximum(spread[k], spread[k - 1])
                relaxed = np.exp(2 * GAP * (alpha[k - 1] - alpha[k]) / max(wider.max(), TINY))
                held = (wider / np.maximum(spread[k - 1], TINY)).max() * forgotten
                falls = np.minimum(falls, min(relaxed, held))
                falls_squared = np.minimum(falls_squared, held * forgotten)
            squares, growth = squares * falls_squared, growth * falls
            # squares about the mean of a Gaussian have the deviation √2 C
            found[k] = np.sqrt((squares + growth**2 / 2).sum())
        return found


def _grown(alpha: float, beta: float, ridge: float) -> float:
    """Return τ, from ∫α dt and ∫β dt."""
    gone = beta + 2 * alpha / ridge**2
    return 2 * alpha * (float(-np.expm1(-gone)) / gone if gone > 0 else 1.0)


def of_averages(numbers: Functionals, relative: Array) -> dict[str, Array]:
    """Return what such errors of ρ ``(T,)`` make of its averages, by name.

    That is the standard deviation of what is averaged times that of ρ. A mass m far out depends on
    tails: that of a Gaussian that is moved by s widths changes by s z m, z² = −2 log m, and by
    g z² m/2 where its variance grows by a share of g.
    """
    deviation = np.sqrt(np.maximum(numbers.reaction_variance, 0.0))
    found = {
        "kl": relative * (np.maximum(deviation, np.abs(numbers.kl)) + relative),
        "fisher_information": 2
        * relative
        * numbers.fisher_information
        / np.minimum(np.maximum(deviation, TINY), 1.0),
        "reaction_variance": relative
        * (2 * np.maximum(deviation, numbers.reaction_variance) + relative),
        "mean": relative[:, None] * np.sqrt(np.einsum("tii->ti", numbers.covariance)),
        "covariance": relative[:, None, None] * numbers.covariance_spread,
    }
    for name, m in numbers.mode_mass.items():
        inside = np.maximum(m * (1 - m), TINY)
        far = np.sqrt(-2 * np.log(inside))
        found[f"mass of {name}"] = relative * inside * far * np.maximum(far / np.sqrt(2), 1.0)
    return found


def _ridge(problem: Problem) -> float:
    """Length over which V falls by 1/2 from its sharpest ridge, at least; ∞ without any."""
    if problem.dim == 1:
        return problem.landscape.sharpest(problem.box, ridges=True)
    return np.inf if len(problem.target.seeds) == 1 else float(problem.scales.min())
