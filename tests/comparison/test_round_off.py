"""What is known to round-off, or agrees by chance, is no bias: constants, counts, tiny spreads."""

import numpy as np
import pytest
from scipy.special import ndtri

import wfrpde
from wfrpde.comparison.observables import ReferenceValue, rounded
from wfrpde.comparison.replicates import Replicate
from wfrpde.comparison.statistics import (
    ROUND_OFF,
    Average,
    detectable,
    expectation,
    skewness_between,
    t_quantile,
    unskewed,
)
from wfrpde.comparison.verdicts import Comparison, Rules, judge, least_error
from wfrpde.fields import numpy_function, parse_expression
from wfrpde.fields.round_off import made_of

TIME = 0.5
CASE = {
    "target": {"potential": "x**2/2", "modes": {"left": "x < -0.5"}},
    "initial": {"mean": [-1.0], "covariance": [[0.5]]},
    "flow": {"beta": 0.0, "save": [TIME]},
    "validation": {
        "metrics": False,
        "limit": False,
        "equation": False,
        "moments": False,
        "modes": False,
        "observables": {
            "one": "1 + 0*x",
            "pi": "3.14159",
            "nothing": "0*x",
            "beside a million": "1e6 + 1e-3*x",
            "beside nothing": "1e-6*x",
            "ones": "cos(x)**2 + sin(x)**2 - 1",
            "a million of ones": "1e6*(exp(x)*exp(-x/2)*exp(-x/2) - cosh(x)**2 + sinh(x)**2)",
            "ratios": "max(x, 1)/max(1, x) - sqrt(x**2 + 2)/(x**2 + 2)**0.5",
        },
        "probabilities": {"all": "x > -50", "none": "x > 50", "left": "x < -0.5"},
    },
}
MEAN, WIDTH = -np.exp(-TIME), np.sqrt(1 - 0.5 * np.exp(-2 * TIME))


def drawn(off=0.0, places=None):
    """Independent points, or one in each of n parts of equal mass."""

    def sampler(target, n, times, rng):
        z = rng.standard_normal(n) if places is None else ndtri((np.arange(n) + rng.random(n)) / n)
        return (MEAN + off + WIDTH * z)[None, :, None]

    return {"python": sampler, "particles": 1000, "replicates": 16, "claims": "W"}


@pytest.fixture(scope="module")
def rows():
    samplers = {"right": drawn(), "strata": drawn(places=1), "off": drawn(0.05)}
    report = wfrpde.validate(wfrpde.Case.model_validate(CASE), samplers=samplers)
    return {(row.sampler, row.observable): row for row in report.table}


@pytest.mark.parametrize("name", ["one", "pi", "nothing", "P all", "P none"])
@pytest.mark.parametrize("sampler", ["right", "strata", "off"])
def test_constants_are_exact(rows, sampler, name):
    row = rows[sampler, name]
    assert row.verdict == "consistent"
    assert row.spread == 0.0
    truth = {"pi": 3.14159, "nothing": 0.0, "P none": 0.0}.get(name, 1.0)
    assert row.mean == pytest.approx(truth, abs=2e-15)
    assert row.reference == pytest.approx(truth, abs=2e-15)
    assert row.reference_error <= 2 * ROUND_OFF * truth


@pytest.mark.parametrize("sampler", ["right", "strata", "off"])
@pytest.mark.parametrize(
    ("name", "size"), [("ones", 5.0), ("a million of ones", 1e8), ("ratios", 5.0)]
)
def test_what_is_constant_up_to_round_off_is_no_bias(rows, sampler, name, size):
    row = rows[sampler, name]
    assert row.verdict == "consistent"
    assert row.spread == 0.0
    assert row.mean == pytest.approx(0.0, abs=1e-15 * size)
    assert row.reference == pytest.approx(0.0, abs=1e-15 * size)
    assert ROUND_OFF * size / 3 < row.reference_error < 3 * ROUND_OFF * size


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("x", 1.0),
        ("3*x", 6.0),
        ("7", 7.0),
        ("x**2", 3.0),
        ("cos(x)**2 + sin(x)**2 - 1", 2 + 4 * np.sin(1) * np.cos(1) + 2),
        ("(x - 1e6)**2", 3e12),
        ("max(x, 1e3)", 1e3),
        # what is put in for arguments is put in at once: one after the other takes ten seconds
        (f"log({' + '.join(f'exp(-(x - {k})**2/2)' for k in range(40))})", 3.207676885),
    ],
)
def test_numbers_that_a_formula_is_made_of(text, right):
    """At x = 1: 3x is off by a share of itself, and by 3 times that of x."""
    expression = parse_expression(text, 1, "it")
    found = numpy_function(made_of(expression), 1)(np.array([[1.0]]))
    assert found[0] == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize("chains", [1, 4])
