"""Unadjusted Langevin: the Gaussian flow with β = 0, its order in dt, its invariant law."""

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.flow.exact import gaussian_flow
from wfrpde.samplers import Langevin, simulate
from wfrpde.targets import make_target


def closed_form(case, t):
    target, start = case.target.parameters, case.initial.parameters
    return gaussian_flow(
        start["mean"], start["covariance"], target["mean"], target["covariance"], t, beta=0.0
    )


def test_mean_and_covariance_of_the_gaussian_flow(plane, prepared):
    n, t = 200_000, 0.5
    made = prepared(plane, kind="langevin").run(np.random.SeedSequence(1), n, 0.005, [t])
    positions = made.ensembles[0].positions
    mean, covariance = closed_form(plane, t)
    spread = np.sqrt(np.diag(covariance) / n)
    # four standard errors, and the bias of the scheme, which is below 0.5 dt here
    assert np.all(np.abs(positions.mean(axis=0) - mean) < 4 * spread + 0.0025)
    error = np.abs(np.cov(positions.T) - covariance)
    assert np.all(error < 4 * np.sqrt(2 / n) * covariance.max() + 0.0025)
    assert (made.facts["steps"], made.facts["dt"]) == (100, pytest.approx(0.005))


@pytest.mark.parametrize("planted", ["drift", "noise"])
def test_a_wrong_scheme_is_caught(plane, prepared, planted):
    """The tolerances of the test above would not let 10 % pass."""
    sampler = prepared(plane, kind="langevin").sampler

    class Wrong(Langevin):
        def step(self, ensemble, t, dt, rng):
            moved = super().step(ensemble, t, dt, rng)
            drift = -dt * self.target.gradient(ensemble.positions)
            noise = moved.positions - ensemble.positions - drift
            factors = (1.1, 1.0) if planted == "drift" else (1.0, np.sqrt(1.1))
            return ensemble.moved(ensemble.positions + factors[0] * drift + factors[1] * noise)

    n, t = 200_000, 0.5
    context = prepared(plane, kind="langevin").context
    made = simulate(
        Wrong(sampler.target), context.target, context.initial, [t], 0.005, n,
        np.random.default_rng(1),
    )  # fmt: skip
    positions = made.ensembles[0].positions
    mean, covariance = closed_form(plane, t)
    off_mean = np.abs(positions.mean(axis=0) - mean) > 4 * np.sqrt(np.diag(covariance) / n) + 0.0025
    off_spread = (
        np.abs(np.cov(positions.T) - covariance) > 4 * np.sqrt(2 / n) * covariance.max() + 0.0025
    )
    assert off_mean.any() or off_spread.any()


