"""What ``wfrpde info`` shows: versions, what the solver needs, and where it runs."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

#: Module and what it is for; the first three are needed to solve, and do not come from PyPI.
_SOLVER = {"dolfinx": "finite elements", "petsc4py": "linear solvers", "mpi4py": "MPI"}
_OTHERS = {
    "slepc4py": "eigenproblems",
    "numpy": "arrays",
    "scipy": "sparse matrices",
    "sympy": "expressions",
    "pydantic": "case files",
    "matplotlib": "figures",
    "pyvista": "3-D figures",
    "jinja2": "reports",
    "meshio": "gmsh files",
}


def describe() -> str:
    """Describe this machine as far as wfrpde depends on it, in a few lines."""
    lines = [
        f"wfrpde      {_version('wfrpde') or 'not installed, run from its source'}"
        f"  ({Path(__file__).resolve().parent})",
        f"Python      {platform.python_version()}  ({sys.executable})",
        f"System      {platform.platform()}",
        f"Environment {_environment()}",
        "",
    ]
    for name, purpose in {**_SOLVER, **_OTHERS}.items():
        lines.append(f"{name:<11} {_version(name) or 'not found':<10}  {purpose}")
    missing = [name for name in _SOLVER if importlib.util.find_spec(name) is None]
    lines.append("")
    if missing:
        lines.append(
            f"Flows cannot be solved here: {', '.join(missing)} missing. In a checkout, "
            "'tools/env wfrpde ...' makes a place where they can; with conda, see environment.yml."
        )
    else:
        lines.append(f"Flows can be solved here ({_petsc()}).")
    return "\n".join(lines)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version("fenics-dolfinx" if name == "dolfinx" else name)
    except importlib.metadata.PackageNotFoundError:
        pass
    if name == "wfrpde" or importlib.util.find_spec(name) is None:
        return ""
    try:
        return str(getattr(importlib.import_module(name), "__version__", "found"))
    except Exception as error:
        return f"broken ({error})"


def _petsc() -> str:
    try:
        petsc: Any = importlib.import_module("petsc4py.PETSc")
    except Exception as error:
        return f"but PETSc does not start: {error}"
    version = ".".join(str(part) for part in petsc.Sys.getVersion())
    mumps = "with" if petsc.Sys.hasExternalPackage("mumps") else "without"
    return f"PETSc {version} {mumps} MUMPS"


def _environment() -> str:
    if "CONDA_PREFIX" in os.environ:
        return f"conda, {os.environ['CONDA_PREFIX']}"
    if sys.prefix != sys.base_prefix:
        return f"virtual environment, {sys.prefix}"
    return f"the system's Python, {sys.prefix}"
