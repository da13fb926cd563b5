r"""A case: everything that defines one computation, as data.

A `Case` says which target density :math:`\pi \propto e^{-V}` is approached (``target``), from
which density (``initial``), on which domain, by which flow

.. math:: \partial_t\rho = \alpha\nabla\cdot(\nabla\rho + \rho\nabla V)
          - \beta\rho\,(\log(\rho/\pi) - \langle\log(\rho/\pi)\rangle_\rho),

by which dynamics (``dynamics``), and how it is solved. It is frozen and valid on construction.
Whatever can be checked without a mesh is checked here, and every complaint is an `InputError` that
names the key. Only ``target`` and ``initial`` have to be given. Lengths and times are in the units
of the potential, which is in kT. `load_case` reads it from a TOML file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from wfrpde.case.convergence import ConvergenceSpec
from wfrpde.case.densities import (
    FACTORS,
    INITIAL_EXAMPLE,
    TARGET_EXAMPLE,
    InitialSpec,
    TargetSpec,
    check_means,
)
from wfrpde.case.domain import COORDINATE, DomainSpec
from wfrpde.case.dynamics import DynamicsSpec
from wfrpde.case.factors import FactorSpec
from wfrpde.case.flow import FlowSpec
from wfrpde.case.leaves import check_leaves, shortened
from wfrpde.case.mixture_factors import with_mixture_factors
from wfrpde.case.noising import CorrectorSpec, NoisingSpec, ScoreSpec, with_noising
from wfrpde.case.numerics import AccuracySpec, NumericsSpec
from wfrpde.case.output import OutputSpec
from wfrpde.case.overrides import apply_overrides
from wfrpde.case.path import PathSpec, with_path
from wfrpde.case.samplers import SamplerSpec, checked_samplers
from wfrpde.case.sections import Section, Text
from wfrpde.case.spectrum import SpectrumSpec
from wfrpde.case.validation import ValidationSpec
from wfrpde.case.whole import check_whole
from wfrpde.domain.sides import Sides
from wfrpde.equation import Equation
from wfrpde.equation.alternation import Alternation
from wfrpde.equation.path import ANNEALED, Annealed
from wfrpde.errors import InputError
from wfrpde.fields.complaints import input_error
from wfrpde.fields.parameters import plain
from wfrpde.fields.protocols import Formula
from wfrpde.parallel.places import typed_path
from wfrpde.views import Shown

if TYPE_CHECKING:
    from wfrpde.fields import Region
    from wfrpde.samplers import SamplerContext
    from wfrpde.samplers.oracle import Knowing, SavedFlow
    from wfrpde.targets import Target


class Case(Shown, Section):
    """Everything that defines one computation; see the module's docstring.

    Attributes
    ----------
    title
        What the report is called.

    Examples
    --------
    >>> case = Case.model_validate({
    ...     "target": {"potential": "8*(x**2 - 1)**2 + 0.5*x"},
    ...     "initial": {"mean": [-1.0], "covariance": [[0.01]]},
    ... })
    >>> case.dim, case.flow.t_end
    (1, 1.0)
    >>> case.with_overrides({"flow.beta": 0.0}).flow.beta
    0.0

    Raises
    ------
    InputError
        If anything is wrong with it; the message names the key.
    """

    title: Text = ""
    target: TargetSpec = Field(description="a target", examples=[TARGET_EXAMPLE])
    factor: tuple[FactorSpec, ...] = ()
    initial: InitialSpec = Field(description="an initial density", examples=[INITIAL_EXAMPLE])
    domain: DomainSpec = DomainSpec()
    dynamics: DynamicsSpec = DynamicsSpec()
    path: PathSpec = PathSpec()
    noising: NoisingSpec | None = None
    score: ScoreSpec | None = None
    corrector: CorrectorSpec | None = None
    flow: FlowSpec = FlowSpec()
    numerics: NumericsSpec = NumericsSpec()
    accuracy: AccuracySpec = AccuracySpec()
    output: OutputSpec = OutputSpec()
    spectrum: SpectrumSpec = SpectrumSpec()
    sampler: tuple[SamplerSpec, ...] = ()
    validation: ValidationSpec = ValidationSpec()
    convergence: tuple[ConvergenceSpec, ...] = ()

    _source: Path | None = PrivateAttr(default=None)

    @field_validator("sampler", mode="before")
    @classmethod
    def _check_samplers(cls, tables: Any) -> tuple[SamplerSpec, ...]:
        return checked_samplers(tables)

    @model_validator(mode="wrap")
    @classmethod
    def _complain_as_input_error(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise InputError("case", shortened(repr(data)), "a table of tables", TARGET_EXAMPLE)
        check_leaves(data)
        data = _with_start_of_factors(with_mixture_factors(plain(data)))
        data = with_noising(with_path(data))
        try:
            case = handler(data)
        except ValidationError as error:
            raise input_error(error, cls, data) from None
        except InputError as error:
            if error.where.startswith("initial.covariance") and "target" in data:
                # It was compared with the mean, but the mean may be what does not fit the target.
                check_means(data["initial"], TargetSpec.model_validate(data["target"]).dimension)
            raise
        source = (info.context or {}).get("source")
        if source is not None:
            case._source = source
        context = info.context or {}
        check_whole(case, stored=context.get("stored", False))
        return case

    def region(self, text: str, where: str) -> Region:
        """Region from a condition such as ``"x < 0"``, or from the name of one of the modes.

        Raises
        ------
        InputError
            If it is neither; the message names ``where``.
        """
        from wfrpde.fields import parse_region

        known = dict(self.target.modes)
        if text.isidentifier() and not known and self.target.kind is not None:
            known = {name: region.text for name, region in self.target.build().regions.items()}
        if text.isidentifier() and text not in known:
            names = ", ".join(known) or "none"
            raise InputError(
                where, repr(text), f"a condition such as 'x < 0', or one of the modes ({names})"
            )
        return parse_region(known.get(text, text), self.dim, where)

    @property
    def sinks(self) -> list[Region]:
        """What absorbs in the domain, region and sides, as regions."""
        from wfrpde.fields import parse_region

        text, box = self.domain.absorbing, self.domain.box
        found = [] if text is None else [self.region(text, "domain.absorbing")]
        absorbing = Sides.of(self.domain.sides, self.dim).absorbing
        for axis in range(self.dim):
            for end, sign in ((0, "<="), (1, ">=")):
                if absorbing[axis, end] and box is not None:
                    condition = f"{'xyz'[axis]} {sign} {box[axis][end]!r}"
                    found.append(parse_region(condition, self.dim, "domain.sides"))
        return found

    @property
    def absorbing(self) -> str | None:
        """Where the functions of a spectrum vanish, in words; None for nowhere."""
        text = self.spectrum.absorbing
        regions = [] if text is None else [self.region(text, "spectrum.absorbing")]
        return " or ".join(region.text for region in [*regions, *self.sinks]) or None

    @property
    def dim(self) -> int:
        """Dimension d of the space; of phase space if the dynamics are kinetic."""
        phases = 2 if self.dynamics.kind == "kinetic" else 1
        if self.target.is_product:
            positions = sum(factor.repeat * factor.target.dimension for factor in self.factor)
            return phases * positions
        return phases * self.target.dimension

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates in results: positions are q and momenta p, where there are any.

        Those of each factor of a product stand side by side; else momenta follow the positions.
        Without momenta ``x``, ``y``, ``z``, or ``x1``, ``x2``, … of products.
        """
        if self.dynamics.kind == "kinetic":
            positions = self.dim // 2
            if self.is_coupled:
                return tuple(f"{name}{k + 1}" for name in "qp" for k in range(positions))
            numbers = [""] if positions == 1 else [str(k + 1) for k in range(positions)]
            return tuple(name + number for number in numbers for name in "qp")
        if self.is_factored:
            return tuple(f"x{k + 1}" for k in range(self.dim))
        return tuple("xyz"[: self.dim])

    def build_target(self, box: npt.ArrayLike | None = None) -> Target:
        """Return π, in phase space if the dynamics are kinetic; ``box`` (d, 2) is the domain."""
        if self.dynamics.kind != "kinetic":
            return self.target.build(box)
        from wfrpde.targets.phase_space import phase_space

        positions = None if box is None else np.asarray(box)[: self.target.dimension]
        return phase_space(self.target.build(positions))

    @property
    def is_factored(self) -> bool:
        """Whether its flow is put together from those of factors, not solved on one mesh."""
        apart = self.target.is_product or self.target.is_chain or self.target.is_round
        return apart or self.target.dimension > 3 or self.is_coupled

    @property
    def is_coupled(self) -> bool:
        """Whether one potential holds several positions, which have momenta."""
        several = not self.target.is_product and self.target.dimension > 1
        return self.dynamics.kind == "kinetic" and several

    @property
    def equation(self) -> Equation:
        """What the flow of this case solves."""
        flow = self.flow
        if self.score is not None:
            plain = "probability-flow" if self.score.process == "ode" else "reverse-sde"
            word = plain if self.corrector is None else "corrected"
            return replace(Equation.of(1.0, 0.0), process=word)
        path = self.path.build(self.dim, flow.t_end)
        rate: Formula | Annealed | None = None
        if flow.reaction == ANNEALED and path is not None:
            rate = self.path.annealed(path)
        elif flow.reaction is not None:
            rate = Formula(flow.reaction, self.dim, "flow.reaction", timed=True)
        dynamics = self.dynamics.build(self.dim)
        conserve, killed = flow.conserve_mass, self.domain.kills
        whole = Equation.of(
            flow.alpha, flow.beta, rate,
            dynamics=dynamics, conserve=conserve, killed=killed, path=path,
        )  # fmt: skip
        if flow.splitting is None:
            return whole
        return replace(whole, alternation=Alternation(flow.splitting, self.numerics.dt or 0.0))

    def with_equation(self, equation: Equation) -> Case:
        """Return the case with another equation, and the formulation left to choose."""
        if equation == self.equation:
            return self
        if equation.process is not None:
            how = "ode" if equation.process == "probability-flow" else "sde"
            return self.with_overrides({"score.process": how})
        rate, wanted = equation.rate, self.accuracy.of
        if wanted is not None and not equation.weighs:
            wanted = tuple(n for n in wanted if n != "log_normalising_constant") or None
        return self.with_overrides(
            {
                **({} if self.accuracy.of is None else {"accuracy.of": wanted}),
                "flow.alpha": equation.alpha,
                "flow.beta": equation.beta,
                "flow.reaction": None if rate is None else rate.text,
                "flow.conserve_mass": equation.conserve,
                "flow.splitting": None if equation.alternation is None else self.flow.splitting,
                "numerics.formulation": "mesh" if self.numerics.formulation == "mesh" else "auto",
                **self._of_path(equation),
                **({"domain.axes": COORDINATE} if rate is not None and self.domain.turns else {}),
            }
        )

    def _of_path(self, equation: Equation) -> dict[str, Any]:
        """Return the overrides that make the weights of a path those of another equation."""
        if self.path.power == 1.0:
            return {}
        return {} if equation.annealed is not None else {"path.power": 1.0}

    def sampler_context(
        self, solution: SavedFlow | Knowing | None = None, comm: Any = None
    ) -> SamplerContext:
        """Return what the samplers may know; see `wfrpde.samplers.SamplerContext.of`."""
        from wfrpde.case.context import sampler_context

        return sampler_context(self, solution, comm)

    @property
    def samplers(self) -> tuple[SamplerSpec, ...]:
        """The samplers that are compared with the flow, one for each ``[[sampler]]``."""
        return self.sampler

    @property
    def source(self) -> Path | None:
        """The file that the case was read from, if any."""
        return self._source

    @property
    def name(self) -> str:
        """Short name: of the case file, or ``"case"``."""
        return self._source.stem if self._source is not None else "case"

    @property
    def mesh_path(self) -> Path | None:
        """``domain.mesh``, seen from the folder of the case file (else the current folder)."""
        if self.domain.mesh is None:
            return None
        folder = self._source.parent if self._source is not None else Path.cwd()
        return folder / typed_path(self.domain.mesh, "domain.mesh")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: Path | None = None) -> Case:
        """Case from nested dictionaries; ``source`` is the file that they stand in, if any."""
        return cls.model_validate(data, context={"source": source})

    @classmethod
    def from_stored(cls, data: Mapping[str, Any], source: Path | None) -> Case:
        """Case of a stored result: the files that it names need not be there any more."""
        return cls.model_validate(data, context={"source": source, "stored": True})

    def with_overrides(self, overrides: Mapping[str, Any]) -> Case:
        """Change some keys, e.g. ``{"flow.beta": 0.0}``, and check the new case."""
        data = apply_overrides(self.model_dump(exclude_unset=True), overrides)
        return type(self).from_dict(data, self._source)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON schema of case files, for completion and checks in editors."""
        from wfrpde.case.schema import schema_of

        return schema_of(cls)


def _with_start_of_factors(data: Any) -> Any:
    """Add the start of a product, which its factors have."""
    target = data.get("target") if isinstance(data, Mapping) else None
    product = isinstance(target, Mapping) and target.get("kind") == "product"
    return {"initial": {"kind": FACTORS}, **data} if product else data
