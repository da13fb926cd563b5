"""Covariance matrices and means as a case file writes them, checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError

# A scalar (isotropic), a vector (the variances of independent coordinates) or a matrix.
CovarianceLike = float | Sequence[float] | Sequence[Sequence[float]]


def mean_vector(mean: float | Sequence[float], where: str, most: float = 3) -> Array:
    """Return the mean as (d,) array, d up to `most`; a number is a mean in one dimension."""
    vector = np.atleast_1d(np.asarray(mean, dtype=float))
    if vector.ndim != 1 or not 1 <= vector.size <= most:
        raise InputError(where, f"{vector.size} numbers", "1, 2 or 3: one for each dimension")
    if not np.isfinite(vector).all():
        raise InputError(where, f"{vector[~np.isfinite(vector)][0]}", "finite numbers")
    return vector


def covariance_matrix(covariance: CovarianceLike, dim: int, where: str) -> Array:
    """Return the covariance as symmetric positive definite (d, d) matrix.

    Raises
    ------
    InputError
        Wrong shape, not symmetric, or not positive definite (with the smallest eigenvalue).
    """
    try:
        matrix = np.asarray(covariance, dtype=float)
    except (TypeError, ValueError):
        rows = isinstance(covariance, Sequence) and not isinstance(covariance, str)
        found = "rows of unequal length" if rows else repr(covariance)
        raise InputError(where, found, f"a number, or a {dim}×{dim} matrix of numbers") from None
    if not np.isfinite(matrix).all():
        raise InputError(where, f"{matrix[~np.isfinite(matrix)][0]}", "finite numbers")
    if matrix.ndim == 0:
        matrix = float(matrix) * np.eye(dim)
    elif matrix.shape == (dim,):
        matrix = np.diag(matrix)
    if matrix.shape != (dim, dim):
        shape = "×".join(str(n) for n in matrix.shape)
        needed = f"a number, {dim} variances or a {dim}×{dim} matrix, to match the mean"
        raise InputError(where, f"a {shape} array", needed)
    difference = np.abs(matrix - matrix.T)
    if difference.max() > 1e-12 * np.abs(matrix).max():
        i, j = np.unravel_index(int(difference.argmax()), difference.shape)
        found = f"entry [{i}][{j}] = {matrix[i, j]:g} but [{j}][{i}] = {matrix[j, i]:g}"
        raise InputError(where, found, "a symmetric matrix")
    matrix = (matrix + matrix.T) / 2
    eigenvalues = np.linalg.eigvalsh(matrix)
    if not eigenvalues[0] > 1e-14 * eigenvalues[-1]:
        found = f"a matrix with smallest eigenvalue {eigenvalues[0]:.3g}"
        raise InputError(where, found, "a positive definite matrix (all eigenvalues > 0)")
    return np.asarray(matrix)


def mixture_arrays(
    weights: Sequence[float] | None,
    means: Sequence[float | Sequence[float]],
    covariances: Sequence[CovarianceLike],
    most: float = 3,
) -> tuple[Array, Array, Array]:
    """Return normalised weights (k,), means (k, d) and covariances (k, d, d) of a mixture.

    ``weights`` None means equal weights; d is at most `most`; errors name ``weights``, ``means``,
    ``covariances``.
    """
    if not means:
        raise InputError("means", "an empty list", "the mean of at least one component")
    vectors = [mean_vector(m, f"means[{k}]", most) for k, m in enumerate(means)]
    dim = vectors[0].size
    for k, vector in enumerate(vectors):
        if vector.size != dim:
            raise InputError(f"means[{k}]", f"{vector.size} numbers", f"{dim}, like means[0]")
    count = len(vectors)
    if len(covariances) != count:
        found = f"{len(covariances)} covariances"
        raise InputError("covariances", found, f"{count}: one for each mean")
    matrices = [covariance_matrix(c, dim, f"covariances[{k}]") for k, c in enumerate(covariances)]
    shares = np.full(count, 1.0) if weights is None else np.asarray(weights, dtype=float)
    if shares.shape != (count,):
        raise InputError("weights", f"{shares.size} weights", f"{count}: one for each mean")
    if not (shares > 0).all():
        raise InputError("weights", f"the weight {shares.min():g}", "positive weights")
    return shares / shares.sum(), np.array(vectors), np.array(matrices)
