"""Samplers and samples that are handed to `wfrpde.validate` as objects."""

import functools

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.targets import log_prob_target

TABLES = {
    "title": "A Gaussian",
    "target": {"potential": "x**2/2"},
    "initial": {"mean": [1.0], "covariance": [[0.5]]},
    "flow": {"beta": 0.0, "save": [0.5]},
    "validation": {"equation": False, "limit": False, "metrics": False},
}


@pytest.fixture
def case():
    return wfrpde.Case.model_validate(TABLES)


def exact(target, n, times, rng, speed=1.0):
    """Draws of the Ornstein–Uhlenbeck law at each time."""
    decay = np.exp(-speed * times)[:, None]
    mean, variance = decay, 1 + (0.5 - 1) * decay**2
    return (mean + np.sqrt(variance) * rng.standard_normal((len(times), n)))[..., None]


class Walk:
    """Euler–Maruyama."""

    def __init__(self, target):
        self.target = target

    def step(self, ensemble, t, dt, rng):
        x = ensemble.positions
        noise = rng.standard_normal(x.shape)
        return x - dt * self.target.gradient(x) + np.sqrt(2 * dt) * noise


def test_functions_and_objects(case):
    report = wfrpde.validate(
        case,
        samplers={
            "exact": exact,
            "walk": {"python": Walk, "dt": 0.005, "particles": 500, "replicates": 12},
            "too fast": {"python": exact, "speed": 2.0, "expected": "consistent"},
        },
    )
    verdicts = {s.name: s.verdict for s in report.samplers}
    assert verdicts == {"exact": "consistent", "walk": "consistent", "too fast": "biased"}
    assert report.unexpected == ("too fast",)
    assert {s.name: (s.particles, s.replicates) for s in report.samplers}["walk"] == (500, 12)


def test_samples(case):
    rng = np.random.default_rng(5)
    chains = rng.standard_normal((4, 20_000))
    report = wfrpde.validate(
        case,
        samplers={
            "one list": chains.reshape(-1, 1),
            "chains": chains[..., None],
            "steps first": {"samples": chains.T[..., None], "layout": "(steps, chains, d)"},
            "shifted": chains[..., None] + 0.1,
            "at times": {"positions": exact(None, 4000, np.array([0.5]), rng), "times": [0.5]},
        },
    )
    verdicts = {s.name: s.verdict for s in report.samplers}
    assert verdicts.pop("shifted") == "biased"
    assert verdicts.pop("at times") in ("undecided", "consistent")
    assert set(verdicts.values()) == {"consistent"}
    assert np.isinf(report.rows("chains")[0].time)
    same = [report.rows(name, "mean x")[0].mean for name in ("chains", "steps first")]
    assert same[0] == pytest.approx(same[1], abs=1e-14)


def test_what_arviz_holds(case):
    """ArviZ 0.x calls it InferenceData, and 1.x takes xarray's DataTree."""

    class DataTree(dict):
        pass

    class Variable:
        def __init__(self, values):
            self.values = values

        def transpose(self, *names):
            assert names == ("chain", "draw", ...)
            return self.values

    draws = np.random.default_rng(1).standard_normal((4, 5000))
    posterior = type("Dataset", (dict,), {"data_vars": ["x"]})(x=Variable(draws))
    report = wfrpde.validate(case, samplers={"kept": DataTree(posterior=posterior)})
    assert report.samplers[0].verdict == "consistent"
    assert report.rows("kept", "mean x")[0].mean == pytest.approx(draws.mean(), abs=1e-14)


def test_arviz_itself(case):
    arviz = pytest.importorskip("arviz")
    draws = np.random.default_rng(1).standard_normal((4, 5000))
    kept = arviz.from_dict({"posterior": {"x": draws}})
    report = wfrpde.validate(case, samplers={"kept": kept})
    assert report.rows("kept", "mean x")[0].mean == pytest.approx(draws.mean(), abs=1e-14)


