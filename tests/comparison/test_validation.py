"""`wfrpde.validate` as a whole: verdicts, impostors, failures, recorded samples, resumption."""

import re

import numpy as np
import pytest

import wfrpde

MIXTURE = {
    "title": "Two Gaussians",
    "target": {"kind": "gaussian_mixture", "means": [0.0, 4.0], "covariances": [1.0, 1.0]},
    "initial": {"mean": [0.0], "covariance": [[1.0]]},
    "flow": {"save": [0.25, 0.5, 1.0]},
}
QUICK = {"metrics": False, "limit": False, "equation": False}


def case(samplers, folder=None, **validation):
    tables = {**MIXTURE, "sampler": samplers, "validation": validation}
    source = None if folder is None else folder / "case.toml"
    return wfrpde.Case.from_dict(tables, source)


def langevin(**keys):
    return {"kind": "langevin", "particles": 1000, "dt": 0.02, "replicates": 16, **keys}


@pytest.fixture(scope="module")
def told():
    """What an observer is told."""
    return []


@pytest.fixture(scope="module")
def report(told):
    """A correct sampler, one that drops its weights, and one that solves a linear equation."""
    return wfrpde.validate(
        case(
            [
                langevin(expected="consistent"),
                langevin(name="weights dropped", claims="WFR", expected="consistent"),
                {
                    "name": "linear",
                    "kind": "feynman_kac",
                    "reaction": "0.4*log(exp(-x**2/2) + exp(-(x - 4)**2/2))",
                    "claims": "WFR",
                    "particles": 1000,
                    "dt": 0.02,
                    "replicates": 16,
                },
            ],
            probabilities={"far": "x > 4"},
            observables={"tail": "exp(x/2)"},
        ),
        observer=told.append,
    )


def test_long_phases_say_what_they_do(report, told):
    phases = [event.phase for event in told]
    for number in (1, 2, 3):
        assert f"examining langevin: solving {number} of 3 candidate equations" in phases
    assert "examining linear: solving 7 of 7 candidate equations" in phases
    examining = [event.fraction for event in told if event.phase.startswith("examining")]
    assert examining == sorted(examining)


def test_verdicts(report):
    by_name = {s.name: s for s in report.samplers}
    assert by_name["langevin"].verdict == "consistent"
    assert by_name["weights dropped"].verdict == "biased"
    assert by_name["linear"].verdict == "biased"
    assert report.unexpected == ("weights dropped",)
    assert report.failed == {}
    assert report.verdicts["langevin"] == "consistent in all 15 rows"
    assert "weights dropped: biased" in repr(report)


def test_rows_know_their_errors(report):
    for row in report.table:
        assert row.reference_error < 0.1 * row.spread
        assert row.interval[0] < row.mean < row.interval[1]
        assert row.verdict != "consistent" or row.detectable <= 0.1 * row.spread + 1e-4
    assert {row.observable for row in report.rows("langevin")} == {
        "mean x", "var x", "mass right", "P far", "tail",
    }  # fmt: skip
    assert len(report.rows("langevin", "tail")) == 3


def test_impostors_are_named(report):
    by_name = {d.sampler: d for d in report.diagnoses}
    assert not by_name["langevin"].impostor
    assert by_name["langevin"].conclusion.startswith("solves what it claims: W with α")
    assert by_name["weights dropped"].impostor
    assert by_name["weights dropped"].conclusion.startswith("moves like W with")
    assert by_name["weights dropped"].conclusion.endswith("not like WFR")
    linear = by_name["linear"].candidates[0]
    assert by_name["linear"].impostor
    assert linear.equation == "feynman-kac (U = −cV)"
    assert linear.parameters["c"].low < 0.4 < linear.parameters["c"].high


