"""What a `Solution` answers, and what it refuses."""

import dataclasses
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

import wfrpde
from wfrpde.case import Case
from wfrpde.errors import InputError
from wfrpde.fields.protocols import Density, Path
from wfrpde.flow.exact import gaussian_flow, gaussian_log_density

TIMES = (0.2, 0.7)


@pytest.fixture(scope="module")
def line():
    return wfrpde.solve(
        Case.model_validate(
            {
                "target": {"potential": "x**2/2", "modes": {"left": "x < 0", "right": "x > 0"}},
                "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": 0.5},
                "flow": {"save": list(TIMES)},
                "domain": {"box": [[-7.0, 7.0]]},
                "numerics": {"formulation": "edge-averaged", "cells": [160]},
            }
        )
    )


@pytest.fixture(scope="module")
def triangles():
    pytest.importorskip("dolfinx")
    return wfrpde.solve(
        Case.model_validate(
            {
                "target": {"potential": "(x**2 + y**2)/2"},
                "initial": {"kind": "gaussian", "mean": [-0.5, 0.0], "covariance": 0.5},
                "flow": {"save": [0.1]},
                "domain": {"box": [[-4.0, 4.0], [-3.0, 5.0]], "cell": "simplex"},
                "numerics": {"cells": [12, 12], "dt": 0.05},
            }
        )
    )


def test_densities_at_points(line):
    """Three names for one field, which is the exact Gaussian to the scheme's accuracy."""
    x = np.linspace(-4, 4, 37)[:, None]
    for t in (0.0, *TIMES):
        mean, covariance = gaussian_flow(-1.0, 0.5, 0.0, 1.0, t)
        exact = gaussian_log_density(x, mean, covariance)
        np.testing.assert_allclose(line.log_density(t, x), exact, atol=2e-4)
        np.testing.assert_array_equal(line.density(t, x), np.exp(line.log_density(t, x)))
        relative = exact - gaussian_log_density(x, np.zeros(1), np.eye(1))
        np.testing.assert_allclose(line.log_relative_density(t, x), relative, atol=2e-4)
    # the start is known in closed form
    start = gaussian_log_density(x, np.array([-1.0]), np.array([[0.5]]))
    np.testing.assert_allclose(line.log_density(0.0, x), start, atol=1e-7)


def test_one_dimension_takes_flat_arrays(line):
    x = np.linspace(-2, 2, 5)
    np.testing.assert_array_equal(line.density(0.2, x), line.density(0.2, x[:, None]))
    assert line.density(0.2, [0.5]).shape == (1,)
    assert line.density(0.2, np.empty((0, 1))).shape == (0,)


@pytest.mark.parametrize("t", [0.1, -0.2, 0.7 + 1e-6, 1e9])
def test_a_time_that_was_not_saved_is_refused(line, t):
    with pytest.raises(ValueError, match=r"was not saved; the saved times are 0, 0\.2, 0\.7"):
        line.density(t, [[0.0]])


def test_round_off_in_a_time_is_forgiven(line):
    np.testing.assert_array_equal(line.density(0.1 + 0.1, [0.3]), line.density(0.2, [0.3]))
    np.testing.assert_array_equal(line.density(0.7 * (1 + 1e-12), [0.3]), line.density(0.7, [0.3]))


@pytest.mark.parametrize("x", [[[0.0, 1.0]], 0.5, np.zeros((2, 1, 1))])
def test_points_of_the_wrong_shape_are_refused(line, x):
    with pytest.raises(ValueError, match=r"points have shape .*; needed \(n, 1\)"):
        line.density(0.2, x)


def test_a_single_point_may_be_flat(triangles):
    assert triangles.density(0.1, [0.1, 0.2]) == triangles.density(0.1, [[0.1, 0.2]])
    with pytest.raises(ValueError, match=r"needed \(n, 2\)"):
        triangles.density(0.1, [0.0, 0.0, 0.0])


def test_there_is_nothing_outside_of_the_domain(line, triangles):
    for t in (0.0, 0.2):
        np.testing.assert_array_equal(line.density(t, [-7.5, 8.0, 1e6]), 0.0)
        assert np.isneginf(line.log_density(t, [8.0])).all()
    for t in (0.0, 0.1):
        np.testing.assert_array_equal(triangles.density(t, [[4.5, 0.0], [0.0, -3.2]]), 0.0)
        assert triangles.density(t, [[3.5, 4.5]])[0] > 0  # a corner that a disc would miss