def test_blackjax():
    """NUTS is right; unadjusted Langevin with a large step is not, in the variance."""
    blackjax = pytest.importorskip("blackjax")
    jnp = pytest.importorskip("jax.numpy")

    def log_prob(x):
        return -jnp.sum(x**2) / 2

    case = wfrpde.Case.model_validate(
        {**TABLES, "target": {"python": log_prob_target(log_prob, 1), "modes": {"right": "x > 0"}}}
    )
    nuts = blackjax.nuts(log_prob, step_size=0.8, inverse_mass_matrix=jnp.ones(1))
    hmc = blackjax.hmc(
        lambda x: 1.2 * log_prob(x), step_size=0.5, inverse_mass_matrix=jnp.ones(1),
        num_integration_steps=5,
    )  # fmt: skip
    keys = {"particles": 2000, "replicates": 12, "warmup": 20}
    report = wfrpde.validate(
        case, samplers={"nuts": {"python": nuts, **keys}, "too cold": {"python": hmc, **keys}}
    )
    assert {s.name: s.verdict for s in report.samplers} == {
        "nuts": "consistent",
        "too cold": "biased",
    }
    variance = report.rows("too cold", "var x")[0]
    assert variance.mean == pytest.approx(1 / 1.2, abs=4 * variance.standard_error)
    with pytest.raises(InputError, match="a Markov chain"):
        wfrpde.validate(case, samplers={"nuts": {"python": nuts, "claims": "W"}})


def test_beside_those_of_the_case(case):
    own = {"kind": "langevin", "dt": 0.01, "particles": 500, "replicates": 8}
    both = case.with_overrides({"sampler": [own]})
    report = wfrpde.validate(both, samplers={"exact": exact})
    assert [s.name for s in report.samplers] == ["langevin", "exact"]
    with pytest.raises(InputError, match=r"samplers\['langevin'\]: found a name"):
        wfrpde.validate(both, samplers={"langevin": exact})


def test_nothing_of_them_is_taken_from_an_earlier_run(case, tmp_path):
    first = wfrpde.validate(case, samplers={"exact": exact}, resume=tmp_path)
    second = wfrpde.validate(
        case, samplers={"exact": lambda *given: exact(*given) + 1.0}, resume=tmp_path
    )
    assert first.samplers[0].verdict == "consistent"
    assert second.samplers[0].verdict == "biased"
    assert second.facts["replicates_reused"] == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "found a NoneType"),
        ({"particles": 5}, "found the keys particles; needed one of python and samples"),
        ({"python": "a:b"}, "found the keys python"),
        (np.zeros((5, 4, 3, 2)), "none that can be judged: it: .*shape"),
    ],
)
def test_what_is_none_of_these_is_one_message(case, given, words):
    with pytest.raises(InputError, match=words):
        wfrpde.validate(case, samplers={"it": given})


def test_a_parameter_that_a_function_does_not_take(case, monkeypatch):
    from wfrpde.flow import solve

    wrong = {"python": exact, "partcles": 5}
    monkeypatch.setattr(solve, "solve", lambda *_, **__: pytest.fail("a flow was solved"))
    with pytest.raises(InputError, match="unexpected keyword argument 'partcles'"):
        wfrpde.validate(case, samplers={"it": wrong})


def with_factor(function):
    """Hand a function a further argument, and keep the one that is asked for to itself."""

    @functools.wraps(function)
    def adapted(target, n, times, rng, *, widen):
        return function(target, n, times, rng, widen + 1.0)

    return adapted


@with_factor
def decorated(target, n, times, rng, factor):
    return factor * exact(target, n, times, rng)


def test_a_decorator_that_changes_the_arguments(case):
    report = wfrpde.validate(case, samplers={"it": {"python": decorated, "widen": 0.0}})
    assert not report.failed
    with pytest.raises(InputError, match="missing a required keyword-only argument"):
        wfrpde.validate(case, samplers={"it": decorated})
