"""``[domain]``: where the flow takes place."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from wfrpde.case.sections import Number, Section, Text
from wfrpde.domain.sides import KINDS, checked_ends
from wfrpde.errors import InputError
from wfrpde.fields.complaints import choose

AUTOMATIC, COORDINATE, PRINCIPAL = "automatic", "coordinate", "principal"
"""Words for the axes of a box."""


class DomainSpec(Section):
    """The domain Ω: a box, a mesh file, or, by default, a box that follows from π and ρ₀.

    Attributes
    ----------
    box
        One ``[lo, hi]`` for each axis. In the plane and in space walls that an
        ``accuracy.tolerance`` does not feel are left out.
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
        ``"absorbing"``: what arrives there is gone; ``["reflecting", "absorbing"]`` are the kinds
        at the low and the high end. It needs a box.
    absorbing
        Region whose points absorb, or the name of one of ``target.modes``: the flow is that of what
        has not been there, conditioned, and its share is reported.
    axes
        Axes of the box that is chosen, in the plane or in space: ``"coordinate"``; ``"principal"``,
        along which the wells of π are narrow and wide; or an orthogonal matrix, whose rows are
        their directions. ``"automatic"`` takes principal axes of a plane where they save half of
        the cells. All that is given and told stays in x, y and z.
    cell
        Shape of the cells in a box: intervals, quadrilaterals and hexahedra (``tensor``) or
        triangles and tetrahedra (``simplex``).
    """

    box: tuple[tuple[Number, Number], ...] | None = None
    mesh: Text | None = None
    cut_off_share: Annotated[float, Strict(), Field(gt=0, lt=1)] = 1e-6
    boundary: Literal["no-flux"] = "no-flux"
    sides: dict[Text, Text | tuple[Text, ...]] = {}  # noqa: RUF012 (pydantic copies it)
    absorbing: Text | None = None
    axes: Text | tuple[tuple[Number, ...], ...] = AUTOMATIC
    cell: Literal["auto", "tensor", "simplex"] = "auto"

    @property
    def kills(self) -> bool:
        """Whether something absorbs."""
        kinds = [checked_ends(ends, name) for name, ends in self.sides.items()]
        return self.absorbing is not None or any(KINDS[k].absorbing for pair in kinds for k in pair)

    @property
    def turns(self) -> bool:
        """Whether it is asked for axes that may be others than those of the coordinates."""
        return self.axes not in (AUTOMATIC, COORDINATE)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.box is not None and self.mesh is not None:
            raise InputError("domain", "box and mesh", "at most one of them")
        for axis, (low, high) in enumerate(self.box or ()):
            if not low < high:
                raise InputError(
                    f"domain.box[{axis}]", f"[{low:g}, {high:g}]", "[lo, hi] with lo < hi"
                )
        if isinstance(self.axes, str):
            words = AUTOMATIC, COORDINATE, PRINCIPAL
            choose(self.axes, words, "domain.axes", "or an orthogonal matrix")
        beyond = {
            "box": self.box is not None,
            "mesh": self.mesh is not None,
            "sides": bool(self.sides),
            "absorbing": self.absorbing is not None,
            "cell": self.cell == "simplex",
        }
        for key, given in beyond.items():
            if self.turns and given:
                found = "one, along axes that are turned"
                do = "The default, without domain.axes, takes it."
                raise InputError(f"domain.{key}", found, "none beside domain.axes", do)
        for name, ends in self.sides.items():
            where = f"domain.sides.{name}"
            kinds = checked_ends(ends, where)
            if KINDS[kinds[0]].closed and (self.box is None or self.cell == "simplex"):
                found = f"'{kinds[0]}' without a box of tensor cells"
                raise InputError(where, found, "[domain] box")
            if any(KINDS[kind].absorbing for kind in kinds) and self.box is None:
                raise InputError(where, "'absorbing' without a box", "[domain] box")
        return self
