"""Closed-form solutions as fixtures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from closed_form import SOLUTIONS, closed_form, two_mode_solution

from wfrpde import ErrorEstimate, Solution


@pytest.fixture(params=SOLUTIONS)
def solution(request) -> Solution:
    """Every closed-form solution in turn."""
    return closed_form(request.param)


@pytest.fixture
def modes_1d() -> Solution:
    return SOLUTIONS["modes-1d"]()


@pytest.fixture
def companions_1d() -> dict[str, Solution]:
    return {label: two_mode_solution(1, label) for label in ("W", "FR")}


@pytest.fixture
def interrupted(modes_1d) -> Solution:
    """The same run, stopped after its fourth saved time."""
    cut = 4
    error = modes_1d.error
    return replace(
        modes_1d,
        complete=False,
        times=modes_1d.times[:cut],
        series={k: v[:cut] for k, v in modes_1d.series.items()},
        mean=modes_1d.mean[:cut],
        covariance=modes_1d.covariance[:cut],
        mode_mass={k: v[:cut] for k, v in modes_1d.mode_mass.items()},
        error=ErrorEstimate(
            {k: v[:cut] for k, v in error.series.items()},
            error.mean[:cut],
            error.covariance[:cut],
            {k: v[:cut] for k, v in error.mode_mass.items()},
            error.density[:cut],
        ),
        log_relative=modes_1d.log_relative[:cut],
        warnings=("interrupted at t = 0.2 by the user",),
    )
