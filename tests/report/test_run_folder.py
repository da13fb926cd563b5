"""A run's folder holds every number, and can be drawn again from itself."""

import csv
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from closed_form import two_mode_solution

import wfrpde
from wfrpde.errors import InputError
from wfrpde.report.files import json_ready
from wfrpde.report.flow import plot_run, read_run, write_run

NASTY = ('<b>left</b>, "a"', "../$x_1$;=é")
NO_FIGURES = SimpleNamespace(paraview=False, figures=False)


class World:
    """A communicator of one rank."""

    rank, size = 0, 1


def write(solution, folder, companions=None, **options):
    asked = SimpleNamespace(**{"paraview": False, "figures": False} | options)
    return write_run(solution, folder, companions or {}, options=asked, comm=World())


def strict_json(path):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_everything_is_written_where_it_is_said(modes_1d, companions_1d, tmp_path):
    pytest.importorskip("vtkmodules")
    files = write(modes_1d, tmp_path / "run", companions_1d, paraview=True, figures=True)
    found = {path for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert set(files) == found
    names = {path.name for path in found}
    assert {"summary.json", "series.csv", "steps.csv", "solution.npz", "solution.pvd"} <= names
    assert {"density.png", "comparison.png", "kl.png", "modes.png", "dissipation.png"} <= names
    assert "report.html" in names


def test_summary_holds_every_number_with_its_error(solution, tmp_path):
    write(solution, tmp_path)
    summary = strict_json(tmp_path / "summary.json")
    results = summary["results"]
    assert results["times"] == solution.times.tolist()
    for name, values in solution.series.items():
        assert results["series"][name]["value"] == values.tolist()
        assert results["series"][name]["error"] == solution.error[name].tolist()
    assert results["mean"]["value"] == solution.mean.tolist()
    assert results["covariance"]["error"] == solution.error.covariance.tolist()
    for name, masses in solution.mode_mass.items():
        assert results["mode_mass"][name]["value"] == masses.tolist()
    assert results["density_error"] == solution.error.density.tolist()
    assert summary["case"] == json_ready(solution.case.model_dump(mode="json"))
    assert summary["numerics"]["steps"] == 128
    assert summary["complete"] is True
    assert {"wfrpde", "dolfinx", "petsc", "numpy", "python"} <= set(summary["versions"])


def test_no_error_estimate_is_null_not_zero(modes_1d, tmp_path):
    write(replace(modes_1d, error=None), tmp_path)
    summary = strict_json(tmp_path / "summary.json")
    assert set(summary["results"]["series"]["kl"]["error"]) == {None}
    assert read_run(tmp_path).solution.error is None
    assert "were not estimated" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_json_has_no_nan():
    data = {"a": np.array([1.0, np.nan, -np.inf]), 3: np.int64(4), "p": (True, None, np.float32(2))}
    assert json_ready(data) == {"a": [1.0, None, None], "3": 4, "p": [True, None, 2.0]}
    assert math.isfinite(json_ready(np.float64(1e-300)))


def test_series_table(solution, tmp_path):
    write(solution, tmp_path)
    with (tmp_path / "series.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["t"]) for row in rows] == solution.times.tolist()
    assert [float(row["kl"]) for row in rows] == solution.series["kl"].tolist()
    assert [float(row["kl_error"]) for row in rows] == solution.error["kl"].tolist()
    assert [float(row["mean_x"]) for row in rows] == solution.mean[:, 0].tolist()
    assert [float(row["mode_left"]) for row in rows] == solution.mode_mass["left"].tolist()
    if solution.nodes.shape[1] > 1:
        assert [float(row["covariance_xy"]) for row in rows] == solution.covariance[
            :, 0, 1
        ].tolist()


def test_reading_gives_back_the_solutions(solution, tmp_path):
    companions = {"W": replace(solution, wall_time=float("nan"))}
    write(solution, tmp_path, companions)
    again = read_run(tmp_path)
    assert again.flows.keys() == {"WFR", "W"}
    points = solution.nodes[::7] * 0.99
    for label, flow in {"WFR": solution, **companions}.items():
        other = again.flows[label]
        assert other.case == flow.case
        assert other.numerics == flow.numerics
        for name, values in flow.series.items():
            np.testing.assert_array_equal(other.series[name], values)
            np.testing.assert_array_equal(other.error[name], flow.error[name])
        for name, values in flow.history.items():
            np.testing.assert_array_equal(other.history[name], values)
        for t in flow.times:
            np.testing.assert_array_equal(other.density(t, points), flow.density(t, points))
    alone = wfrpde.load_solution(tmp_path / "solution.npz")
    np.testing.assert_array_equal(alone.covariance, solution.covariance)


def test_drawing_again_gives_the_same_figures(modes_1d, companions_1d, tmp_path):
    write(modes_1d, tmp_path, companions_1d, figures=True)
    first = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    report = (tmp_path / "report.html").read_bytes()
    for path in (tmp_path / "figures").iterdir():
        path.unlink()
    (tmp_path / "report.html").unlink()
    plot_run(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == first
    assert (tmp_path / "report.html").read_bytes() == report


def test_names_of_modes_may_be_anything(tmp_path):
    solution = two_mode_solution(1, names=NASTY)
    write(solution, tmp_path / "run", {}, figures=True, paraview=True)
    assert set(strict_json(tmp_path / "run" / "summary.json")["results"]["mode_mass"]) == set(NASTY)
    with (tmp_path / "run" / "series.csv").open(newline="", encoding="utf-8") as stream:
        assert {f"mode_{name}" for name in NASTY} <= set(next(csv.reader(stream)))
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in html
    assert "&lt;b&gt;left" in html
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert set(read_run(tmp_path / "run").solution.mode_mass) == set(NASTY)


def test_an_interrupted_run_is_readable_and_says_so(interrupted, tmp_path):
    write(interrupted, tmp_path, {})
    assert strict_json(tmp_path / "summary.json")["complete"] is False
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "This run is incomplete" in html
    assert "t = 0.2 of 2" in html
    plot_run(tmp_path)
    assert (tmp_path / "figures" / "kl.png").is_file()


def test_a_run_stopped_before_its_first_saved_time(modes_1d, tmp_path):
    start = replace(
        modes_1d, complete=False, error=None, times=modes_1d.times[:1],
        series={k: v[:1] for k, v in modes_1d.series.items()}, mean=modes_1d.mean[:1],
        covariance=modes_1d.covariance[:1],
        mode_mass={k: v[:1] for k, v in modes_1d.mode_mass.items()},
        log_relative=modes_1d.log_relative[:1],
        history={k: v[:0] for k, v in modes_1d.history.items()},
    )  # fmt: skip
    write(start, tmp_path, {}, figures=True)
    assert "This run is incomplete" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(InputError, match="a folder that holds no run") as caught:
        plot_run(tmp_path)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(InputError):
        read_run(tmp_path)


def test_only_rank_zero_writes(modes_1d, tmp_path):
    class Second:
        rank, size = 1, 2

        def allgather(self, entry):
            return [None, entry]

        def bcast(self, entry, root=0):
            return [tmp_path / "said by rank 0"]

    files = write_run(modes_1d, tmp_path, {}, options=NO_FIGURES, comm=Second())
    assert files == [tmp_path / "said by rank 0"]
    assert list(tmp_path.iterdir()) == []
