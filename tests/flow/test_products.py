"""Products: against the mesh, closed forms, other algorithms, and Monte Carlo."""

import pickle

import numpy as np
import pytest
from scipy.stats import binom, norm

import wfrpde
from wfrpde.case.factors import random_rotation
from wfrpde.flow.product.lines import characteristic

WELL = {
    "target": {"kind": "double_well", "barrier": 4.0, "tilt": 0.25},
    "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": [[0.05]]},
}
WIDE = {
    "target": {"kind": "gaussian", "mean": 0.5, "covariance": 2.0},
    "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": [[0.3]]},
}
FLOW = {"t_end": 2.0, "save": [0.5, 2.0]}


def product(*factors, modes=None, flow=None, **target):
    table = {"kind": "product", "modes": modes or {}, **target}
    data = {"target": table, "factor": list(factors), "flow": flow or FLOW}
    return wfrpde.Case.from_dict(data)


def regions(d):
    return {
        "all": "all(x > 0)",
        "any": "any(x > 0)",
        "half": f"count(x > 0) >= {d // 2}",
        "few": "count(x > 0) < 2",
        "tail": f"sum(x) > {0.8 * d}",
    }


@pytest.fixture(scope="module")
def four():
    return wfrpde.solve(product({"repeat": 4, **WELL}, modes=regions(4)))


@pytest.fixture(scope="module")
def single():
    modes = {"right": "x > 0", "left": "x <= 0"}
    data = {**WELL, "flow": FLOW, "accuracy": {"tolerance": 1e-9}}
    data["target"] = {**WELL["target"], "modes": modes}
    return wfrpde.solve(wfrpde.Case.from_dict(data))


