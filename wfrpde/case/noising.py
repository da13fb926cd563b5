"""``[noising]`` and ``[score]``: score-based diffusion, forwards and in reverse."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, Strict, model_validator

from wfrpde.case.sections import Flag, Number, OpenSection, PositiveNumber, Section, Text
from wfrpde.errors import InputError
from wfrpde.fields.complaints import checked, choose
from wfrpde.noising.schedules import NOISINGS, Noising

NOISED = "noised"
"""Kind of start of a reverse process: the noised data themselves."""


class NoisingSpec(OpenSection):
    """Noise for data: X_t = a(t) X_0 + s(t) Z. Without ``[score]`` the density of X_t is solved.

    The data are then ``[initial]``; with ``[score]`` they are ``[target]``, ``[initial]`` is the
    start of the reverse process (the noised data by default), and t of ``[flow]`` is its time.

    Attributes
    ----------
    kind
        ``vp`` (``beta_min``, ``beta_max``), ``subvp`` (the same), ``ve`` (``sigma_min``,
        ``sigma_max``) or ``ou``; the further keys are of the table.
    stop
        Time before that of the data, at which a reverse process ends.
    steps
        Number of steps of a sampler, whose own law is then part of the error budget (in one
        dimension).
    spacing
        How these steps lie: ``cubic`` (even in the cube root of the time that is left), ``log`` or
        ``even``.
    """

    section: ClassVar[str] = "noising"
    kind: Text
    stop: PositiveNumber = 0.01
    steps: Annotated[int, Strict(), Field(ge=1, le=100_000)] | None = None
    spacing: Literal["cubic", "log", "even"] = "cubic"

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.build()
        return self

    def build(self) -> Noising:
        """Return the schedule."""
        model = NOISINGS[choose(self.kind, NOISINGS, "noising.kind")]
        return checked(model, self.parameters, "noising")


class ScoreSpec(Section):
    """The score that a reverse process uses: exact, wrong on purpose, or the user's.

    Attributes
    ----------
    kind
        ``exact`` (closed form where the data are a mixture), or ``mesh``: of the data on a grid.
    python
        ``"module:object"``, a function f(x, t) that takes points (n, d) and gives (n, d), in
        NumPy, JAX or PyTorch.
    process
        ``sde``, or ``ode`` for the probability flow.
    weights
        Weights of a mixture that the score is of, instead of those of the data.
    shift
        What is added to the means of that mixture.
    spread
        Factor of its standard deviations.
    scale
        Factor of the score.
    ripple
        A of a wrong term A sin(k x), per unit of x.
    wave
        k of it.
    rotation
        ω of a wrong term ω J∇ log p in the plane, which changes no marginal law.
    """

    kind: Literal["exact", "mesh"] = "exact"
    python: Text | None = None
    process: Literal["sde", "ode"] = "sde"
    weights: tuple[PositiveNumber, ...] | None = None
    shift: Number = 0.0
    spread: PositiveNumber = 1.0
    scale: Number = 1.0
    ripple: Number = 0.0
    wave: Number = 8.0
    rotation: Number = 0.0

    @property
    def alters_mixture(self) -> bool:
        """Whether it is of another mixture than the data."""
        return self.weights is not None or self.shift != 0.0 or self.spread != 1.0

    @property
    def is_exact(self) -> bool:
        """Whether nothing is wrong with it."""
        plain = (self.scale, self.ripple, self.rotation) == (1.0, 0.0, 0.0)
        return self.python is None and plain and not self.alters_mixture

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.python is not None and self.alters_mixture:
            raise InputError("score", "python and weights, shift or spread", "one of the two")
        return self


class CorrectorSpec(Section):
    """Weights that make a wrong drift sample the right law: Feynman–Kac correctors.

    The law aimed at is q_t: p_t^``power``, a product, a guided density p_t^{1+w}/other^w, or p_t
    e^{reward} with a reward that grows evenly in the clock of the noise.

    Attributes
    ----------
    kind
        ``anneal``, ``product``, ``guidance`` or ``reward``.
    power
        γ of ``anneal``.
    guidance
        w of ``guidance``, of which the target is the conditional density.
    other
        ``weights``, ``means``, ``covariances`` of a second mixture of data: the other expert of
        ``product``, or the unconditional density of ``guidance``.
    reward
        R of ``reward``, a formula in x, y, z, in units of r.
    drift
        ``tame``: the probability flow and D∇ log q, or ``score``: twice the score of q (of the
        data, with a reward), whose weights can have infinite variance.
    a
        0 to ½, of the family of drifts of ``anneal`` with ``score``.
    diffusion
        D of ``tame``.
    weights
        Whether particles are weighed; if not, the law is that of the drift alone.
    """

    kind: Literal["anneal", "product", "guidance", "reward"]
    power: PositiveNumber = 1.0
    guidance: Number = 1.0
    other: dict[str, Any] | None = None
    reward: Text | None = None
    drift: Literal["tame", "score"] = "tame"
    a: Annotated[float, Strict(), Field(ge=0, le=0.5)] = 0.0
    diffusion: PositiveNumber = 1.0
    weights: Flag = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        from wfrpde.targets.gaussian import MixtureParameters

        if (self.kind in ("product", "guidance")) != (self.other is not None):
            needed = "a table for product and guidance, and for them alone"
            raise InputError("corrector.other", repr(self.other), needed)
        if self.other is not None:
            checked(MixtureParameters, self.other, "corrector.other")
        heeds = {
            "power": self.kind == "anneal",
            "guidance": self.kind == "guidance",
            "a": self.kind == "anneal" and self.drift == "score",
            "diffusion": self.drift == "tame",
        }
        for key, heeded in heeds.items():
            if key in self.altered and not heeded:
                found = f"it with kind = '{self.kind}', drift = '{self.drift}'"
                raise InputError(f"corrector.{key}", found, "none there")
        if (self.kind == "reward") != (self.reward is not None):
            needed = "a formula for kind = 'reward', and for it alone"
            raise InputError("corrector.reward", repr(self.reward), needed)
        return self


def with_noising(data: dict[str, Any]) -> dict[str, Any]:
    """Add the target of forward noising, and the start of a reverse process."""
    if not isinstance(data.get("noising"), dict):
        return data
    if isinstance(data.get("score"), dict):
        return {"initial": {"kind": NOISED}, **data}
    start = data.get("initial")
    if "target" in data or not isinstance(start, dict):
        return data
    means = start.get("means")
    mean = start.get("mean", means[0] if isinstance(means, list | tuple) and means else 0.0)
    zeros = [0.0] * (len(mean) if isinstance(mean, list | tuple) else 1)
    return {"target": {"kind": "gaussian", "mean": zeros}, **data}


def check_noising(case: Any) -> None:
    """Raise `InputError` unless the tables of a `wfrpde.case.Case` fit a score-based process."""
    if case.noising is None:
        if case.score is not None:
            raise InputError("score", "one without [noising]", "[noising] beside it")
        if case.corrector is not None:
            raise InputError(
                "corrector", "one without [noising]", "[noising] and [score] beside it"
            )
        if case.initial.kind == NOISED:
            raise InputError("initial.kind", repr(NOISED), "[noising] and [score] beside it")
        return
    reverse, flow = case.score is not None, case.flow
    for key, wrong in {
        "flow.alpha": flow.alpha != 1.0,
        "flow.beta": flow.beta not in (0.0, 1.0),  # 1 by default
        "flow.reaction": flow.reaction is not None,
        "flow.splitting": flow.splitting is not None,
        "dynamics": case.dynamics != type(case.dynamics)(),
        "domain.mesh": case.domain.mesh is not None,
        "domain.sides": bool(case.domain.sides),
        "domain.absorbing": case.domain.absorbing is not None,
        "factor": bool(case.factor),
        "path": case.path.kind is not None,
    }.items():
        if wrong:
            raise InputError(key, "one beside [noising]", "none: the noise is all that moves")
    case.noising.build().check(flow.t_end)
    if case.dim > 3:
        found = f"data in {case.dim} dimensions"
        do = (
            "No lattice holds more. Densities, scores and samples of noised mixtures are known in "
            "any dimension: wfrpde.noising.Mixture, wfrpde.noising.scores.Exact, and along the "
            "probability flow wfrpde.noising.characteristics.flow_log_density."
        )
        raise InputError("target" if reverse else "initial", found, "one to three", do)
    for key in sorted(case.numerics.altered - {"cells", "certify", "engine", "formulation"}):
        raise InputError(f"numerics.{key}", "it beside [noising]", "numerics.cells alone there")
    if not reverse:
        for key in sorted(case.noising.altered & {"steps", "stop", "spacing"}):
            raise InputError(f"noising.{key}", "it without [score]", "[score], or none")
    if not reverse and case.initial.kind == NOISED:
        raise InputError("initial.kind", repr(NOISED), "the data, or [score] for a reverse process")
    if not reverse:
        if case.corrector is not None:
            raise InputError("corrector", "one without [score]", "[score] beside it")
        return
    if case.corrector is not None:
        if not case.score.is_exact or case.score.kind != "exact" or case.score.process != "sde":
            found = "one that is wrong, of the mesh, or of the probability flow, with [corrector]"
            do = (
                "A sampler with a network is judged against the law that the exact score gives: "
                "leave score.python out here."
            )
            raise InputError("score", found, "the exact one of a mixture", do)
        if case.noising.steps is not None:
            raise InputError("noising.steps", "some, with [corrector]", "none there")
        if case.corrector.reward is not None:
            from wfrpde.fields import parse_expression

            parse_expression(case.corrector.reward, case.dim, "corrector.reward")
    if case.noising.steps is not None and case.score.process == "ode":
        found = "some, of the probability flow"
        raise InputError("noising.steps", found, "score.process = 'sde': they are Euler–Maruyama's")
    end = flow.t_end
    if not case.noising.stop < end:
        found = f"{case.noising.stop:g} with flow.t_end = {end:g}"
        raise InputError("noising.stop", found, "less than t_end")
    if "save" not in flow.model_fields_set:
        left = np.linspace(np.cbrt(end), np.cbrt(case.noising.stop), 9)[1:-1] ** 3
        save = (*(end - left).tolist(), end - case.noising.stop)
        object.__setattr__(flow, "save", save)  # as the flow itself writes defaults of that kind
    if flow.save[-1] > end - case.noising.stop + 1e-12 * end:
        raise InputError(
            "flow.save", f"{flow.save[-1]:g}",
            f"times up to t_end − noising.stop = {end - case.noising.stop:g}",
        )  # fmt: skip
    if case.score.rotation and case.dim != 2:
        raise InputError("score.rotation", f"one in {case.dim} dimension(s)", "the plane")