def test_errors_have_the_names_and_shapes_of_the_numbers(line):
    error = line.error
    for name, values in line.series.items():
        assert error[name].shape == values.shape == (3,)
        np.testing.assert_array_equal(error[name], error.series[name])
        assert (error[name] >= 0).all()
    assert error["mean"].shape == line.mean.shape == (3, 1)
    assert error["covariance"].shape == line.covariance.shape == (3, 1, 1)
    assert error["density"].shape == (3,)
    assert set(error["mode_mass"]) == set(line.mode_mass) == {"left", "right"}
    with pytest.raises(KeyError, match="nonsense"):
        error["nonsense"]


def test_estimated_errors_bound_the_true_ones(line):
    for k, t in enumerate(line.times):
        mean, covariance = gaussian_flow(-1.0, 0.5, 0.0, 1.0, t)
        assert abs(line.mean[k] - mean) <= 2 * line.error.mean[k] + 1e-8
        assert abs(line.covariance[k] - covariance) <= 2 * line.error.covariance[k] + 1e-8


def test_nodes_cells_and_nodal_values_belong_together(line, triangles):
    for solution, cell, corners in ((line, "interval", 2), (triangles, "triangle", 3)):
        assert solution.cell_type == cell
        assert solution.cells.shape[1] == corners
        assert solution.cells.max() == len(solution.nodes) - 1
        assert solution.log_relative.shape == (len(solution.times), len(solution.nodes))
        t = solution.times[-1]
        np.testing.assert_allclose(
            solution.log_relative_density(t, solution.nodes), solution.log_relative[-1], atol=1e-9
        )
    np.testing.assert_allclose(line.box, [[-7, 7]])
    np.testing.assert_allclose(triangles.box, [[-4, 4], [-3, 5]])


def test_modes_add_up_and_checks_are_green(line):
    np.testing.assert_allclose(line.mode_mass["left"] + line.mode_mass["right"], 1, atol=1e-12)
    assert line.complete
    assert all(check["passed"] for check in line.numerics["checks"])
    assert line.history["t"][-1] == pytest.approx(TIMES[-1], rel=1e-12)
    assert (np.diff(line.series["kl"]) < 0).all()


def test_numbers_come_with_their_errors(line):
    kl, left = line.estimated("kl"), line.estimated("mode_mass", "left")
    np.testing.assert_array_equal(kl.value, line.series["kl"])
    np.testing.assert_array_equal(kl.error, line.error["kl"])
    assert left[-1].value == line.mode_mass["left"][-1]
    assert line.estimated("mean")[:, 0].error.shape == (3,)
    unknown = dataclasses.replace(line, error=None).estimated("covariance")
    assert unknown.value.shape == unknown.error.shape
    assert np.isnan(unknown.error).all()
    with pytest.raises(KeyError, match="nonsense"):
        line.estimated("nonsense")


def test_a_solution_is_a_path_of_densities(line):
    x = np.array([[0.3], [9.0]])
    density = line.at(0.2)
    assert isinstance(line, Path)
    assert isinstance(density, Density)
    assert density.dim == 1
    np.testing.assert_array_equal(density.log_density(x), line.log_density(0.2, x))
    with pytest.raises(ValueError, match="was not saved"):
        line.at(0.3)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.series["kl"].__setitem__(0, 0.0),
        lambda s: s.series.__setitem__("kl", s.times),
        lambda s: s.series.update(kl=s.times),
        lambda s: s.error.series["kl"].fill(0.0),
        lambda s: s.log_relative.fill(0.0),
        lambda s: s.nodes.fill(0.0),
        lambda s: s.warnings.append("all is well"),
        lambda s: s.numerics.pop("checks"),
        lambda s: s.numerics["checks"][0].__setitem__("passed", True),
        lambda s: setattr(s, "complete", False),
        lambda s: setattr(s.error, "density", None),
    ],
)
def test_results_cannot_be_changed(line, change):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        change(line)


def mesh_file(folder):
    """A square cut into triangles, as gmsh writes it, and in a file of its own a curved start."""
    import meshio

    x = np.linspace(-3.0, 3.0, 13)
    points = np.stack([*np.meshgrid(x, x), np.zeros((13, 13))], axis=-1).reshape(-1, 3)
    number = np.arange(169).reshape(13, 13)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    cells = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, d), (a, d, c))])
    path = folder / "square.msh"
    meshio.write(path, meshio.Mesh(points, {"triangle": cells}), file_format="gmsh")
    return path


