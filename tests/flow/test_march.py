"""Marching: what is saved, the retries of broken steps, and stopping early."""

import numpy as np
import pytest

from wfrpde.errors import SolverError
from wfrpde.flow.control import LadderControl, Replay
from wfrpde.flow.ladder import Run
from wfrpde.flow.march import MAX_HALVINGS, march, nodal_kl
from wfrpde.flow.schedule import uniform
from wfrpde.flow.steppers.stepper import Step, Stepper
from wfrpde.parallel import Stopped

SAVE = (0.1, 0.25, 0.5)


def double_well(x):
    return 2 * (x[:, 0] ** 2 - 1) ** 2 + 0.3 * x[:, 0]


def tilted(x):
    return double_well(x) + 1.5 * np.sin(x[:, 0])


@pytest.fixture
def problem(semi_discrete):
    return semi_discrete(double_well, 40, low=-2.5, high=2.5)


def go(problem, splitting, policy=None, *, stop=lambda: False, on_step=lambda *args: None):
    policy = policy or Replay(uniform(np.array(SAVE), 0.05))
    return march(splitting, problem.log_mass(tilted), SAVE, policy, on_step=on_step, stop=stop)


class Faulty:
    """A splitting whose steps longer than `limit` go wrong in one of two ways."""

    def __init__(self, sound: Stepper, limit: float, fault: str) -> None:
        self._sound, self._limit, self._fault = sound, limit, fault
        self.sizes: list[float] = []

    def __getattr__(self, name):
        return getattr(self._sound, name)

    def step(self, log_mass, t, dt):
        self.sizes.append(dt)
        step = self._sound.step(log_mass, t, dt)
        if dt <= self._limit:
            return step
        if self._fault == "raises":
            raise SolverError("no convergence")
        # further from π than before
        away = step.state + 3 * (step.state - self._sound.semi.log_target)
        return Step(self._sound.semi.normalised(away), step.measure)


def test_states_at_the_saved_times(problem):
    """Those of the single steps, as log(ρ/π) on the canonical nodes; t = 0 first."""
    splitting = problem.splitting()
    result = go(problem, splitting)
    assert result.complete
    np.testing.assert_array_equal(result.times, [0.0, *SAVE])
    np.testing.assert_allclose(result.mass, 1, atol=1e-13)
    state, steps = problem.log_mass(tilted), [0, 2, 5, 10]
    for k, count in enumerate(np.diff(steps, prepend=0)):
        for _ in range(count):
            state = splitting.step(state, 0.0, 0.05).state
        expected = problem.nodes.gather(state - problem.log_target)[1]
        np.testing.assert_allclose(result.u[k], expected, rtol=1e-9, atol=1e-12)
    assert result.retries == result.rejected == 0
    assert result.kl_increase == 0.0


def test_history_holds_every_step(problem):
    seen = []
    result = go(problem, problem.splitting(), on_step=lambda t, dt, kl: seen.append((t, dt, kl)))
    history = result.history
    assert len(seen) == 10
    np.testing.assert_array_equal(
        np.array(seen), np.stack([history[k][1:] for k in ("t", "dt", "kl")], axis=1)
    )
    assert history["t"][0] == 0.0
    np.testing.assert_allclose(np.diff(history["t"]), history["dt"][1:], rtol=1e-12)
    assert (np.diff(history["kl"]) < 0).all()
    start = nodal_kl(problem.nodes, problem.log_mass(tilted), problem.log_target)
    assert history["kl"][0] == start


@pytest.mark.parametrize("fault", ["raises", "raises KL"])
def test_broken_steps_are_repeated_in_halves_and_counted(problem, fault):
    faulty = Faulty(problem.splitting(), 0.02, fault)
    result = go(problem, faulty)
    assert result.complete
    assert min(faulty.sizes) == pytest.approx(0.0125)
    # each of the 10 steps fails once as a whole, and each of its halves once
    assert result.retries == 30
    sound = go(problem, problem.splitting(), Replay(uniform(np.array(SAVE), 0.0125)))
    np.testing.assert_allclose(result.u, sound.u, atol=1e-10)
    assert result.kl_increase == 0.0
    assert len(result.history["t"]) == 11
    # a finer run halves the steps that were taken, or both would take the same
    np.testing.assert_allclose(result.schedule.dt, 0.0125)
    assert [(k + 1) * 0.0125 for k in result.schedule.save] == pytest.approx(SAVE)
    finer = go(problem, problem.splitting(), Run(None, 1, result, {}).repeated)
    assert len(finer.history["t"]) == 81


