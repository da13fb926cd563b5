"""Target densities π = exp(−V)/Z: a library, formulas, and the user's Python code.

A library target is a frozen pydantic model of its parameters with a method ``build``; `LIBRARY`
holds them by the name that ``[target] kind`` takes. `make_target` turns a case's description into
a `Target`, which gives V and ∇V at points.
"""

from wfrpde.targets.registry import LIBRARY, make_target, validate_parameters
from wfrpde.targets.target import Target, TargetParameters, symbolic_target

__all__ = [
    "LIBRARY",
    "Target",
    "TargetParameters",
    "make_target",
    "symbolic_target",
    "validate_parameters",
]
