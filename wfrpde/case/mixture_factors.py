r"""Mixtures of Gaussians beyond three dimensions, as products: checked, never whitened.

Where all components have one covariance Σ and their means differ within a subspace S of at most
three dimensions, the mixture is one in S times a Gaussian beside it, as long as Σ keeps S: true of
any S for Σ = σ²I. The flow is a product, too, if the start is a Gaussian whose covariance keeps S.
If a matrix does not keep the span of the differences, the smallest larger S that both keep is
taken. Coordinates are turned into S and its complement, and not scaled: in coordinates that make
Σ = I the flow would be another one, with D = Σ.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.targets.covariance import covariance_matrix, mean_vector, mixture_arrays
from wfrpde.targets.gaussian import nearest_mean_regions

KIND, MOST = "gaussian_mixture", 3
"""Of the target, and dimensions of S at most."""

TARGET = ("kind", "weights", "means", "covariances", "modes", "dim")
START = ("kind", "mean", "covariance")
"""Keys of it, and of its start."""

KEPT = 1e-10
"""Part of a vector, relative to it, that may lie outside S."""

logger = logging.getLogger("wfrpde")


def with_mixture_factors(data: Any) -> Any:
    """Write a mixture in more than three dimensions as a product, in the tables of a case.

    Raises
    ------
    InputError
        If it does not factor.
    """
    target = data.get("target") if isinstance(data, Mapping) else None
    if not isinstance(target, Mapping) or target.get("kind") != KIND:
        return data
    means = target.get("means")
    if not isinstance(means, list | tuple) or not means:
        return data
    if not isinstance(means[0], list | tuple) or len(means[0]) <= MOST:
        return data
    _check_keys("target", target, TARGET)
    try:
        weights, centres, covariances = mixture_arrays(
            target.get("weights"), means, target.get("covariances", ()), most=np.inf
        )
    except InputError as error:
        raise error.at(f"target.{error.where}") from None
    dim, covariance = centres.shape[1], covariances[0]
    if np.abs(covariances - covariance).max() > KEPT * np.abs(covariance).max():
        needed = "one covariance of all components: others do not factor"
        raise InputError("target.covariances", f"several, in {dim} dimensions", needed)
    start = _start(data.get("initial"), dim)
    matrices = [covariance] if start is None else [covariance, start[1]]
    inside = _kept_span(centres[1:] - centres[0], matrices)
    beside = np.linalg.svd(inside, full_matrices=True)[2][inside.shape[0] :]
    rotation = np.concatenate([inside, beside]).T
    factors = []
    parts = (("means", inside), ("beside", beside))
    for name, rows in ((name, rows) for name, rows in parts if len(rows)):
        own = _projected(rows, covariance)
        table: dict[str, Any] = {"kind": "gaussian", "mean": (rows @ centres[0]).tolist()}
        table["covariance"] = own
        if name == "means":
            table = {"kind": KIND, "weights": weights.tolist(), "covariances": [own] * len(weights)}
            table["means"] = (centres @ rows.T).tolist()
        factor: dict[str, Any] = {"name": name, "target": table}
        if start is not None:
            mean, spread = start
            own_mean = (rows @ mean).tolist()
            factor["initial"] = {
                "kind": "gaussian", "mean": own_mean, "covariance": _projected(rows, spread)
            }  # fmt: skip
        factors.append(factor)
    regions = nearest_mean_regions(centres @ inside.T) if len(inside) else {}
    modes = target.get("modes") or {name: f"all({own}, means)" for name, own in regions.items()}
    logger.info(
        "the mixture in %d dimensions is solved as a product: a mixture in the %d in which means "
        "differ, and a Gaussian beside it",
        dim,
        len(inside),
    )
    product = {"kind": "product", "rotation": rotation.tolist(), "modes": modes}
    kept = {key: table for key, table in data.items() if key != "initial"}
    return {**kept, "target": product, "factor": factors}


def _check_keys(table: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    if unknown := set(given).difference(known):
        needed = f"one of {', '.join(known)}, of a mixture beyond {MOST} dimensions"
        raise InputError(f"{table}.{min(unknown)}", "an unknown key", needed)


def _start(initial: Any, dim: int) -> tuple[Array, Array] | None:
    """Return mean and covariance of the start, if there is one."""
    if initial is None:
        return None
    if not isinstance(initial, Mapping):
        raise InputError("initial", repr(initial), f"a table with {', '.join(START)}")
    needed = "a Gaussian: of others the flow of a mixture in many dimensions does not factor"
    if (found := initial.get("kind", "gaussian")) != "gaussian":
        raise InputError("initial.kind", repr(found), needed)
    _check_keys("initial", initial, START)
    given = initial.get("mean", 0.0)
    try:
        mean = mean_vector(given, "initial.mean", most=np.inf)
        mean = np.full(dim, mean[0]) if isinstance(given, int | float) else mean
    except (TypeError, ValueError):
        raise InputError("initial.mean", repr(given), f"{dim} numbers") from None
    if mean.size != dim:
        raise InputError("initial.mean", f"{mean.size} numbers", f"{dim}, or a single one")
    return mean, covariance_matrix(initial.get("covariance", 1.0), dim, "initial.covariance")


def _projected(rows: Array, matrix: Array) -> list[list[float]]:
    own = rows @ matrix @ rows.T
    return [[float(entry) for entry in row] for row in (own + own.T) / 2]


def _kept_span(vectors: Array, matrices: list[Array]) -> Array:
    """Return an orthonormal basis ``(k, d)`` of the least space with the vectors that all keep.

    Raises
    ------
    InputError
        If it has more than `MOST` dimensions.
    """
    basis = np.zeros((0, vectors.shape[1]))
    longest = max((float(np.linalg.norm(vector)) for vector in vectors), default=0.0)
    waiting = [(vector, longest) for vector in vectors]
    while waiting:
        vector, size = waiting.pop(0)
        for _ in range(2):  # once more, for round-off
            vector = vector - basis.T @ (basis @ vector)
        if np.linalg.norm(vector) <= KEPT * size:
            continue
        if len(basis) == MOST:
            found = f"means whose differences the covariances keep in no {MOST} dimensions"
            needed = (
                "differences in at most three that the covariance of the components and that of "
                "the start keep, as any do with σ²I: else the flow does not factor"
            )
            raise InputError("target.means", found, needed)
        unit = vector / np.linalg.norm(vector)
        basis = np.concatenate([basis, unit[None]])
        moved = [matrix @ unit for matrix in matrices]
        waiting += [(vector, float(np.linalg.norm(vector))) for vector in moved]
    return basis
