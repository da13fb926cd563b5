"""Studies in the number of particles: orders, error bars, planted mistakes, and going on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.report.convergence.files import study_table, write_study
from wfrpde.samplers.fisher_rao import FisherRao

CASE = Path(__file__).parents[2] / "validation" / "cases" / "particles.toml"


def study_of(tables, replicates, folder=None, **changes):
    sampler = [{"kind": "fisher_rao", "replicates": replicates}]
    keys = {"sampler": sampler, "convergence": tables, "output.figures": False, **changes}
    return wfrpde.converge(wfrpde.load_case(CASE, keys), folder=folder)


RMSE = {"vary": "particles", "values": [16, 64, 256]}
BIAS = {"vary": "particles", "values": [8, 16, 32], "error": "bias"}


def bias_of_weights():
    """Factor of 1/N, by quadrature."""
    from wfrpde.flow.exact import gaussian_flow, gaussian_log_density

    mean, covariance = gaussian_flow([0.0], [[1.0]], [0.8], [[0.6]], 1.0, alpha=0.0)
    x = np.linspace(-10, 10, 20001)[:, None]
    start = np.exp(gaussian_log_density(x, np.zeros(1), np.eye(1)))
    weight = np.exp(gaussian_log_density(x, mean, covariance)) / start
    phi = x[:, 0] - mean[0]
    step = x[1, 0] - x[0, 0]
    return -float((start * weight**2 * phi).sum() * step) / np.sqrt(covariance[0, 0])


FACTOR = bias_of_weights()


def test_the_scatter_falls_like_the_root_of_n():
    (result,) = study_of([RMSE], 250).studies
    assert result.verdict == "passed", result.reason
    assert result.fit.order == pytest.approx(0.5, abs=0.04)
    assert [row.replicates for row in result.rows] == [4000, 1000, 250]
    assert all(0 < row.standard_error < 0.1 * row.error for row in result.rows)


def test_the_bias_falls_like_n():
    """Its factor is known: −⟨w² (φ − ⟨φ⟩)⟩ over ρ₀, with the weights w = dρ_t/dρ₀."""
    (result,) = study_of([BIAS], 3000).studies
    assert result.verdict == "passed", result.reason
    assert result.fit.high - result.fit.low <= 0.5
    for row in result.rows:
        # the next term of the expansion is of the order of 1/N of this one
        allowed = 3.5 * row.standard_error * row.value + 2 * abs(FACTOR) / row.value
        assert row.error * row.value == pytest.approx(FACTOR, abs=allowed)


def test_a_planted_bias_is_found(monkeypatch):
    """Shifted particles: the bias does not fall, and then neither does the RMSE."""
    honest = FisherRao.step

    def shifted(self, ensemble, t, dt, rng):
        after = honest(self, ensemble, t, dt, rng)
        return after.moved(after.positions + 0.1)

    monkeypatch.setattr(FisherRao, "step", shifted)
    study = study_of([{**RMSE, "values": [64, 256, 1024]}, BIAS], 150)
    assert [result.verdict for result in study.studies] == ["failed", "failed"]
    assert study.studies[0].fit.high < 0.4


def test_too_few_replicates_are_no_verdict():
    (result,) = study_of([BIAS], 5).studies
    assert result.verdict == "failed"
    assert "more replicates" in result.reason


def test_finished_replicates_are_not_made_again(tmp_path, monkeypatch):
    first = study_of([RMSE], 20, tmp_path / "runs")
    files = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert len(files) == 3
    longer = {**RMSE, "values": [16, 64, 256], "error": "bias"}
    monkeypatch.setattr(FisherRao, "step", None)  # would fail
    again = study_of([RMSE, longer], 20, tmp_path / "runs")
    assert [row.error for row in again.studies[0].rows] == [row.error for row in first.table]
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert after == files


def test_it_is_written(tmp_path):
    study = study_of([RMSE, BIAS], 40)
    write_study(study, tmp_path)
    assert (tmp_path / "figures" / "particles.png").stat().st_size > 10_000
    rows = (tmp_path / "runs.csv").read_text().splitlines()
    assert rows[0].endswith("standard_error,replicates")
    assert len(rows) == 7
    assert "standard deviations of the observable" in study_table(study)


def test_beside_studies_of_the_solver():
    """In the order of the case."""
    h = {"vary": "h", "values": [16, 24], "numerics": {"formulation": "spectral", "degree": 2,
         "dt": 0.125}}  # fmt: skip
    study = study_of([RMSE, h], 20, **{"flow.alpha": 1.0, "flow.save": [0.25]})
    assert [result.vary for result in study.studies] == ["particles", "h"]


@pytest.mark.parametrize(
    ("table", "where", "what"),
    [
        ({**RMSE, "sampler": "nobody"}, r"convergence\[0\]: sampler", "fisher_rao"),
        ({**RMSE, "observable": "mass"}, r"convergence\[0\]: observable", "mean x"),
        ({**RMSE, "numerics": {"degree": 2}}, "numerics", "solver is studied"),
        ({"vary": "dt", "values": [0.2, 0.1], "error": "bias"}, "error", "particles"),
    ],
)
def test_studies_that_do_not_fit(table, where, what):
    with pytest.raises(InputError, match=what) as caught:
        study_of([table], 10)
    assert pytest.importorskip("re").search(where, caught.value.where)


def test_without_a_sampler():
    with pytest.raises(InputError, match=r"\[\[sampler\]\]"):
        wfrpde.converge(wfrpde.load_case(CASE, {"sampler": [], "convergence": [RMSE]}))
