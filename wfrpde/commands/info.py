"""What ``wfrpde info`` shows: versions, what does the linear algebra, and where it runs."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

from wfrpde._compat import HOW, how
from wfrpde.engine.choice import missing
from wfrpde.parallel.screen import wrapped

#: Module and what it is for.
_NEEDED = {
    "numpy": "arrays",
    "scipy": "sparse matrices, factors, eigenvectors",
    "sympy": "expressions",
    "pydantic": "case files",
    "matplotlib": "figures",
    "jinja2": "reports",
    "rich": "progress",
}
_ENGINE = {
    "petsc4py": "linear solvers for several ranks and meshes",
    "slepc4py": "eigensolvers",
    "mpi4py": "several ranks",
    "dolfinx": "meshes",
}
#: Module, what it is for, and the extra that brings it.
_EXTRAS = {
    "meshio": ("gmsh files", "mesh"),
    "pyvista": ("3-D figures, ParaView files", "plot3d"),
    "pandas": ("tables", "dataframe"),
    "xarray": ("labelled arrays", "dataframe"),
    "arviz": ("samples in NetCDF", "arviz"),
}


def describe() -> str:
    """Describe this machine as far as wfrpde depends on it, in a few lines."""
    lines = [
        f"wfrpde      {_version('wfrpde') or 'not installed, run from its source'}"
        f"  ({Path(__file__).resolve().parents[1]})",
        f"Python      {platform.python_version()}  ({sys.executable})",
        f"System      {platform.platform()}",
        f"Environment {_environment()}",
        "",
    ]
    for name, purpose in {**_NEEDED, **_ENGINE}.items():
        lines.append(f"{name:<11} {_version(name) or 'not found':<10}  {purpose}")
    for name, (purpose, extra) in _EXTRAS.items():
        version = _version(name)
        found = version or "not found"
        lines.append(f"{name:<11} {found:<10}  {purpose}" + (not version) * f": {how(extra)}")
    return wrapped("\n".join([*lines, "", _engine()]))


def _engine() -> str:
    """Say what does the linear algebra here."""
    if absent := missing():
        return (
            "Linear algebra: SciPy, on one process and boxes.\n"
            f"Several ranks need PETSc and SLEPc, meshes DOLFINx as well, {HOW}; "
            f"not found: {', '.join(absent)}."
        )
    meshes = "" if importlib.util.find_spec("dolfinx") else "; meshes need DOLFINx"
    return (
        f"Linear algebra: {_petsc()}{meshes}.\n"
        "On one process and boxes SciPy does it as well: --engine scipy."
    )


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
        return f"PETSc, which does not start: {error}"
    version = ".".join(str(part) for part in petsc.Sys.getVersion())
    mumps = "with" if petsc.Sys.hasExternalPackage("mumps") else "without"
    return f"PETSc {version} {mumps} MUMPS"


def _environment() -> str:
    if "CONDA_PREFIX" in os.environ:
        return f"conda, {os.environ['CONDA_PREFIX']}"
    if sys.prefix != sys.base_prefix:
        return f"virtual environment, {sys.prefix}"
    return f"the system's Python, {sys.prefix}"
