r"""Crooks' relation: weights along a path against those along the same path run backwards.

.. math:: E\,e^{-λW} = \frac{Z_T}{Z_0}\, \tilde E\,e^{-(1 - λ)\tilde W}

where the tilde is the path from π_T back to π_0. With λ = 2 the second moment of the weights is
checked by a flow of its own, whose weights are e^{W̃}.

References
----------
G. Crooks, Phys. Rev. E 60 (1999) 2721.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wfrpde.case.case import Case
from wfrpde.case.path import TIME, formula_of
from wfrpde.flow.cross_check import APART
from wfrpde.flow.solution import Solution


def backwards(case: Case) -> Case | None:
    """Return the case of the path run backwards with weights e^{W̃}; None where there is none.

    The path has to be a formula, the flow one of annealed weights alone, from its own beginning.
    """
    annealed, text = case.equation.annealed, None
    if annealed is None or annealed.power != 1.0 or case.equation.beta != 0.0:
        return None
    if case.equation.dynamics is None or not case.equation.dynamics.reversible:
        return None
    text = formula_of(case)
    if text is None:
        return None
    end = case.flow.t_end

    def turned(formula: str) -> str:
        return TIME.sub(f"({end!r} - t)", formula)

    data = case.model_dump(exclude_unset=True)
    data.pop("initial", None)
    formula = turned(text)
    numerics = {**data.get("numerics", {}), "cross_check": False}
    flow: dict[str, Any] = {**data.get("flow", {}), "save": [end], "t_end": end}
    if isinstance(flow.get("alpha"), str):
        flow["alpha"] = turned(flow["alpha"])
    path = {"kind": "expression", "potential": formula, "power": -1.0}
    changed = {"path": path, "target": {"potential": formula}, "flow": flow, "numerics": numerics}
    return Case.from_dict({**data, **changed, "sampler": []}, case.source)


def crooks_check(solution: Solution, solved: Callable[[Case], Solution]) -> dict[str, Any] | None:
    """Return a check: the residual of Crooks' relation for λ = 2 at the end, in error bars.

    Parameters
    ----------
    solution
        A flow with the weights of its path.
    solved
        Solves the other case.
    """
    other = backwards(solution.case)
    if other is None or not solution.complete or "ess" not in solution.series:
        return None
    if not abs(solution.series["kl_to_path"][0]) < 1e-6:
        return None  # it does not begin with its path
    back = solved(other)
    ess, growth = solution.estimated("ess"), solution.estimated("log_normalising_constant")
    returned = back.estimated("log_normalising_constant")
    second = -np.log(ess.value[-1]) + 2 * growth.value[-1]
    gap = abs(second - growth.value[-1] - returned.value[-1])
    bars = ess.error[-1] / ess.value[-1] + growth.error[-1] + returned.error[-1]
    apart = float(gap / (np.nan_to_num(bars) + 1e-9))
    title = "Crooks' relation between the path and the same run backwards, in error bars"
    return {"name": title, "value": apart, "limit": APART, "passed": bool(apart <= APART)}