def test_limit_gives_the_bias_without_noise(report):
    splits = {(s.sampler, s.observable): s for s in report.splits if s.time == 1.0}
    right = splits["langevin", "var x"]
    assert abs(right.limit_step) < 0.01
    assert abs(right.limit_rest) < 1e-3
    dropped = splits["weights dropped", "mass right"]
    assert abs(dropped.limit_rest - dropped.total[0]) < 4 * dropped.total[1] + abs(
        dropped.limit_step
    )


def test_noise_floor(report):
    for metric in report.metrics:
        if metric.sampler == "langevin" and metric.metric in ("KL", "TV", "chi2"):
            assert abs(metric.excess) < 5 * metric.floor_spread / 3
    late = [m for m in report.metrics if m.sampler == "weights dropped" and m.time == 1.0]
    assert all(m.excess > 3 * m.standard_error for m in late if m.metric in ("KL", "W1", "MMD2"))


def test_feynman_kac_is_judged_against_its_own_flow():
    rate = "0.4*log(exp(-x**2/2) + exp(-(x - 4)**2/2))"
    sampler = {"kind": "feynman_kac", "reaction": rate, "particles": 1000, "replicates": 16}
    found = wfrpde.validate(case([sampler], **QUICK))
    assert found.samplers[0].verdict == "consistent"


BROKEN = """
import numpy as np

def raises(target, n, times, rng):
    raise RuntimeError("no luck")

def nan(target, n, times, rng):
    return np.full((len(times), n, 1), np.nan)

def shape(target, n, times, rng):
    return np.zeros((len(times), n, 3))

def exact(target, n, times, rng):
    '''Euler steps of Langevin, in a user's own words.'''
    x, t, out = rng.normal(size=(n, 1)), 0.0, []
    for end in times:
        for _ in range(max(1, round((end - t) / 0.02))):
            x = x - 0.02 * target.gradient(x) + 0.2 * rng.normal(size=x.shape)
        out.append(x)
        t = end
    return np.array(out)
"""


