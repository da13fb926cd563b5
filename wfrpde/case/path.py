"""``[path]``: how the target moves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import AllowInfNan, Field, Strict, model_validator

from wfrpde.case.sections import Number, Section, Text
from wfrpde.equation.path import ANNEALED, Annealed, Path
from wfrpde.errors import InputError
from wfrpde.fields.courses import Course
from wfrpde.fields.protocols import Formula

if TYPE_CHECKING:
    from wfrpde.case import Case

TIME = re.compile(r"\bt\b")

_SCHEDULE = "a formula in t, or a list of pairs [t, value]"


class PathSpec(Section):
    """A target that moves: π_t ∝ exp(−V_t). Without a kind the target stays what it is.

    Attributes
    ----------
    kind
        ``temper``: V_t = (1 − s) V₀ + s V, from the initial density π₀ ∝ exp(−V₀) to the target;
        ``anneal``: V_t = V/T; ``expression``: ``target.potential`` contains t.
    schedule
        s(t) of ``temper``, clipped to [0, 1], or the temperature T(t) of ``anneal``: a formula in
        t, or a list of pairs [t, value] with straight lines between them. By default s = t/t_end.
    potential
        V(x, t) of ``expression``: what ``target.potential`` said with t in it. The target itself is
        then that at t_end.
    at
        A time at which questions about the generator (``wfrpde spectrum``) find the target; by
        default they are about ``[target]``, where s = 1 or T = 1.
    power
        λ of ``flow.reaction = "annealed"``: weights are e^{−λW} with the work W. 1 gives π_t, 2 the
        second moment of the weights.
    """

    kind: Literal["temper", "anneal", "expression"] | None = None
    schedule: Text | tuple[tuple[Number, Number], ...] | None = Field(
        default=None, description=_SCHEDULE
    )
    potential: Text | None = None
    power: Number = 1.0
    at: Annotated[float, Strict(), AllowInfNan(False), Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind is None:
            if (self.schedule, self.potential, self.power, self.at) != (None, None, 1.0, None):
                raise InputError("path.kind", "none", "'temper', 'anneal' or 'expression'")
            return self
        if self.kind == "expression":
            if self.potential is None:
                found, needed = (
                    "'expression', and a target that does not contain t",
                    "V(x, t) there",
                )
                raise InputError("path.kind", found, needed, 'potential = "(x - t)**2/2"')
            if self.schedule is not None:
                raise InputError(
                    "path.schedule", "one with kind = 'expression'", "t in the formula"
                )
            return self
        if self.potential is not None:
            found = f"one with kind = '{self.kind}'"
            raise InputError("path.potential", found, "kind = 'expression', or target.potential")
        if self.kind == "anneal" and self.schedule is None:
            needed = 'the temperature T(t), e.g. schedule = "1 + 4*exp(-t)"'
            raise InputError("path.schedule", "none with kind = 'anneal'", needed)
        if self.schedule is not None:
            Course.of(self.schedule, "path.schedule")
        return self

    def build(self, dim: int, t_end: float) -> Path | None:
        """Return the path, which does not know its ends yet; None where the target stays.

        Raises
        ------
        InputError
            If a formula cannot be read, or what it gives is no number up to ``t_end``.
        """
        if self.kind is None:
            return None
        if self.potential is not None:
            formula = Formula(self.potential, dim, "path.potential", timed=True).checked()
            return Path(self.kind, Course("0"), formula)
        given = f"t/{t_end!r}" if self.schedule is None else self.schedule
        tempers = self.kind == "temper"
        bounds = (0.0, 1.0) if tempers else (-float("inf"), float("inf"))
        course = Course.of(given, "path.schedule", bounds)
        return Path(self.kind, course.checked(t_end, positive=not tempers))

    def annealed(self, path: Path) -> Annealed:
        """Return the reaction of this path."""
        return Annealed(path, self.power)


def with_path(data: Any) -> Any:
    """Move a V(x, t) from ``[target]`` to ``[path]``; the target is that at the end.

    Without a start a path that is a formula, or anneals one, starts from its own beginning.
    """
    path = data.get("path") if isinstance(data, Mapping) else None
    target = data.get("target") if isinstance(data, Mapping) else None
    if not isinstance(path, Mapping) or not isinstance(target, Mapping | None):
        return data
    text = None if target is None else target.get("potential")
    if (
        path.get("kind") == "anneal"
        and isinstance(text, str)
        and isinstance(path.get("schedule"), str)
    ):
        begin = f"-({text})/({TIME.sub('(0.0)', path['schedule'])})"
        return {"initial": {"kind": "expression", "log_density": begin}, **data}
    if path.get("kind") != "expression" or (target is not None and target.get("kind") == "chain"):
        return data  # of a chain it is refused
    moving = isinstance(text, str) and TIME.search(text) is not None
    given = path.get("potential")
    # a case that is dumped and read again, perhaps with another end, says both
    if moving and isinstance(given, str) and text != given:
        raise InputError("path.potential", "one beside a target.potential with t", "one of the two")
    text = text if moving else path.get("potential")
    if not isinstance(text, str):
        return data
    begin = f"-({TIME.sub('(0.0)', text)})"
    return {
        "initial": {"kind": "expression", "log_density": begin},
        **data,
        "path": {**path, "potential": text},
        "target": {**(target or {}), "potential": TIME.sub(f"({_end(data)!r})", text)},
    }


def frozen_potential(case: Case) -> str:
    """Return V at ``path.at`` as a formula; raise `InputError` where it is none."""
    text = formula_of(case)
    if text is None:
        found = "one of a target, a start or a schedule that is no formula"
        raise InputError("path.at", found, "none, or a path that is a formula")
    return TIME.sub(f"({case.path.at!r})", text)


def formula_of(case: Case) -> str | None:
    """Return V(x, t) of the path of a case as a formula, where it can be written as one."""
    path, target = case.path, case.target
    if path.potential is not None:
        return path.potential
    end = target.potential
    if end is None and target.kind is not None:
        expression = target.build().expression
        end = None if expression is None else str(expression)
    course = f"t/{case.flow.t_end!r}" if path.schedule is None else path.schedule
    if end is None or not isinstance(course, str):
        return None
    if path.kind == "anneal":
        return f"({end})/({course})"
    start = _start_of(case)
    if start is None:
        return None
    share = f"max(0, min(1, {course}))"
    return f"(1 - {share})*({start}) + {share}*({end})"


def _start_of(case: Case) -> str | None:
    """Return −log ρ₀ as a formula, up to a constant, of a Gaussian or a formula."""
    given = case.initial.parameters
    if "log_density" in given:
        return f"-({given['log_density']})"
    if case.initial.kind != "gaussian":
        return None
    mean, covariance = (np.array(given[key], dtype=float) for key in ("mean", "covariance"))
    precision = np.linalg.inv(np.atleast_2d(covariance))
    gaps = [f"({name} - ({m!r}))" for name, m in zip("xyz", mean.tolist(), strict=False)]
    halves = [[float(p) / 2 for p in row] for row in precision]
    terms = [
        f"({p!r})*{gaps[i]}*{gaps[j]}" for i, row in enumerate(halves) for j, p in enumerate(row)
    ]
    return " + ".join(terms)


def _end(data: Mapping[str, Any]) -> float:
    """Return the time at which a flow ends, of what is not checked yet."""
    flow = data.get("flow")
    if not isinstance(flow, Mapping):
        return 1.0
    save = flow.get("save")
    last = save[-1] if isinstance(save, list | tuple) and save else 1.0
    end = flow.get("t_end", last)
    return float(end) if isinstance(end, int | float) else 1.0


def check_annealed(path: PathSpec, reaction: str | None) -> None:
    """Raise `InputError` for a reaction of a path where there is none."""
    if reaction == ANNEALED and path.kind is None:
        raise InputError("flow.reaction", "'annealed' without a [path]", "a target that moves")
    if path.kind is not None and reaction not in (None, ANNEALED):
        raise InputError("flow.reaction", "a formula beside a [path]", "'annealed', or none")
    if path.power != 1.0 and reaction != ANNEALED:
        raise InputError("path.power", f"{path.power:g}", "flow.reaction = 'annealed' beside it")
