"""Boxes along turned axes: what is typed and told in x, y and z, and solved along the axes."""

from pathlib import Path

import numpy as np
import pytest

import wfrpde
from wfrpde import Case
from wfrpde.case.setup import make_problem
from wfrpde.comparison.density import density_of
from wfrpde.comparison.exact_samples import exact_sampler
from wfrpde.comparison.partition import equal_masses
from wfrpde.errors import InputError
from wfrpde.report.paraview import write_paraview
from wfrpde.report.terminal import run_summary

EXAMPLE = Path(__file__).parents[2] / "validation" / "cases" / "turned-wells.toml"
"""Two narrow wells along (0.8, 0.6)."""

A = np.array([[0.8, 0.6], [-0.6, 0.8]])
B = np.array([[2.0, 1.0, 2.0], [-2.0, 2.0, 1.0], [-1.0, -2.0, 2.0]]) / 3.0
"""Orthogonal matrices, whose rows are the axes."""


def along(matrix):
    """Formulas for the coordinates along axes."""
    names = "xyz"[: len(matrix)]
    rows = (" + ".join(f"{float(a)!r}*{name}" for a, name in zip(row, names, strict=True))
            for row in matrix)  # fmt: skip
    return [f"({row})" for row in rows]


def both(potential, modes, mean, covariance, matrix, **changes):
    """The same problem along x, y, z, and turned: typed in coordinates in which it is oblique."""
    dim = len(matrix)

    def put(text, names):
        for letter, name in zip("XYZ", names, strict=False):
            text = text.replace(letter, name)
        return text

    def typed(names, frame):
        spread = frame.T @ np.diag(covariance) @ frame
        data = {
            "target": {
                "potential": put(potential, names),
                "modes": {name: put(region, names) for name, region in modes.items()},
            },
            "initial": {
                "mean": (frame.T @ mean).tolist(),
                "covariance": ((spread + spread.T) / 2).tolist(),
            },
        }
        return Case.from_dict(data).with_overrides(changes)

    plain = typed("xyz"[:dim], np.eye(dim))
    turned = typed(along(matrix), matrix)
    return plain, turned.with_overrides({"domain.axes": matrix.tolist()})


def compared(plain, turned, matrix):
    """Largest distances of numbers of two solutions, one of them told along turned axes."""
    apart = {
        "mean": plain.mean @ matrix - turned.mean,
        "covariance": matrix.T @ plain.covariance @ matrix - turned.covariance,
    }
    apart |= {name: value - turned.series[name] for name, value in plain.series.items()}
    apart |= {name: value - turned.mode_mass[name] for name, value in plain.mode_mass.items()}
    return {name: float(np.abs(gap).max()) for name, gap in apart.items()}


WELLS = "5*(X**2 - 1)**2 + Y**2/2 + 0.4*X*Y"
START = {"mean": np.array([0.9, 0.3]), "covariance": [0.05, 0.3]}
TIMES = {"flow.save": [0.1, 0.5]}


@pytest.mark.parametrize(
    "numerics",
    [
        {},
        {"flow.beta": 0.0},
        {"flow.alpha": 0.0},
        {"numerics.formulation": "spectral", "numerics.degree": 5, "numerics.cells": [8, 4]},
        {"numerics.formulation": "edge-averaged", "numerics.cells": [24, 16], "numerics.dt": 0.05},
        {"numerics.formulation": "heat-kernels", "numerics.cells": [60, 30]},
        {"flow.splitting": "strang", "numerics.cells": [24, 16], "numerics.dt": 0.05},
    ],
    ids=lambda numerics: " ".join(map(str, numerics.values())) or "automatic",
)
def test_on_the_same_lattice_all_numbers_are_the_same(numerics):
    cases = both(WELLS, {"right": "X - 0.3*Y > 0.1"}, **START, matrix=A, **TIMES, **numerics)
    plain, turned = map(wfrpde.solve, cases)
    assert turned.numerics["formulation"] == plain.numerics["formulation"]
    assert len(turned.nodes) == len(plain.nodes)
    apart = compared(plain, turned, A)
    assert max(apart.values()) < 1e-9, apart
    for name in ("kl", "fisher_information"):
        bars = [one.error.series[name] for one in (plain, turned)]
        np.testing.assert_allclose(*bars, rtol=1e-5, atol=1e-9)
    points = np.random.default_rng(0).normal(scale=0.7, size=(200, 2))
    for t in plain.times:
        value = turned.log_density(t, points @ A)
        np.testing.assert_allclose(value, plain.log_density(t, points), rtol=0, atol=1e-7)
        current = turned.current(t, points @ A)
        np.testing.assert_allclose(current, plain.current(t, points) @ A, rtol=0, atol=1e-7)


