"""``[numerics]`` and ``[accuracy]``: how the flow is solved, and how well."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, field_validator, model_validator

from wfrpde.case.petsc_options import checked_options
from wfrpde.case.sections import Flag, PositiveNumber, Section
from wfrpde.errors import InputError


class NumericsSpec(Section):
    """How the flow is solved; whatever is left out is chosen.

    Attributes
    ----------
    formulation
        The unknown and its fluxes: ``edge-averaged`` and ``spectral`` solve for ρ/π,
        ``log-density`` and ``characteristics`` for log(ρ/π); ``heat-kernels`` steps ρ/√π by
        Gaussian kernels in the plane; ``closed form`` is that of Gaussians in any dimension,
        ``radial`` that of the distance from a centre, for what is the same in all directions;
        ``auto`` chooses and says why, ``mesh`` does without the last two.
    degree
        Polynomial degree of the elements, 1 to 8.
    cells
        Cells along each axis (of the coarser mesh, where two are compared); in one dimension a
        bare number will do.
    dt
        Largest time step, in model time.
    time_order
        Order of the time integration.
    stepper
        Name of the time stepper, which has an order: ``strang`` (2), ``axis-by-axis`` (2, edges of
        boxes), ``heat-kernels`` (2, the formulation of that name), ``extrapolated`` (4, spectral
        elements), ``rodasp`` (4, log-density), or one that was added to
        `wfrpde.flow.steppers.STEPPERS`.
    certify
        Whether a second run estimates the error of what is reported.
    cross_check
        Whether a closed form is compared with a run on a mesh, number by number, in units of both
        error bars, and the second moment of a path's weights with the same path run backwards
        (Crooks' relation), and the effective size of any weights with that in a box a quarter
        wider; a difference fails a check.
    engine
        Linear algebra: ``petsc`` (PETSc and SLEPc: needed on several MPI ranks), ``scipy`` (one
        process); ``auto`` takes PETSc where it is installed.
    petsc_options
        Options of PETSc's linear solvers and SLEPc's eigensolvers, without a prefix.
    solver
        Linear solver.
    """

    formulation: Literal[
        "auto",
        "mesh",
        "edge-averaged",
        "log-density",
        "spectral",
        "heat-kernels",
        "characteristics",
        "closed form",
        "radial",
    ] = "auto"
    degree: Annotated[int, Strict(), Field(ge=1, le=8)] | None = None
    cells: tuple[Annotated[int, Strict(), Field(ge=1)], ...] | None = None
    dt: PositiveNumber | None = None
    time_order: Literal[2, 4] | None = None
    stepper: str | None = None
    certify: Flag = True
    cross_check: Flag = False
    engine: Literal["auto", "scipy", "petsc"] = "auto"
    petsc_options: dict[str, str | int | float | bool] = {}  # noqa: RUF012 (pydantic copies it)
    solver: Literal["auto", "direct", "iterative"] = "auto"

    @property
    def chooses(self) -> bool:
        """Whether the formulation is chosen for the case."""
        return self.formulation in ("auto", "mesh")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cross_check and not self.certify:
            found = "true, with certify = false"
            raise InputError("numerics.cross_check", found, "certify = true: errors are compared")
        return self

    @field_validator("petsc_options")
    @classmethod
    def _known_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        checked_options(options)
        return options

    @field_validator("cells", mode="before")
    @classmethod
    def _list_of_cells(cls, cells: Any) -> Any:
        if cells is None or isinstance(cells, list | tuple):
            return cells
        if isinstance(cells, int) and not isinstance(cells, bool) and cells > 0:
            return (cells,)
        raise InputError(
            "numerics.cells",
            repr(cells),
            "a list of numbers of cells, one for each axis, e.g. [40]",
        )


Wanted = Literal[
    "density",
    "kl",
    "mean",
    "covariance",
    "mode_mass",
    "fisher_information",
    "reaction_variance",
    "log_normalising_constant",
]
"""Numbers that a tolerance may be asked for."""


class AccuracySpec(Section):
    """How accurate the result has to be.

    Attributes
    ----------
    tolerance
        Relative error aimed at, of the density in L2, of KL, means, covariances and the masses of
        regions. Domain, formulation, mesh, degree and steps are chosen for it, and refined until
        the estimated errors meet it; if that fails, a warning says how far it got. Without it, the
        defaults of ``[numerics]`` hold.
    of
        The numbers that have to be as accurate, e.g. ``["kl", "mode_mass"]``; by default all that
        `tolerance` names. ``fisher_information`` and ``reaction_variance`` may be asked for, too.
    """

    tolerance: Annotated[float, Strict(), Field(gt=0, lt=1)] | None = None
    of: Annotated[tuple[Wanted, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.of is not None and self.tolerance is None:
            raise InputError("accuracy.of", "numbers without a tolerance", "accuracy.tolerance")
        return self
