"""`wfrpde.validate` in many dimensions: products, Gaussians and radial flows, from their cases."""

import numpy as np
import pytest

import wfrpde
from wfrpde.case.factors import random_rotation
from wfrpde.commands.validate import run_validation
from wfrpde.comparison.density import density_of
from wfrpde.comparison.metrics import METRICS, yardstick
from wfrpde.comparison.product_density import ProductDensity

ORACLE = {"density": "oracle", "particles": 200, "replicates": 12, "dt": 0.03}
WELL = {
    "target": {"kind": "double_well", "barrier": 0.5, "tilt": 0.05},
    "initial": {"mean": [0.1], "covariance": 0.55},
}


def wells(dim, *samplers, **validation):
    return wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "product",
                "modes": {"half": f"count(x > 0) >= {dim // 2}", "far": f"sum(x) > {0.1 * dim}"},
            },
            "factor": [{"repeat": dim, **WELL}],
            "flow": {"save": [0.3]},
            "sampler": list(samplers),
            "validation": {"directions": 2, "coordinates": 2, "resolution": 0.3, **validation},
        }
    )


@pytest.mark.slow
def test_weighted_samplers_pass_and_a_wrong_claim_is_found():
    case = wells(
        12,
        {"kind": "weighted", **ORACLE},
        {"kind": "birth_death", **ORACLE, "replicates": 2},
        {"kind": "langevin", "claims": "WFR", "particles": 200, "replicates": 12, "dt": 0.03},
        probabilities={"most": "count(x > 0) >= 8"},
    )
    report = wfrpde.validate(case)
    verdicts = {sampler.name: sampler.verdict for sampler in report.samplers}
    assert verdicts["weighted"] != "biased", report.verdicts
    assert verdicts["birth_death"] != "biased", report.verdicts
    assert verdicts["langevin"] == "biased", report.verdicts
    worst = min(report.rows("langevin"), key=lambda row: row.p_value)
    assert worst.observable == "log(ρ/π)"
    names = {row.observable for row in report.table}
    assert {"mass half", "P most", "mean Σx/√d", "var w1·x", "P(x1 > m+1.3σ)"} <= names
    assert {"|x − m|²/d", "energy distance", "MMD²"} <= names
    assert {row.metric for row in report.metrics} == {"W1", "W2", "MMD2", "energy"}
    floors = [row for row in report.metrics if row.metric == "energy"]
    assert all(0 < row.floor < row.value * 3 for row in floors)


@pytest.mark.parametrize(("table", "match"), [
    ({"kind": "weighted"}, "no lattice"),
    ({"kind": "smc_wfr"}, "pairwise"),
])  # fmt: skip
def test_estimates_on_lattices_are_refused(table, match):
    with pytest.raises(wfrpde.WfrpdeError, match=match):
        wfrpde.validate(wells(5, table))


@pytest.mark.parametrize(("key", "value"), [
    ("validation.observables", {"f": "x**2"}),
    ("validation.probabilities", {"f": "x > 1"}),
    ("validation.probabilities", {"f": "count(x > 1, nobody) > 1"}),
])  # fmt: skip
def test_formulas_that_have_no_known_average_are_refused(key, value):
    with pytest.raises(wfrpde.WfrpdeError, match=rf"{key}\.f"):
        wells(5).with_overrides({key: value})


def gaussian(dim):
    size = np.linspace(0.5, 1.5, dim)
    turned = random_rotation(dim, 2)
    covariance = turned @ np.diag(size) @ turned.T
    return (
        {
            "target": {"kind": "gaussian", "mean": [0.5] * dim, "covariance": covariance.tolist()},
            "initial": {"mean": 0.0, "covariance": 1.0},
        },
        np.full(dim, 0.5),
        covariance,
    )


def product(dim):
    one = {
        "target": {"kind": "gaussian", "mean": 0.5, "covariance": 2.0},
        "initial": {"mean": [0.0], "covariance": 1.0},
    }
    turned = random_rotation(dim, 3)
    table = {"kind": "product", "rotation": "random:3"}
    mean = turned @ np.full(dim, 0.5)
    return {"target": table, "factor": [{"repeat": dim, **one}]}, mean, 2.0 * np.eye(dim)


def radial(dim):
    return (
        {
            "target": {"kind": "radial", "potential": "r**2/3", "dim": dim},
            "initial": {"kind": "radial", "potential": "r**2/2"},
        },
        np.zeros(dim),
        1.5 * np.eye(dim),
    )


@pytest.mark.parametrize("made", [gaussian, product, radial])
def test_samples_of_the_target_are_judged_in_all_of_them(made):
    data, mean, covariance = made(5)
    case = wfrpde.Case.from_dict(
        {**data, "validation": {"directions": 3, "coordinates": 5, "resolution": 0.3}}
    )
    root = np.linalg.cholesky(covariance)

    def right(target, n, times, rng):
        assert target.dim == 5
        return mean + rng.standard_normal((n, 5)) @ root.T

    def cold(target, n, times, rng):
        return mean + 0.9 * rng.standard_normal((n, 5)) @ root.T

    table = {"claims": "target", "particles": 300, "replicates": 10}
    report = wfrpde.validate(
        case, samplers={"right": {"python": right, **table}, "cold": {"python": cold, **table}}
    )
    verdicts = {sampler.name: sampler.verdict for sampler in report.samplers}
    assert verdicts == {"right": "consistent", "cold": "biased"}, report.verdicts


def test_distances_of_a_product_on_a_line_are_those_of_the_mesh():
    save = {"flow": {"save": [0.3]}}
    whole = wfrpde.solve(wells(1))
    alone = wfrpde.solve(wfrpde.Case.from_dict({**WELL, **save}))
    x = np.random.default_rng(0).normal(size=(500, 1))
    weights = np.full(500, 1 / 500)
    ours = yardstick(ProductDensity(whole, 0.3), 500).distances(x, weights)
    mesh = yardstick(density_of(alone, 0.3), 500).distances(x, weights)
    assert set(ours) == {"W1", "W2", "MMD2", "energy"} < {"energy", *METRICS}
    for name in ("W1", "W2"):
        assert ours[name] == pytest.approx(mesh[name], rel=5e-3)
    assert ours["MMD2"] == pytest.approx(mesh["MMD2"], rel=0.1)


@pytest.mark.slow
def test_the_folder_of_a_validation_in_many_dimensions(tmp_path):
    tables = {"particles": 30, "replicates": 2, "dt": 0.1}
    case = wells(5, {"kind": "fisher_rao", **tables}, {"kind": "mala", **tables})
    report = run_validation(case, tmp_path / "run")
    assert len({sampler.claims for sampler in report.samplers}) == 2
    assert not report.failed
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"report.html", "validation.csv", "validation.json"} <= written
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "energy distance" in page
    assert "products and chains have none" in page
