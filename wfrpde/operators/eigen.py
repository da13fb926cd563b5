r"""The lowest eigenpairs of −(αL + U), with relative accuracy down to the smallest.

Shift-invert Krylov–Schur (SLEPc) on the symmetrised matrix finds the space. Round-off of the
matrix, 1e-16 of its largest entry, then still hides every eigenvalue below that. So the space is
taken over in the variable u = π^{-1/2} w, where constants are constants; a Rayleigh–Ritz step and
two steps of refinement use energies and defects that are computed from differences
(`DirichletForm`), and the small, graded Ritz matrix is diagonalised by a Jacobi method, which keeps
the relative accuracy of every eigenvalue (Demmel and Veselić, SIAM J. Matrix Anal. Appl. 13 (1992)
1204). Vectors that a Krylov space misses, those of multiple or nearly multiple eigenvalues, are
caught by random vectors that are refined along.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.errors import InputError, SolverError
from wfrpde.operators.operator import Operator

if TYPE_CHECKING:
    from petsc4py import PETSc
    from slepc4py import SLEPc

Array = npt.NDArray[np.float64]

EXTRA = 4
"""Eigenpairs computed beyond those asked for, and random vectors that catch missed ones."""

REFINEMENTS = 2

TOLERANCE = 1e-12

DAVIDSON = ("gd", "jd", "lobpcg")
"""Eigensolvers that precondition instead of inverting; ``eps_type`` among the options."""

DAVIDSON_TOLERANCE = 1e-8

_counter = itertools.count()


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues λ of −(αL + U), ascending, and their functions.

    Attributes
    ----------
    values
        ``(k,)``.
    functions
        ``(k, n)`` nodal values on this rank, ghosts included, with ∫π u_a u_b = δ_ab.
    residuals
        ``(k,)``: norm of −(αL + U)u − λu in L²(π).
    facts
        JSON-ready: solver, iterations.
    """

    values: Array
    functions: Array
    residuals: Array
    facts: dict[str, Any]


def lowest(
    operator: Operator,
    count: int,
    *,
    scale: float,
    options: Mapping[str, str],
    shift: float | None = None,
) -> Eigenpairs:
    """Compute the lowest eigenpairs but the constant: `count` and a few more (collective).

    Parameters
    ----------
    operator
        A = αL + U; its β is not looked at.
    count
        How many.
    scale
        A small rate of the problem, e.g. α over the square of its extent: the shift stays below
        it.
    options
        PETSc options of the linear solver, and SLEPc's, without a prefix.
    shift
        Something below the lowest eigenvalue; by default −max U, minus a share of `scale`.

    Raises
    ------
    InputError
        If there are not that many unknowns.
    SolverError
        If SLEPc does not converge.
    """
    form, nodes = operator.form, operator.form.nodes
    n = nodes.n_owned
    unknowns = int(nodes.sum(operator.free[:n].astype(float))) - operator.conservative
    if count > unknowns:
        raise InputError(
            "spectrum.count",
            f"{count} with {unknowns} unknowns",
            f"at most {unknowns}",
            "Ask for fewer eigenvalues, or take more cells.",
        )
    if shift is None:
        top = 0.0 if operator.rate is None else nodes.max(operator.rate[:n][operator.free[:n]])
        shift = -top - 1e-3 * scale
    wanted = min(count + EXTRA, unknowns)
    with ShiftInvert(operator, shift, options) as solver:
        functions = solver.krylov(wanted)
        functions = np.concatenate([functions, _random(operator, min(EXTRA, unknowns))])
        for _ in range(2):
            functions[-EXTRA:] = solver.inverse(form.mass * functions[-EXTRA:])
        values, functions = _ritz(operator, functions, wanted)
        for _ in range(REFINEMENTS):
            correction = solver.inverse(operator.weak(functions, values))
            both = np.concatenate([functions - correction, correction])
            values, functions = _ritz(operator, both, wanted)
        defect = operator.weak(functions, values)[:, :n]
        facts = solver.facts
    weight = np.where(form.mass[:n] > 0, form.mass[:n], 1.0)
    residuals = np.sqrt([nodes.sum(row * row / weight) for row in defect])
    return Eigenpairs(values, functions, residuals, facts)


