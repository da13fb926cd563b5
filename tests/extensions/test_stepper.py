"""A time stepper that is added from outside: its class, and its line among the others."""

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.flow.exact import gaussian_flow
from wfrpde.flow.steppers import STEPPERS
from wfrpde.flow.steppers.stepper import Step
from wfrpde.flow.steppers.strang import Splitting


class Sequential(Splitting):
    """Transport, then the reaction: order 1."""

    order = 1
    estimates_error = False

    def step(self, state, t, dt):
        moved = self.transport.step(state, dt, t)
        new, growth = self.reacted(moved, t, dt)
        change = np.abs(new - state).max(initial=0.0)
        return Step(new, self.semi.nodes.max(np.array([change])), growth)


@pytest.fixture(autouse=True)
def sequential(monkeypatch):
    monkeypatch.setitem(STEPPERS, "sequential", Sequential)


def case(**numerics):
    return wfrpde.Case.model_validate(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"mean": [-1.0], "covariance": 0.5},
            "domain": {"box": [[-7.0, 7.0]]},
            "flow": {"save": [1.0]},
            "numerics": {"stepper": "sequential", "degree": 8, "cells": [16], **numerics},
        }
    )


def test_a_new_stepper_steps_a_case_with_its_order():
    mean, _ = gaussian_flow(-1.0, 0.5, 0.0, 1.0, 1.0)
    errors = []
    for n in (16, 32, 64):
        solution = wfrpde.solve(case(dt=1 / n, certify=False))
        assert solution.numerics["time_order"] == 1
        assert solution.numerics["runs"][0]["steps"] == n
        errors.append(abs(solution.mean[1, 0] - mean[0]))
    assert errors[-1] < 2e-3
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 1, atol=0.1)


def test_its_steps_are_chosen_and_its_error_is_estimated():
    solution = wfrpde.solve(case())
    mean, _ = gaussian_flow(-1.0, 0.5, 0.0, 1.0, 1.0)
    bias = abs(solution.mean[1, 0] - mean[0])
    assert 0 < bias < 2 * solution.error.mean[1, 0]


@pytest.mark.parametrize(
    ("numerics", "message"),
    [
        ({"formulation": "edge-averaged", "degree": 1}, "'sequential' .*needed one of strang"),
        ({"formulation": "log-density"}, "'sequential' .*needed one of rodasp"),
        ({"stepper": "nobody"}, "'nobody'; needed one of .*sequential"),
        (
            {"stepper": "nobody", "formulation": "edge-averaged", "degree": 1},
            "'nobody'; needed one of .*sequential",
        ),
    ],
)
def test_where_it_cannot_step_is_said(numerics, message):
    with pytest.raises(InputError, match=rf"numerics\.stepper: found {message}"):
        wfrpde.solve(case(**numerics))


def test_a_stepper_alone_finds_a_scheme_that_takes_it():
    """Where the automatic choice would fall on one that does not."""
    well = wfrpde.load_case("tilted-double-well", {"flow.save": [0.1]})
    for name, formulation in (("strang", "edge-averaged"), ("extrapolated", "spectral")):
        solution = wfrpde.solve(well.with_overrides({"numerics.stepper": name}))
        assert solution.numerics["formulation"] == formulation
        assert solution.numerics["time_order"] == STEPPERS[name].order


def test_an_order_that_the_stepper_has_not_is_refused():
    with pytest.raises(InputError, match="time_order: found 4 with stepper = 'strang'"):
        wfrpde.solve(case(stepper="strang", time_order=4))


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"domain.absorbing": "x > 2"}, "'second', which counts no mass that is absorbed"),
        ({"flow.splitting": "W-FR"}, "'second', with flow.splitting = 'W-FR'"),
    ],
)
def test_what_it_does_not_say_it_can_do_is_refused(monkeypatch, keys, found):
    class Second(Sequential):
        order = 2

    monkeypatch.setitem(STEPPERS, "second", Second)
    edges = case(stepper="second", formulation="edge-averaged", degree=1, dt=0.1)
    with pytest.raises(InputError, match=f"numerics.stepper: found {found}"):
        wfrpde.solve(edges.with_overrides(keys))
