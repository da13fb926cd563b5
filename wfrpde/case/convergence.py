"""``[[convergence]]``: sequences of runs of a case, each of which varies one thing."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, model_validator

from wfrpde.case.sections import Number, PositiveNumber, Section, Text
from wfrpde.errors import InputError


class ConvergenceSpec(Section):
    """One convergence study of the case.

    Attributes
    ----------
    vary
        ``h``: cells along each axis; ``p``: degree of the elements; ``dt``: time step; ``domain``:
        size of the box, as a factor; ``particles``: number N of a sampler's particles.
    values
        What it takes on, in ascending order (``dt``: descending); at least two.
    numerics
        Keys of ``[numerics]`` for the runs of this study.
    reference
        Keys of ``[numerics]`` for the finest run, where no exact solution is known.
    sampler
        With ``vary = "particles"``: name of the sampler; by default the first of the case. Its
        ``replicates`` are those with the most particles; with fewer there are as many more.
    observable
        What is averaged, as `validate` calls it (``mean x``, ``mass right``); by default the first.
    error
        ``rmse``: root mean square over the replicates, of order 1/2; ``bias``: of order 1.
    order
        The order that is expected; by default that of the theory.
    within
        Distance from the expected order that is allowed.
    name
        What the study is called in tables and figures.
    """

    vary: Literal["h", "p", "dt", "domain", "particles"]
    values: tuple[PositiveNumber | Annotated[int, Strict(), Field(gt=0)], ...]
    numerics: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)
    reference: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)
    sampler: Text = ""
    observable: Text = ""
    error: Literal["rmse", "bias"] = "rmse"
    order: Number | None = None
    within: PositiveNumber = 0.1
    name: Text = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        where = "convergence.values"
        if len(self.values) < 2:  # runs in a study: two give an order, three also an interval
            raise InputError(where, f"{len(self.values)} of them", "two at least, better three")
        steps = [b > a for a, b in zip(self.values, self.values[1:], strict=False)]
        if self.vary == "dt":
            steps = [b < a for a, b in zip(self.values, self.values[1:], strict=False)]
        if not all(steps):
            wanted = "descending" if self.vary == "dt" else "ascending"
            raise InputError(where, str(list(self.values)), f"values in {wanted} order, each once")
        own = ("sampler", "observable", "error")
        wrong = ("numerics", "reference") if self.vary == "particles" else own
        for key in sorted(self.altered & set(wrong)):
            needed = "it where the solver is studied" if key not in own else "vary = 'particles'"
            raise InputError(f"convergence.{key}", f"it with vary = '{self.vary}'", needed)
        if self.vary in ("h", "p", "particles"):
            for value in self.values:
                if value != int(value):
                    raise InputError(where, f"{value:g} for vary = '{self.vary}'", "whole numbers")
        return self
