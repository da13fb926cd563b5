"""What lies beyond a box that stands for all of space, and what numbers owe to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.interpolation import evaluate
from wfrpde.discretisation.pieces import Functionals
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.extent import tail_powers
from wfrpde.domain.grid import TensorGrid
from wfrpde.fields.schedules import integral
from wfrpde.flow.accuracy import SMALL
from wfrpde.flow.outcome import Outcome

ORDINARY = 100.0
"""Mass at the sides of an automatic box, in units of e^{−level}, that its levels account for."""


LIGHT = 60.0
"""Power of a tail from which it is none of a power: Gaussians end where theirs is 80."""

ALL = 1 - 1e-9
"""Largest share of the mass that is told to lie beyond a box: of tails just above 1/|x| and of two
densities most of it does."""


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
        inner = shift - log_normalisation
        share = np.maximum(cut, _stopped(problem, outcome, inner))
        share = np.maximum(share, _in_tails(problem, outcome, inner))
        share = np.minimum(share, ALL)
        known = np.where(share > 0, share, 1.0)
        # both densities are normalised in the box, which moves log(ρ/π) by as much
        return share, np.where(share > 0, -np.log(known) - np.log1p(-share) / known, 0.0)
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
    """Return the masses ``(T,)`` that ends of the cells of an automatic box have held back so far.

    Cells hold start and target to their levels, but where V hardly rises what diffuses goes beyond
    both. What would be there is estimated by ρ on a face at which cells end, at walls or within the
    box, as far out as diffusion has come: as much of it as V lets, ∫ρ e^{−(V(x + s) − V(x))} ds.
    """
    equation, at, times = problem.equation, outcome.interpolation, outcome.times
    if equation.path is not None or not isinstance(at, TensorInterpolation):
        return np.zeros(len(times))
    reach = np.array([np.sqrt(2 * integral(equation.alpha, 0.0, float(t))) for t in times])
    ends = list(_ends(at.grid))
    if not ends:
        return np.zeros(len(times))
    here = np.concatenate([x for x, _, _ in ends])
    outward = np.concatenate([np.broadcast_to(normal, x.shape) for x, normal, _ in ends])
    potential = problem.potential(here)
    u, _ = evaluate(at, outcome.best, here)
    with np.errstate(all="ignore"):
        log_density = u + shift[:, None] - potential
        np.minimum(log_density, 300.0, out=log_density)
        mass = np.nan_to_num(np.exp(log_density, out=log_density), copy=False)
        mass *= np.concatenate([area for *_, area in ends]) * reach[:, None]
        mass[0], least = 0.0, ORDINARY * np.exp(-problem.landscape.level)
        total = mass.sum(axis=1)
        for t in np.flatnonzero(total >= least):  # of all that V may let beyond
            beyond = np.zeros(len(here))
            for share in (1 / 6, 1 / 2, 5 / 6):
                fall = potential - problem.potential(here + share * reach[t] * outward)
                beyond += np.nan_to_num(np.exp(np.minimum(fall, 0.0))) / 3
            total[t] = mass[t] @ beyond
    total[total < least] = 0.0
    return np.asarray(np.maximum.accumulate(np.minimum(total, 1.0)))


def _in_tails(problem: Problem, outcome: Outcome, shift: Array) -> Array:
    """Return what of ρ ``(T,)`` lies beyond a line in tails of a power, counted by its squares.

    Where V rises like p log x the mass beyond R is ρ(R) R/(p − 1), and E x² there is ρ(R)
    R³/(p − 3): in units of R² more by (p − 1)/(p − 3). A half more allows for other tails.
    """
    total, at = np.zeros(len(outcome.times)), outcome.interpolation
    if problem.dim > 1 or problem.equation.path is not None or problem.sides.closed[0]:
        return total
    powers, reach = tail_powers(problem.target.potential, problem.box), np.ptp(problem.box) / 2
    for power, node in zip(powers, (at.nodes.argmin(), at.nodes.argmax()), strict=True):
        if power < LIGHT:
            potential = problem.target.potential(at.nodes[[node]])[0]
            density = np.exp(outcome.best[:, node] + shift - potential)
            total += 1.5 * density * reach / max(float(power) - 3.0, 0.05)
    return np.asarray(np.minimum(total, 1.0))


def _ends(grid: TensorGrid) -> Iterator[tuple[Array, Array, Array]]:
    """Yield centres ``(m, d)``, outward normals ``(d,)`` and areas ``(m,)`` of faces at the end.

    On their other side there is no cell.
    """
    sizes = [np.diff(breaks) for breaks in grid.breaks]
    for axis in set(range(grid.dim)) - set(grid.closed_axes):
        for end in (0, 1):
            beside = np.roll(grid.active, 1 - 2 * end, axis=axis)
            np.moveaxis(beside, axis, 0)[-end] = False
            cell = np.nonzero(grid.active & ~beside)
            if not len(cell[0]):
                continue
            centres = [
                breaks[index + end] if k == axis else (breaks[index] + breaks[index + 1]) / 2
                for k, (breaks, index) in enumerate(zip(grid.breaks, cell, strict=True))
            ]
            across = [size[index] for k, (size, index) in enumerate(zip(sizes, cell, strict=True))
                      if k != axis]  # fmt: skip
            outward = (2 * end - 1) * np.eye(grid.dim)[axis]
            yield np.stack(centres, axis=1), outward, np.prod([np.ones(len(cell[0])), *across], 0)


def held_back(problem: Problem, share: Array) -> list[str]:
    """Return the warning of an automatic box whose walls held back a share of the mass."""
    known = max(problem.domain.cut_off_share, 2 * sum(problem.facts["cut_off_share"].values()))
    if problem.mesh is not None or problem.domain.box is not None or share.max() <= known:
        return []
    sides = ", ".join(f"[{low:.3g}, {high:.3g}]" for low, high in problem.box)
    turned = problem.frame is not None
    return [
        f"{share.max():.2g} of the mass may have come beyond the box that was chosen, [{sides}]"
        f"{' along domain.axes' * turned}, whose walls hold it back: give a wider [domain] box"
        f"{' along x, y and z' * turned}, or a smaller accuracy.tolerance"
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