def test_a_step_that_fails_at_every_size_ends_the_run(problem):
    faulty = Faulty(problem.splitting(), 0.0, "raises")
    with pytest.raises(SolverError, match="no convergence"):
        go(problem, faulty)
    assert min(faulty.sizes) == pytest.approx(0.05 / 2**MAX_HALVINGS)


def test_an_increase_of_kl_is_never_accepted(problem):
    faulty = Faulty(problem.splitting(), 0.0, "raises KL")
    with pytest.raises(SolverError, match=r"raised KL, .*, by .*"):
        go(problem, faulty)


def test_equilibrium_is_no_increase_of_kl(problem):
    """Round-off around KL = 0 breaks no step."""
    splitting = problem.splitting()
    policy = Replay(uniform(np.array(SAVE), 0.01))
    result = march(
        splitting, problem.log_target, SAVE, policy, on_step=lambda *a: None, stop=lambda: False
    )
    assert result.retries == 0
    assert np.abs(result.u).max() < 1e-10


def test_stopping_leaves_the_saved_times_that_were_reached(problem):
    calls = []

    def stop():
        calls.append(1)
        return len(calls) > 6  # two steps to 0.1, three to 0.25, one more

    result = go(problem, problem.splitting(), stop=stop)
    assert not result.complete
    np.testing.assert_array_equal(result.times, [0.0, 0.1, 0.25])
    assert len(result.u) == len(result.mass) == 3
    assert len(result.history["t"]) == 7
    whole = go(problem, problem.splitting())
    np.testing.assert_array_equal(result.u, whole.u[:3])


def test_a_step_that_is_broken_off_is_dropped(problem):
    sound = problem.splitting()

    class Broken(Faulty):
        def step(self, log_mass, t, dt):
            if len(self.sizes) == 5:  # two steps to 0.1, three to 0.25
                raise Stopped
            return super().step(log_mass, t, dt)

    result = go(problem, Broken(sound, 1.0, "none"))
    assert not result.complete
    np.testing.assert_array_equal(result.times, [0.0, 0.1, 0.25])
    assert len(result.history["t"]) == 6
    np.testing.assert_array_equal(result.u, go(problem, sound).u[:3])


def test_stopping_at_once_leaves_the_start(problem):
    result = go(problem, problem.splitting(), stop=lambda: True)
    assert not result.complete
    assert result.times.tolist() == [0.0]
    assert result.u.shape == (1, 41)


def test_steps_that_the_control_rejects_are_not_kept(problem):
    policy = LadderControl(SAVE, 0.25, limit=0.2, levels=10)
    result = go(problem, problem.splitting(), policy)
    assert result.complete
    np.testing.assert_array_equal(result.times, [0.0, *SAVE])
    assert result.worst_measure <= 0.2
    assert result.rejected == policy.rejected
    assert len(result.history["t"]) == len(result.schedule.dt) + 1
    np.testing.assert_allclose(result.history["dt"][1:], result.schedule.dt)


def test_nodal_kl_keeps_its_digits_near_equilibrium(problem):
    nodes, target = problem.nodes, problem.log_target
    u = 1e-9 * np.sin(nodes.points[:, 0])
    state = target + u
    state = state - nodes.logsumexp(state)
    weight = np.exp(target)
    variance = weight @ u**2 - (weight @ u) ** 2
    assert nodal_kl(nodes, state, target) == pytest.approx(variance / 2, rel=1e-4, abs=0)
    assert nodal_kl(nodes, target, target) == 0.0
