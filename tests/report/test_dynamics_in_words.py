"""Reports tell the dynamics, and call positions and momenta by their names."""

from types import SimpleNamespace

import pytest

import wfrpde
from wfrpde.report.dynamics import dynamics_sentence
from wfrpde.report.flow import write_run

PLANE = {
    "target": {"potential": "x**2/2 + y**2/2"},
    "initial": {"mean": [1.0, 0.0], "covariance": 0.3},
}
KINETIC = {
    "target": {"potential": "x**2/2"},
    "initial": {"mean": [1.0, 0.0], "covariance": [[0.3, 0.0], [0.0, 0.5]]},
    "dynamics": {"kind": "kinetic", "friction": 2.5},
    "flow": {"save": [0.1]},
    "numerics": {"cells": [24, 24], "dt": 0.05, "certify": False},
}


@pytest.mark.parametrize(
    ("dynamics", "words"),
    [
        ({}, ""),
        ({"circulation": 3.5}, "with the circulation J = [[0, 3.5], [−3.5, 0]]."),
        ({"diffusion": "1 + x**2"}, "with the diffusion D = 1 + x**2."),
        ({"diffusion": [2, 0.5], "drift": ["y", 1]}, "D = [2, 0.5], the drift f = [y, 1]."),
    ],
)
def test_the_dynamics_of_a_case(dynamics, words):
    sentence = dynamics_sentence(wfrpde.Case.model_validate({**PLANE, "dynamics": dynamics}))
    assert sentence.endswith(words)
    assert bool(sentence) == bool(words)


def test_a_report_of_phase_space(tmp_path):
    solution = wfrpde.solve(wfrpde.Case.model_validate(KINETIC))
    options = SimpleNamespace(figures=False, paraview=False)
    write_run(solution, tmp_path, options=options)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "with the friction γ = 2.5." in html
    assert "mean p" in html
    assert "cov qp" in html
    assert "mean y" not in html
    header = (tmp_path / "series.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "mean_q,mean_q_error,mean_p," in header
