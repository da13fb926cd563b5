"""What flows beside meshes do not heed, refused in one line."""

from __future__ import annotations

from collections.abc import Mapping

from wfrpde.case.case import Case
from wfrpde.errors import InputError
from wfrpde.fields.schedules import is_moving


def refuse_beyond_fixed_rates(
    case: Case, found: str, needed: str, also: Mapping[str, bool] | None = None
) -> None:
    """Refuse all but fixed rates α and β, conserved mass and the Fisher–Rao reaction.

    Parameters
    ----------
    found, needed
        What the user is told.
    also
        Further keys, and whether they are given.

    Raises
    ------
    InputError
        At the first key that is given.
    """
    flow = case.flow
    beyond = {
        "flow.alpha": is_moving(flow.alpha),
        "flow.beta": is_moving(flow.beta),
        "flow.splitting": flow.splitting is not None,
        "flow.conserve_mass": not flow.conserve_mass,
        "flow.reaction": flow.reaction is not None,
        **(also or {}),
    }
    for where, given in beyond.items():
        if given:
            raise InputError(where, found, needed)
