"""Reports tell the dynamics, and call positions and momenta by their names."""

from types import SimpleNamespace

import numpy as np
import pytest

import wfrpde
from wfrpde.report.dynamics import dynamics_sentence
from wfrpde.report.flow import FlowRun, write_run
from wfrpde.report.flow.currents import draw_currents
from wfrpde.report.paraview import write_paraview

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


def test_currents_are_drawn_and_written(tmp_path):
    """Vectors in the files for ParaView, and streamlines, where dynamics are not reversible."""
    pytest.importorskip("vtkmodules")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    solution = wfrpde.solve(wfrpde.Case.model_validate(KINETIC))
    (file,) = (p for p in write_paraview(solution, tmp_path) if p.name == "solution_0001.vtu")
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(file))
    reader.Update()
    written = vtk_to_numpy(reader.GetOutput().GetPointData().GetArray("current"))
    current = solution.current(0.1, solution.nodes)
    np.testing.assert_allclose(written[:, :2], current, atol=1e-14)
    assert (written[:, 2] == 0).all()
    assert np.abs(current).max() > 0.01
    drawn = draw_currents(FlowRun(solution))
    assert drawn.name == "currents"
    assert [axes.get_xlabel() for axes in drawn.figure.axes] == ["q", "q"]