def test_constants_are_exact_along_chains(chains):
    rng = np.random.default_rng(3)
    points = rng.standard_normal((chains, 4000, 1))
    given = {"samples": points, "layout": "(chains, steps, d)"}
    report = wfrpde.validate(wfrpde.Case.model_validate(CASE), samplers={"chains": given})
    rows = {row.observable: row for row in report.table}
    for name in ("one", "pi", "nothing", "P all", "P none", "ones", "a million of ones", "ratios"):
        row = rows[name]
        assert row.verdict == "consistent"
        assert abs(row.difference) < 1e-15 * (1e8 if "million" in name else 5.0)
    assert rows["P left"].verdict == "consistent"
    assert rows["P left"].standard_error == pytest.approx(np.sqrt(0.2134 / 4000 / chains), rel=0.2)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, for squares beyond 1e308
@pytest.mark.parametrize("chains", [False, True])
def test_values_whose_powers_floating_point_does_not_hold_are_undecided(chains):
    """A right sampler was biased in 1e-300 x, and any one consistent in 1e300 x²."""
    texts = {
        "small": "1e-300*x",
        "large": "1e300*x**2",
        "constant": "1e300",
        "beyond": "exp(100*x)",
        "fine": "1e-60*x",
    }
    tables = {**CASE, "validation": {**CASE["validation"], "observables": texts}}
    given = drawn()
    if chains:
        points = np.random.default_rng(3).standard_normal((2, 4000, 1))
        given = {"samples": points, "layout": "(chains, steps, d)"}
    report = wfrpde.validate(wfrpde.Case.model_validate(tables), samplers={"right": given})
    rows = {row.observable: row for row in report.table}
    assert {name: rows[name].verdict for name in texts} == {
        "small": "undecided", "large": "undecided", "constant": "consistent",
        "beyond": "undecided", "fine": "consistent",
    }  # fmt: skip
    assert "between 1e-70 and 1e+70 only: scale it" in rows["small"].doubt
    assert "up to inf from their average" in rows["beyond"].doubt
    assert rows["large"].needed_replicates is None
    assert rows["fine"].spread == pytest.approx(1e-60 * (1.0 if chains else WIDTH), rel=1e-6)


def test_a_tiny_spread_beside_a_large_mean_is_that_of_the_law(rows):
    row = rows["right", "beside a million"]
    assert row.verdict == "consistent"
    assert row.reference - 1e6 == pytest.approx(1e-3 * MEAN, abs=2e-9)
    assert row.spread == pytest.approx(1e-3 * WIDTH, rel=1e-6)
    assert row.reference_error == pytest.approx(ROUND_OFF * 1e6, rel=0.1)
    assert rows["off", "beside a million"].verdict == "biased"
    assert rows["off", "beside nothing"].verdict == "biased"
    assert rows["right", "beside nothing"].verdict == "consistent"


def test_counts_that_agree_by_chance_are_no_bias(rows):
    """One point in each of 1000 parts: 546.9 of them lie left, 547 in most replicates."""
    row = rows["strata", "P left"]
    assert row.verdict == "consistent"
    assert abs(row.difference) < 1e-3


def test_whole_numbers_vary_by_what_their_mean_leaves():
    for p in (0.4530627, 0.453, 0.45305):
        part = 1000 * p % 1
        least = np.sqrt(part * (1 - part) / 16) / 1000
        assert least_error(p, 0.453, 16_000.0, 16) == pytest.approx(least, abs=1e-15)
        assert least_error(p, 0.453, 16_000.0) == 0.0


def test_sums_of_a_constant_are_exact():
    for n in (10**5, 999_983):
        shares = np.full(n, 1 / n)
        values = np.array([np.full(n, 3.14159), 1e6 + 1e-3 * np.linspace(-1, 1, n)])
        found = expectation(values, shares)
        assert found[0] == 3.14159
        assert found[1] == pytest.approx(1e6, abs=1e-9)


