"""What a sampler along a path may solve instead of what it claims, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wfrpde.arrays import Array
from wfrpde.case.path import TIME, formula_of
from wfrpde.comparison.family import Family
from wfrpde.comparison.fits import Model
from wfrpde.comparison.results import Candidate, Diagnosis
from wfrpde.numbers import number

CLOSE = 3.0
"""Misfit, in standard errors, up to which a sampler without a biased row solves its claim: flows
that are solved again and again are not as good as the one that rows are judged by."""


def path_models(family: Family) -> list[Model]:
    """Return the claimed flow along the path, and those with one thing wrong.

    Weights may be left out, of the wrong sign or to a power λ; the noise may be of a temperature T
    other than 1, the target may run as (t/t_end)^γ, and the rate α may be another.
    """
    case, claims = family.case, family.judge.claims
    assert claims is not None
    own = case.with_equation(claims)
    weighted = claims.annealed is not None

    def flow(name: str, overrides: Callable[[Array], dict[str, Any]]) -> Callable[[Array], Any]:
        def averages(p: Array) -> Array | None:
            changed = own.with_overrides(overrides(p))
            return family.solved(f"{name} {[f'{value:.6g}' for value in p]}", changed)

        return averages

    def model(
        name: str, rates: dict[str, float], overrides: Callable[[Array], dict[str, Any]]
    ) -> Model:
        return name, rates, flow(name, overrides)

    models = [model(family.judge.label, {}, lambda _: {})]
    if weighted:
        plain = {"flow.reaction": None, "flow.beta": 0.0, "path.power": 1.0}
        models += [
            model("Langevin along the path, its weights dropped", {}, lambda _: plain),
            model("weights of the wrong sign, e^{+W}", {}, lambda _: {"path.power": -1.0}),
            model("weights to another power, e^{−λW}", {"λ": 1.0},
                  lambda p: {"path.power": float(p[0])}),
        ]  # fmt: skip
    if claims.alpha > 0:
        alpha = claims.alpha
        models.append(
            model("another rate of diffusion", {"α": alpha}, lambda p: {"flow.alpha": float(p[0])})
        )
    text = formula_of(case)
    if text is None:
        return models
    end, formula = case.flow.t_end, text

    def along(formula: str, power: float, **others: Any) -> dict[str, Any]:
        path = {"kind": "expression", "potential": formula}
        initial = own.initial.model_dump(mode="json")
        target = {"potential": formula, "modes": dict(own.target.modes)}
        weights = {"power": power} if weighted else {}
        return {"path": {**path, **weights}, "initial": initial, "target": target, **others}

    def late(p: Array) -> dict[str, Any]:
        # share of the time that keeps the speed of another schedule finite at the start
        power, least = float(p[0]), 0.01
        raised = f"((t/{end!r} + {least})**{power!r} - {least**power!r})"
        clock = f"({end!r}*{raised}/{(1 + least) ** power - least**power!r})"
        return along(TIME.sub(clock, formula), 1.0)

    def tempered(p: Array) -> dict[str, Any]:
        heat = float(p[0])
        return along(f"({formula})/{heat!r}", heat, **{"flow.alpha": claims.alpha * heat})

    models.append(model("another schedule, (t/t_end)^γ in place of t/t_end", {"γ": 1.0}, late))
    if claims.alpha > 0 and claims.beta == 0:
        models.append(model("noise of another temperature", {"T": 1.0}, tempered))
    return models


def better(best: Candidate, claimed: Candidate) -> bool:
    """Whether a flow that does not quite explain a path is three times nearer than the claim."""
    return best.misfit * 3.0 < claimed.misfit


def settled(candidates: Sequence[Candidate], claims: str, *, biased: bool) -> bool:
    """Whether flows without a rate to be fitted say enough."""
    claimed = next((c for c in candidates if c.equation == claims), None)
    if claimed is not None and (claimed.explains or (not biased and claimed.misfit < CLOSE)):
        return True
    return any(c.explains for c in candidates)


def concluded(name: str, family: Family, ranked: Sequence[Candidate], *, biased: bool) -> Diagnosis:
    """Say in words which of the flows along the path a sampler follows."""
    best, claims, impostor = ranked[0], family.judge.label, False
    claimed = next((c for c in ranked if c.equation == claims), None)
    close = claimed is not None and (claimed.explains or (not biased and claimed.misfit < CLOSE))
    if close:
        words = f"solves what it claims: {claims} along the path"
    elif not best.explains and biased and claimed is not None and better(best, claimed):
        off = f"{number(best.misfit, 2)} standard errors off"
        words, impostor = f"moves most like {best.words} ({off}), not like {claims}", True
    elif not best.explains:
        words = (
            "no equation that was tried explains its path; the closest is "
            f"{best.words}, {number(best.misfit, 2)} standard errors off"
        )
    elif biased:
        words, impostor = f"moves like {best.words}, not like {claims}", True
        power = best.parameters.get("λ")
        # powers of weights below which they do hardly anything
        if power is not None and power.value < 0.15:
            words += ": its weights are as good as dropped"
    else:
        words = f"no row is biased; as a whole its path is like {best.words}"
    return Diagnosis(name, claims, tuple(ranked), words, impostor)
