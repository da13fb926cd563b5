"""Sphinx configuration. Nothing is mocked: the pages are built where the solver can be imported."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "wfrpde"
author = "The wfrpde developers"
copyright = "2026, the wfrpde developers"
release = PROJECT["version"]
version = release

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "case_reference",
]

source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build", "_ext"]
default_role = "py:obj"

myst_enable_extensions = ["amsmath", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

# Notebooks are run when the pages are built, and a cell that fails is an error.
nb_execution_mode = "cache"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "remove"
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike", "Array": "Array", "Flags": "Flags"}
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
napoleon_use_ivar = False
napoleon_attr_annotations = False

html_theme = "furo"
html_title = f"wfrpde {release}"
html_static_path = ["_static"]
html_css_files = ["wfrpde.css"]
html_theme_options = {"navigation_with_keys": True}


def without_signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Drop the signatures of classes: cases, solutions and targets are not made by hand."""
    if what == "class" and not issubclass(obj, Exception):
        return "", ""
    return None


def setup(app: Any) -> None:
    """Connect to Sphinx."""
    app.connect("autodoc-process-signature", without_signature)
