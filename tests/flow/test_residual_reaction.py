"""Weights for any drift: with the residual reaction of (b, D, q) the law is q_t/Z_t."""

import numpy as np
import pytest
from scipy.integrate import quad

import wfrpde
from wfrpde.errors import InputError

POTENTIAL = "(x - 0.4*sin(2*t))**2*(1 + 0.5*t)/1.2 + 0.1*x**4"
DRIFT = ["0.8*x + sin(x + t)"]


def case(text=POTENTIAL, drift=DRIFT, box=((-5.0, 5.0),), **tables):
    given = {
        "target": {"potential": text},
        "path": {"kind": "expression"},
        "domain": {"box": [list(side) for side in box]},
        "dynamics": {"drift": drift},
        "flow": {"reaction": "annealed", "save": [0.5]},
        "numerics": {"cells": [80], "dt": 0.05},
    }
    return wfrpde.Case.model_validate({**given, **tables})


def potential(x, t):
    return (x - 0.4 * np.sin(2 * t)) ** 2 * (1 + 0.5 * t) / 1.2 + 0.1 * x**4


def constant(t):
    return quad(lambda x: np.exp(-potential(x, t)), -5, 5, epsabs=0, epsrel=1e-12)[0]


@pytest.mark.parametrize(("certify", "order", "most"), [(False, 2, 1e-2), (True, 4, 1e-5)])
def test_the_law_is_that_of_the_path(certify, order, most):
    x, gaps, t = np.linspace(-5, 5, 2001), [], 0.5
    exact = np.exp(-potential(x, t)) / constant(t)
    for n in (1, 2):
        numerics = {"cells": [60 * n], "dt": 0.05 / n, "certify": certify}
        solution = wfrpde.solve(case(numerics=numerics))
        law = np.abs(solution.density(t, x[:, None]) - exact).sum() * (x[1] - x[0])
        grown = solution.series["log_normalising_constant"][-1]
        gaps.append(law + abs(grown - np.log(constant(t) / constant(0))))
    assert gaps[1] < most
    assert np.log2(gaps[0] / gaps[1]) > order - 0.5
    names = [check["name"] for check in solution.numerics["checks"] if check["passed"]]
    assert "log E w against log Z_t/Z_0, in error bars" in names or not certify
    assert len(names) == len(solution.numerics["checks"])


def test_a_drift_that_follows_the_path_does_no_work():
    # the well is dragged at the speed that f has: the law is that of the path without weights
    still = {"flow": {"reaction": "annealed", "save": [1.0]}}
    solution = wfrpde.solve(case("0.75*(x - 0.8*t)**2", [0.8], [(-6.0, 7.0)], **still))
    assert abs(solution.series["work"][-1]) < 1e-6
    assert abs(solution.series["work_variance"][-1]) < 1e-5
    assert abs(solution.series["ess"][-1] - 1) < 1e-5
    for name, truth in {"work": 0.0, "work_variance": 0.0, "ess": 1.0}.items():
        entry = solution.estimated(name)
        assert abs(entry.value[-1] - truth) <= entry.error[-1] + 1e-9


def random_case(seed, dim):
    """Random polynomials and waves for V, f and D."""
    rng = np.random.default_rng(seed)
    a, k, s, w = rng.uniform(0.3, 1.0, (4, dim)).tolist()
    names = "xy"[:dim]
    text = " + ".join(
        f"({1 + a[i]!r}*({z} - {s[i]!r}*sin({w[i]!r}*t))**2/2 + {0.05 * k[i]!r}*{z}**4)"
        for i, z in enumerate(names)
    )
    drift = [f"{rng.uniform(-1, 1):.6f}*{z} + {rng.uniform(-1, 1):.6f}*sin({z} - t)" for z in names]
    if dim == 2:
        text += f" + {rng.uniform(-0.5, 0.5):.6f}*x*y"
        drift[0] += f" + {rng.uniform(-0.5, 0.5):.6f}*y"
    return case(
        text, drift, [(-5.0, 5.0)] * dim,
        dynamics={"drift": drift, "diffusion": float(rng.uniform(0.7, 1.3))},
        numerics={"cells": [64] if dim == 1 else [20, 20], "dt": 0.05},
        flow={"reaction": "annealed", "save": [0.4]},
    )  # fmt: skip


def within_bars(solution):
    """How many of the numbers are, and how many there are."""
    dim, t = solution.dim, 0.4
    g = np.linspace(-5, 5, 401)
    x = np.stack(np.meshgrid(*[g] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    path = solution.densities.equation.path
    mass = [np.exp(-path.potential(x, s)) for s in (0.0, t)]
    p = mass[1] / mass[1].sum()
    mean = p @ x
    truths = {
        "log_normalising_constant": np.log(mass[1].sum() / mass[0].sum()),
        "mean": mean,
        "covariance": ((x - mean).T * p) @ (x - mean),
    }
    good = []
    for name, truth in truths.items():
        entry = solution.estimated(name)
        gap = np.abs(entry.value[-1] - truth)
        good += list(np.ravel(gap <= entry.error[-1] + 1e-12))
    return sum(good), len(good)


@pytest.mark.parametrize(("dim", "seeds"), [(1, 6), (2, 2)])
def test_random_drifts_and_paths_from_a_case(dim, seeds):
    counts = np.array([within_bars(wfrpde.solve(random_case(seed, dim))) for seed in range(seeds)])
    good, whole = counts.sum(axis=0)
    assert good >= 0.97 * whole


def test_what_is_refused():
    with pytest.raises(InputError, match=r"dynamics\.drift"):
        wfrpde.Case.model_validate(
            {
                "target": {"potential": "x**2"},
                "initial": {"mean": [0.0], "covariance": [[0.1]]},
                "dynamics": {"drift": ["t"]},
            }
        )
    space = "x**2 + y**2 + z**2 + t*x"
    with pytest.raises(InputError, match=r"dynamics\.drift.*three dimensions"):
        wfrpde.solve(case(space, ["y", "0", "0"], [(-3.0, 3.0)] * 3, numerics={}))
