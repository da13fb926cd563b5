r"""The error budget of a reverse process: what each of its faults costs, alone and together.

Start, score and steps are measured by KL(p_ε‖ρ), where all else is exact; stopping early by
KL(p₀‖p_ε); all together by KL(p₀‖ρ). Beside them stands what Girsanov's theorem bounds them by:

.. math:: \mathrm{KL}(p_T\|ρ_0)\ \text{(start)},\qquad
          \int E_{p_t} \tfrac12 g^2 |\hat s − ∇\log p_t|^2 dt\ \text{(score)}.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.stored import Result
from wfrpde.flow.noising.certified import LEFT_OUT, Law, Run
from wfrpde.flow.noising.chain import chain_law
from wfrpde.flow.noising.lattice import Lattice, kl
from wfrpde.flow.noising.reverse import exact_logs, reverse_law
from wfrpde.flow.noising.setup import Process


@dataclass(frozen=True)
class Part(Result):
    """One part of the budget.

    Attributes
    ----------
    name
        ``start``, ``score``, ``steps``, ``stopping`` or ``together``.
    kl, kl_error
        Its cost in relative entropy, and the estimated error of that.
    l1, l1_error
        The same in L1.
    bound
        Girsanov's bound of the relative entropy; nan where none is stated.
    """

    name: str
    kl: float
    kl_error: float
    l1: float
    l1_error: float
    bound: float


def error_budget(process: Process, law: Law) -> tuple[Part, ...]:
    """Return the parts, of which those that cost nothing are left out.

    Parameters
    ----------
    law
        That of the process itself.
    """
    spec = process.case.noising
    assert spec is not None
    parts = []
    score_wrong = process.case.score is not None and not process.case.score.is_exact
    start_wrong = not process.starts_noised
    if start_wrong:
        own = reverse_law(process.with_exact_score()) if score_wrong else law
        parts.append(_of_law(process, "start", own, spec.stop, start_bound(process, law)))
    if score_wrong:
        own = reverse_law(process.from_noised_data()) if start_wrong else law
        follows = process.case.score is not None and process.case.score.process == "ode"
        bound = np.nan if follows else girsanov(process)  # paths without noise have no density
        parts.append(_of_law(process, "score", own, spec.stop, bound))
    if spec.steps is not None:
        parts.append(_of_chain(process, exact=True, against=spec.stop))
    parts.append(_stopping(process, law, spec.stop))
    if spec.steps is not None:
        parts.append(_of_chain(process, exact=False, against=0.0))
    else:
        parts.append(_of_law(process, "together", law, 0.0, np.nan))
    return tuple(parts)


def _unresolved(process: Process, lattice: Lattice, noise: float) -> float:
    """Return ∞ as an error where data noised up to a time fall between the nodes, else 0."""
    assert process.case.noising is not None
    noising = process.noising
    width = np.sqrt(
        (noising.scale(noise) * process.data.narrowest) ** 2 + noising.variance(noise)
    ) / noising.unit(process.case.noising.stop)
    return float("inf") if width < lattice.steps.max() else 0.0


def _masses(process: Process, lattice: Lattice, noise: float) -> Array:
    """Nodal masses of data noised up to a time, on nodes in units of r where the process stops."""
    assert process.case.noising is not None
    logs = exact_logs(process, lattice, process.noising.unit(process.case.noising.stop), noise)
    masses = np.exp(logs - logs.max()).reshape(lattice.shape) * lattice.weights
    return np.asarray(masses / masses.sum())


def _of_law(process: Process, name: str, law: Law, against: float, bound: float) -> Part:
    last = len(law.times) - 1

    def masses(run: Run) -> tuple[Array, Array]:
        return _masses(process, run.lattice, against), run.masses(last)

    entropy = law.distance(lambda run, _: kl(*masses(run)))[last]
    gap = law.distance(lambda run, _: float(np.abs(np.subtract(*masses(run))).sum()))[last]
    off = _unresolved(process, law.best[0], against)
    return Part(
        name, float(entropy.value), float(entropy.error) + off,
        float(gap.value), float(gap.error) + off, bound,
    )  # fmt: skip


def _of_chain(process: Process, *, exact: bool, against: float) -> Part:
    score = process.exact if exact else process.score
    lattice, masses, left = chain_law(process, score, noised=exact)
    truth = _masses(process, lattice, against)
    name = "steps" if exact else "together"
    gap = float(np.abs(truth - masses).sum())
    error = abs(left) + LEFT_OUT + _unresolved(process, lattice, against)
    return Part(name, kl(truth, masses), error, gap, error, np.nan)


def _stopping(process: Process, law: Law, stop: float) -> Part:
    found = []
    for run in law.runs[1:]:
        first, last = (_masses(process, run.lattice, t) for t in (0.0, stop))
        found.append((kl(first, last), float(np.abs(first - last).sum())))
    (coarse, coarse_gap), (fine, gap) = found
    error, gap_error = abs(fine - coarse) + LEFT_OUT, abs(gap - coarse_gap) + LEFT_OUT
    off = _unresolved(process, law.runs[-1].lattice, 0.0)
    return Part("stopping", fine, error + off, gap, gap_error + off, np.nan)


def start_bound(process: Process, law: Law) -> float:
    """Return KL(p_T‖ρ₀)."""
    lattice, unit = law.runs[-1].lattice, process.noising.unit(process.end)
    logs = exact_logs(process, lattice, unit, process.end)
    masses = np.exp(logs - logs.max()).reshape(lattice.shape) * lattice.weights
    return kl(masses / masses.sum(), law.runs[-1].masses(0))


def girsanov(process: Process) -> float:
    """Return ∫ E |r (ŝ − ∇ log p)|² dτ over the clock, under the noised data."""
    noising = process.noising
    lattice = Lattice.of(process.box, tuple(2 * n for n in process.cells))
    whole = noising.clock(process.end)
    last = whole - noising.clock(process.noise_time(float(process.times[-1])))
    cuts = np.cbrt(whole - process.steps(0.0, last))
    places, weights = np.polynomial.legendre.leggauss(3)
    total = 0.0
    for high, low in pairwise(cuts):
        for place, weight in zip(places, weights, strict=True):
            root = (high + low) / 2 + place * (high - low) / 2
            t = noising.time(root**3, process.end)
            unit = noising.unit(t)
            logs = exact_logs(process, lattice, unit, t)
            masses = np.exp(logs - logs.max()) * lattice.weights.ravel()
            x = unit * lattice.points
            gap = unit * (process.score(x, t) - process.exact(x, t))
            mean = masses @ np.einsum("nd,nd->n", gap, gap) / masses.sum()
            total += float(weight * (high - low) / 2 * 3 * root**2 * mean)
    return total
