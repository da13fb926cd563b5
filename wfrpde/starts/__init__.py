"""Initial densities ρ₀: one file a kind; `KINDS` holds them by the name in ``[initial] kind``."""

from wfrpde.starts.initial import InitialDensity, InitialParameters
from wfrpde.starts.registry import KINDS, make_initial, validate_initial

__all__ = ["KINDS", "InitialDensity", "InitialParameters", "make_initial", "validate_initial"]
