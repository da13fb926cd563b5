r"""The lowest sums of rates of factors, and how many states have each.

The generator of independent factors is the sum of theirs, so that
:math:`\lambda = \sum_f \sum_j n_{fj}\lambda_{fj}` with :math:`n_{fj}` of the :math:`n_f` factors of
a kind in their mode j, and as many states have that rate as there are ways to choose them,
:math:`\prod_f n_f!/\prod_j n_{fj}!`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb

from wfrpde.arrays import Array

SAME = 1e-9
"""Relative distance of rates up to which they are one."""


@dataclass(frozen=True)
class Modes:
    """The lowest rates of the factors of one kind.

    Attributes
    ----------
    number
        How many there are of the kind.
    rates, errors
        ``(m,)`` ascending.
    """

    number: int
    rates: Array
    errors: Array


@dataclass(frozen=True)
class Level:
    """A rate, its error, how many states have it, and what is excited in them, in words."""

    rate: float
    error: float
    states: int
    words: str


def lowest(kinds: Sequence[Modes], count: int) -> Iterator[Level]:
    """Yield the lowest distinct rates, as far as no mode that is not known can come before."""
    # what equals the highest mode may be one of several of which only some were computed
    reach = min(
        float(m.rates[-1] - m.rates[0]) * (1 - SAME) - 2 * float(m.errors[-1] + m.errors[0])
        for m in kinds
    )
    ground = sum(m.number * float(m.rates[0]) for m in kinds)
    base_error = sum(m.number * float(m.errors[0]) for m in kinds)
    level: Level | None = None
    done = 0
    for excess, chosen in _sums(kinds):
        if excess > reach and excess > 0:
            break
        rate = ground + excess
        error = base_error + sum(
            n * float(kinds[f].errors[j] + kinds[f].errors[0]) for (f, j), n in chosen.items()
        )
        states = _states(kinds, chosen)
        words = _words(chosen, len(kinds))
        if level is not None and rate - level.rate <= SAME * max(rate, 1e-300) + 2 * error:
            level = Level(
                level.rate,
                max(level.error, error),
                level.states + states,
                level.words if len(level.words) > 60 else f"{level.words}; {words}",
            )
            continue
        if level is not None:
            yield level
            done += 1
            if done == count:
                return
        level = Level(rate, error, states, words)
    if level is not None:
        yield level


def _sums(kinds: Sequence[Modes]) -> Iterator[tuple[float, dict[tuple[int, int], int]]]:
    """Yield all ways to excite factors, by their excess over the ground state, ascending."""
    species = sorted(
        (float(m.rates[j] - m.rates[0]), (f, j))
        for f, m in enumerate(kinds)
        for j in range(1, len(m.rates))
    )
    yield 0.0, {}
    heap: list[tuple[float, tuple[int, ...]]] = [(species[0][0], (0,))] if species else []
    while heap:
        excess, sequence = heapq.heappop(heap)
        chosen: dict[tuple[int, int], int] = {}
        for s in sequence:
            chosen[species[s][1]] = chosen.get(species[s][1], 0) + 1
        used: dict[int, int] = {}
        for (f, _), n in chosen.items():
            used[f] = used.get(f, 0) + n
        last = sequence[-1]
        fits = all(n <= kinds[f].number for f, n in used.items())
        if fits:
            yield excess, chosen
            heapq.heappush(heap, (excess + species[last][0], (*sequence, last)))
        if last + 1 < len(species):
            step = species[last + 1][0] - species[last][0]
            heapq.heappush(heap, (excess + step, (*sequence[:-1], last + 1)))


def _states(kinds: Sequence[Modes], chosen: dict[tuple[int, int], int]) -> int:
    left = [m.number for m in kinds]
    states = 1
    for (f, _), n in chosen.items():
        states *= comb(left[f], n)
        left[f] -= n
    return states


def _words(chosen: dict[tuple[int, int], int], kinds: int) -> str:
    if not chosen:
        return "none"
    parts = [
        f"{n} in mode {j}" + (f" of kind {f + 1}" if kinds > 1 else "")
        for (f, j), n in sorted(chosen.items())
    ]
    return ", ".join(parts)
