"""Schedules, the ladder of steps, and their repetition."""

import numpy as np
import pytest

from wfrpde.flow.control import LadderControl, Replay
from wfrpde.flow.schedule import uniform


def drive(policy, save, measure):
    """Run a policy through the times of `save` as a march would; the steps and times reached."""
    t, steps, landed = 0.0, [], []
    for end in save:
        while end - t > 1e-12 * end:
            dt = policy.propose(t)
            now = policy.accept(t, dt, measure(t, dt))
            if now is not None:
                steps.append(dt)
                t = now
        landed.append(t)
    return np.array(steps), np.array(landed)


SAVE = (0.013, 0.1, 0.25, 1.0, 3.0)


def test_uniform_steps_land_on_every_time():
    schedule = uniform(np.array(SAVE), 0.04)
    times = np.cumsum(schedule.dt)
    np.testing.assert_allclose(times[list(schedule.save)], SAVE, rtol=1e-14)
    assert schedule.dt.max() <= 0.04 * (1 + 1e-9)
    # no more steps than needed
    assert len(schedule.dt) == sum(int(np.ceil(gap / 0.04 - 1e-9)) for gap in np.diff((0, *SAVE)))


def test_uniform_steps_that_fit_are_all_the_same():
    schedule = uniform(np.array([0.5, 1.0]), 0.125)
    np.testing.assert_array_equal(schedule.dt, np.full(8, 0.125))
    assert schedule.save == (3, 7)


def test_halved_schedule_has_the_same_times_and_twice_the_steps():
    schedule = uniform(np.array(SAVE), 0.04)
    halved = schedule.halved()
    assert len(halved.dt) == 2 * len(schedule.dt)
    np.testing.assert_allclose(np.cumsum(halved.dt)[list(halved.save)], SAVE, rtol=1e-13)


def on_ladder(dt, dt_max):
    level = np.log2(dt_max / dt)
    return np.abs(level - np.round(level)) < 1e-9


def test_ladder_lands_on_save_times_with_steps_that_it_shares():
    policy = LadderControl(SAVE, 0.1, limit=1.0)
    steps, landed = drive(policy, SAVE, lambda t, dt: 20 * dt / (t + 0.01))
    np.testing.assert_allclose(landed, SAVE, rtol=1e-12)
    # off the ladder only the last few before a save time
    off = ~on_ladder(steps, 0.1)
    assert off.sum() <= 3 * len(SAVE)
    assert len(np.unique(np.round(steps[~off], 14))) <= 13
    schedule = policy.schedule()
    np.testing.assert_allclose(np.cumsum(schedule.dt)[list(schedule.save)], SAVE, rtol=1e-12)
    assert policy.worst <= 1.0


def test_ladder_starts_with_the_smallest_step_and_grows_while_it_may():
    policy = LadderControl((1.0,), 0.25, limit=1.0, levels=4)
    steps, _ = drive(policy, (1.0,), lambda t, dt: 0.0)
    np.testing.assert_allclose(steps[:5], 0.25 / 2.0 ** np.arange(4, -1, -1), rtol=1e-12)
    assert steps.max() <= 0.25 * (1 + 1e-12)
    assert policy.rejected == 0


def test_ladder_does_not_grow_close_to_the_limit():
    policy = LadderControl((1.0,), 0.25, limit=1.0, levels=4, growth=2.5)
    steps, _ = drive(policy, (1.0,), lambda t, dt: 0.9)
    np.testing.assert_allclose(steps, 0.25 / 16, rtol=1e-9)


@pytest.mark.parametrize("measure", [5.0, np.nan, np.inf])
def test_rejection_halves_the_step(measure):
    policy = LadderControl((1.0,), 0.25, limit=1.0, levels=6)
    t = 0.0
    for _ in range(4):
        t = policy.accept(t, policy.propose(t), 0.0)
    dt = policy.propose(t)
    assert policy.accept(t, dt, measure) is None
    assert policy.rejected == 1
    assert policy.propose(t) == pytest.approx(dt / 2)
    assert len(policy.schedule().dt) == 4


def test_the_smallest_step_is_taken_whatever_it_measures():
    """Else the march would never end; the worst measure is reported."""
    policy = LadderControl((1.0,), 0.25, limit=1.0, levels=3)
    dt = policy.propose(0.0)
    assert policy.accept(0.0, dt, 40.0) == pytest.approx(dt)
    assert policy.worst == 40.0


def test_steps_keep_their_measure_below_the_limit():
    """A front that passes at t = 0.5: short steps there, long ones elsewhere."""
    policy = LadderControl((1.0,), 0.1, limit=1.0)

    def measure(t, dt):
        return 400 * dt * np.exp(-(((t - 0.5) / 0.05) ** 2)) + dt

    steps, _ = drive(policy, (1.0,), measure)
    times = np.cumsum(steps) - steps
    assert policy.worst <= 1.0
    assert policy.rejected >= 1
    near, late = np.abs(times - 0.5) < 0.03, times > 0.75
    assert steps[near].max() <= 1 / 250
    assert steps[late].max() > 0.02


def test_replay_repeats_what_the_ladder_did():
    policy = LadderControl(SAVE, 0.1, limit=1.0)
    steps, _ = drive(policy, SAVE, lambda t, dt: 20 * dt / (t + 0.01))
    again, landed = drive(Replay(policy.schedule()), SAVE, lambda t, dt: 1e9)
    np.testing.assert_array_equal(again, steps)
    np.testing.assert_allclose(landed, SAVE, rtol=1e-11)
    finer, landed = drive(Replay(policy.schedule().halved()), SAVE, lambda t, dt: 0.0)
    np.testing.assert_array_equal(finer, np.repeat(steps / 2, 2))
    np.testing.assert_allclose(landed, SAVE, rtol=1e-11)


def test_replay_of_very_many_steps_still_lands():
    """100 000 steps of 1e-5 add up to 1 − 2e-12 in floating point."""
    save = (0.5, 1.0)
    steps, landed = drive(Replay(uniform(np.array(save), 1e-5)), save, lambda t, dt: 0.0)
    assert len(steps) == 100_000
    np.testing.assert_allclose(landed, save, rtol=1e-10)


def test_steps_grow_where_little_still_changes():
    """log ρ changes by e^{−t}/2 per unit time: Δt² e^{−t} stays below a bound, and so do errors."""
    save = (1.0, 30.0)

    def measure(t, dt):
        return 0.5 * dt * np.exp(-t)

    bound = LadderControl(save, 0.25, limit=1.0, levels=4)
    resting = LadderControl(save, 0.25, limit=1.0, levels=4, rests=True)
    most, _ = drive(bound, save, measure)
    steps, landed = drive(resting, save, measure)
    np.testing.assert_allclose(landed, save, rtol=1e-12)
    assert most.max() <= 0.25 < 1.9 < steps.max()
    assert len(steps) < 0.6 * len(most)
    begun = np.cumsum(steps) - steps
    long = steps > 0.25 * (1 + 1e-9)
    assert (steps**2 * np.exp(-begun))[long].max() < 0.1
