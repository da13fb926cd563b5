"""What several folders of tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wfrpde import Solution


@pytest.fixture(scope="session")
def solved() -> Callable[[str], Solution]:
    """Solutions of the shipped cases by name, each computed once."""
    import wfrpde

    @cache
    def solve(name: str) -> Solution:
        return wfrpde.solve(wfrpde.load_case(name))

    return solve
