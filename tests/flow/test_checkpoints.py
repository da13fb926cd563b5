"""A solve that is stopped and gone on with has the digits of one that nothing has stopped."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.flow import checkpoints
from wfrpde.flow.checkpoints import Checkpoints
from wfrpde.flow.march import _Retrying

WELL = {
    "target": {"potential": "(x**2 - 1)**2 + 0.3*x", "modes": {"left": "x < 0"}},
    "initial": {"mean": [-1.0], "covariance": 0.05},
    "flow": {"save": [0.1, 0.3, 1.0]},
}
PLANE = {
    "target": {"potential": "(x**2 + y**2)/2 + 0.3*x*y + 0.2*cos(2*x)"},
    "initial": {"mean": [-1.0, 0.2], "covariance": 0.4},
    "flow": {"save": [0.1, 0.3, 0.6]},
}
WELLS = {
    "target": {
        "potential": "2*((0.8*x + 0.6*y)**2 - 1)**2 + 100*(0.8*y - 0.6*x)**2",
        "modes": {"right": "x > 0"},
    },
    "initial": {"mean": [0.7, 0.5], "covariance": [[0.0338, 0.0216], [0.0216, 0.0212]]},
    "flow": {"save": [0.1, 0.3]},
}
CASES = {
    "log-density": WELL,
    "edge-averaged, cells of one's own": {
        **WELL, "numerics": {"formulation": "edge-averaged", "cells": [80], "dt": 0.02},
    },
    "refined to a tolerance": {
        **WELL,
        "flow": {**WELL["flow"], "alpha": 0.1},
        "numerics": {"formulation": "edge-averaged"},
        "accuracy": {"tolerance": 1e-4},
    },
    "one scheme after the other": {
        "target": {"potential": "100*max(0, abs(x) - 1)"},
        "initial": {"mean": [-0.5], "covariance": 0.01},
        "flow": {"save": [0.05, 0.2]},
    },
    "spectral": {**PLANE, "numerics": {"degree": 4, "cells": [8, 8]}},
    "heat kernels": {
        **PLANE,
        "flow": {"save": [0.1, 0.17, 0.6]},
        "numerics": {"formulation": "heat-kernels", "cells": [24, 24], "dt": 0.06},
    },
    "simplices": {
        **PLANE, "domain": {"cell": "simplex"}, "numerics": {"cells": [20, 20], "dt": 0.05},
    },
    "along turned axes that are chosen": {**WELLS, "accuracy": {"tolerance": 1e-2}},
    "along turned axes, cells of one's own": {
        **WELLS,
        "domain": {"axes": "principal"},
        "numerics": {"formulation": "edge-averaged", "cells": [24, 16], "dt": 0.05},
    },
    "weighted": {
        **PLANE,
        "flow": {**PLANE["flow"], "reaction": "sin(x)"},
        "numerics": {"formulation": "edge-averaged", "cells": [24, 24]},
    },
}  # fmt: skip


@pytest.fixture
def after_every_step(monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "LATENCY", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", 100.0)


def stopped_again_and_again(case, folder, steps):
    """Solve, with a stop after so many steps each time; how often it took, and what it gave."""
    for count in range(1, 60):
        seen = []

        def observer(event, seen=seen):
            seen.append(event)
            if len(seen) == steps:
                os.kill(os.getpid(), signal.SIGINT)

        solution = wfrpde.solve(case, observer=observer, on_stop="return", resume=folder)
        if solution.complete:
            return count, solution
    raise AssertionError("it does not get on")


def timeless(solution):
    return {k: v for k, v in solution.numerics.items() if k != "seconds"}


@pytest.mark.parametrize("name", CASES)
def test_the_digits_are_those_of_an_uninterrupted_solve(name, tmp_path):
    case = wfrpde.Case.model_validate(CASES[name])
    whole = wfrpde.solve(case)
    steps = sum(run.get("steps", 0) for run in whole.numerics["runs"])
    count, solution = stopped_again_and_again(case, tmp_path, max(15, steps // 2))
    assert count > 1
    for key, value in whole.series.items():
        np.testing.assert_array_equal(solution.series[key], value)
        np.testing.assert_array_equal(solution.error.series[key], whole.error.series[key])
    np.testing.assert_array_equal(solution.log_relative, whole.log_relative)
    np.testing.assert_array_equal(solution.history["t"], whole.history["t"])
    assert timeless(solution) == timeless(whole)
    assert not list(tmp_path.iterdir()), "old checkpoints vanish"


@pytest.mark.parametrize("name", ["edge-averaged, cells of one's own", "spectral", "simplices"])
def test_a_step_that_a_stop_has_dropped_is_not_counted(name, tmp_path, monkeypatch):
    """Its solves, factors and halvings were: one of a hundred kills ended with other counts."""
    case = wfrpde.Case.model_validate(CASES[name])
    real, attempts, stops = _Retrying.step, [], set()

    def step(self, *arguments):
        made = real(self, *arguments)
        attempts.append(arguments[0])
        self.retries += 1  # as if it had been halved
        if len(attempts) in stops:
            os.kill(os.getpid(), signal.SIGINT)
        return made

    monkeypatch.setattr(_Retrying, "step", step)
    whole = wfrpde.solve(case)
    stops |= {1, len(attempts) // 3, len(attempts) // 2, len(attempts) - 1}
    attempts.clear()
    count = 1
    while not (solution := wfrpde.solve(case, on_stop="return", resume=tmp_path)).complete:
        count += 1
    assert count >= 4
    assert timeless(solution) == timeless(whole)
    np.testing.assert_array_equal(solution.log_relative, whole.log_relative)


@pytest.mark.usefixtures("after_every_step")
def test_what_was_killed_goes_on_from_its_last_checkpoint(tmp_path):
    """Without a chance to say farewell: only what was written while it ran is there."""
    case = wfrpde.Case.model_validate(CASES["edge-averaged, cells of one's own"])

    class Killed(Exception):
        pass

    def observer(event):
        if event.phase == "grid 3 of 3" and event.t >= 0.5:
            raise Killed

    with pytest.raises(Killed):
        wfrpde.solve(case, observer=observer, resume=tmp_path)
    assert list((tmp_path / "checkpoints").glob("*-part.npz"))
    seen = []
    solution = wfrpde.solve(case, observer=seen.append, resume=tmp_path)
    steps = [event for event in seen if event.dt > 0]
    assert {event.phase for event in steps} == {"grid 3 of 3"}
    assert steps[0].t >= 0.48
    np.testing.assert_array_equal(solution.log_relative, wfrpde.solve(case).log_relative)


def test_checkpoints_of_something_else_are_refused(tmp_path, monkeypatch):
    case = wfrpde.Case.model_validate(WELL)

    def observer(event):
        if event.t > 0.2:
            os.kill(os.getpid(), signal.SIGINT)

    wfrpde.solve(case, observer=observer, on_stop="return", resume=tmp_path)
    before = sorted(tmp_path.rglob("*"))
    other = case.with_overrides({"flow.save": [0.1, 0.3]})
    with pytest.raises(InputError, match=r"flow.save: \[0.1, 0.3, 1.0\] there, \[0.1, 0.3\] here"):
        wfrpde.solve(other, resume=tmp_path)
    with monkeypatch.context() as later:
        later.setattr(wfrpde, "__version__", "99")
        with pytest.raises(InputError, match="version of wfrpde"):
            wfrpde.solve(case, resume=tmp_path)
    titled = case.with_overrides({"title": "Another title is the same case"})
    assert sorted(tmp_path.rglob("*")) == before
    assert wfrpde.solve(titled, resume=tmp_path).complete


def test_a_file_is_no_folder_for_checkpoints(tmp_path):
    (tmp_path / "checkpoints").write_text("mine")
    with pytest.raises(InputError, match="a file"):
        wfrpde.solve(wfrpde.Case.model_validate(WELL), resume=tmp_path)
    assert (tmp_path / "checkpoints").read_text() == "mine"


def test_checkpoints_take_a_small_share_of_the_time(tmp_path, monkeypatch):
    """By the clock that they go by: writing takes 0.3 s here, and a step 0.1 s."""
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: clock[0])

    class One:
        size, rank = 1, 0

        def bcast(self, value, root=0):
            return value

    kept = Checkpoints(tmp_path, "run", {}, One())
    monkeypatch.setattr(kept, "_parts", Slow(clock))
    writing = 0.0
    for _ in range(3000):
        clock[0] += 0.1
        if kept.due(1000):
            before = clock[0]
            kept.write(checkpoints.Underway(0, None, {}, 0.0))
            writing += clock[0] - before
    assert 0 < writing < 0.02 * clock[0]


class Slow:
    def __init__(self, clock):
        self._clock = clock

    def save(self, *_):
        self._clock[0] += 0.3
