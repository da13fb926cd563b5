"""Ground truth for Wasserstein–Fisher–Rao flows and the samplers that follow them.

import wfrpde
case = wfrpde.load_case("tilted-double-well")
solution = wfrpde.solve(case)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Case", "ConvergenceStudy", "ErrorEstimate", "FeynmanKac", "Interrupted", "Solution",
    "Spectrum", "ValidationReport", "WfrpdeError", "__version__", "converge", "feynman_kac",
    "load_case", "load_solution", "solve", "spectrum", "validate",
]  # fmt: skip

if TYPE_CHECKING:
    from wfrpde.case import Case, load_case
    from wfrpde.comparison import ValidationReport, validate
    from wfrpde.errors import WfrpdeError
    from wfrpde.flow.saved import ErrorEstimate
    from wfrpde.flow.solution import Solution, load_solution
    from wfrpde.flow.solve import solve
    from wfrpde.operators.spectra import Spectrum, spectrum
    from wfrpde.operators.tilting import FeynmanKac, feynman_kac
    from wfrpde.parallel.interruption import Interrupted
    from wfrpde.studies import ConvergenceStudy, converge

_HOME = {
    "Case": "wfrpde.case",
    "load_case": "wfrpde.case",
    "WfrpdeError": "wfrpde.errors",
    "solve": "wfrpde.flow.solve",
    "Solution": "wfrpde.flow.solution",
    "load_solution": "wfrpde.flow.solution",
    "ErrorEstimate": "wfrpde.flow.saved",
    "Spectrum": "wfrpde.operators.spectra",
    "spectrum": "wfrpde.operators.spectra",
    "FeynmanKac": "wfrpde.operators.tilting",
    "feynman_kac": "wfrpde.operators.tilting",
    "Interrupted": "wfrpde.parallel.interruption",
    "converge": "wfrpde.studies",
    "ConvergenceStudy": "wfrpde.studies",
    "validate": "wfrpde.comparison",
    "ValidationReport": "wfrpde.comparison",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import wfrpde`` itself stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'wfrpde' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
