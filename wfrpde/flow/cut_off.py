"""What lies beyond a box that stands for all of space, and what numbers owe to it."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.fields.schedules import integral
from wfrpde.flow.accuracy import SMALL
from wfrpde.flow.outcome import Outcome

ORDINARY = 100.0
"""Mass at the sides of an automatic box, in units of e^{−level}, that its levels account for."""


def cut_off(
    problem: Problem, outcome: Outcome, shift: Array, log_normalisation: float
) -> tuple[Array, Array]:
    """Return the shares ``(T,)`` of the mass beyond a box that stands for all of space, and depths.

    With `shift` the best field is log(ρ/π), log π = −V − `log_normalisation`. A depth is what each
    of it adds to KL at most, or log(ρ/π) out there. Walls that a case gives and a tolerance does
    not feel hold back of ρ what they cut off of π times the mean of s = ρ/π on the sides at that
    time, and of KL that of φ(s) = s log s − s + 1: on its way a start may come closer to them than
    both ends of its flow do.
    """
    nothing = np.zeros(len(outcome.times))
    shares = problem.facts["cut_off_share"]
    cut = float(sum(shares.values())) if problem.endless else 0.0
    if problem.endless and problem.domain.box is None:
        share = np.maximum(cut, _stopped(problem, outcome, shift - log_normalisation))
        return share, -np.log(np.where(share > 0, share, 1.0))
    if cut == 0.0:
        return nothing, nothing
    depth = nothing - np.log(cut)
    nodes, (low, high) = outcome.interpolation.nodes, problem.box.T
    sides = ((nodes == low) | (nodes == high)).any(axis=1)
    if not sides.any():  # cells there are left out: nothing comes so far up
        return nothing + cut, depth
    log_target = -problem.potential(nodes[sides])
    target = np.exp(log_target - log_target.max())
    u = outcome.best[:, sides] + shift[:, None]
    held = np.exp(u + log_target - log_target.max())
    held, more = (x @ np.ones(len(target)) / target.sum() for x in (held, held * u - held + target))
    crowded = cut + shares["target"] * np.maximum(held - 1, 0.0)
    added = (cut + shares["target"] * more) / crowded
    given = problem.domain.box
    unseen = given is None or not np.array_equal(problem.box, given)
    return crowded, np.maximum(added, depth) if unseen else added


def _stopped(problem: Problem, outcome: Outcome, shift: Array) -> Array:
    """Return the masses ``(T,)`` that walls of an automatic box have held back so far.

    It holds start and target to their levels, but where V hardly rises what diffuses goes beyond
    both. What would be there is estimated by ρ at a wall, as far out as diffusion has come: as much
    of it as V lets, ∫ρ e^{−(V(wall + s) − V(wall))} ds.
    """
    equation, at, times = problem.equation, outcome.interpolation, outcome.times
    if equation.path is not None or not isinstance(at, TensorInterpolation):
        return np.zeros(len(times))
    reach = np.array([np.sqrt(2 * integral(equation.alpha, 0.0, float(t))) for t in times])
    nodes, axes = at.nodes, at.axes
    spacing = [np.gradient(axis) for axis in axes]
    total = np.zeros(len(times))
    for k, axis in enumerate(axes):
        if problem.sides.closed[k]:
            continue
        for wall, outward in ((axis[0], -1.0), (axis[-1], 1.0)):
            here = nodes[nodes[:, k] == wall]
            if not len(here):
                continue
            area = np.ones(len(here))
            for j in range(len(axes)):
                if j != k:
                    area *= spacing[j][np.searchsorted(axes[j], here[:, j])]
            potential = problem.potential(here)
            with np.errstate(all="ignore"):
                log_density = outcome.best[:, nodes[:, k] == wall] + shift[:, None] - potential
                for t in range(1, len(times)):
                    beyond = np.zeros(len(here))
                    for share in (1 / 6, 1 / 2, 5 / 6):
                        out = here.copy()
                        out[:, k] += outward * share * reach[t]
                        fall = potential - problem.potential(out)
                        beyond += np.nan_to_num(np.exp(np.minimum(fall, 0.0))) / 3
                    density = np.nan_to_num(np.exp(np.minimum(log_density[t], 300.0)))
                    total[t] += float((density * area * beyond).sum()) * reach[t]
    total[total < ORDINARY * np.exp(-problem.landscape.level)] = 0.0
    return np.asarray(np.maximum.accumulate(np.minimum(total, 1.0)))


def held_back(problem: Problem, share: Array) -> list[str]:
    """Return the warning of an automatic box whose walls held back a share of the mass."""
    known = max(problem.domain.cut_off_share, 2 * sum(problem.facts["cut_off_share"].values()))
    if problem.mesh is not None or problem.domain.box is not None or share.max() <= known:
        return []
    sides = ", ".join(f"[{low:.3g}, {high:.3g}]" for low, high in problem.box)
    return [
        f"{share.max():.2g} of the mass may have come beyond the box that was chosen, [{sides}], "
        "whose walls hold it back: give a wider [domain] box, or a smaller accuracy.tolerance"
    ]


def walls_change(problem: Problem, numbers: Functionals, cut: tuple[Array, Array]) -> float:
    """Return the largest relative error of KL and covariances that walls left out make alone."""
    kl, (share, depth), wanted = np.abs(numbers.kl), cut, problem.case.accuracy.of
    reach = float(np.ptp(problem.box, axis=1).max()) / 2
    variance = np.einsum("tii->ti", numbers.covariance).min(axis=1)
    made = {
        "kl": share * (kl + depth) / np.maximum(kl, SMALL * kl.max()),
        "covariance": share * (1 + reach**2 / variance),
    }
    asked = (error for name, error in made.items() if wanted is None or name in wanted)
    return max((float(error.max()) for error in asked), default=0.0)
