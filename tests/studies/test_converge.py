"""Studies of small cases: orders, verdicts, and the work that is not done again."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from gaussian_flow import LINE

import wfrpde
from wfrpde import Case
from wfrpde.errors import InputError, SolverError
from wfrpde.report.convergence.files import study_table, write_study
from wfrpde.studies.convergence import harness

BOX = {"box": [[-8.0, 8.0]]}
SPECTRAL = {"formulation": "spectral", "dt": 1 / 64}


def line(*studies, **sections):
    tables = {"domain": BOX, "convergence": list(studies), **sections}
    return LINE.case(0.5, **tables)


def in_h(degree, values, **more):
    return {"vary": "h", "values": values, "numerics": {**SPECTRAL, "degree": degree}, **more}


WELL = {
    "target": {"potential": "0.7*cos(pi*x) + 0.2*cos(2*pi*x)"},
    "initial": {"log_density": "-0.8*cos(pi*x)"},
    "domain": {"box": [[0.0, 1.0]]},
    "flow": {"save": [0.1], "beta": 20.0},
}


@pytest.fixture
def solves(monkeypatch):
    """The cases that are solved."""
    seen = []
    solved = harness._solved

    def watched(run, comm, stop):
        seen.append(run.case)
        return solved(run, comm, stop)

    monkeypatch.setattr(harness, "_solved", watched)
    return seen


def test_orders_along_turned_axes():
    """The exact flow is known in x and y, and so are the nodes at which it is looked at."""
    rows = np.array([[0.8, 0.6], [-0.6, 0.8]])
    ends, start = (rows.T @ np.diag(c) @ rows for c in ([0.25, 1.0], [0.3, 0.8]))
    case = Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": ends.tolist()},
            "initial": {"mean": (rows.T @ [0.6, 0.2]).tolist(), "covariance": start.tolist()},
            "flow": {"save": [0.5]},
            "domain": {"axes": "principal"},
            "convergence": [
                {
                    "vary": "h", "values": [24, 32, 48],
                    "numerics": {"formulation": "edge-averaged", "dt": 1 / 128},
                }
            ],
        }
    )  # fmt: skip
    study = wfrpde.converge(case)
    assert study.passed
    (fit,) = study.orders.values()
    assert abs(fit.order - 2) < 0.1
    assert study.table[-1].error < 2e-3


def test_orders_against_the_exact_flow():
    study = wfrpde.converge(
        line(
            in_h(2, [40, 60, 80]),
            {
                "vary": "dt",
                "values": [1 / 16, 1 / 32, 1 / 64],
                "numerics": {"formulation": "spectral", "degree": 8, "cells": 24, "time_order": 2},
            },
            {
                "vary": "h",
                "values": [40, 80, 160],
                "numerics": {"formulation": "edge-averaged", "dt": 1 / 256},
            },
        )
    )
    assert study.passed
    assert study.complete
    assert list(study.orders) == ["h, degree 2", "dt, order 2", "h, edge-averaged"]
    for fit, order in zip(study.orders.values(), (4, 2, 2), strict=True):
        assert abs(fit.order - order) <= 0.1
        assert fit.low <= fit.order <= fit.high
    assert repr(study).startswith("<ConvergenceStudy of ")
    assert "h, degree 2: passed, order 3.9" in repr(study) or "order 4.0" in repr(study)
    assert len(study.table) == 9
    assert study.table[2].error <= 5e-6
    assert all(row.used for row in study.table)
    assert study.studies[0].truth == "the exact flow between Gaussians"
    assert np.isnan(study.table[0].local)
    assert study.table[1].local == pytest.approx(4, abs=0.1)


def test_orders_against_the_finest_run():
    study = wfrpde.converge(
        wfrpde.Case.model_validate(
            {
                **WELL,
                "convergence": [
                    {
                        "vary": "h",
                        "values": [8, 12, 16],
                        "numerics": {"formulation": "spectral", "degree": 3, "dt": 0.1 / 64},
                        "reference": {"degree": 8, "cells": 8},
                    },
                    {
                        "vary": "dt",
                        "values": [0.1 / 8, 0.1 / 16, 0.1 / 32],
                        "numerics": {
                            "formulation": "spectral",
                            "degree": 6,
                            "cells": 4,
                            "time_order": 4,
                        },
                    },
                ],
            }
        )
    )
    space, time = study.studies
    assert space.truth == "the finest run (65 nodes)"
    assert 0 < space.known_to < space.rows[-1].error
    assert space.fit.order == pytest.approx(5, abs=0.1)
    assert time.fit.order == pytest.approx(4, abs=0.1)
    assert time.verdict == "passed"
    assert 0 < time.known_to < time.rows[-1].error / 1000


def test_degree_and_box_gain_decades():
    numerics = {"cells": 24, "dt": 1 / 128}
    study = wfrpde.converge(
        line(
            {"vary": "p", "values": [2, 3, 4], "numerics": numerics},
            {
                "vary": "domain",
                "values": [0.5, 0.6, 0.7],
                "numerics": {"formulation": "spectral", "degree": 8, **numerics},
            },
        )
    )
    assert study.passed
    degree, box = study.studies
    assert 1.0 <= degree.fit.order <= 2.0
    assert box.rows[0].error > 30 * box.rows[1].error > 900 * box.rows[2].error


def test_a_wrong_expectation_fails():
    study = wfrpde.converge(line(in_h(2, [40, 60, 80], order=3.0)))
    assert study.verdicts == {"h, degree 2": "failed"}
    assert "expected 3 ± 0.1" in study.studies[0].reason
    assert not study.passed
    assert study.complete


def test_errors_below_what_the_truth_is_known_to_do_not_count():
    """The box cuts off 6e-5 of the target: finer cells come closer to another problem."""
    study = wfrpde.converge(
        line(in_h(6, [16, 20, 24]), domain={"box": [[-4.0, 4.0]], "cut_off_share": 0.01})
    )
    result = study.studies[0]
    assert 5e-5 <= result.known_to <= 1e-4
    assert not any(row.used for row in result.rows)
    assert result.verdict == "failed"
    assert "fewer than two errors" in result.reason


def test_finished_runs_are_not_done_again(tmp_path, solves):
    short = line(in_h(2, [20, 40]))
    first = wfrpde.converge(short, folder=tmp_path)
    assert len(solves) == 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}
    longer = line(in_h(2, [20, 40, 60]), in_h(3, [20, 40]))
    second = wfrpde.converge(longer, folder=tmp_path)
    assert len(solves) == 5
    assert [row.error for row in second.table[:2]] == [row.error for row in first.table]
    sooner = line(in_h(2, [20, 40]), flow={"beta": 0.5})
    wfrpde.converge(sooner, folder=tmp_path)
    assert len(solves) == 7  # another case, other runs


def test_a_stop_keeps_what_was_finished(tmp_path, monkeypatch):
    case = line(in_h(2, [40, 60, 80]))
    solved, stopped = harness._solved, []

    def second_is_interrupted(run, comm, stop):
        if len(list(tmp_path.glob("*.npz"))) == 1 and not stopped:
            stopped.append(run)
            return None
        return solved(run, comm, stop)

    monkeypatch.setattr(harness, "_solved", second_is_interrupted)
    with pytest.raises(wfrpde.Interrupted) as caught:
        wfrpde.converge(case, folder=tmp_path)
    study = caught.value.result
    assert study.verdicts == {"h, degree 2": "unfinished"}
    assert not study.complete
    assert len(study.table) == 1
    assert wfrpde.converge(case, folder=tmp_path).passed


def test_a_run_that_fails_is_told(monkeypatch):
    def fails(run, comm, stop):
        raise SolverError("a step failed")

    monkeypatch.setattr(harness, "_solved", fails)
    study = wfrpde.converge(line(in_h(2, [20, 40])))
    assert "a step failed" in study.studies[0].reason
    assert study.verdicts == {"h, degree 2": "failed"}


def test_files(tmp_path):
    study = wfrpde.converge(line(in_h(2, [40, 60, 80])))
    write_study(study, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "convergence.json", "runs.csv", "orders.csv", "figures", "report.html",
    }  # fmt: skip
    summary = json.loads((tmp_path / "convergence.json").read_text())
    assert summary["studies"][0]["fit"]["order"] == study.orders["h, degree 2"].order
    assert summary["studies"][0]["rows"][0]["local"] is None
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["error"]) for row in rows] == [row.error for row in study.table]
    assert (tmp_path / "figures" / "h.png").read_bytes().startswith(b"\x89PNG")
    text = study_table(study)
    assert "h, degree 2" in text
    assert "passed" in text


def test_studies_without_an_interval_are_written(tmp_path):
    study = wfrpde.converge(line(in_h(2, [20, 40])))
    write_study(study, tmp_path, figures=False)
    fit = json.loads((tmp_path / "convergence.json").read_text())["studies"][0]["fit"]
    assert fit["low"] is None


@pytest.mark.parametrize(
    ("study", "where"),
    [
        ({"vary": "h", "values": [10]}, "convergence"),
        ({"vary": "h", "values": [20, 10]}, "ascending"),
        ({"vary": "dt", "values": [0.1, 0.2]}, "descending"),
        ({"vary": "h", "values": [10.5, 20]}, "whole numbers"),
        ({"vary": "speed", "values": [1, 2]}, "vary"),
        ({"vary": "h", "values": [10, 20], "numerics": {"degre": 3}}, "degre"),
        ({"vary": "p", "values": [7, 9]}, "degree"),
        ({"vary": "domain", "values": [0.5, 1.0]}, "numerics.cells"),
    ],
)
def test_bad_studies_are_refused(study, where):
    with pytest.raises(InputError, match=where):
        wfrpde.converge(line(study))


def test_nothing_to_converge_without_transport():
    with pytest.raises(InputError, match=r"flow\.alpha"):
        wfrpde.converge(line(in_h(2, [10, 20]), flow={"alpha": 0.0}))


def test_two_studies_of_one_name_are_refused():
    with pytest.raises(InputError, match="a name for each"):
        wfrpde.converge(line(in_h(2, [10, 20]), in_h(2, [20, 40])))


def test_results_are_frozen():
    study = wfrpde.converge(line(in_h(2, [20, 40])))
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.title = "other"
