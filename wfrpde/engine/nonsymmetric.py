r"""The eigenvalues of smallest real part of a real, non-symmetric matrix, none of them left out.

Shift-invert Krylov methods find what is close to a shift: around 0 a slow mode that rotates fast
comes late. So shifts go up the imaginary axis, :math:`\sigma = i\omega`, and what lies in the disc
that each of them has searched is known to be complete; they end where the whole of
:math:`0\le\operatorname{Re}\lambda\le r,\ |\operatorname{Im}\lambda|\le y(r)` is searched, r being
the largest real part that is asked for, and y what the caller knows to bound rotation by.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.errors import SolverError

MOST_SHIFTS = 40

MOST_AROUND = 160
"""Most eigenvalues around one shift."""

SAME = 1e-6
"""Distance of eigenvalues, relative to 1 + |λ|, within which they may be one; vectors decide."""

REAL = 1e-9
"""Imaginary part, relative to 1 + |λ|, up to which an eigenvalue is real."""

ROUND_OFF = 4e-15
"""Perturbation of a matrix by round-off, relative to its largest entry."""

MEETING, MOST_SCATTER = 1e5, 1e-2
"""Condition number from which eigenvalues may have met, and how far they scatter at most, relative
to 1 + |λ|."""

WITHIN = 0.999
"""Share of the distance to the farthest eigenvalue found within which none is missing."""


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues of a real matrix S with right and left vectors.

    Attributes
    ----------
    values
        ``(k,)`` by ascending real part; the positive imaginary part of a pair comes first.
    right, left
        ``(k, n)``: S x = λx and y^H S = λ y^H, with ‖x‖ = 1 and y^H x = 1.
    conditions
        ``(k,)`` ‖x‖‖y‖/|y^H x|: by how much a perturbation of S may move λ.
    residuals
        ``(k,)`` ‖Sx − λx‖.
    searched
        Largest |Im λ| up to which none was left out, for the real parts that are listed.
    complete
        Whether that is as far as was needed.
    shifts
        How many were taken.
    """

    values: ComplexArray
    right: ComplexArray
    left: ComplexArray
    conditions: Array
    residuals: Array
    searched: float
    complete: bool
    shifts: int


@dataclass
class _Found:
    """What is known so far, of the upper half plane."""

    values: list[complex] = field(default_factory=list)
    right: list[ComplexArray] = field(default_factory=list)
    left_values: list[complex] = field(default_factory=list)
    left: list[ComplexArray] = field(default_factory=list)

    def add(self, values: ComplexArray, vectors: ComplexArray, *, left: bool) -> None:
        known, rows = (self.left_values, self.left) if left else (self.values, self.right)
        before = list(zip(known, rows, strict=True))  # those of this shift are distinct
        for value, vector in zip(values, vectors.T, strict=True):
            if value.imag < -REAL * (1 + abs(value)):
                continue  # its conjugate is here, too
            close = [row for old, row in before if abs(old - value) < SAME * (1 + abs(value))]
            rest = vector / np.linalg.norm(vector)
            if close:
                basis = np.linalg.qr(np.array(close).T)[0]
                if np.linalg.norm(rest - basis @ (basis.conj().T @ rest)) < 1e-4:
                    continue
            known.append(complex(value))
            rows.append(rest)

    def lowest(self, count: int) -> ComplexArray:
        """Return the lowest values of both half planes."""
        every = [w for v in self.values for w in ([v, v.conjugate()] if _turns(v) else [v])]
        return np.array(sorted(every, key=ascending)[:count])


