"""Every sampler follows the Gaussian flow that it claims, within its Monte Carlo error.

R replicates give the standard error; the bias of the time step is allowed for by what it is known
to be below, BIAS · dt. A planted bias of 10 % in a rate or in the drift is caught by the same test.
"""

from dataclasses import replace

import numpy as np
import pytest

from wfrpde.flow.exact import gaussian_flow

T, DT, N, REPLICATES = 0.5, 0.01, 12_500, 16
BIAS = 0.4
KERNEL_BIAS = 0.03
"""What a kernel estimate of this width does to a covariance here; the mesh has no such bias."""

TABLES = {
    "langevin": {"kind": "langevin"},
    "mala": {"kind": "mala"},
    "fisher_rao": {"kind": "fisher_rao"},
    "weighted, mesh": {"kind": "weighted"},
    "weighted, kde": {"kind": "weighted", "density": "kde", "bandwidth": 0.1},
    "birth_death, mesh": {"kind": "birth_death"},
    "birth_death, kde": {"kind": "birth_death", "density": "kde", "bandwidth": 0.1},
    "smc_wfr": {"kind": "smc_wfr", "ess_threshold": 0.9},
}


def moments(ensemble):
    mean = ensemble.average(ensemble.positions)
    gap = ensemble.positions - mean
    covariance = ensemble.average(gap[:, :, None] * gap[:, None, :])
    return np.concatenate([mean, covariance[np.triu_indices(2)]])


def closed_form(case, rates):
    target, start = case.target.parameters, case.initial.parameters
    mean, covariance = gaussian_flow(
        start["mean"], start["covariance"], target["mean"], target["covariance"], T,
        alpha=rates[0], beta=rates[1],
    )  # fmt: skip
    return np.concatenate([mean, covariance[np.triu_indices(2)]])


def deviations(run, case, kernel_bias=0.0, n=N, dt=DT):
    """Errors of mean and covariance, in units of what chance and step may do."""
    seeds = np.random.SeedSequence(4).spawn(REPLICATES)
    found = np.array([moments(run.run(seed, n, dt, [T]).ensembles[0]) for seed in seeds])
    error = found.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
    allowed = 4 * error + BIAS * dt + kernel_bias
    return (found.mean(axis=0) - closed_form(case, (run.claims.alpha, run.claims.beta))) / allowed


@pytest.mark.parametrize("name", TABLES)
def test_the_flow_that_is_claimed(plane, prepared, name):
    off = deviations(prepared(plane, **TABLES[name]), plane, KERNEL_BIAS * ("kde" in name))
    assert np.abs(off).max() < 1, off


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("langevin", {"alpha": 1.1}),
        ("mala", {"alpha": 1.1}),
        ("fisher_rao", {"beta": 1.1}),
        ("weighted, mesh", {"beta": 1.2}),
        ("birth_death, mesh", {"beta": 1.2}),
        ("smc_wfr", {"beta": 1.2}),
        ("smc_wfr", {"alpha": 1.1}),
    ],
)
def test_a_wrong_rate_is_caught(plane, prepared, name, wrong):
    off = deviations(prepared(plane, **TABLES[name], **wrong), plane)
    assert np.abs(off).max() > 1, off


@pytest.mark.parametrize("name", [name for name in TABLES if "kde" not in name])
def test_rates_that_depend_on_time(plane, prepared, name):
    moving = plane.with_overrides({"flow.alpha": "4*t", "flow.beta": "2 - 4*t"})
    off = deviations(prepared(moving, **TABLES[name]), moving, n=4_000)
    assert np.abs(off).max() < 1, off


def test_the_largest_rate_all_the_time_is_caught(plane, prepared):
    moving = plane.with_overrides({"flow.alpha": "4*t", "flow.beta": 0.0})
    run = prepared(moving, kind="langevin")
    always = replace(run, sampler=replace(run.sampler, alpha=2.0))
    assert np.abs(deviations(always, moving, n=4_000)).max() > 1


@pytest.mark.parametrize("kind", ["weighted", "birth_death"])
def test_weak_order_of_one(plane, prepared, kind):
    """Errors of the mean at two coarse steps, far above chance: they halve with the step."""
    run = prepared(plane, kind=kind)
    exact = closed_form(plane, (1.0, 1.0))[0]
    errors = []
    for dt in (0.25, 0.125):
        seeds = np.random.SeedSequence(9).spawn(4)
        means = [moments(run.run(seed, 100_000, dt, [T]).ensembles[0])[0] for seed in seeds]
        assert np.std(means) < 0.004  # one standard deviation of a mean of four is below 0.002
        errors.append(np.mean(means) - exact)
    assert abs(errors[0]) > 0.03
    assert 0.6 < np.log2(errors[0] / errors[1]) < 1.5


