"""What may be missing; and the only place that knows how DOLFINx 0.9, 0.10 and 0.11 differ."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Integers

if TYPE_CHECKING:
    from dolfinx.fem import FunctionSpace
    from dolfinx.mesh import Mesh
    from mpi4py.MPI import Comm

HOW = "which come from conda (environment.yml) or tools/env, not from pip"
"""How PETSc, SLEPc and DOLFINx are got."""

_SUPPORTED = ((0, 9), (0, 12))


def extra(package: str, name: str) -> Any:
    """Import a package of one of the extras of wfrpde, or raise a `DependencyMissingError`."""
    from importlib import import_module

    from wfrpde.errors import DependencyMissingError

    try:
        return import_module(package)
    except ImportError as error:
        raise DependencyMissingError(
            f"{package} cannot be imported, and this needs it: {how(name)}"
        ) from error


def how(extra: str) -> str:
    """Give the command that installs an extra."""
    return f"pip install 'wfrpde[{extra}]'"


def require_dolfinx() -> str:
    """Return the version of DOLFINx, or raise a `DependencyMissingError` that says what to do.

    DOLFINx itself is not imported where its metadata tell: that takes a fifth of a second, and a
    box on one rank needs no mesh.
    """
    from wfrpde.errors import DependencyMissingError

    try:
        found = _version()
    except ImportError as error:
        raise DependencyMissingError(
            f"DOLFINx cannot be imported ({error}); meshes need DOLFINx 0.9 to 0.11, PETSc and "
            f"SLEPc, {HOW}"
        ) from error
    version = tuple(int(part) for part in found.split(".")[:2])
    if not _SUPPORTED[0] <= version < _SUPPORTED[1]:
        raise DependencyMissingError(
            f"found DOLFINx {found}; wfrpde needs DOLFINx 0.9 to 0.11, since names and argument "
            "orders change between releases. Run the command through tools/env"
        )
    return found


@cache  # reading it takes milliseconds, as much as a small flow
def _version() -> str:
    from importlib import metadata, util

    if util.find_spec("dolfinx") is not None:
        try:
            return metadata.version("fenics-dolfinx")
        except metadata.PackageNotFoundError:
            pass
    import dolfinx

    return str(vars(dolfinx)["__version__"])


def create_mesh(comm: Comm, cells: Integers, points: Array, cell: str) -> Mesh:
    """Distribute an affine mesh; every rank passes its own share of `cells` and `points`.

    Parameters
    ----------
    cells
        ``(m, k)`` global vertex numbers in DOLFINx (tensor-product) order.
    points
        ``(n, d)`` coordinates of this rank's contiguous share of the vertices.
    cell
        ``"interval"``, ``"triangle"``, ``"quadrilateral"``, ``"tetrahedron"`` or ``"hexahedron"``.
    """
    require_dolfinx()
    import basix.ufl
    from dolfinx import mesh

    element = basix.ufl.element("Lagrange", cell, 1, shape=(points.shape[1],))
    # keywords, since the order of the arguments changed in 0.10
    return mesh.create_mesh(comm, cells=cells, x=points, e=element)


def lagrange_space(mesh: Mesh, degree: int) -> FunctionSpace:
    """Continuous Lagrange space whose nodes are the Gauss–Lobatto–Legendre points of each cell."""
    require_dolfinx()
    import basix
    import basix.ufl
    from dolfinx import fem

    element = basix.ufl.element(
        "Lagrange",
        mesh.basix_cell(),
        degree,
        lagrange_variant=basix.LagrangeVariant.gll_warped,
    )
    return fem.functionspace(mesh, element)


def simplex_rule(dim: int, degree: int) -> tuple[Array, Array]:
    """Points ``(n, dim)`` and weights of a rule on the reference simplex, exact to that degree."""
    require_dolfinx()
    import basix

    cell = {1: "interval", 2: "triangle", 3: "tetrahedron"}[dim]
    points, weights = basix.make_quadrature(basix.CellType[cell], degree)
    return np.asarray(points, dtype=np.float64), np.asarray(weights, dtype=np.float64)


def geometry_dofmap(mesh: Mesh) -> npt.NDArray[np.int32]:
    """Vertices ``(cells, k)`` of the cells in the numbering of ``mesh.geometry.x``."""
    geometry: Any = mesh.geometry
    dofmaps = getattr(geometry, "dofmaps", None)
    if dofmaps is not None and not callable(dofmaps):
        return np.asarray(dofmaps[0])
    return np.asarray(geometry.dofmap)
