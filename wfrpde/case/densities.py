"""``[target]`` and ``[initial]``: the density that is approached, and the one that is left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy.typing as npt
from pydantic import Field, Strict, field_validator, model_validator

from wfrpde.case.noising import NOISED
from wfrpde.case.sections import OpenSection, PositiveNumber, Text
from wfrpde.errors import InputError
from wfrpde.fields.complaints import check_length, unknown_key

if TYPE_CHECKING:
    from wfrpde.starts.initial import InitialDensity
    from wfrpde.targets import Target

FACTORS = "factors"
"""Kind of start of a product: that of each factor."""

UNSAID = {
    FACTORS: "where each factor has its start",
    NOISED: "of a start that is the noised data",
}
"""Kinds of start that say nothing themselves, and why."""

SPACIOUS = ("gaussian", "radial", "student_t", "axial")
"""Kinds of target that may have more than three dimensions."""

TARGET_EXAMPLE = '[target] potential = "(x**2 - 1)**2"'
INITIAL_EXAMPLE = '[initial] kind = "gaussian", mean = [0.0], covariance = [[0.1]]'


class TargetSpec(OpenSection):
    """The target density π ∝ exp(−V): exactly one of ``potential``, ``kind`` and ``python``.

    Attributes
    ----------
    potential
        V(x, y, z) in kT, as an expression.
    kind
        Name of a target of the library; its parameters are further keys of the table.
    python
        ``"module:object"``, a target defined in Python; in Python also the object itself.
    dim
        Dimension, 1 to 3, or more of a Gaussian; by default the number of coordinates that V uses.
    modes
        Named regions (``"x < 0"``) whose mass is reported; of a product regions of its factors:
        ``"all(x > 0)"``, ``"any(x > 0)"``, ``"count(x > 0) >= 50"``, ``"sum(x) > 80"``,
        ``"dot([1, 2]) > 0"``.
    parameters
        The further keys of the table: parameters of ``kind`` or ``python``; of a product
        ``rotation``: an orthogonal matrix, or ``"random:seed"``.
    """

    section: ClassVar[str] = "target"
    potential: Text | None = None
    kind: Text | None = None
    python: Text | None = None
    dim: Annotated[int, Strict(), Field(ge=1)] | None = None
    modes: dict[str, Text] = {}  # noqa: RUF012 (pydantic copies it)

    @field_validator("python", mode="before")
    @classmethod
    def _name_object(cls, value: Any) -> Any:
        if not hasattr(value, "potential"):
            return value
        from wfrpde.targets.memory import name_of

        return name_of(value)

    @model_validator(mode="before")
    @classmethod
    def _formula_in_r(cls, data: Any) -> Any:
        """Take the potential of a target around a point or an axis as its parameter."""
        around = isinstance(data, Mapping) and data.get("kind") in ("radial", "axial")
        if not around or data.get("potential") is None:
            return data
        rest = {key: value for key, value in data.items() if key != "potential"}
        return {
            **rest,
            "parameters": {**rest.get("parameters", {}), "potential": data["potential"]},
        }

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
        if self.dim is not None and self.dim > 3 and self.kind not in SPACIOUS:
            needed = f"1, 2 or 3; more with target.kind = {' or '.join(map(repr, SPACIOUS))}"
            raise InputError("target.dim", str(self.dim), needed)
        if self.is_product:
            self._check_product()
            return self
        if self.potential is not None:
            self._reject_parameters("with target.potential")
        elif self.kind is not None:
            from wfrpde.targets import validate_parameters

            own_dim = {"dim": self.dim} if self.kind in SPACIOUS and self.dim else {}
            validate_parameters(self.kind, {**self.parameters, **own_dim})
        _ = self.dimension
        self._check_modes()
        return self

    def _check_product(self) -> None:
        for key in self.parameters:
            if key != "rotation":
                known = ("dim", "kind", "modes", "rotation")
                raise unknown_key("target", key, known, "of a product")
        if self.dim is not None:
            raise InputError("target.dim", str(self.dim), "none: that of the factors together")
        self._check_modes()

    def _check_modes(self) -> None:
        from wfrpde.fields import parse_region
        from wfrpde.fields.product_regions import (
            check_count,
            check_factor_region,
            parse_product_region,
        )

        for name, text in self.modes.items():
            where = f"target.modes.{name}"
            if not name.strip():
                raise InputError("target.modes", "a region without a name", "a name for each")
            if self.is_product:
                parse_product_region(text, where)  # the factors are checked with it by the case
            elif self.is_chain:  # each site counts as a factor of its own
                region = parse_product_region(text, where)
                check_factor_region(region, 1, where)
                check_count(region, self.dimension, where)
            elif self.dimension > 3:
                check_factor_region(parse_product_region(text, where), self.dimension, where)
            else:
                parse_region(text, self.dimension, where)

    @property
    def is_product(self) -> bool:
        """Whether it is made of factors."""
        return self.kind == "product"

    @property
    def is_round(self) -> bool:
        """Whether it is the same around a point or an axis: its flow has fewer coordinates."""
        return self.kind in ("radial", "student_t", "axial")

    @property
    def is_chain(self) -> bool:
        """Whether it is a chain of coupled sites."""
        return self.kind == "chain"

    @cached_property
    def dimension(self) -> int:
        """Dimension d of the space that the target lives on; a case knows that of its factors."""
        if self.potential is None:
            if self.python is not None and self.dim is not None:
                return self.dim  # the user's code runs when the flow is solved
            return self.build().dim
        from wfrpde.fields import parse_expression

        parse_expression(self.potential, self.dim or 3, "target.potential")
        used = set(re.findall(r"\b[xyz]\b", self.potential))  # 0*y counts, too
        if not used and self.dim is None:
            raise InputError(
                "target.potential", repr(self.potential), "an expression in x (and y, z)"
            )
        return self.dim or max("xyz".index(name) for name in used) + 1

    def build(self, box: npt.ArrayLike | None = None) -> Target:
        """Return the target; ``box`` (d, 2) is the domain, where the case sets one."""
        from wfrpde.targets import make_target

        return make_target(
            potential=self.potential,
            kind=self.kind,
            python=self.python,
            dim=self.dim,
            modes={} if self.is_chain else self.modes,  # theirs are regions of sites
            parameters=self.parameters,
            box=box,
        )


class InitialSpec(OpenSection):
    """The initial density ρ₀, and its mass.

    ``kind`` is ``gaussian`` (``mean``, ``covariance``), ``mixture`` (``weights``, ``means``,
    ``covariances``), ``expression`` (``log_density`` or ``density``), ``uniform`` (``box``,
    optional) or ``dirac`` (``point``, ``width``); when it is left out it follows from those keys.

    Attributes
    ----------
    kind
        What kind of density; the other keys depend on it.
    mass
        Mass of ρ₀; other than 1 only with ``flow.conserve_mass = false``.
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
            do = f"For example: {INITIAL_EXAMPLE}."
            raise InputError("initial", "no kind", "an initial density", do)
        return {**data, "kind": kinds[0]}

    @model_validator(mode="after")
    def _check(self) -> Self:
        from wfrpde.starts import validate_initial

        if self.kind in UNSAID:
            self._reject_parameters(UNSAID[self.kind])
            return self
        validate_initial(self.kind, self.parameters)
        return self

    def build(
        self,
        target: Target,
        box: npt.ArrayLike | None = None,
        closed: tuple[bool, ...] = (),
    ) -> InitialDensity:
        """Return ρ₀ in the dimension of its target; ``box`` (d, 2) is the domain, if one is set.

        Around axes that close upon themselves it is wrapped.
        """
        from wfrpde.starts import make_initial

        return make_initial(
            kind=self.kind, parameters=self.parameters, target=target, box=box, closed=closed
        )

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the parameters fit a target of dimension ``dim``."""
        from wfrpde.starts import validate_initial

        if self.kind in UNSAID:
            return
        validate_initial(self.kind, self.parameters).check_dimension(dim)


def check_means(parameters: Mapping[str, Any], dim: int) -> None:
    """Raise `InputError` unless the means of Gaussians have ``dim`` coordinates."""
    if "mean" in parameters:
        check_length("initial.mean", parameters["mean"], dim)
    for index, mean in enumerate(parameters.get("means", ())):
        check_length(f"initial.means[{index}]", mean, dim)
