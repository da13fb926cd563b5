"""Operators of a target: generators, their spectra, and the questions that these answer.

`wfrpde.spectrum` and `wfrpde.feynman_kac` give eigenvalues and eigenfunctions; `committor`,
`mean_exit_time` and `cumulants` what follows from them; `generator`, `feynman_kac_operator` and
`linearised_flow` the operators themselves.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "Committor",
    "Cumulants",
    "Exit",
    "FeynmanKac",
    "FirstExit",
    "MetastableSets",
    "Operator",
    "PathProfile",
    "ProductGrowth",
    "ProductSpectrum",
    "Spectrum",
    "StationaryDensity",
    "Sweep",
    "committor",
    "cumulants",
    "eyring_kramers",
    "feynman_kac",
    "feynman_kac_operator",
    "first_exit",
    "generator",
    "linearised_flow",
    "mean_exit_time",
    "metastable_sets",
    "path_profile",
    "product_growth",
    "product_spectrum",
    "spectrum",
    "stationary_density",
    "sweep",
]

if TYPE_CHECKING:
    from wfrpde.operators.along_path import PathProfile, path_profile
    from wfrpde.operators.assembly import feynman_kac_operator, generator, linearised_flow
    from wfrpde.operators.hitting import Committor, Exit, committor, mean_exit_time
    from wfrpde.operators.kramers import eyring_kramers
    from wfrpde.operators.metastable import MetastableSets, metastable_sets
    from wfrpde.operators.operator import Operator
    from wfrpde.operators.parameter_sweep import Sweep, sweep
    from wfrpde.operators.product_spectra import (
        FirstExit,
        ProductGrowth,
        ProductSpectrum,
        first_exit,
        product_growth,
        product_spectrum,
    )
    from wfrpde.operators.spectra import Spectrum, spectrum
    from wfrpde.operators.stationary import StationaryDensity, stationary_density
    from wfrpde.operators.tilting import Cumulants, FeynmanKac, cumulants, feynman_kac

_NAMES = {
    "along_path": ("PathProfile", "path_profile"),
    "assembly": ("feynman_kac_operator", "generator", "linearised_flow"),
    "hitting": ("Committor", "Exit", "committor", "mean_exit_time"),
    "kramers": ("eyring_kramers",),
    "metastable": ("MetastableSets", "metastable_sets"),
    "operator": ("Operator",),
    "parameter_sweep": ("Sweep", "sweep"),
    "product_spectra": (
        *("FirstExit", "ProductGrowth", "ProductSpectrum"),
        *("first_exit", "product_growth", "product_spectrum"),
    ),
    "spectra": ("Spectrum", "spectrum"),
    "stationary": ("StationaryDensity", "stationary_density"),
    "tilting": ("Cumulants", "FeynmanKac", "cumulants", "feynman_kac"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: DOLFINx and SLEPc are heavy."""
    if name not in _HOME:
        raise AttributeError(f"module 'wfrpde.operators' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wfrpde.operators.{_HOME[name]}"), name)
