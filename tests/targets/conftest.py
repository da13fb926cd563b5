"""A target's UFL rendering at the nodes of a small mesh."""

import numpy as np
import pytest


@pytest.fixture
def ufl_values():
    """Return target -> points (n, d) and V (n,) there, by way of UFL and FFCx."""
    pytest.importorskip("dolfinx")
    import ufl
    from dolfinx import fem, mesh
    from mpi4py import MPI

    def evaluate(target):
        low, high = target.seeds.min(axis=0) - 1.37, target.seeds.max(axis=0) + 1.13
        if target.dim == 1:
            domain = mesh.create_interval(MPI.COMM_SELF, 20, [low[0], high[0]])
        elif target.dim == 2:
            domain = mesh.create_rectangle(MPI.COMM_SELF, [low, high], [7, 9])
        else:
            domain = mesh.create_box(MPI.COMM_SELF, [low, high], [3, 4, 3])
        space = fem.functionspace(domain, ("Lagrange", 1))
        form = target.ufl_potential(ufl.SpatialCoordinate(domain))
        reference = space.element.interpolation_points
        reference = reference() if callable(reference) else reference
        field = fem.Function(space)
        field.interpolate(fem.Expression(form, reference))
        return np.array(space.tabulate_dof_coordinates()[:, : target.dim]), field.x.array

    return evaluate