def test_failures_are_named_and_the_others_go_on(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    np.savez(tmp_path / "old.npz", positions=np.array([object()]))
    samplers = [
        {"name": n, "python": f"broken:{n}", "particles": 200, "replicates": 4, "claims": "W"}
        for n in ("raises", "nan", "shape", "exact")
    ]
    samplers.append({"name": "pickled", "samples": "old.npz"})
    samplers.append({"name": "absent", "samples": "none.npz"})
    found = wfrpde.validate(case(samplers, tmp_path, **QUICK))
    assert set(found.failed) == {"raises", "nan", "shape", "pickled", "absent"}
    assert "no luck" in found.failed["raises"]
    assert "NaN" in found.failed["nan"]
    assert found.verdicts["nan"].startswith("failed: ")
    assert {row.sampler for row in found.table} == {"exact"}
    assert not any(row.verdict == "biased" for row in found.table)


def test_recorded_chains_are_judged_against_the_target(tmp_path):
    """Correlated draws of π: consistent with their autocorrelation, and biased if shifted."""
    rng = np.random.default_rng(3)
    n, chains, phi = 20_000, 4, 0.9
    noise = rng.normal(size=(chains, n)) * np.sqrt(1 - phi**2)
    z = np.empty((chains, n))
    z[:, 0] = rng.normal(size=chains)
    for k in range(1, n):
        z[:, k] = phi * z[:, k - 1] + noise[:, k]
    modes = 4.0 * (rng.random((chains, n)) < 0.5)
    np.save(tmp_path / "good.npy", (z + modes)[..., None])
    np.save(tmp_path / "shifted.npy", (z + modes + 0.2)[..., None])
    samplers = [{"samples": "good.npy"}, {"samples": "shifted.npy"}]
    found = wfrpde.validate(case(samplers, tmp_path, **QUICK))
    by_name = {s.name: s for s in found.samplers}
    assert by_name["good.npy"].claims == "target"
    assert by_name["good.npy"].verdict == "consistent"
    assert by_name["shifted.npy"].verdict == "biased"
    (row,) = found.rows("good.npy", "mean x")
    assert np.isinf(row.time)
    # Var = 1 + 4, of which 1 has τ = 19
    assert row.standard_error == pytest.approx(np.sqrt((19 + 4) / (n * chains)), rel=0.25)


def test_no_flow_is_solved_for_samplers_of_the_target(monkeypatch):
    """π needs a mesh and no step: its moments are those of the closed form."""
    monkeypatch.setattr("wfrpde.flow.schemes.relative_density.march", None)
    monkeypatch.setattr("wfrpde.flow.schemes.log_density.march", None)
    rng = np.random.default_rng(8)
    x = 4.0 * (rng.random(20_000) < 0.5) + rng.normal(size=20_000)
    found = wfrpde.validate(case([], **QUICK), samplers={"exact": x, "shifted": x + 0.2})
    assert {s.name: s.verdict for s in found.samplers} == {
        "exact": "consistent", "shifted": "biased"
    }  # fmt: skip
    right = {"mean x": 2.0, "var x": 5.0, "mass right": 0.5}
    for row in found.rows("exact"):
        assert abs(row.reference - right[row.observable]) <= row.reference_error
        assert row.reference_error < 1e-5


def exact_chains(rng, chains, n, phi):
    """Exact autoregressive chains ``(n, C)`` of N(0, 1)."""
    z = np.empty((n, chains))
    z[0] = rng.normal(size=chains)
    for k in range(1, n):
        z[k] = phi * z[k - 1] + np.sqrt(1 - phi**2) * rng.normal(size=chains)
    return z


def test_chains_in_other_layouts_have_one_error(tmp_path):
    """emcee's (steps, walkers, d), flat or not, named or not: none is biased, errors agree."""
    x = exact_chains(np.random.default_rng(5), 32, 2000, 36 / 38)
    np.save(tmp_path / "steps.npy", x[:, :, None])
    np.save(tmp_path / "flat.npy", x.reshape(-1, 1))
    np.save(tmp_path / "chains.npy", x.T[:, :, None])
    samplers = [
        {"name": "named", "samples": "steps.npy", "layout": "(steps, chains, d)"},
        {"name": "flat", "samples": "flat.npy", "layout": "(steps*chains, d)", "chains": 32},
        {"name": "chains", "samples": "chains.npy", "layout": "(chains, steps, d)"},
        {"name": "misread", "samples": "steps.npy"},
        {"name": "misread flat", "samples": "flat.npy"},
    ]
    tables = {**MIXTURE, "sampler": samplers, "validation": QUICK}
    tables["target"] = {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]}
    found = wfrpde.validate(wfrpde.Case.from_dict(tables, tmp_path / "case.toml"))
    assert not found.failed
    rows = {s: found.rows(s, "mean x")[0] for s in found.verdicts}
    for row in rows.values():
        assert row.standard_error == pytest.approx(0.0238, rel=0.25)
        assert row.verdict != "biased"
    for name in ("flat", "chains"):
        assert rows[name].standard_error == pytest.approx(rows["named"].standard_error, rel=1e-9)
        assert rows[name].ess == pytest.approx(32 * 2000 / 37, rel=0.3)
        assert rows[name].r_hat == pytest.approx(1.0, abs=0.05)
    warned = {s.name: s.warnings for s in found.samplers}
    assert [bool(warned[name]) for name in rows] == [False, False, False, True, True]
    assert 'layout = "(steps*chains, d)" and chains = 32' in warned["misread flat"][0]