def _random(operator: Operator, count: int) -> Array:
    """Random functions, the same for any number of ranks (collective)."""
    nodes = operator.form.nodes
    # a hash of the canonical number, so that no rank needs to know the whole mesh
    number = nodes.canonical.astype(np.uint64)
    rows = []
    for k in range(count):
        bits = (number + np.uint64(k * 7919 + 1)) * np.uint64(0x9E3779B97F4A7C15)
        bits ^= bits >> np.uint64(29)
        bits *= np.uint64(0xBF58476D1CE4E5B9)
        bits ^= bits >> np.uint64(32)
        rows.append(bits.astype(np.float64) / 2.0**63 - 1.0)
    return np.where(operator.free, np.array(rows).reshape(count, -1), 0.0)


def _ritz(operator: Operator, functions: Array, keep: int) -> tuple[Array, Array]:
    """Rayleigh–Ritz in differences: values and orthonormal functions, ascending (collective).

    Directions that the others hold already, to round-off, are left out.
    """
    form = operator.form
    if operator.conservative:
        functions = functions - form.mean(functions)[:, None]
    kept: list[Array] = []
    for function in functions:  # Gram–Schmidt, twice is enough; the first ones are the lowest
        norm = np.sqrt(form.product(function[None])[0, 0])
        vector = function[None] / norm if norm > 0 else function[None]
        start = vector
        for _ in range(2):
            if kept:
                basis = np.array(kept)
                vector = vector - form.product(vector, basis) @ basis
        size = np.sqrt(form.product(vector)[0, 0])
        if size > 1e-6 * np.sqrt(max(form.product(start)[0, 0], 1e-300)):
            kept.append(vector[0] / size)
    basis = np.array(kept)
    if operator.conservative:
        basis = basis - form.mean(basis)[:, None]
    rotation = _graded_eigenvectors(operator.energy(basis))
    functions = rotation[:, :keep].T @ basis
    if operator.conservative:
        functions = functions - form.mean(functions)[:, None]
    norm = np.sqrt(np.diag(form.product(functions)))
    functions = functions / norm[:, None]
    values = np.diag(operator.energy(functions)).copy()
    order = np.argsort(values, kind="stable")
    return values[order], functions[order]


def _graded_eigenvectors(matrix: Array) -> Array:
    """Eigenvectors ``(m, m)`` in columns, ascending, of a symmetric, perhaps graded matrix.

    A positive definite D A D with a well-conditioned A of unit diagonal keeps the relative
    accuracy of every eigenvalue: factorise A, and take the singular vectors of (chol A)ᵀ D with
    LAPACK's Jacobi method.
    """
    from scipy.linalg import lapack

    scale = np.diag(matrix).copy()
    if (scale > 0).all():
        root = np.sqrt(scale)
        try:
            factor = np.linalg.cholesky(matrix / np.outer(root, root))
        except np.linalg.LinAlgError:
            pass
        else:
            _, _, right, *_, info = lapack.dgejsv(factor.T * root[None, :])
            if info == 0:
                return np.asarray(right)[:, ::-1]
    return np.asarray(np.linalg.eigh(matrix)[1])


