"""The studies that are handed out with the package: they fit their cases, and one is run."""

from pathlib import Path

import pytest

import wfrpde
from wfrpde.studies.convergence.plan import plan
from wfrpde.studies.convergence.truth import has_exact_solution

FOLDER = Path(__file__).parents[2] / "validation" / "cases"
FILES = sorted(FOLDER.glob("convergence-*.toml"))


def test_every_kind_of_mesh_has_its_studies():
    names = {path.stem.removeprefix("convergence-") for path in FILES}
    assert {"1d", "2d", "3d", "triangles", "tetrahedra"} <= names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_studies_fit_their_case(path):
    case = wfrpde.load_case(path)
    studies = plan(case, exact=has_exact_solution(case))
    assert len(studies) == len(case.convergence)
    for study in studies:
        assert study.spec.within == 0.1
        assert (study.expected is None) == (study.spec.vary in ("p", "domain"))


def test_one_dimension():
    """Orders 2, 4, 5, 6, 7, 8 in the cell size, and 2 and 4 in the step, within 0.1."""
    study = wfrpde.converge(wfrpde.load_case(FOLDER / "convergence-1d.toml"))
    assert study.passed, [result.reason for result in study.studies]
    found = {name: fit.order for name, fit in study.orders.items()}
    expected = {"h, degree 1": 2, "h, degree 6": 8, "dt, order 2": 2, "dt, order 4": 4}
    for name, order in expected.items():
        assert abs(found[name] - order) <= 0.1
    finest = [row.error for row in study.table if row.study == "h, degree 6"][-1]
    assert finest <= 3e-12