def test_in_space_all_numbers_are_the_same():
    cases = both(
        "4*(X**2 - 1)**2 + 8*Y**2 + Z**2/2 + 0.3*X*Z", {"right": "X - 0.3*Y + 0.2*Z > 0.1"},
        mean=np.array([0.9, 0.1, 0.3]), covariance=[0.05, 0.05, 0.3], matrix=B,
        **{"flow.save": [0.1], "numerics.formulation": "edge-averaged",
           "numerics.cells": [10, 8, 8], "numerics.dt": 0.05},
    )  # fmt: skip
    plain, turned = map(wfrpde.solve, cases)
    apart = compared(plain, turned, B)
    assert max(apart.values()) < 1e-9, apart
    points = np.random.default_rng(0).normal(scale=0.7, size=(100, 3))
    np.testing.assert_allclose(
        turned.log_density(0.1, points @ B), plain.log_density(0.1, points), rtol=0, atol=1e-7
    )


def test_principal_axes_agree_within_bars_with_a_run_along_x_and_y():
    """By another formulation, as wells that are narrow in no coordinate take there."""
    wells = "5*(X**2 - 1)**2 + Y**2/2"
    _, case = both(wells, {"right": "X - 0.3*Y > 0.1"}, **START, matrix=A, **TIMES)
    changes = {"domain.axes": "principal", "accuracy.tolerance": 1e-4}
    turned = wfrpde.solve(case.with_overrides(changes))
    plain = wfrpde.solve(case.with_overrides({"domain.axes": "coordinate"}))
    assert plain.numerics["formulation"] != turned.numerics["formulation"]
    np.testing.assert_allclose(turned.numerics["axes"], A, rtol=0, atol=1e-12)
    assert "axes" not in plain.numerics
    assert turned.numerics["accuracy"]["met"]
    for name, region in (("kl", ""), ("mean", ""), ("covariance", ""), ("mode_mass", "right")):
        one, other = turned.estimated(name, region), plain.estimated(name, region)
        assert (np.abs(one.value - other.value) <= one.error + other.error).all(), name


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3])
@pytest.mark.parametrize("flow", [{}, {"flow.beta": 0.0}], ids=["WFR", "W"])
@pytest.mark.parametrize(
    ("narrow", "start"),
    [(0.02, [[0.05, 0.02], [0.02, 0.1]]), (0.2, [[0.1, 0.0], [0.0, 0.2]])],
    ids=["narrow", "wide"],
)
def test_gaussians_on_a_mesh_are_those_of_the_closed_form(narrow, start, flow, tolerance):
    """Also masses of a region that begins amid the mass, across x, and so cuts cells obliquely.

    Where lines of points bent with its boundary they were off by up to 7 bars.
    """
    covariance = A.T @ np.diag([narrow, 1.0]) @ A
    spread = A.T @ start @ A
    data = {
        "target": {
            "kind": "gaussian",
            "mean": (A.T @ [1.0, -0.5]).tolist(),
            "covariance": ((covariance + covariance.T) / 2).tolist(),
            "modes": {"right": "x > 0.8"},
        },
        "initial": {
            "mean": (A.T @ [0.2, 0.1]).tolist(),
            "covariance": ((spread + spread.T) / 2).tolist(),
        },
        "flow": {"save": [0.1, 0.5, 1.0]},
        "accuracy": {"tolerance": tolerance},
    }
    case = Case.from_dict(data).with_overrides(flow)
    exact, mesh = (
        wfrpde.solve(case.with_overrides({"domain.axes": axes}))
        for axes in ("coordinate", "principal")
    )
    assert exact.numerics["formulation"] == "closed form"
    assert mesh.numerics["formulation"] != "closed form"
    np.testing.assert_allclose(mesh.numerics["axes"], A, rtol=0, atol=1e-12)
    for name, region in (("kl", ""), ("mean", ""), ("covariance", ""), ("mode_mass", "right")):
        one, other = mesh.estimated(name, region), exact.estimated(name, region)
        assert (np.abs(one.value - other.value) <= one.error + other.error).all(), name
    width = np.sqrt(np.einsum("tii->ti", exact.covariance))
    assert (np.abs(mesh.mean - exact.mean) < tolerance * width).all()
    assert np.abs(mesh.mode_mass["right"] - exact.mode_mass["right"]).max() < tolerance / 20


