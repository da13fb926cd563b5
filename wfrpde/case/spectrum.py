"""``[spectrum]``: what is asked of the generator's spectrum."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from wfrpde.case.sections import Flag, Number, Section, Text


class SpectrumSpec(Section):
    """What is computed of the generator's spectrum.

    Attributes
    ----------
    count
        Number of eigenvalues, the zero among them.
    absorbing
        Region where functions vanish, or the name of one of ``target.modes``: the first eigenvalue
        is then the rate of exit into it. Of a product ``"any(R)"``, R a region of a factor: the
        rate of the first exit.
    committor
        Two regions, or names of two of ``target.modes``: the probability to reach the second
        before the first.
    sets
        Number of metastable sets; by default it follows from the largest gap.
    tilts
        Factors k for which the scaled cumulant generating function θ(k) of ``flow.reaction`` is
        computed.
    observe
        Also solve the flow, and set the rates at which KL is seen to decay against the predicted
        ones.
    """

    count: Annotated[int, Strict(), Field(ge=1)] = 8
    absorbing: Text | None = None
    committor: Annotated[tuple[Text, ...], Field(min_length=2, max_length=2)] | None = None
    sets: Annotated[int, Strict(), Field(ge=2)] | None = None
    tilts: tuple[Number, ...] = ()
    observe: Flag = False