def lowest(
    matrix: Any,
    count: int,
    *,
    scale: float,
    rotation: Callable[[ComplexArray], float],
    left: bool = True,
    mirror: Array | None = None,
    ordering: str = "MMD_AT_PLUS_A",
) -> Eigenpairs:
    """Compute the eigenvalues of smallest real part (one process).

    Parameters
    ----------
    matrix
        S, a real sparse matrix of SciPy; its eigenvalues have no negative real part.
    count
        How many.
    scale
        A small rate of the problem, by which the first shift lies left of 0.
    rotation
        The largest imaginary part that has to be searched, given the values chosen so far.
    left
        Whether left vectors and conditions are wanted; NaN otherwise.
    mirror
        Signs p ``(n,)`` with Sᵀ = P S P, P = diag(p): left vectors are then P x̄, and not searched.
    ordering
        SuperLU's ordering: by default that of patterns that are symmetric.

    Raises
    ------
    SolverError
        If the iteration around a shift does not converge.
    """
    n = matrix.shape[0]
    csc = matrix.tocsc()
    sides = (False, True) if left and mirror is None else (False,)
    signs = mirror if left else None
    if n <= max(4 * count, 400):
        return _dense(matrix, count)
    found = _Found()
    around = min(count + 8, n - 2)  # eigenvalues around a shift beyond those asked for
    radius = _searched(csc, -scale, around, found, sides, signs, ordering)
    shifts = 1
    chosen = found.lowest(count)
    height = _height(radius - scale, chosen)
    step = max(height, radius / 2)
    wanted = rotation(chosen)
    while (height < wanted or len(chosen) < count) and shifts < MOST_SHIFTS:
        omega = height + 0.8 * step
        radius = _searched(csc, 1j * omega, around, found, sides, signs, ordering)
        shifts += 1
        chosen = found.lowest(count)
        half = _height(radius, chosen)
        if omega - half <= height * (1 + 1e-12) and half > 0:
            height, step = omega + half, half
        else:
            step /= 2
            if step < radius / 4:  # the disc is narrower than what has to be searched
                around = min(2 * around, MOST_AROUND, n - 2)
                step = radius / 2
        wanted = rotation(chosen)
    return _paired(matrix, found, count, min(height, wanted), height >= wanted, shifts)


def _height(radius: float, chosen: ComplexArray) -> float:
    """Half the height of the strip up to the largest real part that a disc contains."""
    width = float(chosen[-1].real) if len(chosen) else np.inf
    return float(np.sqrt(max(radius**2 - width**2, 0.0)))


def _searched(
    csc: Any,
    shift: complex,
    around: int,
    found: _Found,
    sides: tuple[bool, ...],
    signs: Array | None,
    ordering: str,
) -> float:
    """Add the eigenvalues around a shift; return the radius within which there are no others."""
    from scipy.sparse import identity
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigs, splu

    n = csc.shape[0]
    turned = shift.imag != 0
    kind = complex if turned else float
    sigma = shift if turned else shift.real
    # share of the largest entry of its column from which a diagonal entry is good enough a pivot
    factor = splu(
        (csc - sigma * identity(n, format="csc")).astype(kind).tocsc(),
        permc_spec=ordering,
        diag_pivot_thresh=0.01,
        options={"SymmetricMode": True},
    )
    start = np.random.default_rng(0).standard_normal(n).astype(kind)
    radius = np.inf
    for left in sides:
        form = ("H" if turned else "T") if left else "N"
        inverse = LinearOperator(
            (n, n), matvec=lambda x, form=form: factor.solve(np.asarray(x, kind), form), dtype=kind
        )
        try:
            reciprocal, vectors = eigs(
                inverse, around, which="LM", v0=start, ncv=min(n - 1, 2 * around + 20), maxiter=300
            )
        except ArpackError as error:
            raise SolverError(f"the eigensolver failed around {shift:.3g}: {error}") from error
        values = 1 / reciprocal + (np.conj(sigma) if left else sigma)
        far = np.abs(1 / reciprocal)
        inside = far < WITHIN * far.max()
        if left and turned:  # S^H y = λ* y
            values = values.conj()
        elif left:  # S^T z = λ z, and y is the conjugate of z
            vectors = vectors.conj()
        else:
            radius = WITHIN * float(far.max())
        found.add(values[inside], vectors[:, inside], left=left)
        if signs is not None:
            found.add(values[inside], signs[:, None] * vectors[:, inside].conj(), left=True)
    return radius


def _dense(matrix: Any, count: int) -> Eigenpairs:
    from scipy.linalg import eig

    full = matrix.toarray()
    values, left, right = eig(full, left=True)
    found = _Found()
    found.add(values, right, left=False)
    found.add(values, left, left=True)
    return _paired(matrix, found, count, np.inf, complete=True, shifts=0)


