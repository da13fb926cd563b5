"""The dynamics of a case in words, where they are not the plain ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfrpde.numbers import number, shortened

if TYPE_CHECKING:
    from wfrpde.case import Case


def dynamics_sentence(case: Case) -> str:
    """Say what the dynamics of a case are, with their own terms; "" for plain ones."""
    dynamics, given = case.equation.dynamics, case.dynamics
    if dynamics is None or not dynamics.terms:
        return ""
    if dynamics.friction is not None:
        return (
            "The dynamics are kinetic, of positions q and momenta p, which follow them as further "
            "coordinates in formulas: dq = αp dt, dp = −α(∇V(q) + γp) dt + √(2αγ) dW with the "
            f"friction γ = {number(dynamics.friction, 6, trim=True)}."
        )
    circulation: Any = given.circulation
    if circulation is not None and not isinstance(circulation, tuple):
        circulation = ((0, circulation), (f"−{_text(circulation)}", 0))
    terms = {"diffusion D": given.diffusion, "circulation J": circulation, "drift f": given.drift}
    named = [f"the {word} = {shortened(_text(v))}" for word, v in terms.items() if v is not None]
    return (
        "The dynamics are dX = αb dt + √(2αD) dW in Itô's sense, b = −(D + J)∇V + div(D + J) + f, "
        f"with {', '.join(named)}."
    )


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_text(part) for part in value)}]"
    return value if isinstance(value, str) else number(float(value), 6, trim=True)
