"""Values of SymPy expressions by another arithmetic than NumPy's."""

import mpmath
import numpy as np
import sympy

from wfrpde.fields import coordinates

FUNCTIONS = {
    "LogSumExp": lambda *a: mpmath.log(sum(map(mpmath.exp, a))),
    "Softmax": lambda i, *a: mpmath.exp(a[int(i) - 1]) / sum(map(mpmath.exp, a)),
    "Maximum": max,
    "Minimum": min,
    "Absolute": abs,
    "Sign": mpmath.sign,
    "Step": lambda a: (1 + mpmath.sign(a)) / 2,
}


def evaluated(expression, points):
    """Values ``(n,)`` at points ``(n, d)`` with 30 digits, by mpmath."""
    function = sympy.lambdify(
        coordinates(points.shape[1]), expression, modules=[FUNCTIONS, "mpmath"]
    )
    with mpmath.workdps(30):
        return np.array([float(function(*map(mpmath.mpf, x))) for x in points.tolist()])
