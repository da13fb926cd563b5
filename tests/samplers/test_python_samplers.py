"""Samplers of other people in Python: objects, functions; and their failures."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from wfrpde import load_case
from wfrpde.case.samplers import SamplerSpec
from wfrpde.errors import InputError, SamplerError
from wfrpde.samplers import SamplerContext, make_sampler
from wfrpde.samplers.python_sampler import USUAL, load_python_sampler

MODULE = """
import os
import time

import numpy as np


class Walk:
    '''The unadjusted Langevin algorithm, by someone else.'''

    def __init__(self, target, rate=1.0):
        self.target, self.rate = target, rate

    def step(self, ensemble, t, dt, rng):
        x, h = ensemble.positions, self.rate * dt
        return ensemble.moved(
            x - h * self.target.gradient(x) + np.sqrt(2 * h) * rng.standard_normal(x.shape)
        )


class Bare:
    '''Plain arrays in the other order.'''

    def __init__(self, target):
        pass

    def init(self, positions, rng):
        assert positions.shape[0] == 2
        return positions

    def step(self, ensemble, t, dt, rng):
        return ensemble.positions.T + dt, np.full(ensemble.size, t)


made = Walk(None)


def draw(target, n, times, rng, shift=0.0):
    return rng.standard_normal((len(times), n, target.dim)) + shift


def steps(target, n, times, rng, dt=9.0):
    return np.full((len(times), n, target.dim), dt)


def seeded(target, n, times, rng, seed=0, particles=3):
    return rng.standard_normal((len(times), n, target.dim))


class OwnStep:
    def __init__(self, target, dt=0.5):
        pass

    def step(self, ensemble, t, dt, rng):
        return ensemble


def weighted(target, n, times, rng):
    print("told of", times)
    x = rng.standard_normal((len(times), n, target.dim))
    return x, -target.potential(x[0])[None] * np.ones((len(times), 1))


def raises(target, n, times, rng):
    raise RuntimeError("the wheels came off")


def nan(target, n, times, rng):
    return np.full((len(times), n, target.dim), np.nan)


def wrong_shape(target, n, times, rng):
    return np.zeros((len(times), n + 1, target.dim))


def words(target, n, times, rng):
    return "abc"


def forgets(target, n, times, rng):
    x = rng.standard_normal((len(times), n, target.dim))


def hangs(target, n, times, rng):
    time.sleep(1000)


def raises_or_crashes(target, n, times, rng):
    import sys

    if n == 1:
        raise ValueError("n is one")
    print("about to go", file=sys.stderr, flush=True)
    os._exit(7)


def backwards(rng, times, target):
    return rng.standard_normal((len(times), 1, target.dim))


class Short:
    def __init__(self, target, rate=1.0):
        pass

    def step(self, ensemble, dt):
        return ensemble


class Starts:
    def __init__(self, target, rate=1.0):
        pass

    def init(self):
        return None

    def step(self, ensemble, t, dt, rng):
        return ensemble


class Broken:
    def __init__(self, target):
        raise ValueError("no such thing")


