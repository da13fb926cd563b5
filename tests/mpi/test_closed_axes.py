"""Axes that close upon themselves: all ranks together find what each finds alone."""

from __future__ import annotations

import numpy as np
import pytest

from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.domain.grid import TensorGrid

MPI = pytest.importorskip("mpi4py.MPI")


def grid(closed):
    """A ragged box with a hole that does not reach its sides."""
    spread = np.array([0.0, 0.8, 2.1, 3.0, 4.4, 5.0])
    active = np.ones([5] * len(closed), dtype=bool)
    active[(2,) * len(closed)] = len(closed) == 1
    return TensorGrid(tuple(spread + k for k in range(len(closed))), active, closed)


def potential(x):
    """Of period 5 along every axis."""
    return np.cos(2 * np.pi * x / 5).sum(axis=1) + np.sin(2 * np.pi * x.sum(axis=1) / 5)


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("closed", [(True,), (True, False), (False, True), (True, True, False)])
def test_weights_and_fluxes_are_those_of_one_rank(closed, degree):
    found = []
    for comm in (MPI.COMM_WORLD, MPI.COMM_SELF):
        nodes = make_nodes(comm, grid(closed), degree)
        own = slice(nodes.n_owned)
        volume = nodes.sum(nodes.weights[own])
        assert volume == pytest.approx(nodes.sum(nodes.cell_weights().ravel()), rel=1e-13)
        triplets, _ = symmetrised_stiffness(nodes, potential(nodes.points))

        def applied(x, nodes=nodes, entries=triplets):
            products = entries.value * x[entries.column]
            return nodes.added_up(np.bincount(entries.row, products, minlength=len(x)))

        # S √M = 0 also at the nodes where the axes close
        root = np.sqrt(nodes.weights) * np.exp(-potential(nodes.points) / 2)
        assert np.abs(applied(root)).max() < 1e-11 * np.abs(triplets.value).max()
        image = applied(np.cos(nodes.points.sum(axis=1)))
        found.append([nodes.gather(a[own]) for a in (image, nodes.weights)])
    for together, alone in zip(*found, strict=True):
        np.testing.assert_array_equal(together[0], alone[0])
        np.testing.assert_allclose(together[1], alone[1], atol=1e-12 * np.abs(alone[1]).max())
    shape = [5 * degree + 1] * len(closed)
    numbers, weights = alone
    field = np.full(int(np.prod(shape)), np.nan)
    field[numbers] = weights
    for axis, is_closed in enumerate(closed):
        first, *_, last = np.moveaxis(field.reshape(shape), axis, 0)
        assert np.array_equal(first, last, equal_nan=True) == is_closed
