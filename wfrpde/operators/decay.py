r"""How fast energies of eigenfunctions on elements fall from degree to degree.

On each element u is a sum of Legendre polynomials. An eigenvalue is an energy, so that what degree
p leaves of it falls like the energies of their terms,

.. math:: e_k \propto k(k + 1) \int \pi\, c_k^2 ,

squares of coefficients, each axis by itself. In the changes of values from degree to degree alone a
fall cannot be told from a change of sign, and odd terms differ from even ones: where they fall by
100 and more the next one may be larger (by 240, and the value was off by 1.4 of its last change).
Coefficients of two degrees to those of the two before do not change their sign.

References
----------
Trefethen, Approximation Theory and Approximation Practice (2013), chapter 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import legendre

from wfrpde.arrays import Array
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.lattice import cell_extents
from wfrpde.domain.grid import TensorGrid

if TYPE_CHECKING:
    from wfrpde.discretisation.nodes import Nodes

LEAST_DEGREE = 4
"""Degree from which the last four have energy."""


def falls(nodes: Nodes, mass: Array, functions: Array) -> Array | None:
    """Return by which factor ``(k,)`` energies fall from one degree to the next (collective).

    Parameters
    ----------
    nodes, mass
        The nodes of the elements, and the mass ``(n,)`` of π there.
    functions
        Eigenfunctions ``(k, n)``.

    Returns
    -------
    Array or None
        √((e_p + e_{p−1})/(e_{p−2} + e_{p−3})); None of other cells, and below `LEAST_DEGREE`.
    """
    if not isinstance(nodes.grid, TensorGrid) or nodes.degree < LEAST_DEGREE:
        return None
    degree, dim, cells = nodes.degree, nodes.dim, nodes.cell_nodes
    shape = (len(cells), *[degree + 1] * dim)
    density = (mass / nodes.weights)[cells]
    held = (density * nodes.cell_weights()).reshape(shape)
    squared = cell_extents(nodes.grid, cells, nodes.points).T.reshape(dim, -1, *[1] * dim) ** 2
    to_coefficients = np.linalg.inv(legendre.legvander(gll_rule(degree).nodes, degree))
    order = np.arange(degree + 1)
    energies = np.zeros((len(functions), degree + 1))
    for row, function in zip(energies, functions, strict=True):
        values = function[cells].reshape(shape)
        for axis in range(dim):
            coefficients = np.moveaxis(values, axis + 1, -1) @ to_coefficients.T
            on_lines = held.sum(axis=axis + 1)[..., None] * coefficients**2 / squared[axis]
            row += order * (order + 1) * on_lines.reshape(-1, degree + 1).sum(axis=0)
    energies = nodes.comm.allreduce(energies)
    last, before = (energies[:, k] + energies[:, k - 1] for k in (degree, degree - 2))
    return np.asarray(np.sqrt(last / np.maximum(before, 1e-300)))
