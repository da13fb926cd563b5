"""``[validation]``: what the samplers of a case are compared in, and how sure one wants to be."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, Strict, model_validator

from wfrpde.case.sections import Flag, Number, PositiveNumber, Section, Text
from wfrpde.errors import InputError

Share = Annotated[float, Strict(), Field(gt=0, lt=1)]


class ValidationSpec(Section):
    """How samplers are judged; everything has a default.

    Attributes
    ----------
    level
        Probability that any row at all of a correct sampler is called biased.
    power
        Probability with which a bias of size ``resolution`` is to be found.
    resolution
        Smallest bias that matters, in standard deviations of the observable. Rows in which it
        would have been missed are undecided, not consistent.
    tolerance
        Bias that is allowed, in standard deviations of the observable.
    moments
        Compare the mean and the second moments.
    modes
        Compare the masses of the target's modes.
    observables
        Further functions of the coordinates whose averages are compared, by name.
    probabilities
        Further regions whose probabilities are compared, by name: rare events.
    directions
        Of products, and in more than three dimensions: how many random directions w are looked
        along, besides the diagonal; moments and half-spaces of w·x are compared.
    coordinates
        There: how many single coordinates are looked at, evenly spread.
    metrics
        Compute distances between densities, and their noise floor.
    dt_ladder
        Factors of a sampler's ``dt``, ascending from 1, at which it is run to split off the bias
        of its steps; empty: not split.
    particles_ladder
        Factors of a sampler's number of particles, descending from 1, at which it is run to split
        off the bias of finite N; empty: not split.
    limit
        Also compute the step bias from the mesh, without particles, where the sampler allows it.
    equation
        Find out which equation each sampler solves.
    seed
        Seed from which those of all samplers and replicates follow.
    """

    level: Share = 0.05
    power: Share = 0.8
    resolution: PositiveNumber = 0.1
    tolerance: Annotated[Number, Field(ge=0)] = 0.0
    moments: Flag = True
    modes: Flag = True
    observables: dict[str, Text] = {}  # noqa: RUF012 (pydantic copies it)
    probabilities: dict[str, Text] = {}  # noqa: RUF012
    directions: Annotated[int, Strict(), Field(ge=0, le=1000)] = 8
    coordinates: Annotated[int, Strict(), Field(ge=0, le=1000)] = 12
    metrics: Flag = True
    dt_ladder: tuple[PositiveNumber, ...] = ()
    particles_ladder: tuple[PositiveNumber, ...] = ()
    limit: Flag = True
    equation: Flag = True
    seed: Annotated[int, Strict(), Field(ge=0)] = 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_ladder("validation.dt_ladder", self.dt_ladder, 1.0)
        _check_ladder("validation.particles_ladder", self.particles_ladder, -1.0)
        for table in ("observables", "probabilities"):
            for name in getattr(self, table):
                if not name.strip():
                    raise InputError(f"validation.{table}", "a name without letters", "a name")
        shared = set(self.observables) & set(self.probabilities)
        for name in sorted(shared):
            raise InputError(
                f"validation.probabilities.{name}", "the name of an observable", "another name"
            )
        return self

    def check_dimension(self, dim: int, *, factored: bool = False) -> None:
        """Raise `InputError` unless all formulas can be read in ``dim`` dimensions."""
        from wfrpde.fields import parse_expression, parse_region

        if factored:
            self._check_factored()
            return

        for name, text in self.observables.items():
            parse_expression(text, dim, f"validation.observables.{name}")
        for name, text in self.probabilities.items():
            parse_region(text, dim, f"validation.probabilities.{name}")

    def _check_factored(self) -> None:
        from wfrpde.fields.product_regions import parse_product_region

        for name in self.observables:
            needed = "validation.probabilities, of regions such as sum(x) > 80"
            raise InputError(f"validation.observables.{name}", "a formula, of a product", needed)
        for name, text in self.probabilities.items():
            parse_product_region(text, f"validation.probabilities.{name}")


def _check_ladder(where: str, ladder: tuple[float, ...], sign: float) -> None:
    if not ladder:
        return
    order = "ascending" if sign > 0 else "descending"
    steps = [sign * (b - a) for a, b in pairwise(ladder)]
    if ladder[0] != 1 or len(ladder) < 2 or min(steps) <= 0:
        example = "[1, 2, 4]" if sign > 0 else "[1, 0.5, 0.25]"
        raise InputError(
            where, str(list(ladder)), f"two or more {order} factors that begin with 1", example
        )