def test_chains_that_are_stuck_are_undecided(tmp_path):
    """Two in the left well and one in the right: no bias is certain; one alone has no error."""
    x = 0.3 * np.random.default_rng(6).normal(size=(3, 500, 1))
    np.save(tmp_path / "stuck.npy", x + np.array([0.0, 0.0, 4.0])[:, None, None])
    np.save(tmp_path / "one.npy", x[0])
    found = wfrpde.validate(
        case([{"samples": "stuck.npy"}, {"samples": "one.npy"}], tmp_path, **QUICK)
    )
    (row,) = found.rows("stuck.npy", "mass right")
    assert row.verdict == "undecided"
    # a third, for two that were there of three, is widened: the spread under π is a half
    assert row.standard_error == pytest.approx(1 / np.sqrt(8))
    assert row.r_hat == np.inf
    (alone,) = found.rows("one.npy", "mass right")
    assert alone.verdict == "undecided"
    assert alone.words == "undecided: no chain has been in right, where 0.50 of π is"
    # what one well says of the mean is no sign of a bias either
    assert {r.verdict for r in found.rows("one.npy")} == {"undecided"}
    assert found.rows("stuck.npy", "mean x")[0].words.startswith("undecided: the chains have not m")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"layout": "(steps, chains, d)", "kind": "langevin"}, "without sampler.samples"),
        ({"layout": "(steps*chains, d)", "samples": "a.npy"}, "chains together with"),
        ({"chains": 4, "samples": "a.npy"}, "chains together with"),
    ],
)
def test_layouts_of_chains_are_checked(keys, message):
    with pytest.raises(wfrpde.WfrpdeError, match=message):
        case([keys])


def test_replicates_are_kept_and_found_again(tmp_path):
    small = [langevin(particles=200, replicates=5)]
    first = wfrpde.validate(case(small, **QUICK), resume=tmp_path)
    again = wfrpde.validate(case(small, **QUICK), resume=tmp_path)
    assert first.facts["replicates_computed"] == 5
    assert again.facts["replicates_computed"] == 0
    assert again.table == first.table
    more = [langevin(particles=200, replicates=8)]
    third = wfrpde.validate(case(more, **QUICK), resume=tmp_path)
    assert third.facts["replicates_reused"] == 5
    assert third.facts["replicates_computed"] == 3
    other = [langevin(particles=200, replicates=5, dt=0.05)]
    fourth = wfrpde.validate(case(other, **QUICK), resume=tmp_path)
    assert fourth.facts["replicates_reused"] == 0
    # what cannot be read is computed again
    broken = sorted(tmp_path.glob("*.npz"))[0]
    broken.write_bytes(broken.read_bytes()[:100])
    assert wfrpde.validate(case(small, **QUICK), resume=tmp_path).table == first.table


def test_a_bias_is_no_better_known_where_it_is_split_than_in_its_row():
    """Of eight particles none crosses in most replicates, which agree on that by chance."""
    few = {"kind": "smc_wfr", "particles": 8, "dt": 0.05, "replicates": 8}
    found = wfrpde.validate(case([few], metrics=False, equation=False))
    assert found.splits
    for split in found.splits:
        (row,) = [r for r in found.rows("smc_wfr", split.observable) if r.time == split.time]
        assert split.total == (row.difference, row.standard_error), row.observable


def test_bias_split_of_a_long_step():
    """Langevin with long steps: the bias is the step's, of order 1, and nothing else."""
    sampler = langevin(particles=2000, dt=0.1, replicates=40)
    found = wfrpde.validate(case([sampler], dt_ladder=[1, 2, 4], metrics=False, equation=False))
    split = next(s for s in found.splits if s.observable == "var x" and s.time == 1.0)
    assert abs(split.rest[0]) < 4 * split.rest[1]
    assert abs(split.step[0] - split.limit_step) < 4 * split.step[1] + 0.3 * abs(split.limit_step)
    assert split.limit_order == pytest.approx(1.0, abs=0.35)
    assert {(p.dt, p.particles) for p in found.ladders} == {(0.1, 2000), (0.2, 2000), (0.4, 2000)}


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"dt_ladder": [2, 4]}, "begin with 1"),
        ({"particles_ladder": [1, 2]}, "descending"),
        ({"observables": {"a": "q**2"}}, "validation.observables.a"),
        ({"probabilities": {"a": "x"}}, "validation.probabilities.a"),
        ({"observables": {"a": "x"}, "probabilities": {"a": "x > 0"}}, "validation.probabilities"),
        ({"level": 2.0}, "validation.level"),
        ({"levle": 0.1}, "Did you mean"),
    ],
)
def test_bad_settings_name_their_key(validation, message):
    with pytest.raises(wfrpde.WfrpdeError, match=message):
        case([langevin()], **validation)


