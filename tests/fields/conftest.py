"""Values of a UFL expression at the nodes of a small mesh."""

import numpy as np
import pytest


@pytest.fixture
def nodal_values():
    """Return (expression, dim) -> points (n, d) and the UFL rendering's values (n,) there."""
    pytest.importorskip("dolfinx")
    from dolfinx import fem, mesh
    from mpi4py import MPI

    from wfrpde.fields import ufl_expression

    def evaluate(expression, dim):
        import ufl

        corners = [np.full(dim, -1.13), np.full(dim, 0.97)]
        if dim == 1:
            domain = mesh.create_interval(MPI.COMM_SELF, 9, [-1.13, 0.97])
        elif dim == 2:
            domain = mesh.create_rectangle(MPI.COMM_SELF, corners, [4, 5])
        else:
            domain = mesh.create_box(MPI.COMM_SELF, corners, [2, 2, 3])
        space = fem.functionspace(domain, ("Lagrange", 1))
        form = ufl_expression(expression, ufl.SpatialCoordinate(domain))
        reference = space.element.interpolation_points
        reference = reference() if callable(reference) else reference
        field = fem.Function(space)
        field.interpolate(fem.Expression(form, reference))
        return space.tabulate_dof_coordinates()[:, :dim], field.x.array

    return evaluate
