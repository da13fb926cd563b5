"""Shares of work that cost about the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np


class _Costed(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def cost(self) -> float: ...


T = TypeVar("T", bound=_Costed)


def shares(todo: Sequence[T], size: int) -> list[list[T]]:
    """Divide runs among `size` ranks so that all end at about the same time, cheap ones first."""
    parts: list[list[T]] = [[] for _ in range(size)]
    load = np.zeros(size)
    for run in sorted(todo, key=lambda run: (-run.cost, run.key)):  # the dearest first
        rank = int(load.argmin())
        parts[rank].append(run)
        load[rank] += run.cost
    return [sorted(part, key=lambda run: (run.cost, run.key)) for part in parts]
