r"""Usual mistakes in dynamics with terms of their own, as flows that a path may follow instead.

A circulation of the wrong sign, a term that is left out, another friction, noise on positions are
flows of the same case with other keys. The drift div D that Itô's calculus asks for is the subtle
one: where D is a scalar, or each entry D_i of a diagonal one depends on x_i alone,

.. math:: -D\nabla V = -D\nabla V' + \operatorname{div} D, \qquad V' = V + \log D,

so that a step without it goes towards π/D (Σ log D_i in place of log D).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from wfrpde.arrays import Array
from wfrpde.fields import coordinates
from wfrpde.fields.parser import parse_expression

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.comparison.family import Family

Mistake = tuple[str, dict[str, float], Callable[[Array], Array | None]]
"""Name, usual values of what is fitted by their symbols, and the averages of the observables."""


def wrong_dynamics(family: Family) -> list[Mistake]:
    """Flows with the rates that a sampler claims, and one thing wrong with the dynamics."""
    claims, case = family.judge.claims, family.case
    if claims is None or claims.dynamics is None:
        return []
    label, own = claims.label, case.dynamics
    found: list[Mistake] = []

    def solved(p: Array, name: str, keys: Callable[[float], dict[str, Any]]) -> Array | None:
        rates = {"flow.alpha": claims.alpha, "flow.beta": claims.beta}
        return family.other_flow(f"{name}: {p[0]:.6g}", {**rates, **keys(float(p[0]))})

    def add(words: str, symbol: str, usual: float, keys: Callable[[float], dict[str, Any]]) -> None:
        name = f"{label} {words}"
        found.append((name, {symbol: usual}, partial(solved, name=name, keys=keys)))

    def instead(words: str, keys: dict[str, Any]) -> None:
        add(words, "α", claims.alpha, lambda alpha: {"flow.alpha": alpha, **keys})

    if own.circulation is not None:
        reversed_one = {"dynamics.circulation": own.reversed_circulation}
        instead("with the circulation reversed", reversed_one)
        instead("without the circulation", {"dynamics.circulation": None})
    if own.drift is not None:
        instead("without the further drift", {"dynamics.drift": None})
    if own.diffusion is not None:
        instead("with D = 1", {"dynamics.diffusion": None})
        without = without_divergence(case, claims.beta)
        if without is not None:
            instead("without div D, the drift of its diffusion", without)
    if claims.dynamics.friction is not None:
        usual = claims.dynamics.friction
        add("with another friction", "γ", usual, lambda g: {"dynamics.friction": g})
        if _potential(case) is not None:
            shaken = partial(with_noise_on_positions, case, usual)
            add("with noise on the positions", "D_q", usual, shaken)
    return found


def without_divergence(case: Case, beta: float) -> dict[str, Any] | None:
    """Keys of the flow with b = −D∇V in place of −D∇V + div D; None where there are none.

    Its reaction still goes towards π: β log D makes up for the other target.
    """
    given, potential, dim = case.dynamics.diffusion, _potential(case), case.dim
    if potential is None or case.flow.reaction is not None:
        return None
    if isinstance(given, str):
        logs = f"log({given})"
    elif isinstance(given, tuple) and any(isinstance(part, str) for part in given):
        for part, axis in zip(given, case.coordinates, strict=True):
            symbols = parse_expression(str(part), dim, "dynamics.diffusion").free_symbols
            if {str(symbol) for symbol in symbols} - {axis}:
                return None
        logs = " + ".join(f"log({part})" for part in given)
    else:
        return None
    keys: dict[str, Any] = {"target": _target(case, f"({potential}) + {logs}")}
    if beta:
        keys["flow.reaction"] = f"{beta!r}*({logs})"
    return keys


def with_noise_on_positions(case: Case, friction: float, spread: float) -> dict[str, Any]:
    """Keys of kinetic dynamics with dq = p dt + √(2 spread) dW, as overdamped ones of (q, p)."""
    slope = parse_expression(str(_potential(case)), 1, "target").diff(coordinates(1)[0])
    return {
        "target": _target(case, f"({_potential(case)}) + y**2/2"),
        "dynamics": {
            "diffusion": [spread, friction],
            "circulation": [[0.0, -1.0], [1.0, 0.0]],
            "drift": [f"{spread!r}*({slope})", 0.0],
        },
    }


def _potential(case: Case) -> str | None:
    """V as a formula, where there is one; of a kinetic case U, in one dimension."""
    if case.target.dimension > 1 and case.dynamics.kind == "kinetic":
        return None
    expression = case.target.build().expression
    return None if expression is None else str(expression)


def _target(case: Case, potential: str) -> dict[str, Any]:
    regions = case.target.build().regions
    return {"potential": potential, "modes": {k: region.text for k, region in regions.items()}}