def test_kinks_along_the_axes_are_followed():
    """|x'| is oblique to x and y; along its own axes cells end where it bends."""
    case = Case.from_dict(
        {
            "target": {"potential": "4*abs(0.8*x + 0.6*y) + (0.8*y - 0.6*x)**2/2"},
            "initial": {"mean": [0.4, 0.3], "covariance": 0.1},
            "domain": {"axes": "principal"},
        }
    )
    turned, plain = (make_problem(case, turned=way) for way in (True, False))
    assert plain.kinks.oblique
    assert not turned.kinks.oblique
    np.testing.assert_allclose(turned.kinks.planes[0], [0.0], atol=1e-9)


@pytest.fixture(scope="module")
def solved():
    changes = {"flow.t_end": 0.2, "flow.save": [0.2], "accuracy.tolerance": 1e-3}
    return wfrpde.solve(wfrpde.load_case(EXAMPLE, changes))


def test_a_summary_says_which_axes_the_box_has(solved):
    assert "Axes of the box: (0.8, 0.6), (-0.6, 0.8)\n" in run_summary(solved)


def test_a_solution_that_was_kept_says_the_same(solved, tmp_path):
    again = wfrpde.load_solution(solved.save(tmp_path / "flow.npz"))
    points = np.random.default_rng(1).normal(size=(100, 2))
    np.testing.assert_array_equal(again.log_density(0.2, points), solved.log_density(0.2, points))
    np.testing.assert_array_equal(again.nodes, solved.nodes)


