"""``[[factor]]``: the independent parts of a product, each with its own target and start.

A flow whose target, start and rate of growth factorise stays a product, since log(ρ/π) is a sum:
each factor follows its own flow. Identical factors are solved once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, Strict

from wfrpde.arrays import Array
from wfrpde.case.densities import FACTORS, InitialSpec, TargetSpec
from wfrpde.case.domain import DomainSpec
from wfrpde.case.sections import Section, Text
from wfrpde.errors import InputError

if TYPE_CHECKING:
    from wfrpde.case.case import Case


MOST_DIMENSIONS = 100_000
"""Coordinates beyond which a product is refused."""


class FactorSpec(Section):
    """One factor of a product, or several that are equal.

    Attributes
    ----------
    target
        Its target: any kind in one to three dimensions, or a Gaussian of any dimension.
    initial
        Its start, which a flow needs.
    repeat
        How many factors of this kind there are.
    name
        By which regions of the product mean it, as in ``"count(x > 0, wells) >= 8"``.
    reaction
        Its part u of a linear reaction U = Σ u(factor), as ``flow.reaction`` for one factor.
    domain
        Its domain, with the keys of ``[domain]``; by default a box that follows.
    """

    target: TargetSpec
    initial: InitialSpec | None = None
    repeat: Annotated[int, Strict(), Field(ge=1)] = 1
    name: Text = ""
    reaction: Text | None = None
    domain: DomainSpec | None = None


def factors_of(case: Case) -> tuple[FactorSpec, ...]:
    """Return the factors of a case, in order: one, if it is no product."""
    if case.target.is_product:
        return case.factor
    spec = FactorSpec.model_construct(
        target=case.target,
        initial=case.initial,
        repeat=1,
        name="",
        reaction=case.flow.reaction,
        domain=case.domain,
    )
    return (spec,)


def check_product(case: Case) -> None:
    """Raise `InputError` unless ``[[factor]]`` and the other tables of a product fit together."""
    kinetic = case.dynamics.kind == "kinetic"
    plain = case.dynamics.model_dump() == type(case.dynamics)().model_dump()
    if case.is_factored and not (
        plain or (kinetic and (case.target.is_product or case.is_coupled))
    ):
        raise InputError(
            "dynamics", "a table, with factors", "none, or kind = 'kinetic' for a product"
        )
    if case.target.kind == "student_t" and case.target.modes:
        needed = "none: masses of its tails are not known"
        raise InputError("target.modes", "regions, of Student's t", needed)
    if not case.target.is_product:
        unseen = case.domain.altered - {"cut_off_share"}
        if case.is_factored and not case.target.is_chain and unseen:
            key = f"domain.{min(unseen)}"
            raise InputError(
                key, f"it, in {case.dim} dimensions", "no domain: the flow is in all space"
            )
        if case.factor:
            raise InputError(
                "factor",
                f"{len(case.factor)} tables without a product",
                '[target] kind = "product" with them',
            )
        return
    if not case.factor:
        do = 'For example: [[factor]] repeat = 100, target = { kind = "double_well" }, …'
        raise InputError("factor", "none, in a product", "at least one [[factor]] table", do)
    if case.initial.kind != FACTORS:
        raise InputError(
            "initial", "a table beside factors", "a start of each factor: factor.initial"
        )
    for index, factor in enumerate(case.factor):
        where = f"factor[{index}]"
        if factor.target.is_product:
            raise InputError(f"{where}.target.kind", "'product'", "the factors themselves")
        if factor.target.modes:
            do = 'For example: [target] modes = { right = "all(x > 0)" }.'
            raise InputError(
                f"{where}.target.modes", "regions of a factor", "regions of the product", do
            )
        if factor.domain is not None and factor.domain.kills:
            raise InputError(f"{where}.domain", "absorbing sides or regions", "none, in a product")
        if factor.domain is not None and factor.domain.turns:
            raise InputError(f"{where}.domain.axes", "turned axes", "'coordinate', in a product")
        if kinetic and factor.target.dimension > 1:
            found = f"{factor.target.dimension} dimensions, with momenta"
            raise InputError(f"{where}.target", found, "one position in each factor")
        if factor.initial is not None:
            factor.initial.check_dimension(factor.target.dimension * (1 + kinetic))
    names = [factor.name for factor in case.factor if factor.name]
    if len(names) != len(set(names)):
        raise InputError("factor", f"the names {', '.join(names)}", "each name once")
    if case.dim > MOST_DIMENSIONS:
        raise InputError("factor", f"{case.dim} dimensions", f"at most {MOST_DIMENSIONS}")
    _check_regions(case)
    if kinetic and case.target.parameters.get("rotation") is not None:
        raise InputError("target.rotation", "one, with momenta", "none there")
    rotation_matrix(case.target.parameters.get("rotation"), case.dim)
    unused: Mapping[str, Any] = {
        "domain.box": case.domain.box,
        "domain.mesh": case.domain.mesh,
        "domain.sides": case.domain.sides or None,
        "flow.reaction": case.flow.reaction,
    }
    for key, value in unused.items():
        if value is not None:
            needed = f"none here: factor.{key if key.startswith('domain') else 'reaction'}"
            raise InputError(key, "a key of the whole product", needed)
    if not case.flow.conserve_mass:
        raise InputError(
            "flow.conserve_mass", "false, in a product", "true: products are of conserved mass"
        )


def _check_regions(case: Case) -> None:
    from wfrpde.fields.product_regions import (
        check_count,
        check_factor_region,
        parse_product_region,
    )

    known = {factor.name for factor in case.factor if factor.name}
    phases = 2 if case.dynamics.kind == "kinetic" else 1
    asked = {f"target.modes.{name}": text for name, text in case.target.modes.items()}
    rare = case.validation.probabilities.items()
    asked |= {f"validation.probabilities.{name}": text for name, text in rare}
    for where, text in asked.items():
        region = parse_product_region(text, where)
        if unknown := sorted(set(region.names) - known):
            needed = f"one of {', '.join(sorted(known))}" if known else "none: no factor has a name"
            raise InputError(where, f"the factor {unknown[0]!r}", needed)
        if region.kind == "dot" and len(region.weights) != case.dim:
            raise InputError(
                where, f"{len(region.weights)} weights", f"{case.dim}, one a coordinate"
            )
        count = sum(factor.repeat for factor in case.factor if region.means(factor.name))
        check_count(region, count, where)
        for factor in case.factor:
            if region.means(factor.name):
                check_factor_region(region, factor.target.dimension * phases, where)


def rotation_matrix(given: Any, dim: int) -> Array | None:
    """Return the orthogonal matrix R of x = R y, y the coordinates of the factors, or None.

    Parameters
    ----------
    given
        A matrix ``(d, d)``, ``"random:seed"`` (uniformly distributed), or None.

    Raises
    ------
    InputError
        If it is neither, or not orthogonal.
    """
    where, needed = "target.rotation", f'an orthogonal {dim}×{dim} matrix, or "random:seed"'
    if given is None:
        return None
    if isinstance(given, str):
        word, _, seed = given.partition(":")
        if word != "random" or not seed.isdecimal():
            raise InputError(where, repr(given), needed)
        return random_rotation(dim, int(seed))
    from wfrpde.domain.frame import orthogonal

    return orthogonal(given, dim, where, needed)


def random_rotation(dim: int, seed: int) -> Array:
    """Return an orthogonal matrix that is uniformly distributed, by its seed."""
    normal = np.random.default_rng(seed).standard_normal((dim, dim))
    q, r = np.linalg.qr(normal)
    return np.asarray(q * np.sign(np.diag(r)))
