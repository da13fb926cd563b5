r"""Rates of decay: what the spectrum predicts, and what the solved flow shows.

At last KL(ρ_t|π) decays like e^{−rt}, with r = 2αλ₁ for Langevin dynamics (W) and r = 2(αλ₁ + β)
for the Wasserstein–Fisher–Rao flow. Both flows are solved until KL is small enough for that, and
log KL is fitted over a late window that a rule chooses: the saved times at which KL lies between
`FLOOR` and `CEILING`, its estimated error is below `KNOWN` of it, and the second slowest mode has
fallen behind the slowest. At the ceiling what is quadratic in ρ/π − 1 has gone; the floor keeps
clear of round-off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.errors import WfrpdeError

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.flow.solution import Solution
    from wfrpde.operators.spectra import Spectrum


CEILING = 1e-7
FLOOR = 1e-12

KNOWN = 1e-2
"""Relative estimated error of KL up to which a saved time is used."""

LEAST = 4
"""Saved times that a window must hold."""


@dataclass(frozen=True)
class Decay:
    """One flow: predicted and observed rate of decay of KL, per unit time.

    Attributes
    ----------
    flow
        ``W`` or ``WFR``.
    window
        First and last time of the fit; NaN where no window was found.
    observed
        NaN where no window was found; `remark` says why.
    """

    flow: str
    alpha: float
    beta: float
    predicted: float
    observed: float
    window: tuple[float, float]
    remark: str = ""

    @property
    def difference(self) -> float:
        """Observed / predicted − 1."""
        return self.observed / self.predicted - 1


def observe_decay(case: Case, spectrum: Spectrum, comm: Comm | None = None) -> list[Decay]:
    """Solve W and, if β > 0, WFR, and compare their decay with the predicted one (collective).

    Parameters
    ----------
    case
        The target, the start, α > 0 and β; its times are not looked at.
    spectrum
        Of the case's generator, with two rates or more.

    Returns
    -------
    list of Decay
        One for each flow. A flow that cannot be solved, or that shows no window, says so in its
        `remark` instead of a number.
    """
    flow = case.flow
    result = []
    for name, beta in (("W", 0.0), ("WFR", flow.beta)):
        if name == "WFR" and beta == 0:
            continue
        predicted = 2 * (flow.alpha * spectrum.gap + beta)
        second = float(spectrum.rates[2]) if len(spectrum.rates) > 2 else np.inf
        lag = flow.alpha * (second - float(spectrum.rates[1]))
        window, observed, remark = (np.nan, np.nan), np.nan, ""
        try:
            solution = _solved(case, predicted, beta, comm)
        except WfrpdeError as error:
            remark = str(error)
        else:
            window, observed, remark = _fitted(solution, lag)
        result.append(Decay(name, flow.alpha, beta, predicted, observed, window, remark))
    return result


def _solved(case: Case, rate: float, beta: float, comm: Comm | None) -> Solution:
    """Solve until KL is at the floor: once to see how large it is, then over the right time."""
    from wfrpde.flow.solve import solve_on_mesh

    span = np.log(1 / FLOOR) / rate
    for _ in range(3):
        save = [float(t) for t in np.linspace(0, span, 61)[1:]]
        solution = solve_on_mesh(
            case.with_overrides(
                {
                    "flow.beta": beta,
                    "flow.save": save,
                    "flow.t_end": save[-1],
                    "flow.reaction": None,
                    "output.compare": False,
                }
            ),
            comm=comm,
            on_stop="return",
        )
        kl = solution.series["kl"]
        inside = (kl < CEILING) & (kl > FLOOR)
        if inside.sum() >= LEAST or not solution.complete:
            break
        # the last times tell how large the slowest mode was at the start
        last = float(np.log(np.maximum(kl[-1], 1e-300) / np.sqrt(CEILING * FLOOR)) / rate)
        span = max(span + last, 0.1 * span)
    return solution


def _fitted(solution: Solution, lag: float) -> tuple[tuple[float, float], float, str]:
    """Window, rate, and a remark where there is none."""
    t, kl = solution.times, solution.series["kl"]
    # amplitude of the second slowest mode, relative to the slowest, from which it does not matter
    use = (kl < CEILING) & (kl > FLOOR) & (np.exp(-lag * t) < 1e-3)
    if solution.error is not None:
        use &= solution.error.series["kl"] < KNOWN * kl
    if use.sum() < LEAST:
        return (
            (np.nan, np.nan),
            np.nan,
            f"only {int(use.sum())} saved times between KL = {CEILING:g} and {FLOOR:g} with a "
            f"relative error below {KNOWN:g}; at t = {t[-1]:.3g} KL is {kl[-1]:.2g}",
        )
    slope = np.polyfit(t[use], np.log(kl[use]), 1)[0]
    return (float(t[use][0]), float(t[use][-1])), -float(slope), ""
