"""The JSON schema of case files: complete, valid, and true of the cases that ship."""

import tomllib

import pytest

from wfrpde.case import Case
from wfrpde.case.files import case_titles, find_case

SCHEMA = Case.json_schema()


def keys():
    yield from SCHEMA["properties"].items()
    for name, table in SCHEMA["$defs"].items():
        for key, entry in table["properties"].items():
            yield f"{name}.{key}", entry


def test_it_says_what_it_is():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "urn:wfrpde:schema:case"


@pytest.mark.parametrize(("key", "entry"), list(keys()), ids=[key for key, _ in keys()])
def test_every_key_says_what_it_is(key, entry):
    text = entry["description"]
    assert len(text.split()) >= 2, key
    assert "``" not in text


@pytest.mark.parametrize("name", list(case_titles()))
def test_it_holds_for_the_cases_that_ship(name):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    data = tomllib.loads(find_case(name).read_text(encoding="utf-8"))
    validator.validate(data)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**data, "flow": {"bta": 1}})
