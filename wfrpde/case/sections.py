"""The tables of a case file: frozen, checked models, one for each table.

Lengths and times are in the units of the potential, which is in kT. `wfrpde.case.Case` puts the
tables together and checks them against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    field_validator,
    model_serializer,
    model_validator,
)

from wfrpde.case.complaints import INITIAL_EXAMPLE, check_length, unknown_key
from wfrpde.case.petsc_options import checked_options
from wfrpde.errors import InputError

#: Shares of ``t_end`` that are saved when a case names no times: ten, about evenly spaced in log t.
DEFAULT_SAVE_SHARES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0)

Number = Annotated[float, Strict(), AllowInfNan(False)]
Integer = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, Strict()]
PositiveNumber = Annotated[float, Strict(), AllowInfNan(False), Field(gt=0)]


def default_save_times(t_end: float) -> tuple[float, ...]:
    """Give ten model times from ``t_end``/100 to ``t_end``, about evenly spaced in log t."""
    earlier = (float(f"{share * t_end:.12g}") for share in DEFAULT_SAVE_SHARES[:-1])
    return (*earlier, t_end)


class Section(BaseModel):
    """One table of the case file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)


class OpenSection(Section):
    """A table whose further keys depend on its ``kind``; they are collected in ``parameters``."""

    section: ClassVar[str]
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect_parameters(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        fixed = {k: v for k, v in data.items() if k in cls.model_fields and k != "parameters"}
        others = {k: v for k, v in data.items() if k not in cls.model_fields}
        collected = {**dict(data.get("parameters") or {}), **others}
        return {**fixed, "parameters": collected} if collected else fixed

    @model_serializer(mode="wrap")
    def _spread_parameters(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        parameters = data.pop("parameters", {})
        return {**data, **parameters}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema.get("properties", {}).pop("parameters", None)
        schema["additionalProperties"] = True
        return schema

    def _reject_parameters(self, because: str) -> None:
        for key in self.parameters:
            raise unknown_key(
                self.section, key, set(type(self).model_fields) - {"parameters"}, because
            )


class TargetSpec(OpenSection):
    """The target density π ∝ exp(−V): exactly one of ``potential``, ``kind`` and ``python``.

    Attributes
    ----------
    potential
        V(x, y, z) in kT, as an expression.
    kind
        Name of a target of the library; its parameters are further keys of the table.
    python
        ``"module:object"``, a target defined in Python.
    dim
        Dimension, 1 to 3; by default the number of coordinates that V uses.
    modes
        Named regions (``"x < 0"``) whose mass is reported.
    parameters
        The further keys of the table: parameters of ``kind`` or ``python``.
    """

    section: ClassVar[str] = "target"
    potential: Text | None = None
    kind: Text | None = None
    python: Text | None = None
    dim: Annotated[int, Strict(), Field(ge=1, le=3)] | None = None
    modes: dict[str, Text] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [k for k in ("potential", "kind", "python") if getattr(self, k) is not None]
        if not given and self.parameters:  # most likely one of the three, misspelt
            self._reject_parameters("without potential, kind or python")
        if len(given) != 1:
            raise InputError(
                "target",
                " and ".join(given) or "none of potential, kind, python",
                "exactly one of potential, kind and python",
                "" if given else 'For example: potential = "(x**2 - 1)**2".',
            )
        if self.potential is not None:
            self._reject_parameters("with target.potential")
        elif self.kind is not None:
            from wfrpde.targets import validate_parameters

            validate_parameters(self.kind, self.parameters)
        _ = self.dimension
        self._check_modes()
        return self

    def _check_modes(self) -> None:
        from wfrpde.fields import parse_region

        for name, text in self.modes.items():
            if not name.strip():
                raise InputError("target.modes", "a region without a name", "a name for each")
            parse_region(text, self.dimension, f"target.modes.{name}")

    @cached_property
    def dimension(self) -> int:
        """Dimension d of the space that the target lives on."""
        if self.potential is None:
            if self.python is not None and self.dim is not None:
                return self.dim  # the user's code runs when the flow is solved
            from wfrpde.targets import make_target

            dim: int = make_target(
                kind=self.kind,
                python=self.python,
                dim=self.dim,
                modes=self.modes,
                parameters=self.parameters,
            ).dim
            return dim
        from wfrpde.fields import parse_expression

        expression = parse_expression(self.potential, self.dim or 3, "target.potential")
        used = {str(symbol) for symbol in expression.free_symbols}
        if not used and self.dim is None:
            raise InputError(
                "target.potential", repr(self.potential), "an expression in x (and y, z)"
            )
        return self.dim or max("xyz".index(name) for name in used) + 1


class InitialSpec(OpenSection):
    """The initial density ρ₀, and its mass.

    ``kind`` is ``gaussian`` (``mean``, ``covariance``), ``mixture`` (``weights``, ``means``,
    ``covariances``), ``expression`` (``log_density`` or ``density``), ``uniform`` (``box``,
    optional) or ``dirac`` (``point``, ``width``); when it is left out it follows from those keys.
    """

    section: ClassVar[str] = "initial"
    _kind_of_key: ClassVar[dict[str, str]] = {
        "log_density": "expression",
        "density": "expression",
        "means": "mixture",
        "mean": "gaussian",
        "point": "dirac",
        "box": "uniform",
    }
    kind: Text
    mass: PositiveNumber = 1.0

    @model_validator(mode="before")
    @classmethod
    def _infer_kind(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "kind" in data:
            return data
        kinds = [
            kind
            for key, kind in cls._kind_of_key.items()
            if key in data or key in data.get("parameters", {})
        ]
        if not kinds:
            raise InputError("initial", "no kind", "an initial density", INITIAL_EXAMPLE)
        return {**data, "kind": kinds[0]}

    @model_validator(mode="after")
    def _check(self) -> Self:
        from wfrpde.starts.initial import validate_initial

        validate_initial(self.kind, self.parameters)
        return self

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the parameters fit a target of dimension ``dim``."""
        from wfrpde.fields import parse_expression

        check_means(self.parameters, dim)
        covariances = {
            f"covariances[{i}]": c for i, c in enumerate(self.parameters.get("covariances", ()))
        }
        if "covariance" in self.parameters:
            covariances["covariance"] = self.parameters["covariance"]
        for key, matrix in covariances.items():
            if isinstance(matrix, list | tuple):
                check_length(f"initial.{key}", matrix, dim)
        for key in ("log_density", "density"):
            if key in self.parameters:
                parse_expression(self.parameters[key], dim, f"initial.{key}")


def check_means(parameters: Mapping[str, Any], dim: int) -> None:
    """Raise `InputError` unless what says where ρ₀ lies has ``dim`` coordinates."""
    for key in ("mean", "point", "box"):
        if key in parameters:
            check_length(f"initial.{key}", parameters[key], dim)
    for index, mean in enumerate(parameters.get("means", ())):
        check_length(f"initial.means[{index}]", mean, dim)


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
    cell
        Shape of the cells in a box: intervals, quadrilaterals and hexahedra (``tensor``) or
        triangles and tetrahedra (``simplex``).
    """

    box: tuple[tuple[Number, Number], ...] | None = None
    mesh: Text | None = None
    cut_off_share: Annotated[float, Strict(), Field(gt=0, lt=1)] = 1e-6
    boundary: Literal["no-flux"] = "no-flux"
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
        return self


class FlowSpec(Section):
    """The flow: rates, duration and the model times that are saved.

    Attributes
    ----------
    alpha
        Rate α ≥ 0 of the Wasserstein part (diffusion), per unit model time; 0: pure Fisher–Rao.
    beta
        Rate β ≥ 0 of the Fisher–Rao part (reaction), per unit model time; 0: Langevin. 1 by
        default, or 0 with a ``reaction``.
    reaction
        Rate U of a linear (Feynman–Kac) reaction as a formula in x, y and z, per unit model time:
        mass multiplies by e^{∫U} along the paths.
    t_end
        Model time at which the flow ends; by default the last of ``save``, or 1.
    save
        Model times, ascending, that are saved besides 0; by default ten up to ``t_end``.
    conserve_mass
        Whether the mean reaction rate is subtracted. If not, the mass evolves too.
    """

    alpha: Annotated[float, Strict(), AllowInfNan(False), Field(ge=0)] = 1.0
    beta: Annotated[float, Strict(), AllowInfNan(False), Field(ge=0)] = 1.0
    reaction: Text | None = None
    t_end: PositiveNumber = 1.0
    save: tuple[PositiveNumber, ...] = ()
    conserve_mass: Flag = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        # Defaults that depend on other keys are written past the frozen fields and stay out of
        # model_fields_set, so that an override of one of them still moves the other.
        if self.reaction is not None and "beta" not in self.model_fields_set:
            object.__setattr__(self, "beta", 0.0)
        if self.alpha == 0 and self.beta == 0 and self.reaction is None:
            raise InputError(
                "flow",
                "alpha = 0 and beta = 0",
                "a positive alpha or beta, or a reaction",
                "With both 0 nothing flows.",
            )
        if "save" in self.model_fields_set:
            self._check_save()
        if "t_end" not in self.model_fields_set and self.save:
            object.__setattr__(self, "t_end", self.save[-1])
        if "save" not in self.model_fields_set:
            object.__setattr__(self, "save", default_save_times(self.t_end))
        return self

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the reaction is a formula in ``dim`` coordinates."""
        from wfrpde.fields import parse_expression

        if self.reaction is not None:
            parse_expression(self.reaction, dim, "flow.reaction")

    def _check_save(self) -> None:
        if not self.save:
            raise InputError(
                "flow.save",
                "an empty list",
                "at least one time",
                "Leave it out for ten default times.",
            )
        for earlier, later in zip(self.save, self.save[1:], strict=False):
            if not earlier < later:
                raise InputError(
                    "flow.save",
                    f"{later:g} after {earlier:g}",
                    "times in ascending order, each once",
                )
        if "t_end" in self.model_fields_set and self.save[-1] > self.t_end * (1 + 1e-12):
            raise InputError(
                "flow.save",
                f"{self.save[-1]:g} with flow.t_end = {self.t_end:g}",
                "times up to t_end",
                "Shorten flow.save or raise flow.t_end.",
            )


class NumericsSpec(Section):
    """How the flow is solved; whatever is left out is chosen.

    Attributes
    ----------
    formulation
        The unknown and its fluxes: ``edge-averaged`` and ``spectral`` solve for ρ/π,
        ``log-density`` for log(ρ/π); ``auto`` chooses and says why.
    degree
        Polynomial degree of the elements, 1 to 8.
    cells
        Cells along each axis (of the coarser mesh, where two are compared); in one dimension a
        bare number will do.
    dt
        Largest time step, in model time.
    time_order
        Order of the time integration.
    certify
        Whether a second run estimates the error of what is reported.
    petsc_options
        Options of PETSc's linear solvers and SLEPc's eigensolvers, without a prefix.
    solver
        Linear solver.
    """

    formulation: Literal["auto", "edge-averaged", "log-density", "spectral"] = "auto"
    degree: Annotated[int, Strict(), Field(ge=1, le=8)] | None = None
    cells: tuple[Annotated[int, Strict(), Field(ge=1)], ...] | None = None
    dt: PositiveNumber | None = None
    time_order: Literal[2, 4] | None = None
    certify: Flag = True
    petsc_options: dict[str, str | int | float | bool] = {}
    solver: Literal["auto", "direct", "iterative"] = "auto"

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


class AccuracySpec(Section):
    """How accurate the result has to be.

    Attributes
    ----------
    tolerance
        Relative error aimed at, of the density in L2, of KL, means, covariances and the masses of
        regions. Domain, formulation, mesh, degree and steps are chosen for it, and refined until
        the estimated errors meet it; if that fails, a warning says how far it got. Without it, the
        defaults of ``[numerics]`` hold.
    """

    tolerance: Annotated[float, Strict(), Field(gt=0, lt=1)] | None = None


class SpectrumSpec(Section):
    """What is computed of the generator's spectrum.

    Attributes
    ----------
    count
        Number of eigenvalues, the zero among them.
    absorbing
        Region where functions vanish, or the name of one of ``target.modes``: the first eigenvalue
        is then the rate of exit into it.
    committor
        Two regions, or names of two of ``target.modes``: the probability to reach the second
        before the first.
    sets
        Number of metastable sets; by default it follows from the largest gap.
    tilts
        Factors k for which the scaled cumulant generating function θ(k) of ``flow.reaction`` is
        computed.
    observe
        Also solve the flow, and set the rates at which KL is seen to decay against the predicted
        ones.
    """

    count: Annotated[int, Strict(), Field(ge=1)] = 8
    absorbing: Text | None = None
    committor: Annotated[tuple[Text, ...], Field(min_length=2, max_length=2)] | None = None
    sets: Annotated[int, Strict(), Field(ge=2)] | None = None
    tilts: tuple[Number, ...] = ()
    observe: Flag = False


class OutputSpec(Section):
    """What a run folder holds besides its numbers.

    Attributes
    ----------
    compare
        Also solve with β = 0 (Langevin, W) and α = 0 (Fisher–Rao, FR) and show the three together.
    paraview
        Write the fields for ParaView.
    figures
        Draw figures.
    """

    compare: Flag = True
    paraview: Flag = True
    figures: Flag = True