def test_a_case_without_samplers():
    with pytest.raises(wfrpde.WfrpdeError, match=r"sampler: found no \[\[sampler\]\]"):
        wfrpde.validate(case([]))


def of_target(seed, copies):
    """Exact draws of the mixture at all times, as if it did not move; `copies` ignore the seed."""

    def run(target, n, times, rng):
        rng = np.random.default_rng(seed) if copies else rng
        return np.array(
            [rng.choice([0.0, 4.0], (n, 1)) + rng.standard_normal((n, 1)) for _ in times]
        )

    return {"python": run, "claims": "W", "particles": 400, "replicates": 8}


def test_replicates_that_are_copies_of_one_tell_no_error():
    """A sampler that ignores its seed was accused: the same eight times, ± 0."""
    settled = {
        **MIXTURE,
        "initial": {"kind": "mixture", "means": [0.0, 4.0], "covariances": [1, 1]},
    }
    case = wfrpde.Case.from_dict({**settled, "validation": QUICK})
    found = wfrpde.validate(
        case, samplers={"copies": of_target(3, True), "right": of_target(3, False)}
    )
    words = "undecided in 9 of 9 rows: all 8 replicates are the same: it ignores the seed"
    assert found.verdicts["copies"] == words
    assert not found.verdicts["right"].startswith("biased")
    warned = {one.name: one.warnings for one in found.samplers}
    assert warned == {
        "copies": ("7 of 8 replicates are copies of others: one counts",),
        "right": (),
    }


def test_particles_that_share_random_numbers_are_told():
    """Groups of a hundred at one place: its replicates differ like four points, not 400."""
    settled = {"initial": {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]}}
    case = wfrpde.Case.from_dict(
        {**MIXTURE, "target": {"potential": "x**2/2"}, **settled, "validation": QUICK}
    )

    def law(copies, noise=1.0):
        def run(target, n, times, rng):
            x = noise * rng.standard_normal((len(times), n // copies, 1))
            return np.repeat(x, copies, axis=1) + 1e-3 * rng.standard_normal((len(times), n, 1))

        return {"python": run, "claims": "W", "particles": 400, "replicates": 8}

    def weighed(target, n, times, rng):
        x = 0.5 * rng.standard_normal((len(times), n, 1))
        return x, 1.5 * x[..., 0] ** 2

    def narrow(target, n, times, rng):
        x, logs = weighed(target, n, times, rng)
        p = np.exp(logs - logs.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return np.array([rng.choice(at, n, p=own) for at, own in zip(x, p, strict=True)])

    found = wfrpde.validate(
        case,
        samplers={
            "groups": law(100), "right": law(1), "too wide": law(1, 5.0),
            "weighed": law(1) | {"python": weighed}, "resampled": law(1) | {"python": narrow},
        },
    )  # fmt: skip
    warned = {one.name: one.warnings for one in found.samplers}
    assert warned["right"] == warned["too wide"] == warned["weighed"] == warned["resampled"] == ()
    number = re.fullmatch(
        r"its replicates differ as if each had ([\d.]+) independent points instead of 400: do its "
        r"particles share random numbers\?", warned["groups"][0],
    )  # fmt: skip
    assert float(number[1]) == pytest.approx(4.0, abs=2.0)
    assert found.samplers[2].verdict == "biased"
