"""Masses of regions of a product, and which points lie in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags
from wfrpde.errors import InputError
from wfrpde.fields import parse_region
from wfrpde.fields.product_regions import ProductRegion, complement, linear_weights
from wfrpde.flow.product.counts import log_at_least
from wfrpde.flow.product.factors import Factors
from wfrpde.flow.product.parts import Index
from wfrpde.flow.product.sums import Tail


def region_mass(factors: Factors, region: ProductRegion, index: Index, where: str) -> Tail:
    """Return the mass of a region of a product, with its relative error.

    Raises
    ------
    InputError
        If the region is none of this product; the message names `where`.
    """
    if region.kind == "count":
        return _counted(factors, region, index, where)
    law = factors.law(index, linear_form(factors, region, where))
    return law.above(region.bound) if region.above else law.below(region.bound)


def inside(factors: Factors, region: ProductRegion, x: npt.ArrayLike) -> Flags:
    """Return which points ``(n, d)`` lie in a region of a product."""
    y = factors.coordinates(x)
    if region.kind != "count":
        form = y @ linear_form(factors, region, "region")
        return np.asarray(form > region.bound if region.above else form < region.bound)
    count, meant = np.zeros(len(y), dtype=int), 0
    chosen = set(_meant(factors, region))
    for kind, part in enumerate(factors.parts):
        own = [k for k, other in enumerate(factors.order) if other == kind]
        columns = factors.columns[kind][[k in chosen for k in own]]
        if not len(columns):
            continue
        meant += len(columns)
        hits = parse_region(region.region, part.dim, "region")(y[:, columns].reshape(-1, part.dim))
        count += hits.reshape(len(y), -1).sum(axis=1)
    if region.most is not None:
        return np.asarray(count <= region.most)
    return np.asarray(count >= (meant if region.least < 0 else region.least))


def linear_form(factors: Factors, region: ProductRegion, where: str) -> Array:
    """Return v ``(d,)``: the region bounds v·y, y the coordinates of the factors."""
    if region.kind == "dot":
        if len(region.weights) != factors.dim:
            raise InputError(where, f"{len(region.weights)} weights", f"{factors.dim}, one each")
        return factors.turned(region.weights)
    inner, known = np.zeros(factors.dim), dict[int, Array]()
    for number in _meant(factors, region):
        start, dim = factors.starts[number], factors.parts[factors.order[number]].dim
        if dim not in known:
            known[dim] = linear_weights(region.form, dim, where)
        inner[start : start + dim] = known[dim]
    return inner


def _meant(factors: Factors, region: ProductRegion) -> list[int]:
    """Return the numbers of the factors that a region means."""
    return [k for k, name in enumerate(factors.names) if region.means(name)]


def _counted(factors: Factors, region: ProductRegion, index: Index, where: str) -> Tail:
    meant = [factors.order[number] for number in _meant(factors, region)]
    kinds = sorted(set(meant))
    numbers = np.array([meant.count(kind) for kind in kinds])
    within, outside = [], []
    for kind in kinds:
        part = factors.parts[kind]
        try:
            within.append(part.region_mass(index, region.region))
            outside.append(part.region_mass(index, complement(region.region)))
        except KeyError:
            known = "one that target.modes of the case uses"
            raise InputError(where, repr(region.region), known) from None
    (p, e), (q, f) = np.array(within).T, np.array(outside).T
    total = int(numbers.sum())

    def value(shift: float) -> float:
        """Return log P with all probabilities moved by their errors."""
        with np.errstate(divide="ignore"):
            log_p = np.log(np.clip(p + shift * e, 0.0, 1.0))
            log_q = np.log(np.clip(q - shift * f, 0.0, 1.0))
        if region.most is not None:  # at most m: at least n − m of the opposite
            return log_at_least(total - region.most, log_q, log_p, numbers)
        return log_at_least(total if region.least < 0 else region.least, log_p, log_q, numbers)

    best, ends = value(0.0), (value(-1.0), value(1.0))
    with np.errstate(invalid="ignore", over="ignore"):
        spread = max(abs(float(np.expm1(end - best))) for end in ends)
    return Tail(min(best, 0.0), spread + 1e-13 * total)
