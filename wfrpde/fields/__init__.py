"""Formulas as data: text is read into SymPy by a whitelist and rendered for NumPy.

A potential, a density or a region of a case file is text. `parse_expression` and `parse_region`
walk Python's syntax tree of that text and accept nothing but arithmetic, so that a case file can
hold no code. From the one SymPy expression come the vectorised value (`numpy_function`) and the
gradient (`numpy_gradient`).
"""

from wfrpde.fields.functions import LogSumExp
from wfrpde.fields.parser import coordinates, parse_expression
from wfrpde.fields.regions import Region, parse_region, region_read_later
from wfrpde.fields.rendering import numpy_function, numpy_gradient
from wfrpde.fields.stability import logarithm

__all__ = [
    "LogSumExp",
    "Region",
    "coordinates",
    "logarithm",
    "numpy_function",
    "numpy_gradient",
    "parse_expression",
    "parse_region",
    "region_read_later",
]