def test_one_step_has_the_moments_of_the_scheme():
    """X + ΔX with X ~ N(m, C): mean m − hP(m − μ), covariance (I − hP)C(I − hP) + 2hI."""
    target = make_target(kind="gaussian", parameters={"mean": [0.5], "covariance": [[0.25]]})
    n, h = 400_000, 0.03
    rng = np.random.default_rng(3)
    sampler = Langevin(target, alpha=2.0)
    start = sampler.init(1.0 + 0.5 * rng.standard_normal((n, 1)), rng)
    x = sampler.step(start, 0.0, h / 2, rng).positions[:, 0]
    mean, variance = 1.0 - h * 4 * 0.5, (1 - 4 * h) ** 2 * 0.25 + 2 * h
    assert abs(x.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(x.var() - variance) < 4 * np.sqrt(2 / n) * variance


def test_invariant_law_is_off_by_the_step():
    """N(0, 1) becomes N(0, 1/(1 − h/2)) under the scheme, and not N(0, 1)."""
    target = make_target(kind="gaussian", parameters={"mean": [0.0], "covariance": [[1.0]]})
    n, h = 200_000, 0.2
    sampler, rng = Langevin(target), np.random.default_rng(5)
    ensemble = sampler.init(rng.standard_normal((n, 1)), rng)
    for k in range(40):
        ensemble = sampler.step(ensemble, k * h, h, rng)
    variance, tolerance = ensemble.positions.var(), 4 * np.sqrt(2 / n) / 0.9
    assert abs(variance - 1 / (1 - h / 2)) < tolerance
    assert abs(variance - 1.0) > tolerance


def test_the_same_seed_gives_the_same_particles(plane, prepared):
    sampler = prepared(plane, kind="langevin")
    one, two, three = (
        sampler.run(np.random.SeedSequence(s), 100, 0.1, [0.2, 0.5]) for s in (7, 7, 8)
    )
    for a, b, c in zip(one.ensembles, two.ensembles, three.ensembles, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert not np.array_equal(a.positions, c.positions)


def test_the_default_step_follows_the_curvature():
    """An 8 kT well: V'' = 64 at the minima, where dt = 0.01 is 47 % off in the variance."""
    from wfrpde.case.context import sampler_context
    from wfrpde.samplers.registry import default_step

    def step(potential="8*(x**2 - 1)**2", tables=None, **table):
        case = wfrpde.Case.model_validate(
            {
                "target": {"potential": potential},
                "initial": {"mean": [-1.0], "covariance": [[0.02]]},
                "flow": {"save": [1.0], "alpha": 2.0},
                "sampler": [{"kind": "langevin", **table}],
                **(tables or {}),
            }
        )
        return default_step(case.samplers[0], sampler_context(case))

    assert step() == pytest.approx(0.04 / 128, rel=0.05)
    # D = 16 makes the steps as long as α = 16 does, a drift adds to V''
    assert step(tables={"dynamics": {"diffusion": "16"}}) == pytest.approx(0.04 / 2048, rel=0.05)
    assert step("x**2/2", {"dynamics": {"drift": ["-19*x"]}}) == pytest.approx(0.001, rel=0.05)
    # 1 ± 5i: a variance is off by 26 dt/2
    turning = {
        "initial": {"mean": [0.0, 0.0], "covariance": 0.1}, "dynamics": {"circulation": 5.0}
    }  # fmt: skip
    assert step("(x**2 + y**2)/2", turning) == pytest.approx(0.04 / 52, rel=0.05)
    # the bottom of a quartic is flat: its curvature, of round-off, had made it 1.6e-8
    turning = {**turning, "dynamics": {"drift": ["-2*y", "2*x"]}}
    assert (step("x**4 + y**4", turning) or 0.01) >= 1e-3
    moving = {"path": {"kind": "expression"}}
    assert step("x**2/2*(1 + 9*(1 - t))", moving) == pytest.approx(0.04 / 20, rel=0.05)
    assert step(alpha=0.5) == pytest.approx(0.04 / 32, rel=0.05)
    assert step(dt=0.01) is None, "who asks for a step gets it"
    assert step("x**2/2") is None
    assert step(kind="fisher_rao") is None, "exact for any step"


@pytest.mark.parametrize("diffusion", ["1", "16"])
def test_with_the_default_step_an_8_kt_well_is_nearly_right(diffusion):
    """Steps did not know of D = 16: they were 47 % off, as those of 0.01 are."""
    case = wfrpde.Case.model_validate(
        {
            "target": {"potential": "8*(x**2 - 1)**2"},
            "initial": {"mean": [-1.0], "covariance": [[0.016]]},
            "flow": {"save": [0.3 / float(diffusion)], "beta": 0.0},
            "dynamics": {"diffusion": diffusion},
            "sampler": [{"kind": "langevin", "particles": 2000, "replicates": 8}],
            "validation": {"metrics": False, "limit": False, "equation": False},
        }
    )
    report = wfrpde.validate(case)
    assert report.samplers[0].dt == pytest.approx(0.04 / 64 / float(diffusion), rel=0.05)
    (row,) = report.rows("langevin", "var x")
    assert abs(row.mean / row.reference - 1) < 0.03 + 3 * row.standard_error / row.reference


@pytest.mark.parametrize(
    "alpha", [float("nan"), float("inf"), -1.0, np.float32("nan"), np.int64(-1)]
)
def test_a_rate_that_is_none_is_refused(alpha):
    with pytest.raises(InputError, match=r"Langevin\(alpha=…\): found (nan|inf|-1)"):
        Langevin(None, alpha=alpha)
