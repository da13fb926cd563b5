"""A sweep shared out over ranks: the same numbers, told once, and errors on every rank."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("dolfinx")
MPI = pytest.importorskip("mpi4py.MPI")

import wfrpde  # noqa: E402
from wfrpde.errors import InputError  # noqa: E402
from wfrpde.operators import sweep  # noqa: E402

CASE = {
    "target": {"kind": "double_well", "barrier": 3.0, "tilt": 0.3},
    "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": [[0.1]]},
    "numerics": {"degree": 6, "cells": [30]},
    "spectrum": {"count": 3},
}


@pytest.fixture
def case() -> wfrpde.Case:
    return wfrpde.Case.model_validate(CASE)


def test_ranks_share_the_values(case):
    values = [2.0, 3.0, 4.0, 5.0, 6.0]
    told: list[tuple[int, int]] = []
    result = sweep(
        case, "target.barrier", values, observer=lambda event: told.append((event.t, event.t_end))
    )
    assert result.complete
    assert result.solved.all()
    assert result.ranks == MPI.COMM_WORLD.size
    for value, rates, errors in zip(values, result.rates, result.errors, strict=True):
        alone = wfrpde.spectrum(case.with_overrides({"target.barrier": value}), MPI.COMM_SELF)
        np.testing.assert_allclose(rates, alone.rates, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(errors, alone.errors, rtol=0.5, atol=1e-12)
    # Eyring–Kramers is within a third already, and comes closer
    ratio = result.kramers / result.rates[:, 1] - 1
    assert (np.abs(ratio) < 1 / 3).all()
    assert abs(ratio[-1]) < 0.15
    every = MPI.COMM_WORLD.allgather(result.rates)
    assert all(np.array_equal(every[0], other) for other in every)
    if MPI.COMM_WORLD.rank == 0:
        assert told[-1] == (5, 5)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
    else:
        assert told == []


def test_an_unknown_key_is_refused_on_every_rank(case):
    with pytest.raises(InputError, match="Did you mean barrier"):
        sweep(case, "target.barier", [1.0, 2.0])


def test_values_none_of_which_can_be_solved(case):
    with pytest.raises(InputError, match=r"spectrum.count"):
        sweep(case, "spectrum.count", [900.0, 1000.0])


def test_one_value_that_cannot_be_solved(case):
    result = sweep(case, "spectrum.count", [900.0, 2.0])
    assert result.solved.tolist() == [False, True]
    assert "spectrum.count" in result.remarks[0]
    assert result.remarks[1] == ""
    assert result.complete
