"""Malformed products, chains, drifts, momenta, noise, paths and samples, for the table of them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

PRODUCT = """
[target]
kind = "product"
modes = { right = "all(x > 0)" }
[[factor]]
repeat = 3
target = { potential = "x**4 - x**2" }
initial = { mean = [-1.0], covariance = [[0.1]] }
[flow]
save = [0.1]
"""

CHAIN = """
[target]
kind = "chain"
site = "(x**2 - 1)**2"
coupling = "0.5*(x - y)**2"
length = 4
modes = { right = "all(x > 0)" }
[initial]
mean = [-1.0]
covariance = [[0.05]]
[flow]
save = [0.1]
"""

PLANE = """
[target]
potential = "x**2 + y**2"
[initial]
mean = [0.5, 0.0]
covariance = [[0.5, 0.0], [0.0, 0.5]]
[flow]
save = [0.01]
"""

KINETIC = """
[target]
potential = "x**2/2"
[initial]
mean = [-1.0, 0.5]
covariance = [[0.04, 0.0], [0.0, 1.0]]
[dynamics]
kind = "kinetic"
[flow]
save = [0.1]
"""

NOISE = """
[noising]
kind = "ou"
stop = 0.05
[target]
kind = "gaussian_mixture"
weights = [0.3, 0.7]
means = [-1.2, 1.0]
covariances = [0.0625, 0.16]
[score]
[flow]
t_end = 3.0
"""

PATH = """
[target]
potential = "(x**2 - 1)**2"
[initial]
mean = [0.0]
covariance = [[0.64]]
[path]
kind = "temper"
schedule = "t"
[flow]
reaction = "annealed"
t_end = 1.0
"""

Changed = tuple[str, tuple[str, ...]]
"""A case, and what is said of it."""


def changed(base: str, old: str, new: str, *says: str) -> Changed:
    """Change a part of a case."""
    assert old in base, old
    return base.replace(old, new), says


def region(base: str, text: str, *says: str) -> Changed:
    """Ask for another region."""
    return changed(base, "all(x > 0)", text, "target.modes.right", *says)


def further(base: str, tables: str, *says: str) -> Changed:
    """Add tables."""
    return base + tables, says


def dynamics(text: str, *says: str) -> Changed:
    """Give the plane dynamics."""
    return further(PLANE, f"[dynamics]\n{text}\n", *says)


def corrector(text: str, *says: str) -> Changed:
    """Correct a reverse process."""
    return further(NOISE, f"[corrector]\n{text}\n", *says)


def schedule(text: str, *says: str) -> Changed:
    """Give the path another schedule."""
    return changed(PATH, '"t"', text, "path.schedule", *says)


CASES: dict[str, Changed] = {
    # products
    "more than all factors": region(PRODUCT, "count(x > 0) >= 4", "from 0 to 3"),
    "fewer than no factor": region(PRODUCT, "count(x > 0) < 0", "from 0 to 3"),
    "a region of regions": region(PRODUCT, "all(any(x > 0))", "column"),
    "weights that are zero": region(PRODUCT, "dot([0, 0, 0]) > 1", "not all zero"),
    "a form that is zero": region(PRODUCT, "sum(0*x) > 1", "linear form"),
    "a form that bends": region(PRODUCT, "sum(x**2) > 1", "linear form"),
    "a nameless factor": region(PRODUCT, "all(x > 0, nobody)", "no factor has a name"),
    "a factor that is a product": changed(
        PRODUCT, '{ potential = "x**4 - x**2" }', '{ kind = "product" }', "factor[0].target.kind"
    ),
    "a factor that falls": changed(PRODUCT, "x**4 - x**2", "x**2 - x**4", "without bound"),
    "a shear for a rotation": changed(
        PRODUCT,
        'kind = "product"',
        'kind = "product"\nrotation = [[1,1,0],[0,1,0],[0,0,1]]',
        "target.rotation",
        "orthogonal",
    ),
    "a start beside factors": further(PRODUCT, "[initial]\nmean = [0.0]\n", "factor.initial"),
    "10^12 factors": changed(PRODUCT, "repeat = 3", "repeat = 1000000000000", "dimensions"),
    # chains
    "more than all sites": region(CHAIN, "count(x > 0) >= 5", "from 0 to 4"),
    "sites that are not held": changed(CHAIN, "(x**2 - 1)**2", "0*x", "not confined"),
    "a coupling that falls": changed(CHAIN, "0.5*(x - y)**2", "-9*(x - y)**4", "not confined"),
    "a coupling that is NaN": changed(CHAIN, "0.5*(x - y)**2", "log(x - y)", "nan"),
    "a site of a neighbour": changed(CHAIN, "(x**2 - 1)**2", "(y**2 - 1)**2", "target.site"),
    "cells of a site": further(CHAIN, "[numerics]\ncells = [100000]\n", "numerics.cells", "GB"),
    "a box within the wells": further(CHAIN, "[domain]\nbox = [[0.0, 0.5]]\n", "domain.box"),
    # drifts
    "a drift that is NaN": dynamics('drift = ["sqrt(x)", "0"]', "dynamics.drift", "nan"),
    "a drift beyond numbers": dynamics('drift = ["1e300*x", "0"]', "dynamics.drift", "1e+100"),
    "a circulation that is NaN": dynamics('circulation = "log(x)"', "circulation", "nan"),
    "a circulation that is not skew": dynamics("circulation = [[0, 1], [1, 0]]", "skew"),
    "a diffusion with a negative eigenvalue": dynamics(
        'diffusion = [["1", "2"], ["2", "1"]]', "dynamics.diffusion", "eigenvalue"
    ),
    "a drift that becomes NaN": further(
        PATH, '[dynamics]\ndrift = ["sqrt(0.5 - t)"]\n', "dynamics.drift", "nan"
    ),
    # momenta
    "a start without momenta": changed(
        KINETIC,
        "mean = [-1.0, 0.5]\ncovariance = [[0.04, 0.0], [0.0, 1.0]]",
        "mean = [-1.0]",
        "initial.mean",
        "2-dimensional",
    ),
    "a region of momenta": changed(
        KINETIC, '"x**2/2"', '"x**2/2"\nmodes = { fast = "p > 0" }', "target.modes.fast"
    ),
    "friction that is a formula": changed(
        KINETIC, '"kinetic"', '"kinetic"\nfriction = "x"', "dynamics.friction"
    ),
    # noise
    "noise that is taken away": changed(
        NOISE, '"ou"', '"vp"\nbeta_min = 20.0\nbeta_max = 0.1', "noising", "taken away"
    ),
    "nothing is left of the data": changed(NOISE, "3.0", "1e9", "flow.t_end", "of the data"),
    "noise without end": changed(
        changed(NOISE, "3.0", "900.0")[0], '"ou"', '"ve"', "flow.t_end", "of the data"
    ),
    "guidance that has no law": corrector(
        'kind = "guidance"\nguidance = -1e9\n'
        "other = { means = [0.0], covariances = [1.0], weights = [1.0] }",
        "corrector",
        "does not fall",
    ),
    "a reward that outgrows the data": corrector(
        'kind = "reward"\nreward = "x**4"', "corrector", "does not fall"
    ),
    "a reward that is NaN": corrector(
        'kind = "reward"\nreward = "sqrt(abs(x) - 0.5)"', "no number"
    ),
    "a score for nothing": corrector('kind = "anneal"\npower = 0.0', "corrector.power"),
    # paths
    "a schedule that is NaN": schedule('"sqrt(t - 2)"', "nan"),
    "a schedule in space": schedule('"x*t"', "time t alone"),
    "a schedule that goes back": schedule("[[1.0, 1.0], [0.0, 0.0]]", "ascend"),
    "a schedule of one pair": schedule("[[0.0, 0.0]]", "two at least"),
    "a temperature of zero": changed(
        changed(PATH, '"temper"', '"anneal"')[0], '"t"', '"1 - 2*t"', "path.schedule", "positive"
    ),
    # and what has no name
    "parameters that are none": changed(
        PLANE, '"x**2 + y**2"', '"x**2 + y**2"\nparameters = 3', "target.parameters"
    ),
    "100,001 saved times": changed(
        PLANE, "[0.01]", f"[{', '.join(f'{k}e-4' for k in range(1, 100_002))}]", "flow.save"
    ),
}


def written(save: Callable[..., None], *arrays: object, **named: object) -> bytes:
    """Return what NumPy would write into a file."""
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


ONE = np.zeros((9, 1))

SAMPLES: dict[str, tuple[str, dict[str, bytes], tuple[str, ...]]] = {
    "no file": ("samples = 'none.npz'", {}, ("no file", "none.npz")),
    "a folder": ("samples = '.'", {}, (".npz",)),
    "another format": ("samples = 'a.parquet'", {"a.parquet": b"PAR1"}, (".npz",)),
    "objects": (
        "samples = 'a.npy'", {"a.npy": written(np.save, np.array([{}]))}, ("pickled",)
    ),
    "half a file": (
        "samples = 'a.npz'", {"a.npz": written(np.savez, positions=ONE)[:99]}, ("a.npz",)
    ),
    "positions that are not finite": (
        "samples = 'a.npy'", {"a.npy": written(np.save, ONE + np.nan)}, ("NaN or infinite",)
    ),
    "complex positions": (
        "samples = 'a.npy'", {"a.npy": written(np.save, ONE * 1j)}, ("complex",)
    ),
    "no positions": ("samples = 'a.npy'", {"a.npy": written(np.save, ONE[:0])}, ("(0, 1)",)),
    "negative weights": (
        "samples = 'a.npz'",
        {"a.npz": written(np.savez, positions=ONE, weights=-np.ones(9))},
        ("weights that are negative",),
    ),
    "weights of others": (
        "samples = 'a.npz'",
        {"a.npz": written(np.savez, positions=ONE, weights=np.ones(8))},
        ("(1, 8)", "(1, 9)"),
    ),
    "arrays without a meaning": (
        "samples = 'a.npz'", {"a.npz": written(np.savez, positions=ONE, tuna=ONE)}, ("tuna",)
    ),
    "a word among numbers": ("samples = 'a.csv'", {"a.csv": b"x\n1\nfish\n"}, ("fish",)),
    "rows of two lengths": ("samples = 'a.csv'", {"a.csv": b"x\n1\n1,2\n"}, ("[1, 2]",)),
    "chains of no one length": (
        "samples = 'a.npy'\nlayout = '(steps*chains, d)'\nchains = 7",
        {"a.npy": written(np.save, ONE)},
        ("7 chains",),
    ),
}  # fmt: skip
"""Name → table of a sampler, its file, and what is said."""
