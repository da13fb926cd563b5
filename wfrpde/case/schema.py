"""The JSON schema of case files, for editors: every key says what it is.

What the docstring of a table says of its keys is written once: the schema and the reference of the
documentation read it there.
"""

from __future__ import annotations

import inspect
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

IDENTIFIER = "urn:wfrpde:schema:case"


def schema_of(case: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a case, with a description at every key."""
    schema = case.model_json_schema()
    models = {model.__name__: model for model in tables(case).values()}
    for name, definition in schema["$defs"].items():
        texts = key_texts(models[name])
        definition["description"] = _first_line(models[name])
        for key, entry in definition.get("properties", {}).items():
            if key in texts:
                entry["description"] = texts[key]
    for key, entry in schema["properties"].items():
        if "$ref" in entry.get("anyOf", [{}])[0]:  # a table that may be left out
            entry["$ref"] = entry.pop("anyOf")[0]["$ref"]
            entry.pop("default")
        entry["description"] = (
            _first_line(tables(case)[key]) if key in tables(case) else key_texts(case)[key]
        )
    schema["description"] = _first_line(case)
    # questions about the target need no start, and those of a product are with its factors
    schema["required"] = [key for key in schema["required"] if key != "initial"]
    # the kind of a start follows from its other keys
    schema["$defs"]["InitialSpec"].pop("required", None)
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": IDENTIFIER, **schema}


def tables(case: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the tables of a case and their models, in the order of the file."""
    found = {}
    for name, field in case.model_fields.items():
        # [[sampler]] is a list of tables: tuple[SamplerSpec, ...]
        kind = (*get_args(field.annotation), field.annotation)[0]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found[name] = kind
    return found


def key_texts(model: type[BaseModel]) -> dict[str, str]:
    """Read what the ``Attributes`` part of a docstring says about each name."""
    _, _, listing = (inspect.getdoc(model) or "").partition("Attributes\n----------\n")
    listing, _, _ = listing.partition("\n\nExamples\n")
    texts: dict[str, list[str]] = {}
    name = ""
    for line in listing.splitlines():
        if line and not line.startswith(" "):
            name = line.split(":")[0].strip()
            texts[name] = []
        elif line.strip() and name:
            texts[name].append(line.strip())
    return {key: " ".join(lines).replace("``", "`") for key, lines in texts.items()}


def _first_line(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0].replace("``", "`")