def kinds(folder):
    """One small case of each way in which a solution knows its densities."""
    plane = {"potential": "(x**2 + y**2)/2"}
    start = {"mean": [-0.5, 0.0], "covariance": 0.5}
    well = {"kind": "double_well"}
    flow = {"save": [0.05, 0.1]}
    (folder / "kept_target.py").write_text(
        "class Well:\n    dim = 1\n    def potential(self, x):\n      return (x**4 - x)[:, 0]\n"
    )
    return {
        "fisher-rao": {"target": well, "initial": {"mean": [-1.0], "covariance": 0.1},
                       "flow": flow | {"alpha": 0.0}},
        "log-density": {"target": well, "initial": {"log_density": "-3*x**2"}, "flow": flow},
        "spectral": {"target": plane, "initial": start, "flow": flow},
        "feynman-kac": {"target": well, "initial": {"mean": [-1.0], "covariance": 0.1},
                        "flow": flow | {"reaction": "tanh(x)"}, "numerics": {"cells": [100]}},
        "simplices of a file": {"target": plane, "initial": start, "flow": flow,
                                "domain": {"mesh": str(mesh_file(folder))}},
        "target in Python": {"target": {"python": "kept_target:Well"},
                             "initial": {"mean": [-0.5], "covariance": 0.1}, "flow": flow,
                             "numerics": {"cells": [100], "formulation": "edge-averaged"}},
    }  # fmt: skip


READ = """
import sys, pickle, numpy as np, wfrpde
from wfrpde.errors import InputError
path, x = sys.argv[1], np.load(sys.argv[2])
solutions = [wfrpde.load_solution(path + ".npz"), pickle.load(open(path + ".pickle", "rb"))]
for solution in solutions:
    try:
        found = [solution.log_density(t, x) for t in solution.times]
    except InputError as error:
        assert "kept_target, which cannot be imported" in str(error)
        found = [solution.log_relative_density(t, x) for t in solution.times[1:]]
    np.save(sys.argv[3], found)
    print(repr(solution), solution.series["kl"][-1].hex())
"""


@pytest.mark.parametrize(
    "name",
    ["fisher-rao", "log-density", "spectral", "feynman-kac", "simplices of a file",
     "target in Python"],
)  # fmt: skip
def test_a_solution_is_kept(name, tmp_path, monkeypatch):
    """Densities come back to the last digit, in a process without the files of the case."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir(), away.mkdir()
    monkeypatch.syspath_prepend(str(home))
    solution = wfrpde.solve(Case.model_validate(kinds(home)[name]))
    x = np.random.default_rng(1).uniform(-1.5, 1.5, size=(40, solution.dim))
    x[0] = 50.0
    assert solution.save(away / "kept.npz") == away / "kept.npz"
    (away / "kept.pickle").write_bytes(pickle.dumps(solution))
    with np.load(away / "kept.npz", allow_pickle=False) as data:
        assert all(array.dtype != object for array in data.values())
    again = wfrpde.load_solution(str(away / "kept.npz"))
    for t in solution.times:
        np.testing.assert_array_equal(again.log_density(t, x), solution.log_density(t, x))
    assert again.case.model_dump(exclude={"target"}) == solution.case.model_dump(exclude={"target"})
    assert again.numerics == solution.numerics
    np.testing.assert_array_equal(again.error.mean, solution.error.mean)

    np.save(away / "x.npy", x)
    shutil.rmtree(home)
    arguments = [str(away / entry) for entry in ("kept", "x.npy", "found.npy")]
    command = [sys.executable, "-c", READ, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=away, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == 2 * [f"{solution!r} {solution.series['kl'][-1].hex()}"]
    if name == "target in Python":
        expected = [solution.log_relative_density(t, x) for t in solution.times[1:]]
    else:
        expected = [solution.log_density(t, x) for t in solution.times]
    np.testing.assert_array_equal(np.load(away / "found.npy"), expected)


def test_what_is_no_solution_is_refused(line, tmp_path):
    for name, content in {"text": b"not it", "half": b"PK\x03\x04 half a file"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="one that Solution"):
            wfrpde.load_solution(tmp_path / name)
    line.error.save(tmp_path / "error.npz")
    with pytest.raises(InputError, match="it holds a ErrorEstimate"):
        wfrpde.load_solution(tmp_path / "error.npz")
    with pytest.raises(InputError, match="No such file"):
        wfrpde.load_solution(tmp_path / "missing.npz")