@contextmanager
def _petsc_errors(what: str) -> Iterator[None]:
    """Turn PETSc's error codes, which the ranks share, into a `SolverError`."""
    from petsc4py import PETSc

    try:
        yield
    except (PETSc.Error, SystemError) as error:
        raise SolverError(f"{what} failed: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """Last line of a PETSc error; newer slepc4py wraps these in a `SystemError`."""
    return str(error.__cause__ or error).strip().splitlines()[-1]


class ShiftInvert:
    """SLEPc's eigensolver, and the linear solver inside it, for one shift (a context)."""

    def __init__(self, operator: Operator, shift: float, options: Mapping[str, str]) -> None:
        self._operator, self._shift, self._options = operator, shift, dict(options)
        self._linear: PETSc.KSP | None = None
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> ShiftInvert:
        from petsc4py import PETSc
        from slepc4py import SLEPc

        form = self._operator.form
        # the matrix itself is shifted: that of SLEPc's transformation would be a copy of it
        self._matrix = self._operator.matrix(-self._shift)
        self._matrix.setOption(PETSc.Mat.Option.SPD, True)
        self._in, self._out = self._matrix.createVecs()
        half = np.clip(-form.log_mass / 2, -350.0, 350.0)
        self._to_function = np.exp(half)
        # what an algebraic multigrid must interpolate exactly: √π, the image of the constant
        n = form.nodes.n_owned
        self._root = self._in.duplicate()
        self._root.array[:] = np.where(self._operator.free[:n], 1 / self._to_function[:n], 0.0)
        self._root.normalize()
        smooth = PETSc.NullSpace().create(vectors=[self._root], comm=self._matrix.comm)
        self._matrix.setNearNullSpace(smooth)
        smooth.destroy()
        self._eps: SLEPc.EPS = SLEPc.EPS().create(self._matrix.comm)
        self._prefix = f"wfrpde_eps{next(_counter)}_"
        self._eps.setOptionsPrefix(self._prefix)
        self._eps.setOperators(self._matrix)
        self._eps.setProblemType(SLEPc.EPS.ProblemType.HEP)
        transformation = self._eps.getST()
        if self._davidson:  # these precondition with the linear solver, and find the smallest
            transformation.setType(SLEPc.ST.Type.PRECOND)
            self._eps.setWhichEigenpairs(SLEPc.EPS.Which.SMALLEST_REAL)
            # relative to a gap of 1e-8 no residual would be small
            self._eps.setConvergenceTest(SLEPc.EPS.Conv.ABS)
        else:
            transformation.setType(SLEPc.ST.Type.SINVERT)
            self._eps.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
            self._eps.setTarget(0.0)
        database = PETSc.Options()
        for key, value in self._options.items():
            database.setValue(self._prefix + key, value)
        try:
            self._eps.setFromOptions()
        except (PETSc.Error, SystemError) as error:
            self.__exit__()
            raise InputError(
                "numerics.petsc_options",
                " ".join(f"{key}={value}" for key, value in self._options.items()),
                "options that this PETSc and SLEPc know",
                _reason(error),
            ) from None
        if self._davidson:
            self._linear = PETSc.KSP().create(self._matrix.comm)
            self._linear.setOptionsPrefix(f"{self._prefix}st_")  # the preconditioner of its ST
            self._linear.setOperators(self._matrix)
            self._linear.setFromOptions()
            self._linear.setType(PETSc.KSP.Type.CG)
            self._linear.setTolerances(rtol=1e-10, max_it=2000)
            self._linear.setErrorIfNotConverged(True)
        return self

    @property
    def _davidson(self) -> bool:
        return self._options.get("eps_type", "krylovschur") in DAVIDSON

    def __exit__(self, *exception: object) -> None:
        from petsc4py import PETSc

        database = PETSc.Options()
        for key in self._options:
            database.delValue(self._prefix + key)
        owned = [self._eps, self._matrix, self._in, self._out, self._root]
        if self._linear is not None:
            owned.append(self._linear)
        for item in owned:
            with suppress(
                PETSc.Error, SystemError
            ):  # after a failed solve SLEPc refuses to be taken apart
                item.destroy()

    def krylov(self, count: int) -> Array:
        """Return eigenfunctions ``(k, n)``, ghosts included; raise unless `count` converged."""
        if self._operator.conservative:
            self._eps.setDeflationSpace([self._root])
        if self._davidson:
            self._eps.setDimensions(count)
            self._eps.setTolerances(DAVIDSON_TOLERANCE, 2000)
        else:
            self._eps.setDimensions(count, max(2 * count, count + 20))
            self._eps.setTolerances(TOLERANCE, 500)
        self._eps.setFromOptions()  # once more: the user's own go before these
        with _petsc_errors("the eigensolver"):
            self._eps.solve()
        found = self._eps.getConverged()
        ksp = self._eps.getST().getKSP()
        self.facts = {
            "eigensolver": self._eps.getType(),
            "iterations": int(self._eps.getIterationNumber()),
            "linear_solver": f"{ksp.getType()}/{ksp.getPC().getType()}",
            "shift": self._shift,
        }
        if found < count:
            raise SolverError(
                f"SLEPc ({self._eps.getType()}) found {found} of {count} eigenpairs in "
                f"{self._eps.getIterationNumber()} iterations (reason "
                f"{self._eps.getConvergedReason()})"
            )
        rows = []
        for k in range(count):
            self._eps.getEigenvector(k, self._in)
            rows.append(self._function(self._in.array))
        return np.array(rows)

    def inverse(self, functionals: Array) -> Array:
        """Return (αK − M U − shift M)^{-1} b for each b ``(n,)`` (collective)."""
        n = self._operator.form.nodes.n_owned
        rows = []
        for functional in functionals:
            scaled = functional[:n] * self._to_function[:n]
            self._in.array[:] = np.where(self._operator.free[:n], scaled, 0.0)
            with _petsc_errors("the linear solver"):
                if self._linear is None:
                    self._eps.getST().apply(self._in, self._out)
                else:
                    self._linear.solve(self._in, self._out)
            rows.append(self._function(self._out.array))
        return np.array(rows)

    def _function(self, vector: Array) -> Array:
        operator = self._operator
        n = operator.form.nodes.n_owned
        values = np.where(operator.free[:n], vector * self._to_function[:n], 0.0)
        return operator.form.nodes.with_ghosts(values)
