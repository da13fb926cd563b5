"""Directives that write the case-file reference from the models that check case files.

``{case-table} flow`` tabulates the keys of one table of a case file; ``{target-kinds}``,
``{initial-kinds}`` and ``{sampler-kinds}`` the kinds of targets, initial densities and samplers
with their parameters; ``{shipped-cases}`` the cases that come with the package,
``{case-gallery}`` with their pictures and what their files say of them;
``{expression-names}`` the functions and constants of expressions.
So the reference cannot fall behind the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import takewhile
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from wfrpde.case.schema import key_texts, tables

DEPENDENT_DEFAULTS = {
    ("target", "dim"): "from V or its parameters",
    ("target", "modes"): "those of the library target",
    ("initial", "kind"): "from the other keys",
    ("domain", "box"): "automatic",
    ("dynamics", "diffusion"): "1",
    ("dynamics", "friction"): "1",
    ("flow", "t_end"): "last of `save`, or 1",
    ("flow", "save"): "ten times up to `t_end`",
    ("numerics", "degree"): "chosen",
    ("numerics", "cells"): "chosen",
    ("numerics", "dt"): "chosen",
    ("numerics", "time_order"): "chosen",
    ("numerics", "stepper"): "chosen",
    ("convergence", "order"): "of the theory",
    ("convergence", "name"): "what is varied, and the elements",
    ("convergence", "reference"): "finer than the finest",
    ("sampler", "name"): "from what it is",
    ("sampler", "claims"): "of its kind, or the flow",
    ("sampler", "seed"): "from the case's",
}
"""Defaults that follow from other keys, in words; all others are read from the models."""


def section_models() -> dict[str, type[BaseModel]]:
    """Give the tables of a case file and their models, in the order of the file."""
    from wfrpde.case import Case

    return tables(Case)


def section_rows(name: str) -> list[tuple[str, str, str, str]]:
    """Give key, type, default and meaning of every key of one table."""
    model = section_models()[name]
    meanings = key_texts(model)
    shapes = model.model_json_schema()
    rows = []
    for key, field in model.model_fields.items():
        if key == "parameters":
            continue
        if key not in meanings:
            raise LookupError(f"{model.__name__} does not document its key {key}")
        default = DEPENDENT_DEFAULTS.get((name, key)) or default_text(field)
        rows.append((key, type_text(shapes["properties"][key]), default, meanings[key]))
    return rows


def parameter_rows(model: type[BaseModel]) -> list[tuple[str, str, str]]:
    """Give name, default and meaning of the parameters of a library target or initial density."""
    return [
        (name, default_text(field), field.description or "")
        for name, field in model.model_fields.items()
    ]


def sampler_models() -> dict[str, type[BaseModel]]:
    """Give the parameters of the samplers of the library, with what is said of the samplers."""
    from wfrpde.samplers import KINDS
    from wfrpde.samplers.parameters import parameters_of

    models = {}
    for kind, sampler in KINDS.items():
        text = docstring(sampler)
        about, _, rest = text.partition("Parameters\n----------")
        _, heading, sources = rest.partition("References\n----------")
        parameters = parameters_of(sampler)
        said = {"__doc__": about + heading + sources}
        models[kind] = type(parameters.__name__, (parameters,), said)
    return models


def docstring(model: type) -> str:
    """Docstring of a model, cleaned of its indentation."""
    return inspect.getdoc(model) or ""


def default_text(field: Any) -> str:
    """Write a default as a case file would."""
    default = field.default
    if default is PydanticUndefined:
        return "required"
    return "none" if default is None or default == {} else f"`{toml(default)}`"


def toml(value: Any) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml(entry) for entry in value)}]"
    if isinstance(value, float) and (0 < abs(value) < 1e-3):
        return re.sub(r"e-0*", "e-", f"{value:g}")
    return str(value)


def type_text(shape: dict[str, Any]) -> str:
    """Say in plain words what a JSON schema accepts."""
    if "anyOf" in shape:
        return " or ".join(type_text(s) for s in shape["anyOf"] if s.get("type") != "null")
    if "enum" in shape:
        return ", ".join(f"`{toml(value)}`" for value in shape["enum"])
    if "const" in shape:
        return f"`{toml(shape['const'])}`"
    kind = shape.get("type")
    if kind == "array":
        inside = shape.get("items") or shape["prefixItems"][0]
        return "list of `[lo, hi]`" if "prefixItems" in inside else f"list: {type_text(inside)}"
    words = {"number": "number", "integer": "whole number", "boolean": "`true` or `false`"}
    return words.get(kind, "table" if kind == "object" else "text") + bounds_text(shape)


def bounds_text(shape: dict[str, Any]) -> str:
    """Write the bounds of a number."""
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {shape[key]:g}" for key, sign in signs.items() if key in shape]
    return f" {', '.join(bounds)}" if bounds else ""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a Markdown table."""
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def prose(model: type[BaseModel]) -> str:
    """Docstring of a model as Markdown, without its references to the literature's heading."""
    text = docstring(model).split("References\n----------")[0].strip()
    return text.replace("``", "`").replace("*", r"\*")


