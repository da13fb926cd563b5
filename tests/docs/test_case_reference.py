"""The tables of the case-file reference hold every key, with its default and a meaning."""

import re
import sys
from pathlib import Path

import pytest

from wfrpde.case import Case, load_case
from wfrpde.targets import make_target

pytest.importorskip("docutils")

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS / "_ext"))

import case_reference as reference  # noqa: E402

SCHEMA = Case.json_schema()


def model_of(field):
    if "items" in field:  # a list of tables
        return field["items"]["$ref"]
    return field.get("$ref", field.get("allOf", [{}])[0].get("$ref"))


TABLES = {
    name: SCHEMA["$defs"][model_of(field).split("/")[-1]]
    for name, field in SCHEMA["properties"].items()
    if name != "title"
}


@pytest.mark.parametrize("name", TABLES)
def test_table_holds_the_keys_of_the_schema(name):
    rows = reference.section_rows(name)
    assert [row[0] for row in rows] == list(TABLES[name]["properties"])
    assert all(meaning for *_, meaning in rows)


@pytest.mark.parametrize("name", TABLES)
def test_defaults_are_those_of_the_schema(name):
    for key, _, default, _ in reference.section_rows(name):
        entry = TABLES[name]["properties"][key]
        if (name, key) in reference.DEPENDENT_DEFAULTS:
            continue
        if "default" not in entry:
            assert default == "required"
        elif entry["default"] in (None, {}):
            assert default == "none"
        else:
            assert default == f"`{reference.toml(entry['default'])}`"


def test_page_shows_every_table():
    page = (DOCS / "case-files.md").read_text(encoding="utf-8")
    for name in TABLES:
        assert f"```{{case-table}} {name}\n" in page


def test_words_for_keys_that_exist():
    known = {(name, key) for name in TABLES for key in TABLES[name]["properties"]}
    assert set(reference.DEPENDENT_DEFAULTS) <= known


def test_every_parameter_of_the_library_has_a_meaning():
    from wfrpde import starts
    from wfrpde.targets.registry import LIBRARY

    models = [*LIBRARY.values(), *starts.KINDS.values(), *reference.sampler_models().values()]
    for model in models:
        for name, _, meaning in reference.parameter_rows(model):
            assert meaning, f"{model.__name__}.{name}"


def test_examples_of_the_page_are_cases(tmp_path, monkeypatch):
    page = (DOCS / "case-files.md").read_text(encoding="utf-8")
    module, *_ = re.findall(r"^```python\n# wells\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "wells.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    examples = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    start = "\n[initial]\nmean = [1.0, 0.0]\ncovariance = [[0.01, 0.0], [0.0, 0.01]]\n"
    for number, text in enumerate(examples):
        path = tmp_path / f"example-{number}.toml"
        path.write_text(text if "initial" in text else text + start, encoding="utf-8")
        case = load_case(path)
        if case.is_factored:
            continue
        spec = case.target
        target = make_target(
            potential=spec.potential,
            kind=spec.kind,
            python=spec.python,
            dim=spec.dim,
            parameters=spec.parameters,
        )
        assert target.dim == case.dim
