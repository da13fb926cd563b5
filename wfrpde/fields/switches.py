"""What a formula turns on: the arguments at whose zeros it need not be smooth.

abs(a) and sign(a) turn where a = 0, max(a, b) where a − b = 0, and a power a**q with no integer q
where its base is 0. A line of points knows such places only as well as it resolves what lies
between them; the zeros of the arguments themselves are found to all digits.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import sympy

from wfrpde.arrays import Array
from wfrpde.fields.functions import Absolute, Maximum, Minimum, Sign, Step
from wfrpde.fields.rendering import numpy_function

MOST = 100
"""Arguments beyond which a formula is not looked at: as long a table of minima would cost more
than the points of the line."""


def switches(expression: sympy.Expr, dim: int) -> tuple[Callable[[Array], Array], ...]:
    """Return functions of points ``(n, d)`` at whose zeros a formula need not be smooth."""
    found: list[sympy.Expr] = []
    for part in sympy.preorder_traversal(expression):
        if isinstance(part, Absolute | Sign | Step | sympy.Abs | sympy.sign):
            found.append(part.args[0])
        elif isinstance(part, Maximum | Minimum):
            found += [a - b for a, b in combinations(part.args, 2)]
        elif isinstance(part, sympy.Pow) and not part.exp.is_integer:
            base = part.base
            # (a²)^{5/2} is |a|⁵: its base touches 0 without a change of sign
            even = isinstance(base, sympy.Pow) and base.exp.is_even
            found.append(base.base if even else base)
        if len(found) > MOST:
            return ()
    distinct = dict.fromkeys(a for a in found if a.free_symbols)
    return tuple(numpy_function(a, dim) for a in distinct)