@pytest.mark.parametrize(("d", "kl", "every", "half", "tail"), [
    (4, 0.08666303, 6.7392e-3, 0.3246045, 5.759721e-3),
    (10, 0.21665756, 3.7283e-6, 0.1281172, 1.885774e-5),
    (100, 2.1665756, None, None, 1.612105e-40), (1000, 21.665756, None, None, None),
])  # fmt: skip
def test_a_table_in_many_dimensions(d, kl, every, half, tail, single):
    # from an independent program (sums by a tilted lattice convolution); masses by binomials, too
    sol = wfrpde.solve(product({"repeat": d, **WELL}, modes=regions(d)))
    p = single.mode_mass["right"][-1]
    assert sol.dim == d
    assert len(sol.parts) == 1
    assert abs(sol.series["kl"][-1] / kl - 1) < 1e-6
    right = d * single.series["kl"][-1]
    assert abs(sol.series["kl"][-1] - right) < sol.error.series["kl"][-1] + 1e-9 * right
    for name, value in (("half", binom.sf(d // 2 - 1, d, p)), ("few", binom.cdf(1, d, p))):
        got = sol.estimated("mode_mass", name)
        assert abs(got.value[-1] / value - 1) < 1e-6
        assert abs(got.value[-1] - value) < got.error[-1] + d * 1e-10 * value
    assert abs(sol.log_mode_mass["all"][-1] - d * np.log(p)) < 1e-7 * d
    if every is not None:  # as many digits as are printed
        assert float(f"{sol.mode_mass['all'][-1]:.4e}") == every
        assert float(f"{sol.mode_mass['half'][-1]:.7f}") == half
    if tail is not None:
        got = sol.estimated("mode_mass", "tail")
        assert abs(got.value[-1] / tail - 1) < 1e-6
        assert got.error[-1] < 1e-5 * tail


def test_monte_carlo_in_four_dimensions(four, single):
    rng = np.random.default_rng(1)
    grid = np.linspace(*single.box[0], 20001)
    density = single.density(2.0, grid)
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    cumulative /= cumulative[-1]
    x = np.interp(rng.random((250_000, 4)), cumulative, grid)
    right = (x > 0).sum(axis=1)
    seen = {
        "all": right == 4,
        "any": right > 0,
        "half": right >= 2,
        "few": right < 2,
        "tail": x.sum(axis=1) > 3.2,
    }
    for name, hits in seen.items():
        p = four.mode_mass[name][-1]
        assert abs(hits.mean() - p) < 3 * np.sqrt(p * (1 - p) / len(x)), name
    error = np.sqrt(four.variance.value[-1] / len(x))
    assert (np.abs(x.mean(axis=0) - four.mean[-1]) < 3 * error).all()
    u = four.log_relative_density(2.0, x[::5])
    assert abs(u.mean() - four.series["kl"][-1]) < 3 * u.std() / np.sqrt(len(u))
    w = np.array([1.0, -0.5, 0.25, 2.0])
    law = four.projection(2.0, w)
    s = x @ w
    assert abs(s.mean() - law.mean) < 3 * np.sqrt(law.variance / len(s))
    for c in (-3.0, -0.5, 1.5):
        p = law.above(c).probability
        assert abs((s > c).mean() - p) < 3 * np.sqrt(p * (1 - p) / len(s))
        assert abs(p + law.below(c).probability - 1) < 1e-9


MILD = {
    "target": {"kind": "double_well", "barrier": 0.3, "tilt": 0.1},
    "initial": {"kind": "gaussian", "mean": [-0.4], "covariance": [[0.3]]},
}
ROUND = {
    "target": {"kind": "gaussian", "mean": 0.3, "covariance": 0.8},
    "initial": {"kind": "gaussian", "mean": [-0.3], "covariance": [[0.4]]},
}
NARROW = {
    "target": {"kind": "gaussian", "mean": 0.0, "covariance": 0.5},
    "initial": {"kind": "gaussian", "mean": [0.2], "covariance": [[0.6]]},
}


def turned_on_a_mesh(factors, flow, **numerics):
    """The case of a rotated product, written out in x, y, z for a mesh, and its rotation."""
    d = len(factors)
    matrix = random_rotation(d, 3)
    inner = [
        "(" + " + ".join(f"({float(matrix[i, k])!r})*{'xyz'[i]}" for i in range(d)) + ")"
        for k in range(d)
    ]
    own = []
    for y, target in zip(inner, (factor["target"] for factor in factors), strict=True):
        if target["kind"] == "gaussian":
            own.append(f"({y} - {target['mean']})**2/{2 * target['covariance']}")
        else:
            own.append(f"{target['barrier']}*({y}**2 - 1)**2 + {target['tilt']}*{y}")
    means = np.array([factor["initial"]["mean"][0] for factor in factors])
    start = np.diag([factor["initial"]["covariance"][0][0] for factor in factors])
    return wfrpde.Case.from_dict(
        {
            "target": {"potential": " + ".join(own)},
            "initial": {
                "kind": "gaussian",
                "mean": list(matrix @ means),
                "covariance": (matrix @ start @ matrix.T).tolist(),
            },
            "flow": flow,
            "numerics": numerics,
        }
    )


@pytest.mark.parametrize(("factors", "flow", "numerics", "gap"), [
    ([WELL, WIDE], FLOW, {}, 3e-4),
    pytest.param([MILD, ROUND, NARROW], {"save": [0.2]}, {"cells": [22, 22, 22]}, 2e-2,
                 marks=pytest.mark.slow),
])  # fmt: skip
def test_a_rotated_product_is_the_mesh(factors, flow, numerics, gap):
    sol = wfrpde.solve(product(*factors, rotation="random:3", flow=flow))
    mesh = wfrpde.solve(turned_on_a_mesh(factors, flow, **numerics))
    for name in ("kl", "fisher_information"):
        ours, theirs = sol.estimated(name), mesh.estimated(name)
        off = np.abs(ours.value - theirs.value)[1:]
        assert (off <= (ours.error + theirs.error)[1:]).all(), name
    for name in ("mean", "covariance"):
        ours, theirs = sol.estimated(name), mesh.estimated(name)
        assert (np.abs(ours.value - theirs.value) <= ours.error + theirs.error + 1e-9).all(), name
    x = np.random.default_rng(0).normal(size=(50, len(factors))) * 0.7
    end = float(sol.times[-1])
    assert np.abs(sol.density(end, x) - mesh.density(end, x)).max() < (
        gap * sol.density(end, x).max()
    )


def test_laws_of_forms_and_marginals_of_a_rotated_product():
    sol = wfrpde.solve(product(WELL, WIDE, rotation="random:3"))
    x = np.linspace(-1.5, 1.0, 6)
    y = np.linspace(-9, 9, 2001)
    joint = sol.density(2.0, np.stack(np.broadcast_arrays(x[:, None], y), axis=-1).reshape(-1, 2))
    direct = np.trapezoid(joint.reshape(6, 2001), y, axis=1)
    assert np.abs(sol.marginal_density(2.0, 0, x) - direct).max() < 1e-9
    points = np.random.default_rng(0).normal(size=(40, 2))
    planar = sol.marginal_density(2.0, (0, 1), points)
    assert np.abs(planar - sol.density(2.0, points)).max() < 1e-8
    form = np.array([0.6, 0.8])
    law = sol.projection(2.0, form)
    assert abs(law.mean - form @ sol.mean[-1]) < 1e-8
    assert abs(law.variance - form @ sol.covariance[-1] @ form) < 1e-8


def test_tails_of_gaussians_are_those_of_the_normal_law():
    case = product({"repeat": 30, **WIDE}, modes={"far": "sum(x) > 60", "near": "sum(2*x) < 3"})
    sol = wfrpde.solve(case)
    mean, variance = 30 * sol.mean[-1, 0], 30 * sol.covariance[-1, 0, 0]
    for c in (mean + 3.0, 60.0, 120.0, mean - 20.0):
        tail = sol.tail(2.0, np.ones(30), c)
        right = norm.logsf((c - mean) / np.sqrt(variance))
        assert abs(np.expm1(tail.log_probability - right)) < tail.relative_error + 1e-9
        assert tail.relative_error < 1e-4
    near = norm.cdf((1.5 - mean) / np.sqrt(variance))
    assert abs(sol.mode_mass["near"][-1] - near) < 1e-7


def test_tails_of_forms_in_a_frame_that_is_given():
    """A region w·x > c to 1e-40, and a rotation as a matrix, by the normal law."""
    form = np.random.default_rng(4).choice([-1.0, 1.0, 0.5], 40)
    matrix = random_rotation(40, 7)
    w = matrix @ form  # in a frame that is turned; each factor has a fortieth of the tail
    seeded = wfrpde.solve(product({"repeat": 40, **WIDE}, rotation="random:7"))
    mean, deviation = w @ seeded.mean[-1], np.sqrt(w @ seeded.covariance[-1] @ w)
    c = mean + 13.3 * deviation
    modes = {"far": f"dot({w.tolist()}) > {c}"}
    turned = product({"repeat": 40, **WIDE}, rotation=matrix.tolist(), modes=modes)
    found = wfrpde.solve(turned)
    x = np.random.default_rng(0).normal(size=(5, 40))
    assert np.abs(found.log_density(2.0, x) - seeded.log_density(2.0, x)).max() < 1e-9
    mass, right = found.estimated("mode_mass", "far"), norm.sf((c - mean) / deviation)
    assert right < 2e-40
    assert abs(mass.value[-1] / right - 1) < 1e-6
    assert abs(mass.value[-1] - right) <= mass.error[-1] + 1e-9 * right
    assert mass.error[-1] < 1e-4 * right


@pytest.mark.parametrize("sds", [8.0, 10.0, 13.3])
def test_tails_that_lie_beyond_the_range_of_a_factor_are_in_their_bars(sds):
    sol = wfrpde.solve(product({"repeat": 2, **WIDE}, flow={"save": [0.5]}))
    w = np.array([1.0, 0.1])
    mean, deviation = w @ sol.mean[-1], np.sqrt(w @ sol.covariance[-1] @ w)
    tail = sol.tail(0.5, w, mean + sds * deviation)
    off = np.exp(norm.logsf(sds) - tail.log_probability) - 1
    assert abs(off) <= tail.relative_error + 1e-9


def test_factors_that_differ_and_names():
    modes = {"two": "count(x > 0, well) >= 2", "wide": "all(x > 0, wide)", "both": "any(x > 1)"}
    factors = ({"name": "well", "repeat": 3, **WELL}, {"name": "wide", "repeat": 2, **WIDE})
    sol = wfrpde.solve(product(*factors, modes=modes))
    well, wide = sol.parts
    p, q = (part.solution.mode_mass["x > 0"][-1] for part in (well, wide))
    assert abs(sol.mode_mass["two"][-1] - binom.sf(1, 3, p)) < 1e-12
    assert abs(sol.mode_mass["wide"][-1] - q**2) < 1e-12
    high = [part.solution.mode_mass["x > 1"][-1] for part in (well, wide)]
    assert abs(sol.mode_mass["both"][-1] - (1 - (1 - high[0]) ** 3 * (1 - high[1]) ** 2)) < 1e-9
    goal = sol.target_mode_mass["wide"]
    assert abs(goal - norm.sf(-0.5 / np.sqrt(2)) ** 2) < 1e-7


def test_linear_reactions_add():
    factor = {**WIDE, "reaction": "x"}
    sol = wfrpde.solve(product({"repeat": 5, **factor}, flow={**FLOW, "beta": 0.0}))
    one = wfrpde.solve(
        wfrpde.Case.from_dict({**WIDE, "flow": {**FLOW, "beta": 0.0, "reaction": "x"}})
    )
    growth = sol.series["log_normalising_constant"]
    assert np.allclose(growth, 5 * one.series["log_normalising_constant"], rtol=1e-12)


def test_kept_and_read_again(four, tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 4))
    for again in (
        wfrpde.load_solution(four.save(tmp_path / "run.npz")),
        pickle.loads(pickle.dumps(four)),
    ):
        assert np.array_equal(again.log_density(2.0, x), four.log_density(2.0, x))
        assert again.mode_mass["tail"][-1] == four.mode_mass["tail"][-1]
        assert repr(again) == repr(four)


@pytest.mark.parametrize(("change", "where"), [
    ({"modes": {"a": "all(x >"}}, "target.modes.a"),
    ({"modes": {"a": "x > 0"}}, "target.modes.a"),
    ({"modes": {"a": "all(y > 0)"}}, "target.modes.a"),
    ({"modes": {"a": "count(x > 0, wells) > 1"}}, "target.modes.a"),
    ({"modes": {"a": "sum(x**2) > 1"}}, "target.modes.a"),
    ({"modes": {"a": "dot([1, 2, 3]) > 1"}}, "target.modes.a"),
    ({"rotation": [[1.0, 0.1], [0.0, 1.0]]}, "target.rotation"),
    ({"rotation": "random"}, "target.rotation"),
    ({"barrier": 3.0}, "target.barrier"),
])  # fmt: skip
def test_what_is_refused(change, where):
    with pytest.raises(wfrpde.WfrpdeError, match=where.replace(".", r"\.")):
        product({"repeat": 2, **WELL}, **change)


@pytest.mark.parametrize("key", [
    {"initial": {"mean": [0.0], "covariance": [[1.0]]}}, {"factor": []},
    {"domain": {"box": [[-1, 1], [-1, 1]]}}, {"flow": {"reaction": "x"}},
])  # fmt: skip
def test_tables_that_do_not_fit_a_product(key):
    data = {"target": {"kind": "product"}, "factor": [{"repeat": 2, **WELL}], **key}
    with pytest.raises(wfrpde.WfrpdeError, match=next(iter(key))):
        wfrpde.Case.from_dict(data)


@pytest.mark.parametrize("count", [1, 3, 16, 44, 600])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_characteristic_functions_of_masses_at_points(count, spread):
    rng = np.random.default_rng(0)
    places, mass = rng.normal(size=50), rng.dirichlet(np.ones(50))
    omega = 0.2 + 0.05 * np.arange(count) + spread * rng.random(count)  # equidistant or not
    right = np.exp(1j * np.outer(omega, places)) @ mass
    assert np.abs(characteristic(places, mass, omega) - right).max() < 1e-14
