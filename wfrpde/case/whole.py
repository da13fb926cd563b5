"""What sections of a case must be to each other: checked once it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfrpde.case.factors import check_product
from wfrpde.case.noising import check_noising
from wfrpde.case.path import check_annealed
from wfrpde.case.size import check_size
from wfrpde.errors import InputError
from wfrpde.fields.complaints import check_length, choose
from wfrpde.fields.product_regions import parse_product_region

if TYPE_CHECKING:
    from wfrpde.case.case import Case


def check_whole(case: Case, *, stored: bool) -> None:
    """Raise InputError where sections contradict; a `stored` case has been solved already."""
    _check_momenta(case)
    check_noising(case)
    _check_domain(case, stored=stored)
    check_product(case)
    _check_axes(case)
    case.initial.check_dimension(1 if case.target.is_chain else case.dim)
    case.flow.check_dimension(case.dim)
    check_annealed(case.path, case.flow.reaction)
    _check_path(case)
    case.flow.check_splitting(case.numerics.dt, samplers=len(case.sampler))
    case.flow.check_weights(killed=case.domain.kills)
    if case.flow.weights and (case.is_factored or case.noising is not None):
        found = "true, of factors or a score-based process"
        raise InputError("flow.weights", found, "a flow in one to three dimensions")
    drift = case.dynamics.build(case.dim).drift
    if drift is not None and drift.moving and case.path.kind is None:
        raise InputError("dynamics.drift", "one that contains t, without a [path]", "none with t")
    if not stored:
        given = (case.flow, case.numerics, case.convergence, case.samplers)
        check_size(case.dim, *given, chain=case.target.is_chain)
    case.validation.check_dimension(case.dim, factored=case.is_factored)
    if case.domain.absorbing is not None:
        case.region(case.domain.absorbing, "domain.absorbing")
    if case.domain.kills and not case.flow.conserve_mass:
        found = "false with absorbing sides or regions"
        do = "The share that is left is reported as survival."
        raise InputError("flow.conserve_mass", found, "true there", do)
    if case.spectrum.absorbing is not None and case.is_factored:
        parse_product_region(case.spectrum.absorbing, "spectrum.absorbing")
    elif case.spectrum.absorbing is not None:
        case.region(case.spectrum.absorbing, "spectrum.absorbing")
    for index, text in enumerate(case.spectrum.committor or ()):
        case.region(text, f"spectrum.committor[{index}]")


def _check_momenta(case: Case) -> None:
    if case.is_coupled and (case.target.is_round or case.target.is_chain):
        found = f"'kinetic' with a target of kind {case.target.kind!r}"
        needed = "a target in one or two dimensions, a Gaussian, or a product of factors with one"
        raise InputError("dynamics.kind", found, needed)


def _check_path(case: Case) -> None:
    if case.path.kind is None:
        return
    if case.target.is_chain and case.path.kind == "expression":
        needed = "'temper' or 'anneal', whose targets are chains at all times"
        raise InputError("path.kind", "'expression', of a chain", needed)
    case.path.build(case.dim if case.dim <= 3 else 1, case.flow.t_end)
    beyond = {
        "flow.splitting": case.flow.splitting is not None,
        "flow.conserve_mass": not case.flow.conserve_mass,
        "domain": case.domain.kills,
        "dynamics.kind": case.dynamics.kind == "kinetic",
        "target": case.is_factored and not case.target.is_chain,
    }
    for where, given in beyond.items():
        if given:
            needed = (
                "a path of an overdamped flow in one to three dimensions, or of a chain, "
                "that keeps mass"
            )
            raise InputError(where, "what no flow with a [path] can do yet", needed)


def _check_axes(case: Case) -> None:
    """Refuse turned axes of what is not solved along them."""
    axes = case.domain.axes
    if not case.domain.turns:
        return
    if case.is_factored or case.noising is not None or case.dim == 1:
        kind = "in one dimension" if case.dim == 1 else "of factors or a score-based process"
        needed = "'coordinate' there: the plane and space have axes to turn"
        raise InputError("domain.axes", f"turned axes {kind}", needed)
    if not isinstance(axes, str):
        from wfrpde.domain.frame import orthogonal

        dim = case.dim
        needed = f"'coordinate', 'principal', or an orthogonal {dim}×{dim} matrix"
        orthogonal(axes, dim, "domain.axes", needed)
    beyond = {
        "dynamics": bool(case.dynamics.altered),
        "path": case.path.kind is not None,
        "flow.reaction": case.flow.reaction is not None,
        "flow.weights": case.flow.weights,
    }
    for where, given in beyond.items():
        if given:
            needed = "none there: what is solved along turned axes is overdamped, with D = 1"
            raise InputError(where, "one, with domain.axes that are turned", needed)


def _check_domain(case: Case, *, stored: bool) -> None:
    chain = case.target.is_chain  # then all sites are alike
    if case.domain.box is not None:
        check_length("domain.box", case.domain.box, 1 if chain else case.dim)
    for axis in case.domain.sides:
        choose(axis, "xyz"[: case.dim], f"domain.sides.{axis}")
    if case.numerics.cells is not None:
        if case.domain.mesh is not None:
            raise InputError(
                "numerics.cells",
                "cells for a domain from domain.mesh",
                "cells only for a box",
                "The mesh file has its own cells.",
            )
        if chain or not case.is_factored:  # else each factor has axes of its own
            check_length("numerics.cells", case.numerics.cells, 1 if chain else case.dim)
    path = case.mesh_path
    if path is not None and not stored and not path.is_file():
        raise InputError(
            "domain.mesh",
            f"no file {path}",
            "a gmsh .msh file",
            "A relative path starts at the folder of the case file.",
        )
