"""``[flow]``: rates, duration and saved times."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AllowInfNan,
    Field,
    PlainSerializer,
    Strict,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from wfrpde.case.sections import Flag, PositiveNumber, Section, Text
from wfrpde.equation.alternation import Alternation
from wfrpde.equation.path import ANNEALED
from wfrpde.errors import InputError
from wfrpde.fields.schedules import Schedule, rate_of


def _rate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Let a formula in t through, which is read once its duration is known."""
    return value if isinstance(value, str | Schedule) else handler(value)


Rate = Annotated[
    float,
    Strict(),
    AllowInfNan(False),
    Field(ge=0),
    WrapValidator(_rate),
    PlainSerializer(lambda rate: rate.text if isinstance(rate, Schedule) else rate),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]}),
]
"""A number ≥ 0, or a formula in t."""

#: Shares of ``t_end`` that are saved when a case names no times: ten, about evenly spaced in log t.
DEFAULT_SAVE_SHARES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0)


def default_save_times(t_end: float) -> tuple[float, ...]:
    """Give ten model times from ``t_end``/100 to ``t_end``, about evenly spaced in log t."""
    earlier = (float(f"{share * t_end:.12g}") for share in DEFAULT_SAVE_SHARES[:-1])
    return (*earlier, t_end)


class FlowSpec(Section):
    """The flow: rates, duration and the model times that are saved.

    Attributes
    ----------
    alpha
        Rate α ≥ 0 of the Wasserstein part (diffusion), per unit model time, or a formula in the
        time t; 0: pure Fisher–Rao.
    beta
        Rate β ≥ 0 of the Fisher–Rao part (reaction), per unit model time, or a formula in the time
        t; 0: Langevin. 1 by default, or 0 with a ``reaction``.
    reaction
        Rate U of a linear (Feynman–Kac) reaction as a formula in x, y, z and t, per unit model
        time: mass multiplies by e^{∫U} along the paths. ``annealed``: −∂V/∂t of the ``[path]``,
        with which Langevin dynamics follow π_t exactly; with a ``dynamics.drift`` f the residual
        −∂V/∂t + ∇·f − f·∇V, with which these dynamics do.
    t_end
        Model time at which the flow ends; by default the last of ``save``, or 1.
    save
        Model times, ascending, that are saved besides 0; by default ten up to ``t_end``.
    splitting
        ``W-FR``, ``FR-W`` or ``strang``: transport and reaction take turns, each solved exactly, in
        steps of ``numerics.dt``, however long: what a splitting scheme makes of the flow. By
        default both act at once.
    conserve_mass
        Whether the mean reaction rate is subtracted. If not, the mass evolves too.
    weights
        Whether to foretell what the weights w of particles are worth that are weighed by the
        reaction and not resampled: ``ess`` (E w)²/E w², and mean and variance of the work W = −log
        w of particles that are not weighed, ``work`` and ``work_variance``. With ``annealed`` they
        are always told.
    """

    alpha: Rate = 1.0
    beta: Rate = 1.0
    reaction: Text | None = None
    t_end: PositiveNumber = 1.0
    save: tuple[PositiveNumber, ...] = ()
    conserve_mass: Flag = True
    weights: Flag = False
    splitting: Literal["strang", "W-FR", "FR-W"] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        # Defaults that depend on other keys are written past the frozen fields and stay out of
        # model_fields_set, so that an override of one of them still moves the other.
        if self.reaction is not None and "beta" not in self.model_fields_set:
            object.__setattr__(self, "beta", 0.0)
        if "save" in self.model_fields_set:
            self._check_save()
        if "t_end" not in self.model_fields_set and self.save:
            object.__setattr__(self, "t_end", self.save[-1])
        if "save" not in self.model_fields_set:
            object.__setattr__(self, "save", default_save_times(self.t_end))
        for name in ("alpha", "beta"):
            given = getattr(self, name)
            text = given.text if isinstance(given, Schedule) else given
            if isinstance(text, str):
                object.__setattr__(self, name, rate_of(text, self.t_end, f"flow.{name}"))
        if self.alpha == 0 and self.beta == 0 and self.reaction is None:
            raise InputError(
                "flow",
                "alpha = 0 and beta = 0",
                "a positive alpha or beta, or a reaction",
                "With both 0 nothing flows.",
            )
        return self

    def check_splitting(self, dt: float | None, *, samplers: int) -> None:
        """Raise `InputError` unless a splitting has two parts, and its steps end at all times."""
        if self.splitting is None:
            return
        found = ""
        if self.alpha == 0 or self.beta == 0 or self.reaction is not None:
            found = "one where transport and a Fisher–Rao reaction are not all there is"
        elif dt is None:
            found = "one without a numerics.dt, the size of its steps"
        elif samplers:
            found = "one with samplers, which follow the flow itself"
        elif not all(Alternation(self.splitting, dt).at_end(t) for t in self.save):
            found = f"steps of {dt:g}, of which a saved time is no multiple"
        if found:
            raise InputError(
                "flow.splitting", found, "alpha > 0, beta > 0, and save a list of multiples of dt"
            )

    def check_weights(self, *, killed: bool) -> None:
        """Raise `InputError` where there are no weights to be told of."""
        if not self.weights:
            return
        found = ""
        if self.alpha == 0:
            found = "with flow.alpha = 0: nothing moves"
        elif self.beta == 0 and self.reaction is None:
            found = "without a reaction"
        elif not self.conserve_mass or self.splitting is not None or killed:
            found = "with conserve_mass = false, a splitting, or where something absorbs"
        if found:
            needed = "transport and a reaction that keeps the mass"
            raise InputError("flow.weights", f"true {found}", needed)

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the reaction is a formula in ``dim`` coordinates."""
        from wfrpde.fields import parse_expression

        if self.reaction is not None and self.reaction != ANNEALED:
            parse_expression(self.reaction, dim, "flow.reaction", timed=True)

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