def test_linear_feynman_kac_of_a_quadratic_rate(plane, prepared):
    """α = 0: ρ_t ∝ ρ₀ e^{tU} with U = −x²/2 has the precision C₀⁻¹ + t along x."""
    run = prepared(plane, kind="feynman_kac", reaction="-x**2/2", alpha=0.0, resampling="none")
    ensemble = run.run(np.random.SeedSequence(1), 100_000, 0.5, [T]).ensembles[0]
    mean, _, variance, *_ = moments(ensemble)
    exact = 1 / (1 / 0.5 + T)
    assert (run.claims.label, run.claims.rate.text) == ("FK", "-x**2/2")
    assert abs(variance - exact) < 4 * np.sqrt(2 / ensemble.ess) * exact
    assert abs(mean) < 4 * np.sqrt(exact / ensemble.ess)
    assert abs(variance - 0.5) > 4 * np.sqrt(2 / ensemble.ess) * exact


def test_linear_feynman_kac_with_diffusion(prepared):
    """OU in one dimension and U = −x²/2: s' = 2 − 2s − s² for the variance of ρ_t."""
    from wfrpde import Case

    line = Case.model_validate(
        {
            "target": {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]},
            "initial": {"mean": [0.0], "covariance": [[2.0]]},
            "flow": {"save": [T]},
        }
    )
    root = np.sqrt(3.0)  # s' = −(s + 1 − √3)(s + 1 + √3)
    share = (2 + 1 - root) / (2 + 1 + root) * np.exp(-2 * root * T)
    exact = root * (1 + share) / (1 - share) - 1
    run = prepared(line, kind="feynman_kac", reaction="-x**2/2", ess_threshold=0.9)
    seeds = np.random.SeedSequence(6).spawn(REPLICATES)
    values = []
    for seed in seeds:
        ensemble = run.run(seed, N, DT, [T]).ensembles[0]
        values.append(ensemble.average(ensemble.positions**2)[0])
    error = np.std(values, ddof=1) / np.sqrt(REPLICATES)
    assert abs(np.mean(values) - exact) < 4 * error + BIAS * DT
    assert 4 * error + BIAS * DT < 0.05 * exact


def test_mala_leaves_the_target_invariant_at_a_coarse_step(plane, prepared):
    at_target = plane.with_overrides(
        {"initial.mean": [1.0, 0.0], "initial.covariance": [[1.0, 0.3], [0.3, 0.5]]}
    )
    exact = np.array([1.0, 0.0, 1.0, 0.3, 0.5])
    made = {
        kind: moments(
            prepared(at_target, kind=kind).run(np.random.SeedSequence(3), 200_000, 0.3, [6.0])
            .ensembles[0]
        )
        for kind in ("mala", "langevin")
    }  # fmt: skip
    tolerance = 4 * np.sqrt(2 / 200_000)
    assert np.abs(made["mala"] - exact).max() < tolerance
    assert np.abs(made["langevin"] - exact).max() > 5 * tolerance


def test_the_particles_of_birth_and_death_stay_in_number(plane, prepared):
    made = prepared(plane, kind="birth_death").run(np.random.SeedSequence(2), 3001, 0.05, [T])
    assert made.ensembles[0].size == 3001
    assert made.ensembles[0].ess == pytest.approx(3001)
    births, deaths = made.facts["births"], made.facts["deaths"]
    assert births > 100
    assert abs(births - deaths) < 5 * np.sqrt(births + deaths)


@pytest.mark.parametrize("name", [n for n in TABLES if n != "langevin"])
def test_the_same_seed_gives_the_same_replicate(plane, prepared, name):
    run = prepared(plane, **TABLES[name])
    seeds = [np.random.SeedSequence(number) for number in (7, 7, 8)]
    one, two, three = (run.run(seed, 200, 0.1, [T]).ensembles[0] for seed in seeds)
    assert np.array_equal(one.positions, two.positions)
    assert np.array_equal(one.log_weights, two.log_weights)
    assert not np.array_equal(one.positions, three.positions)
