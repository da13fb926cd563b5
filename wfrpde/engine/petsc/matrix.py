"""Distributed PETSc matrices from triplets."""

from __future__ import annotations

import numpy as np
from petsc4py import PETSc

from wfrpde.arrays import Array, Integers
from wfrpde.engine.layout import Layout, RowBlocks, Rows, Triplets
from wfrpde.engine.petsc.linear import KspFactor
from wfrpde.engine.petsc.options import ORDERING, asked, eigen_options, factor_options
from wfrpde.engine.protocol import Factor, ShiftInvert, Traits, Wish


class PetscMatrix:
    """A distributed AIJ matrix, as `wfrpde.engine.protocol.Matrix` says."""

    def __init__(
        self, layout: Layout, entries: Triplets | RowBlocks | PETSc.Mat, traits: Traits, wish: Wish
    ) -> None:
        self.layout, self.traits, self._wish = layout, traits, wish
        given = isinstance(entries, PETSc.Mat)
        self.mat: PETSc.Mat = entries if given else _assembled(layout, entries)
        self._eliminated: tuple[PETSc.Mat, Integers] | None = None
        place = np.empty(layout.n_owned)  # other arrays take it in turn
        self._x, self._out = (
            PETSc.Vec().createWithArray(place, comm=layout.comm) for _ in range(2)
        )

    def product(self, x: Array, out: Array) -> None:
        """Put S x into `out` (collective)."""
        self._x.placeArray(x)
        self._out.placeArray(out)
        self.mat.mult(self._x, self._out)
        self._x.resetArray()
        self._out.resetArray()

    def diagonal(self) -> Array:
        """Return the diagonal ``(n_owned,)`` (collective)."""
        return np.array(self.mat.getDiagonal().array_r)

    def magnitudes(self) -> PetscMatrix:
        """Return another matrix, of the absolute values of the entries (collective)."""
        copy = self.mat.copy()
        indptr, indices, data = copy.getValuesCSR()
        copy.setValuesCSR(indptr, indices, np.abs(data))
        copy.assemble()
        return PetscMatrix(self.layout, copy, self.traits, self._wish)

    def change(self, scale: float, shift: float) -> None:
        """Make this matrix ``scale S + shift I`` (collective)."""
        self.mat.scale(scale)
        self.mat.shift(shift)
        self._forget()

    def factor(self, c: float, old: Factor | None = None) -> KspFactor:
        """Prepare solves with ``I + c S`` (collective)."""
        if isinstance(old, KspFactor):
            old.renew(c)
            return old
        n, ranks = self.layout.n_global, self.layout.comm.size
        options, given = factor_options(self.traits, n, ranks, self._wish.method), asked(self._wish)
        known = None
        if not given and options.get(ORDERING) == "nd":
            known = self._dissected()
        if known is not None:
            options[ORDERING] = "natural"
        stiffness, order = known or (self.mat, None)
        symmetric = self.traits.symmetric
        return KspFactor(stiffness, c, options | given, symmetric=symmetric, order=order)

    def _dissected(self) -> tuple[PETSc.Mat, Integers] | None:
        """Return the matrix in the order in which factors fill little, made once, and that."""
        if self._eliminated is None:
            order = self.layout.elimination(int(self.mat.getInfo()["nz_used"]))
            if order is None:
                return None
            place = PETSc.IS().createGeneral(order.astype(PETSc.IntType), comm=self.mat.comm)
            self._eliminated = self.mat.permute(place, place), order
            place.destroy()
        return self._eliminated

    def shift_invert(self, smooth: Array) -> ShiftInvert:
        """Prepare the eigensolver of a symmetric positive definite matrix (collective)."""
        from wfrpde.engine.petsc.eigen import SlepcShiftInvert  # flows need no SLEPc

        n, ranks = self.layout.n_global, self.layout.comm.size
        return SlepcShiftInvert(self.mat, smooth, eigen_options(self.traits, n, ranks, self._wish))

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        self._forget()
        for item in (self.mat, self._x, self._out):
            item.destroy()

    def _forget(self) -> None:
        if self._eliminated is not None:
            self._eliminated[0].destroy()
            self._eliminated = None


def _assembled(layout: Layout, entries: Triplets | RowBlocks) -> PETSc.Mat:
    shape, comm = (layout.n_owned, layout.n_global), layout.comm
    if isinstance(entries, RowBlocks):
        parts = [_petscs(part) for part in entries.compressed(layout)]
        # the arrays become PETSc's own: no second matrix is ever there
        taken = parts[0] if comm.size == 1 else tuple(parts)
        return PETSc.Mat().createAIJWithArrays((shape, shape), taken, comm=comm)
    row, column, value = entries.row, layout.global_numbers[entries.column], entries.value
    if comm.size > 1:
        row, column, value = _at_owners(layout, row, column, value)
    made = Triplets(row, column, value).compressed(0, *shape)
    return PETSc.Mat().createAIJ((shape, shape), csr=_petscs(made), comm=comm)


def _petscs(rows: Rows) -> Rows:
    """Return compressed rows with PETSc's integers."""
    pointers, columns, values = rows
    kind = PETSc.IntType
    return pointers.astype(kind, copy=False), columns.astype(kind, copy=False), values


def _at_owners(
    layout: Layout, row: Integers, column: Integers, value: Array
) -> tuple[Integers, Integers, Array]:
    """Hand the entries of ghost rows to the ranks that own them (collective).

    They are few, and PETSc needs no hash table to collect entries in.
    """
    own = row < layout.n_owned
    ghost = row[~own] - layout.n_owned
    sent = (layout.ghosts[ghost], column[~own], value[~own])
    parts = [tuple(a[layout.owners[ghost] == r] for a in sent) for r in range(layout.comm.size)]
    rows, columns, values = zip(*layout.comm.alltoall(parts), strict=True)
    return (
        np.concatenate([row[own], *(r - layout.first for r in rows)]),
        np.concatenate([column[own], *columns]),
        np.concatenate([value[own], *values]),
    )
