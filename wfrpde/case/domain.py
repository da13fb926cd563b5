"""``[domain]``: where the flow takes place."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from wfrpde.case.sections import Number, Section, Text
from wfrpde.domain.sides import KINDS, checked_ends
from wfrpde.errors import InputError


class DomainSpec(Section):
    """The domain Ω: a box, a mesh file, or, by default, a box that follows from π and ρ₀.

    Attributes
    ----------
    box
        One ``[lo, hi]`` for each axis.
    mesh
        A gmsh ``.msh`` file; relative to the folder of the case file.
    cut_off_share
        Share of the mass of π or ρ₀ outside the domain above which a warning is given.
    boundary
        What holds on ∂Ω: no probability flows through it.
    sides
        Kind of the two sides of an axis of the box, by the axis: ``x``, ``y``, ``z``.
        ``"reflecting"`` where nothing else is said: nothing flows through such a side.
        ``"periodic"``: the axis closes upon itself, a circle. It needs a box of tensor cells.
    cell
        Shape of the cells in a box: intervals, quadrilaterals and hexahedra (``tensor``) or
        triangles and tetrahedra (``simplex``).
    """

    box: tuple[tuple[Number, Number], ...] | None = None
    mesh: Text | None = None
    cut_off_share: Annotated[float, Strict(), Field(gt=0, lt=1)] = 1e-6
    boundary: Literal["no-flux"] = "no-flux"
    sides: dict[Text, Text | tuple[Text, ...]] = {}  # noqa: RUF012 (pydantic copies it)
    cell: Literal["auto", "tensor", "simplex"] = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.box is not None and self.mesh is not None:
            raise InputError("domain", "box and mesh", "at most one of them")
        for axis, (low, high) in enumerate(self.box or ()):
            if not low < high:
                raise InputError(
                    f"domain.box[{axis}]", f"[{low:g}, {high:g}]", "[lo, hi] with lo < hi"
                )
        for name, ends in self.sides.items():
            where = f"domain.sides.{name}"
            kind, _ = checked_ends(ends, where)
            if KINDS[kind].closed and (self.box is None or self.cell == "simplex"):
                raise InputError(where, f"'{kind}' without a box of tensor cells", "[domain] box")
        return self
