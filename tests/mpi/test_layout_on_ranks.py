"""What ranks tell one another about shared unknowns, on any number of them."""

import numpy as np
import pytest

pytest.importorskip("mpi4py")

from mpi4py import MPI

from wfrpde.engine import Traits, Wish
from wfrpde.engine.layout import Layout, RowBlocks, Triplets


@pytest.fixture
def layout():
    """Rank r owns r + 2 unknowns and has copies of every other one of the others', last first."""
    comm = MPI.COMM_WORLD
    sizes = tuple(rank + 2 for rank in range(comm.size))
    first = sum(sizes[: comm.rank])
    others = [k for k in range(sum(sizes)) if not first <= k < first + sizes[comm.rank]]
    return Layout(comm, sizes, np.array(others[::-2], dtype=np.int64))


def test_copies_are_those_of_the_owners(layout):
    numbers = layout.global_numbers
    values = layout.with_ghosts(np.sin(numbers[: layout.n_owned]))
    np.testing.assert_array_equal(values, np.sin(numbers))
    first = np.cumsum([0, *layout.sizes])
    assert all(
        first[o] <= g < first[o + 1] for o, g in zip(layout.owners, layout.ghosts, strict=True)
    )


def test_contributions_of_all_ranks_are_added_up(layout):
    rank, numbers = layout.comm.rank, layout.global_numbers
    total = layout.added_up((rank + 1.0) * (1 + numbers))
    share = np.zeros(layout.n_global)
    share[numbers] = rank + 1.0
    expected = np.empty_like(share)
    layout.comm.Allreduce(share, expected)
    np.testing.assert_allclose(total, (expected * (1 + np.arange(len(expected))))[numbers])


def test_reductions(layout):
    numbers = np.arange(layout.first, layout.first + layout.n_owned, dtype=float)
    every = np.arange(layout.n_global, dtype=float)
    assert layout.sum(numbers) == every.sum()
    assert layout.max(numbers) == every[-1]
    assert layout.least(np.append(numbers, np.nan)) == 0
    assert layout.logsumexp(numbers) == pytest.approx(np.log(np.exp(every).sum()))
    assert layout.max(numbers[:0] if layout.comm.rank else numbers) == layout.sizes[0] - 1


def test_rows_become_the_matrix_without_a_copy(layout, monkeypatch):
    """Some rows after the other, with entries that are given twice; ghosts in any order."""
    pytest.importorskip("petsc4py")
    from wfrpde.engine.petsc.matrix import PetscMatrix

    n, every = layout.n_owned, layout.global_numbers
    value = np.sin(1.0 + every[:n, None] + 3.0 * every[None, :])
    row, column = (k.ravel() for k in np.indices(value.shape))

    def block(start):
        own = np.tile((start <= row) & (row < start + 2), 2)
        both = Triplets(np.tile(row, 2), np.tile(column, 2), np.tile(value.ravel() / 2, 2)).of(own)
        return slice(start, min(start + 2, n)), both

    blocks = RowBlocks(len(row), (block(start) for start in range(0, n, 2)))
    made, compressed = [], RowBlocks.compressed

    def seen(self, layout):
        made.extend(compressed(self, layout))
        return made

    monkeypatch.setattr(RowBlocks, "compressed", seen)
    matrix = PetscMatrix(layout, blocks, Traits(False, 3, symmetric=False), Wish())
    monkeypatch.undo()
    x = np.cos(np.arange(layout.n_global, dtype=float))
    out = np.empty(n)
    matrix.product(np.ascontiguousarray(x[every[:n]]), out)
    np.testing.assert_allclose(out, value @ x[every], rtol=1e-13)
    before = [values.copy() for _, _, values in made]
    matrix.change(-3.0, 0.0)
    for (_, _, values), old in zip(made, before, strict=True):
        np.testing.assert_array_equal(values, -3.0 * old)
    matrix.destroy()
