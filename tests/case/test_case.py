"""The schema of case files: defaults, complaints that name the key, overrides, shipped cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wfrpde.case import Case, load_case
from wfrpde.case.files import case_titles, parse_assignment, shipped_cases
from wfrpde.case.flow import default_save_times
from wfrpde.errors import InputError

TOML = """
title = "A double well"
[target]
potential = "8*(x**2 - 1)**2 + 0.5*x"
modes = { left = "x < 0", right = "x >= 0" }
[initial]
kind = "gaussian"
mean = [-1.0]
covariance = [[0.01]]
[domain]
box = [[-2.2, 2.2]]
boundary = "no-flux"
[flow]
alpha = 1.0
beta = 1.0
t_end = 2.0
save = [0.1, 0.5, 1.0, 2.0]
[numerics]
degree = 6
cells = [40]
[accuracy]
tolerance = 1e-4
[spectrum]
count = 8
"""


def write(folder: Path, text: str, name: str = "well.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# --- what is valid, and the defaults -----------------------------------------------------------


def test_a_case_file_is_read_as_it_stands(tmp_path):
    case = load_case(write(tmp_path, TOML))
    assert case.title == "A double well"
    assert case.name == "well"
    assert case.dim == 1
    assert case.domain.box == ((-2.2, 2.2),)
    assert case.flow.save == (0.1, 0.5, 1.0, 2.0)
    assert case.numerics.degree == 6
    assert case.accuracy.tolerance == 1e-4
    assert case.initial.parameters == {"mean": [-1.0], "covariance": [[0.01]]}


def test_potential_and_initial_density_are_enough():
    case = Case.model_validate(
        {"target": {"potential": "x**2 + y**4"}, "initial": {"mean": [0.0, 1.0], "covariance": 0.1}}
    )
    assert case.dim == 2
    assert (case.flow.alpha, case.flow.beta, case.flow.t_end) == (1.0, 1.0, 1.0)
    assert case.flow.conserve_mass
    assert case.numerics.formulation == "auto"
    assert case.numerics.certify
    assert case.domain.box is None


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"log_density": "-x**2"}, "expression"),
        ({"density": "exp(-x**2)"}, "expression"),
        ({"point": [0.0]}, "dirac"),
        ({"box": [[-1.0, 1.0]]}, "uniform"),
        ({"mean": [0.0], "covariance": [[1.0]]}, "gaussian"),
        (
            {"weights": [1.0, 2.0], "means": [[0.0], [1.0]], "covariances": [[[1.0]], [[2.0]]]},
            "mixture",
        ),
    ],
)
def test_the_kind_of_an_initial_density_follows_from_its_keys(keys, kind, minimal):
    case = minimal.with_overrides({"initial": keys})
    assert case.initial.kind == kind


def test_dim_can_exceed_what_the_potential_uses():
    case = Case.model_validate(
        {
            "target": {"potential": "x**2/2", "dim": 1},
            "initial": {"mean": [0.0], "covariance": [[1.0]]},
        }
    )
    assert case.dim == 1


@pytest.mark.parametrize("t_end", [1.0, 0.3, 2.0, 7.0, 100.0])
def test_default_save_times(t_end, minimal):
    times = default_save_times(t_end)
    assert len(times) == 10
    assert times[0] == pytest.approx(t_end / 100, rel=1e-12)
    assert times[-1] == t_end
    assert np.all(np.diff(np.log(times)) > 0.25)
    assert all(len(f"{t:g}") <= 6 for t in times), "numbers that a person would choose"
    assert minimal.with_overrides({"flow.t_end": t_end}).flow.save == times


def test_t_end_follows_from_the_saved_times(minimal):
    assert minimal.with_overrides({"flow.save": [0.5, 3.0]}).flow.t_end == 3.0


def test_numpy_values_are_accepted(minimal):
    case = minimal.with_overrides(
        {"domain.box": np.array([[-2.0, 2.0]]), "flow.t_end": np.float32(2), "flow.alpha": 2}
    )
    assert case.domain.box == ((-2.0, 2.0),)
    assert case.flow.t_end == 2.0
    assert case.flow.alpha == 2.0


def test_a_case_is_frozen(minimal):
    with pytest.raises(Exception, match="frozen"):
        minimal.title = "other"
    with pytest.raises(Exception, match="frozen"):
        minimal.flow.alpha = 2.0


def test_a_dumped_case_is_the_case_again(minimal):
    dumped = json.loads(json.dumps(minimal.model_dump(mode="json")))
    assert dumped["initial"]["mean"] == [-1.0]
    assert Case.model_validate(dumped) == minimal


@pytest.mark.parametrize("options", [{}, {"mode": "json"}, {"exclude_unset": True}], ids=str)
def test_dumps_tell_what_of_samplers_and_studies_was_given(minimal, options):
    """Steps follow the curvature unless given; keys that reach no code are refused if given."""
    samplers = [{"kind": "langevin"}, {"kind": "langevin", "name": "b", "dt": 0.01, "alpha": 1.0}]
    study = {"vary": "h", "values": [10, 20]}
    case = Case.model_validate(
        {**minimal.model_dump(), "sampler": samplers, "convergence": [study]}
    )
    again = Case.model_validate(case.model_dump(**options))
    assert again == case
    assert [set(s.kept) for s in again.samplers] == [set(), {"dt"}]
    assert again.model_dump()["sampler"][0] == {"kind": "langevin", "name": "langevin"}


def test_json_schema_describes_every_table():
    schema = Case.json_schema()
    assert set(schema["properties"]) >= {"target", "initial", "domain", "flow", "numerics"}
    assert set(schema["required"]) == {"target"}
    target = schema["$defs"]["TargetSpec"]
    assert "parameters" not in target["properties"]
    assert target["additionalProperties"]
    assert not schema["$defs"]["FlowSpec"]["additionalProperties"]
    json.dumps(schema)


# --- files -------------------------------------------------------------------------------------


def test_a_complaint_about_a_file_names_file_and_key(tmp_path):
    path = write(tmp_path, TOML.replace("t_end = 2.0", "t_end = -1.0"))
    with pytest.raises(InputError, match=r"^well\.toml: flow\.t_end: found -1\.0; needed a pos"):
        load_case(path)


def test_toml_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"well\.toml: found TOML that cannot be read \(.*line 2"):
        load_case(write(tmp_path, "title = 'x'\n[target\n"))


def test_text_that_is_not_utf8(tmp_path):
    path = tmp_path / "well.toml"
    path.write_bytes(b"title = '\xff\xfe'")
    with pytest.raises(InputError, match="UTF-8"):
        load_case(path)


def test_a_file_that_is_not_there_and_a_misspelt_name(tmp_path):
    with pytest.raises(InputError, match="no such file or shipped case"):
        load_case(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"Did you mean four-modes\?"):
        load_case("four-mode")
    with pytest.raises(InputError, match="found a folder"):
        load_case(tmp_path)


def test_a_mesh_is_looked_for_beside_its_case(tmp_path):
    (tmp_path / "disk.msh").write_text("")
    text = TOML.replace("box = [[-2.2, 2.2]]", 'mesh = "disk.msh"').replace("cells = [40]", "")
    case = load_case(write(tmp_path, text))
    assert case.mesh_path == tmp_path / "disk.msh"
    assert case.with_overrides({"flow.beta": 0.0}).mesh_path == tmp_path / "disk.msh"


def test_a_target_in_python_is_looked_for_beside_its_case(tmp_path):
    (tmp_path / "wfr_own_well.py").write_text(
        "class Well:\n"
        "    dim = 1\n"
        "    seeds = [[0.0]]\n"
        "    def potential(self, x):\n"
        "        return (x**2).sum(axis=1)\n"
    )
    text = '[target]\npython = "wfr_own_well:Well"\n[initial]\nmean = [0.0]\ncovariance = [[1.0]]\n'
    assert load_case(write(tmp_path, text)).dim == 1


# --- overrides ---------------------------------------------------------------------------------


def test_overrides_make_a_new_checked_case(minimal):
    case = minimal.with_overrides({"flow.beta": 0, "numerics.certify": False})
    assert (case.flow.beta, case.numerics.certify) == (0.0, False)
    assert (minimal.flow.beta, minimal.numerics.certify) == (1.0, True)
    assert case.target == minimal.target


def test_an_override_of_a_value_within_a_value(minimal):
    with pytest.raises(InputError, match=r"title\.x: found 'title', which is not a table"):
        minimal.with_overrides({"title": "t", "title.x": 1})


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("flow.beta=0", "flow.beta", 0),
        ("flow.save = [0.1, 0.2]", "flow.save", [0.1, 0.2]),
        ("numerics.certify=false", "numerics.certify", False),
        ("numerics.formulation=spectral", "numerics.formulation", "spectral"),
        ('title="a = b"', "title", "a = b"),
        ("target.potential=x**2 + 1", "target.potential", "x**2 + 1"),
        ("domain.box=[[-1, 1]]", "domain.box", [[-1, 1]]),
        ("target.modes={left='x<0'}", "target.modes", {"left": "x<0"}),
    ],
)
def test_assignments_of_the_command_line(text, key, value):
    assert parse_assignment(text) == (key, value)


@pytest.mark.parametrize("text", ["flow.beta", "=3", "flow.beta=", ""])
def test_assignments_that_are_none(text):
    with pytest.raises(InputError, match="--set"):
        parse_assignment(text)


@pytest.mark.parametrize("value", ["[1,2", "{a=1", '"text', "[0.1 0.2]"])
def test_an_assignment_of_broken_toml_says_so(value):
    with pytest.raises(InputError, match=r"--set flow\.save: found a broken TOML value"):
        parse_assignment(f"flow.save={value}")


def test_a_parameter_without_its_table_is_found():
    with pytest.raises(InputError, match=r"barrier: .*Did you mean target\.barrier\?"):
        load_case("tilted-double-well", {"barrier": 12})


def test_a_bare_number_of_cells_in_one_dimension(minimal):
    assert minimal.with_overrides({"numerics.cells": 40}).numerics.cells == (40,)
    with pytest.raises(InputError, match=r"numerics\.cells: found 1 entries; needed 2"):
        load_case("four-modes", {"numerics.cells": 40})


def test_a_wrong_covariance_of_a_right_mean_is_blamed_itself():
    with pytest.raises(InputError, match=r"initial\.covariance: found a 1×1 array"):
        load_case("four-modes", {"initial.covariance": [[1.0]]})
    with pytest.raises(InputError, match=r"initial\.covariance"):
        Case.model_validate({"initial": {"mean": [0.0, 0.0], "covariance": [[1.0]]}})


# --- shipped cases -----------------------------------------------------------------------------


def test_the_shipped_cases_are_there():
    assert set(shipped_cases()) >= {
        "tilted-double-well",
        "four-modes",
        "gaussian-2d",
        "gaussian-3d",
        "far-start",
        "quartic-well-50",
        "double-well-20",
        "banana",
        "ring",
        "muller-brown",
        "double-well-2d",
    }
    assert all(case_titles().values())


@pytest.mark.parametrize("name", shipped_cases())
def test_a_shipped_case_loads_and_says_what_it_shows(name):
    case = load_case(name)
    assert case.title
    assert shipped_cases()[name].read_text(encoding="utf-8").startswith("# ")
    if case.is_factored or case.noising is not None:  # its own tests solve it
        return
    target = case.target.build()
    assert target.dim == case.target.dimension
    assert len(target.regions) >= 2
    if case.dim == target.dim:  # the start of kinetic dynamics is one in phase space
        initial = case.initial.build(target, case.domain.box)
        assert np.all(np.isfinite(initial.log_density(initial.seeds)))
    # The regions are modes: every point lies in exactly one.
    points = np.random.default_rng(0).uniform(-10, 10, (200, target.dim))
    counts = sum(region(points).astype(int) for region in target.regions.values())
    assert np.all(counts == 1)
