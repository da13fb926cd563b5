"""Target densities π = exp(−V)/Z: a library, formulas, and the user's Python code.

A library target is a frozen pydantic model of its parameters with a method ``build``; `LIBRARY`
holds them by the name that ``[target] kind`` takes. `make_target` turns a case's description into
a `Target`, which gives V and ∇V at points.
"""

from wfrpde.targets.log_prob import LogProbTarget, log_prob_target
from wfrpde.targets.registry import LIBRARY, make_target, validate_parameters
from wfrpde.targets.target import Target, TargetParameters, symbolic_target

__all__ = [
    "LIBRARY",
    "LogProbTarget",
    "Target",
    "TargetParameters",
    "log_prob_target",
    "make_target",
    "symbolic_target",
    "validate_parameters",
]