def _paired(
    matrix: Any, found: _Found, count: int, searched: float, complete: bool, shifts: int
) -> Eigenpairs:
    """Pair right and left vectors, cluster by cluster, and add the conjugates."""
    values, right = np.array(found.values), np.array(found.right)
    left_values, left = np.array(found.left_values), np.array(found.left)
    order = sorted(range(len(values)), key=lambda k: ascending(complex(values[k])))
    rows: list[tuple[complex, ComplexArray, ComplexArray]] = []
    for k in order:
        value = values[k]
        dual: ComplexArray = np.full(right.shape[1], np.nan, dtype=complex)
        for near in (1 + abs(value)) * SAME * 10.0 ** np.arange(1, 5) if len(left) else ():
            own = np.flatnonzero(np.abs(values - value) < near)
            other = np.flatnonzero(np.abs(left_values - value) < near)
            if len(other) >= len(own):  # else they are scattered, as where eigenvalues meet
                dual = _dual(right[own], left[other], int(np.flatnonzero(own == k)[0]))
                break
        else:
            if len(left):  # the nearest will do to tell that the condition is poor
                nearest = int(np.abs(left_values - value).argmin())
                dual = _dual(right[[k]], left[[nearest]], 0)
        rows.append((complex(value), right[k], dual))
        if _turns(value):
            rows.append((complex(value).conjugate(), right[k].conj(), dual.conj()))
    chosen: ComplexArray = np.array([row[0] for row in rows], dtype=complex)
    x = np.array([row[1] for row in rows])
    y = np.array([row[2] for row in rows])
    residual = np.linalg.norm((matrix @ x.T).T - chosen[:, None] * x, axis=1)
    if len(left):
        chosen = _met(chosen, np.linalg.norm(y, axis=1), float(abs(matrix).max()))
    order = sorted(range(len(rows)), key=lambda k: ascending(complex(chosen[k])))[:count]
    chosen, x, y, residual = chosen[order], x[order], y[order], residual[order]
    conditions = np.linalg.norm(y, axis=1)
    real = ~np.array([_turns(v) for v in chosen])
    chosen[real] = chosen[real].real
    return Eigenpairs(chosen, x, y, conditions, residual, searched, complete, shifts)


def _dual(right: ComplexArray, left: ComplexArray, k: int) -> ComplexArray:
    """Return y in the span of the left vectors of a cluster with ``y^H x_j = δ_jk``."""
    gram = right @ left.conj().T  # [j, m]: y_m^H x_j
    wanted = (np.arange(len(right)) == k).astype(complex)
    dual = np.linalg.lstsq(gram, wanted, rcond=1e-15)[0].conj() @ left
    pairing = np.vdot(dual, right[k])
    return np.asarray(dual / np.conj(pairing) if pairing != 0 else dual * np.inf)


def _met(values: ComplexArray, conditions: Array, norm: float) -> ComplexArray:
    """Replace eigenvalues that have met by their mean.

    Round-off δ scatters m of them over a distance of δ^{1/m}, and their conditions tell; their mean
    moves by no more than δ.
    """
    blur = np.nan_to_num(conditions, nan=np.inf) * ROUND_OFF * norm
    badly = conditions > MEETING
    result = values.copy()
    for k in np.flatnonzero(badly):
        reach = np.maximum(blur, blur[k]).clip(max=MOST_SCATTER * (1 + abs(values[k])))
        result[k] = values[badly & (np.abs(values - values[k]) <= reach)].mean()
    return result


def _turns(value: complex) -> bool:
    return abs(value.imag) > REAL * (1 + abs(value))


def ascending(value: complex) -> tuple[float, float, float]:
    """Ascending real part, to within round-off; of a pair the positive imaginary part first."""
    # decimals by the size: equal parts of values of about one size are rounded to the same number
    size = abs(value)
    digits = 9 - math.floor(math.log10(1 + size)) if math.isfinite(size) else 0
    return round(value.real, digits), round(abs(value.imag), digits), -value.imag
