"""Versions of what the numbers depend on."""

from __future__ import annotations

import platform
import sys
from importlib import metadata


def software_versions() -> dict[str, str]:
    """Versions of what the numbers depend on; ``"not installed"`` where a library is missing."""
    versions = {"python": platform.python_version()}
    for name, distributions in {
        "wfrpde": ("wfrpde",),
        "dolfinx": ("fenics-dolfinx", "dolfinx"),
        "petsc": ("petsc", "petsc4py"),
        "numpy": ("numpy",),
        "scipy": ("scipy",),
    }.items():
        versions[name] = _version(name, distributions)
    return versions


def _version(module: str, distributions: tuple[str, ...]) -> str:
    # An imported module knows best: system packages may come without installation metadata.
    if module == "petsc" and "petsc4py.PETSc" in sys.modules:
        version = sys.modules["petsc4py.PETSc"].Sys.getVersion()
        return ".".join(str(part) for part in version)
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if loaded:
        return str(loaded)
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"