def test_nodes_are_where_their_densities_are(solved):
    """Also those that ParaView is given: nodal values are what a density says there."""
    some = solved.nodes[:: max(1, len(solved.nodes) // 200)]
    log_target = -solved.target.potential(some) - solved.log_normalisation
    nodal = solved.log_relative[-1][:: max(1, len(solved.nodes) // 200)]
    np.testing.assert_allclose(
        solved.log_density(0.2, some), nodal + log_target, rtol=1e-9, atol=1e-7
    )
    corners = solved.nodes[solved.cells]
    edges = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    for edge, axis in zip(edges, A, strict=True):  # rectangles along the axes
        length = np.linalg.norm(edge, axis=1)
        np.testing.assert_allclose(np.abs(edge @ axis), length, rtol=1e-9)


def test_paraview_shows_turned_cells(solved, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    paths = write_paraview(solved, tmp_path)
    mesh = pyvista.read(paths[-1])
    np.testing.assert_allclose(mesh.points[:, :2], solved.nodes, atol=1e-12)
    some = np.asarray(mesh.points[::50, :2], dtype=float)
    np.testing.assert_allclose(
        mesh.point_data["density"][::50], solved.density(0.2, some), rtol=1e-6, atol=1e-12
    )


def test_what_judges_samplers_knows_the_axes(solved):
    density = density_of(solved, 0.2)
    mean, covariance = density.moments
    np.testing.assert_allclose(mean, solved.mean[-1], atol=1e-6)
    np.testing.assert_allclose(covariance, solved.covariance[-1], atol=1e-6)
    points, mass = density.atoms([solved.target.regions["right"]])
    right = solved.target.regions["right"](points)
    np.testing.assert_allclose(mass[right].sum(), solved.mode_mass["right"][-1], atol=1e-6)
    count = 40_000
    drawn = exact_sampler(density).draw(count, np.random.default_rng(0))
    noise = np.sqrt(np.diag(covariance) / count)
    assert (np.abs(drawn.mean(axis=0) - mean) < 4.5 * noise).all()
    bins = equal_masses(density, 4)
    share = bins.histogram(drawn, np.ones(count))
    assert (np.abs(share - bins.masses) < 4.5 * np.sqrt(bins.masses / count)).all()
    assert bins.masses.max() < 1.6 / bins.count


def test_axes_that_are_those_of_the_coordinates_are_no_others():
    case = Case.from_dict(
        {
            "target": {"potential": "20*(x**2 - 1)**2 + y**2/2"},
            "initial": {"mean": [1.0, 0.0], "covariance": 0.05},
        }
    )
    for axes in ("principal", [[1.0, 0.0], [0.0, 1.0]]):
        problem = make_problem(case.with_overrides({"domain.axes": axes}), turned=True)
        assert problem.frame is None
        assert "axes" not in problem.facts


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"domain.axes": "diagonal"}, "domain.axes"),
        ({"domain.axes": [[1.0, 0.0], [0.5, 1.0]]}, "domain.axes"),
        ({"domain.axes": np.eye(3).tolist()}, "domain.axes"),
        ({"domain.axes": [[1.0, 0.0]]}, "domain.axes"),
        ({"domain.box": [[-2, 2], [-5, 5]]}, "domain.box"),
        ({"domain.cell": "simplex"}, "domain.cell"),
        ({"domain.absorbing": "x > 2"}, "domain.absorbing"),
        ({"domain.sides": {"x": "reflecting"}}, "domain.sides"),
        ({"domain.mesh": "disk.msh"}, "domain.mesh"),
        ({"dynamics.diffusion": [1.0, 2.0]}, "dynamics"),
        ({"flow.reaction": "x"}, "flow.reaction"),
        ({"path.kind": "temper", "path.schedule": "t"}, "path"),
    ],
)
def test_what_is_not_solved_along_turned_axes_is_refused(changes, where):
    with pytest.raises(InputError) as raised:
        wfrpde.load_case(EXAMPLE, changes)
    assert raised.value.where.endswith(where)


def test_lines_and_factors_have_no_axes_to_turn():
    for name in ("tilted-double-well", "ring-100", "d-wells", "reverse-diffusion"):
        with pytest.raises(InputError, match=r"domain\.axes"):
            wfrpde.load_case(name, {"domain.axes": "principal"})


def test_questions_about_the_generator_are_refused():
    with pytest.raises(InputError, match=r"domain\.axes"):
        wfrpde.spectrum(wfrpde.load_case(EXAMPLE))


def test_a_place_in_a_complaint_is_one_in_x_and_y():
    """The potential is no number beyond x = 3: not along the axes."""
    data = {
        "target": {"potential": "x**2 + y**2 + 9*x*y/5 + sqrt(3 - x)"},
        "initial": {"mean": [0.0, 0.0], "covariance": 0.05},
        "domain": {"axes": "principal"},
    }
    with pytest.raises(InputError, match=r"nan at x = \(") as raised:
        wfrpde.solve(Case.from_dict(data))
    x = float(str(raised.value).partition("nan at x = (")[2].partition(",")[0])
    assert x > 3.0