number = 3
"""


@pytest.fixture(autouse=True)
def theirs(tmp_path):
    """Put the module above beside the case file."""
    (tmp_path / "theirs.py").write_text(MODULE, encoding="utf-8")


@pytest.fixture
def here(case_text, tmp_path, monkeypatch):
    """Sampler of the module above in this process."""
    (tmp_path / "case.toml").write_text(case_text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    context = SamplerContext.of(load_case(tmp_path / "case.toml"))

    def make(reference, **parameters):
        return load_python_sampler("it", reference, context.equation, context, parameters, "(N, d)")

    yield make
    sys.modules.pop("theirs", None)


SEED = np.random.SeedSequence(5)
TIMES = (0.25, 0.5)


def test_a_class_follows_the_builtin_one_to_the_last_digit(prepare):
    own = prepare('kind = "langevin"').run(SEED, 50, 0.1, TIMES)
    run = prepare('python = "theirs:Walk"')
    theirs = run.run(SEED, 50, 0.1, TIMES)
    assert (run.name, run.claims.label) == ("theirs:Walk", "WFR")
    for a, b in zip(own.ensembles, theirs.ensembles, strict=True):
        assert np.allclose(a.positions, b.positions, rtol=0, atol=1e-12)
    assert theirs.facts["steps"] == own.facts["steps"] == 6
    run.close()


def test_parameters_reach_the_class(prepare):
    run = prepare('python = "theirs:Walk"\nrate = 0.0')
    made = run.run(SEED, 50, 0.1, TIMES)
    assert np.array_equal(made.ensembles[0].positions, made.ensembles[1].positions)
    run.close()


def test_a_function_is_told_the_step_of_its_run(prepare):
    """Also those of a ladder, which are longer than that of the table."""
    run = prepare('python = "theirs:steps"\ndt = 0.125')
    for dt in (0.125, 0.25):
        made = run.run(SEED, 3, dt, TIMES)
        assert (made.ensembles[0].positions == dt).all()
    run.close()


def test_a_function_keeps_its_own_step_where_the_table_gives_none(prepare):
    """A run by the table's default is one by its own, a ladder's by as many times that."""
    assert SamplerSpec(python="theirs:steps").dt == USUAL
    run = prepare('python = "theirs:steps"')
    for dt, own in ((USUAL, 9.0), (2 * USUAL, 18.0)):
        made = run.run(SEED, 3, dt, TIMES)
        assert (made.ensembles[0].positions == own).all()
    run.close()


def test_parameters_that_a_key_of_the_table_does_not_reach_are_refused(prepare):
    for reference, key, value in (
        ("OwnStep", "dt", "0.125"),
        ("seeded", "seed", "4"),
        ("seeded", "particles", "50"),
    ):
        with pytest.raises(InputError) as caught:
            prepare(f'python = "theirs:{reference}"\n{key} = {value}')
        found = f"theirs:{reference}, whose parameter {key} is not given the {key} of the table"
        assert found in str(caught.value)
        assert "step is told dt" in str(caught.value)
    for reference in ("OwnStep", "seeded"):  # defaults of their own, where the table says nothing
        run = prepare(f'python = "theirs:{reference}"')
        assert run.run(SEED, 3, 0.125, TIMES).ensembles[1].positions.shape == (3, 2)
        run.close()


def test_plain_arrays_in_the_other_order(prepare):
    run = prepare('python = "theirs:Bare"\nlayout = "(d, N)"')
    first, last = run.run(SEED, 50, 0.125, TIMES).ensembles
    assert np.allclose(last.positions - first.positions, 0.25, atol=1e-12)
    assert np.all(last.log_weights == 0.375)
    run.close()


def test_a_function(prepare):
    run = prepare('python = "theirs:draw"\nshift = 2.0\nname = "draws"')
    made = run.run(SEED, 4000, 0.1, TIMES)
    assert [e.positions.shape for e in made.ensembles] == [(4000, 2)] * 2
    assert np.abs(made.ensembles[1].positions.mean(axis=0) - 2.0).max() < 4 / np.sqrt(4000)
    again = run.run(SEED, 4000, 0.1, TIMES)
    assert np.array_equal(made.ensembles[0].positions, again.ensembles[0].positions)
    run.close()


def test_a_function_with_weights_that_samples_the_target(prepare):
    run = prepare('python = "theirs:weighted"\nclaims = "target"')
    made = run.run(SEED, 100, 0.1, TIMES)
    assert made.times.tolist() == [np.inf]
    assert 1 < made.ensembles[0].ess < 100
    run.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "RuntimeError: the wheels came off (theirs.py, line "),
        ("forgets", "positions that are None; needed an array of real numbers"),
        ("nan", "at t = 0.25 20 of 20 positions are NaN"),
        ("wrong_shape", "positions of shape (2, 21, 2); needed (2, 20, 2)"),
        ("words", "positions of type <U3; needed real numbers"),
    ],
)
def test_what_goes_wrong_is_told_by_name(here, name, words):
    run = here(f"theirs:{name}")
    with pytest.raises(SamplerError) as caught:
        run.run(SEED, 20, 0.1, TIMES)
    assert str(caught.value).startswith("sampler it: ")
    assert words in str(caught.value)


def test_errors_and_crashes_of_another_process_are_told_by_name(prepare):
    run = prepare('python = "theirs:raises_or_crashes"\nname = "theirs"')
    for n, words in [
        (1, "ValueError: n is one"),
        (2, "its process ended (exit code 7)\n    about to go"),
        (1, "ValueError: n is one"),  # it can be tried again
    ]:
        with pytest.raises(SamplerError) as caught:
            run.run(SEED, n, 0.1, TIMES)
        assert str(caught.value).startswith("sampler theirs: ")
        assert words in str(caught.value)
    run.close()


def test_a_function_that_hangs_is_ended(prepare):
    run = prepare('python = "theirs:hangs"\ntime_limit = 60.0')
    run.time_limit = 0.5
    with pytest.raises(SamplerError, match=r"theirs:hangs: not done after 0\.5 s, and ended"):
        run.run(SEED, 20, 0.1, TIMES)
    assert run._process is None


def test_a_stop_ends_the_wait(prepare):
    run = prepare('python = "theirs:hangs"')
    made = run.run(SEED, 20, 0.1, TIMES, stop=lambda: True)
    assert made.ensembles == ()
    assert made.facts["complete"] is False


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("theirs", "found 'theirs'; needed 'module:object'"),
        ("nowhere:x", "found nowhere, which cannot be imported: ModuleNotFoundError"),
        ("theirs:absent", "found no absent in theirs; needed one of Bare,"),
        ("theirs:Broken", "theirs:Broken, which failed when it was made: TypeError"),
        ("theirs:made", "rate: found an unknown key"),
        ("theirs:backwards", "theirs:backwards, which takes (rng, times, target): too many"),
        ("theirs:draw", "n, times, rng, shift=0.0): got an unexpected keyword argument 'rate'"),
        ("theirs:Short", "theirs:Short: step, which takes (ensemble, dt): too many"),
        ("theirs:Starts", "theirs:Starts: init, which takes (): too many"),
    ],
)
def test_a_python_sampler_that_cannot_be_made(here, reference, words):
    with pytest.raises(InputError) as caught:
        here(reference, rate=2.0)
    assert str(caught.value).startswith("sampler it: ")
    assert words in str(caught.value)


def test_it_cannot_be_made_in_another_process_either(prepare):
    with pytest.raises(InputError, match=r"^sampler theirs:number: python: found theirs:number"):
        prepare('python = "theirs:number"')


def test_a_sampler_that_a_package_registers(prepare, monkeypatch):
    from wfrpde.samplers import registry

    monkeypatch.setattr(registry, "registered", lambda: {"walk": "theirs:Walk"})
    run = prepare('kind = "walk"\nrate = 0.5')
    assert run.run(SEED, 10, 0.1, TIMES).ensembles[1].size == 10
    run.close()
    with pytest.raises(InputError, match=r"sampler\[0\].kind: found 'wakl'.*Did you mean walk\?"):
        prepare('kind = "wakl"')


def test_it_cannot_share_an_ensemble_with_other_ranks(case_text, tmp_path):
    (tmp_path / "case.toml").write_text(
        case_text + '[[sampler]]\npython = "theirs:Walk"\n', "utf-8"
    )
    case = load_case(tmp_path / "case.toml")
    context = SamplerContext.of(case, comm=SimpleNamespace(size=2, rank=0))
    with pytest.raises(InputError, match="theirs:Walk, which knows nothing of other ranks"):
        make_sampler(case.samplers[0], context)