def test_spread_below_round_off_is_none():
    found = rounded(1e6, 0.0, 1e-8)
    assert found.error == pytest.approx(1e-7, rel=1e-12)
    assert found.spread == 0.0
    assert rounded(1.0, 1e-3, 0.1).spread == 0.1


def compared(value, error, reference, **more):
    average = Average(value, error, 15.0)
    row = Comparison("s", "o", 1.0, 16, average, reference, **more)
    return judge([row], Rules())[0]


def test_replicates_that_more_of_do_not_help_are_not_counted():
    right = ReferenceValue(0.0, 0.0, 1.0)
    assert compared(0.0, 0.01, right).needed_replicates == 0
    more = compared(0.0, 0.1, right).needed_replicates
    seen = [
        detectable(0.4 / np.sqrt(count), count - 1.0, 0.05, 0.8) for count in (16 + more, 15 + more)
    ]
    assert seen[0] <= 0.1 < seen[1]
    for excused in (
        compared(-0.05, 0.01, right, granted=(0.04, 0.0), beyond=0.01),
        compared(0.0, 0.01, right, weights="the weights have too heavy a tail"),
        compared(0.0, np.inf, right),
    ):
        assert excused.verdict == "undecided"
        assert excused.needed_replicates is None


def test_skewness_excuses_on_its_side_alone():
    right = ReferenceValue(0.0, 0.0, 1.0)
    assert compared(-0.025, 0.01, right).verdict == "biased"
    assert compared(-0.025, 0.01, right, bent=(0.2, 0.0)).verdict == "undecided"
    assert compared(0.025, 0.01, right, bent=(0.2, 0.0)).verdict == "biased"
    assert compared(-0.08, 0.01, right, bent=(0.2, 0.0)).verdict == "biased"


def test_what_is_granted_to_weights_excuses_no_other_sampler():
    """Three rows that weights excuse leave Holm's procedure stricter for one of equal weights."""
    right, bent = ReferenceValue(0.0, 0.0, 1.0), Average(-0.06, 0.01, 15.0)
    weighed = [
        Comparison("weighed", f"o{k}", 1.0, 16, bent, right, granted=(0.05, 0.0), beyond=0.01)
        for k in range(3)
    ]
    equal = Comparison("equal", "mean x", 1.0, 16, Average(0.0245, 0.01, 15.0), right)
    *excused, row = judge([*weighed, equal], Rules())
    assert [one.verdict for one in excused] == 3 * ["undecided"]
    assert 0.05 / 4 < row.p_value < 0.05
    assert row.verdict == "consistent"
    assert row.doubt == ""


def test_replicates_that_skewness_asks_for_are_counted():
    """It falls as 1/√R as well: 16 replicates of skewness 1 said that one more was enough."""
    right = ReferenceValue(0.0, 0.0, 1.0)
    assert compared(0.0, 0.02, right).needed_replicates == 0
    more = compared(0.0, 0.02, right, bent=(1.0, 0.0)).needed_replicates

    def seen(count):
        share = np.sqrt(16 / count)
        return detectable(0.02 * share, count - 1.0, 0.05, 0.8, share)

    assert seen(16 + more) <= 0.1 < seen(15 + more)
    assert more > 5


@pytest.mark.parametrize("skewness", [0.05, 0.3, 1.0])
def test_what_would_have_been_seen_knows_of_the_skewness(skewness):
    found = detectable(1.0, 15.0, 0.05, 0.5, skewness)
    needed = found - t_quantile(0.5, 15.0)
    back = unskewed(np.array(needed), np.array(-skewness))
    assert back == pytest.approx(t_quantile(0.975, 15.0), rel=1e-9)


def test_normal_replicates_are_hardly_skewed_and_others_are():
    rng = np.random.default_rng(0)
    normal = skewness_between(rng.standard_normal((64, 4000)))
    assert np.abs(normal).mean() < 0.015
    skewed = skewness_between(rng.standard_gamma(0.25, (64, 4000)))  # 4, of an average 0.5
    assert 0.3 < skewed.mean() < 0.5


def test_replicates_of_another_version_are_made_anew():
    with pytest.raises(ValueError, match="of another version, without "):
        Replicate.of({"times": np.zeros(1), "values": np.zeros((1, 1))})
