r"""The law of the Euler–Maruyama chain of a reverse process itself, in one dimension.

.. math:: Y' = Y + δ\,(−f Y + g^2 \hat s(Y, T − t)) + g\sqrt{δ}\,ξ

Every step is an integral against a Gaussian, by the trapezoidal rule, which is exact for them up to
round-off once the nodes are closer than their width.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.noising.setup import Process
from wfrpde.noising.scores import Score


def step_times(process: Process) -> Array:
    """Return the times of the chain in the forward process, from T down to where it stops."""
    spec = process.case.noising
    assert spec is not None
    assert spec.steps is not None
    end, stop, share = process.end, spec.stop, np.linspace(1.0, 0.0, spec.steps + 1)
    if spec.spacing == "log":
        times = stop * (end / stop) ** share
    elif spec.spacing == "even":
        times = stop + (end - stop) * share
    else:
        first, last = np.cbrt(end), np.cbrt(stop)
        times = (last + (first - last) * share) ** 3
    times[0], times[-1] = end, stop
    return np.asarray(times)


def chain_law(process: Process, score: Score, *, noised: bool) -> tuple[Lattice, Array, float]:
    """Return nodes y, nodal masses and the share that left the box, after the last step.

    Parameters
    ----------
    score
        What the chain takes for the score.
    noised
        Whether it starts from the noised data, instead of the start of the case.

    Raises
    ------
    InputError
        If its steps are so small that no grid resolves them, or there is more than one dimension.
    """
    if process.data.dim != 1:
        raise InputError("noising.steps", "some in more than one dimension", "none there")
    noising, times = process.noising, step_times(process)
    widths = [np.sqrt(noising.diffusion(t) * (t - s)) / noising.unit(s) for t, s in pairwise(times)]
    low, high = process.box[0]
    # factor of the box: long steps reach further than the process
    centre, half = (low + high) / 2, 1.15 * (high - low) / 2
    # nodes per standard deviation of the smallest step; the rule's error is then below 1e-20
    count = int(np.ceil(2 * half * 1.6 / min(widths))) + 1
    if count > 4001:  # nodes beyond which a chain is refused
        found = f"{len(times) - 1} steps, the smallest of {min(widths):.1g}"
        raise InputError("noising.steps", found, "fewer, or a later stop")
    lattice = Lattice.of([[centre - half, centre + half]], (max(count, 401) - 1,))
    y = lattice.points[:, 0]
    unit = noising.unit(float(times[0]))
    start = process.exact_law(0.0).log_density if noised else process.log_start
    logs = start(unit * lattice.points)
    masses = np.exp(logs - logs.max()) * lattice.weights
    masses /= masses.sum()
    for t, after in pairwise(times):
        dt = float(t - after)
        here, there = noising.unit(float(t)), noising.unit(float(after))
        push = -noising.drift(t) * here * y
        push += noising.diffusion(t) * score(here * lattice.points, float(t))[:, 0]
        variance = noising.diffusion(t) * dt
        gap = there * y[:, None] - (here * y + dt * push)[None]
        kernel = np.exp(-(gap**2) / (2 * variance))
        density = there / np.sqrt(2 * np.pi * variance) * (kernel @ masses)
        masses = density * lattice.weights
    left = 1 - float(masses.sum())
    return lattice, masses / masses.sum(), left