def references(model: type[BaseModel]) -> str:
    """The literature that a model's docstring names."""
    _, _, text = docstring(model).partition("References\n----------")
    return " ".join(text.split())


def kind_pages(kinds: dict[str, type[BaseModel]]) -> Iterator[str]:
    """Give the Markdown lines that describe each kind and its parameters."""
    for kind, model in kinds.items():
        yield f"**`{kind}`**"
        yield ""
        yield from prose(model).splitlines()
        yield ""
        if source := references(model):
            yield f"*{source}*"
            yield ""
        rows = [(f"`{name}`", default, text) for name, default, text in parameter_rows(model)]
        yield from markdown_table(("parameter", "default", "a value"), rows)
        yield ""


class MarkdownDirective(Directive):
    """Base of directives that write Markdown."""

    def markdown(self) -> Iterator[str]:
        """Give the lines."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        container = nodes.Element()
        lines = list(self.markdown())
        self.state.nested_parse(StringList(lines, source="case_reference"), 0, container)
        return container.children


class CaseTable(MarkdownDirective):
    """``{case-table} NAME``: the keys of one table of a case file."""

    required_arguments = 1

    def markdown(self) -> Iterator[str]:
        rows = [(f"`{key}`", *others) for key, *others in section_rows(self.arguments[0])]
        yield from markdown_table(("key", "type", "default", "meaning"), rows)


class TargetKinds(MarkdownDirective):
    """``{target-kinds}``: the library of targets."""

    def markdown(self) -> Iterator[str]:
        from wfrpde.targets.registry import LIBRARY

        yield from kind_pages(LIBRARY)


class InitialKinds(MarkdownDirective):
    """``{initial-kinds}``: the kinds of initial densities."""

    def markdown(self) -> Iterator[str]:
        from wfrpde.starts import KINDS

        yield from kind_pages(KINDS)


class SamplerKinds(MarkdownDirective):
    """``{sampler-kinds}``: the samplers of the library."""

    def markdown(self) -> Iterator[str]:
        yield from kind_pages(sampler_models())


class ShippedCases(MarkdownDirective):
    """``{shipped-cases}``: names and titles of the cases that come with the package."""

    def markdown(self) -> Iterator[str]:
        from wfrpde.case.files import case_titles

        rows = [(f"`{name}`", title) for name, title in case_titles().items()]
        yield from markdown_table(("name", "title"), rows)


class CaseGallery(MarkdownDirective):
    """``{case-gallery}``: title, picture and first comment of every case that ships."""

    def markdown(self) -> Iterator[str]:
        from wfrpde.case.files import case_titles, shipped_cases, shown_by

        pictures = Path(__file__).parents[1] / "_static" / "gallery"
        for name, title in case_titles().items():
            lines = shipped_cases()[name].read_text(encoding="utf-8").splitlines()
            words = [line[1:].strip() for line in takewhile(lambda line: line[:1] == "#", lines)]
            yield from (f"**{title}**: `wfrpde {shown_by(name)} {name}`", "")
            if (pictures / f"{name}.png").is_file():
                yield from (f"![{title}](_static/gallery/{name}.png)", "")
            # as text: a comment may hold what Markdown would take for formatting
            yield from ("```{raw} html", f"<p>{escape(' '.join(words))}</p>", "```", "")


class ExpressionNames(MarkdownDirective):
    """``{expression-names}``: what an expression may contain besides arithmetic."""

    def markdown(self) -> Iterator[str]:
        from wfrpde.fields.parser import CONSTANTS, FUNCTIONS

        yield f"* functions: {', '.join(f'`{name}`' for name in FUNCTIONS)}"
        yield f"* constants: {', '.join(f'`{name}`' for name in CONSTANTS)}"


DIRECTIVES = {
    "case-table": CaseTable,
    "target-kinds": TargetKinds,
    "initial-kinds": InitialKinds,
    "sampler-kinds": SamplerKinds,
    "shipped-cases": ShippedCases,
    "case-gallery": CaseGallery,
    "expression-names": ExpressionNames,
}


def setup(app: Any) -> dict[str, Any]:
    """Register the directives."""
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    return {"version": "1", "parallel_read_safe": True}
