r"""A density of all of space, wrapped around the axes of a box that close upon themselves.

.. math:: \rho_0^\circ(x) = \sum_{k\in\mathbb{Z}^m} \rho_0(x + k L),

with one k for each such axis, of length L. It is the law of a draw of ρ₀ that is taken modulo L,
and its mass in the box is that of ρ₀ between the ends of the other axes.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.starts.initial import InitialDensity

MOST_TURNS = 20.0
"""Turns of an axis that a density may span; one so wide is uniform there to 16 digits."""


def wrapped(initial: InitialDensity, box: Array, closed: tuple[bool, ...]) -> InitialDensity:
    """Return a density that is wrapped around the `closed` axes of a box ``(d, 2)``.

    What is given as a formula, or lives in a box, is meant as it stands.

    Raises
    ------
    InputError
        If it spans more than `MOST_TURNS` turns.
    """
    spread = initial.spread
    if spread is None or not any(closed):
        return initial
    low, length = box[:, 0], np.ptp(box, axis=1)
    around = np.array(closed)
    # standard deviations beyond which an image counts for nothing: e^{−40}
    turns = 9.0 * spread / length
    if (turns[around] > MOST_TURNS).any():
        found = f"a start that spans {turns[around].max():.0f} turns of a periodic axis"
        raise InputError("initial", found, f"at most {MOST_TURNS:g}", "Take a uniform one.")

    def inside(x: Array) -> Array:
        return np.where(around, low + (x - low) % length, x)

    far = np.abs(initial.seeds - inside(initial.seeds)).max(axis=0)
    most = np.where(around, np.ceil(turns + far / length), 0).astype(int)
    shifts = length * np.array(list(itertools.product(*(range(-k, k + 1) for k in most))))
    evaluate, sampler, gaussian = initial.evaluate, initial.sampler, initial.gaussian
    if gaussian is not None:
        gaussian = (inside(gaussian[0]), gaussian[1])

    return replace(
        initial,
        description=f"{initial.description}, wrapped around the periodic axes",
        seeds=inside(initial.seeds),
        evaluate=lambda x: np.logaddexp.reduce([evaluate(inside(x) + shift) for shift in shifts]),
        gaussian=gaussian,
        gradient=None,
        sampler=None if sampler is None else lambda n, rng: inside(sampler(n, rng)),
    )
