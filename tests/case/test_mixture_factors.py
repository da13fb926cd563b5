"""Mixtures of Gaussians beyond three dimensions: those that factor, and those that do not."""

import numpy as np
import pytest

import wfrpde
from wfrpde.case.factors import random_rotation
from wfrpde.errors import InputError

DIM = 6
TURNED = random_rotation(DIM, 4)


def case(covariance, *, means=None, initial=None, **tables):
    if means is None:  # they differ along one direction, which is no axis
        means = [0.3 * np.ones(DIM) + s * TURNED[0] for s in (-1.0, 1.2)]
    return wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "gaussian_mixture",
                "weights": [0.4, 0.6],
                "means": np.asarray(means).tolist(),
                "covariances": [np.asarray(covariance).tolist()] * 2,
            },
            "initial": {"mean": 0.0, "covariance": 0.5} if initial is None else initial,
            "flow": {"save": [0.5]},
            **tables,
        }
    )


def test_a_mixture_is_one_on_a_line_and_a_gaussian_beside_it():
    found = wfrpde.solve(case(0.3))
    assert found.dim == DIM
    # one dimension of the mixture and five of a Gaussian, each solved by hand
    line = wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "gaussian_mixture",
                "weights": [0.4, 0.6],
                "means": [0.3 * TURNED[0].sum() - 1.0, 0.3 * TURNED[0].sum() + 1.2],
                "covariances": [0.3, 0.3],
            },
            "initial": {"mean": [0.0], "covariance": 0.5},
            "flow": {"save": [0.5]},
        }
    )
    beside = np.eye(DIM)[1:] @ TURNED
    gaussian = wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "gaussian",
                "mean": (beside @ (0.3 * np.ones(DIM))).tolist(),
                "covariance": 0.3,
            },
            "initial": {"mean": 0.0, "covariance": 0.5},
            "flow": {"save": [0.5]},
        }
    )
    one, other = wfrpde.solve(line), wfrpde.solve(gaussian)
    kl = found.estimated("kl")[-1]
    known = one.series["kl"][-1] + other.series["kl"][-1]
    assert abs(kl.value - known) <= kl.error + 1e-9
    masses = sorted(float(mass[-1]) for mass in found.mode_mass.values())
    assert masses == pytest.approx(sorted(float(m[-1]) for m in one.mode_mass.values()), rel=1e-6)
    x = np.random.default_rng(0).normal(size=(20, DIM))
    u = one.log_relative_density(0.5, x @ TURNED[0])
    u = u + other.log_relative_density(0.5, x @ beside.T)
    assert found.log_relative_density(0.5, x) == pytest.approx(u, abs=1e-6)
    # π itself, as the formula has it
    gaps = [x - np.asarray(m) for m in (0.3 - TURNED[0], 0.3 + 1.2 * TURNED[0])]
    parts = [np.log(w) - (g**2).sum(axis=1) / 0.6 for w, g in zip((0.4, 0.6), gaps, strict=True)]
    exact = np.logaddexp(*parts) - DIM / 2 * np.log(2 * np.pi * 0.3)
    assert found.log_density(np.inf, x) == pytest.approx(exact, abs=1e-7)


def test_the_space_grows_until_the_covariances_keep_it():
    # Σ takes the difference of the means to one further direction, and no more
    first, second = TURNED[0], TURNED[1]
    covariance = 0.3 * np.eye(DIM) + 0.2 * np.outer(first + second, first + second)
    spread = 0.5 * np.eye(DIM) + 0.1 * np.outer(TURNED[2], TURNED[2])
    found = case(covariance, initial={"mean": 0.0, "covariance": spread.tolist()})
    assert [factor.target.dimension for factor in found.factor] == [2, DIM - 2]
    rotation = np.array(found.target.parameters["rotation"])
    assert np.abs(rotation.T @ covariance @ rotation)[:2, 2:].max() < 1e-12


@pytest.mark.parametrize(("tables", "match"), [
    ({"covariance": np.diag(np.linspace(0.2, 1.0, DIM))}, "keep in no 3 dimensions"),
    ({"covariance": 0.3, "initial": {"mean": 0.0, "covariance": list(np.linspace(1, 2, DIM))}},
     "keep in no 3 dimensions"),
    ({"covariance": 0.3, "initial": {"kind": "uniform"}}, "does not factor"),
    ({"covariance": 0.3, "initial": {"mean": [0.0, 1.0]}}, "2 numbers"),
    ({"covariance": -0.3}, "target.covariances"),
    ({"covariance": 0.3, "initial": {"mean": 0.0, "covarience": 0.5}}, "initial.covarience"),
    ({"covariance": 0.3, "initial": {"mean": 0.0, "mass": 2.0}}, "initial.mass"),
    ({"covariance": 0.3, "initial": "gaussian"}, "a table with kind"),
    ({"covariance": 0.3, "initial": {"covariance": float("nan")}}, "finite numbers"),
    ({"covariance": 0.3, "initial": {"covariance": "wide"}}, "'wide'"),
    ({"covariance": 0.3, "initial": {"mean": float("inf")}}, "finite numbers"),
])  # fmt: skip
def test_what_does_not_factor_is_refused(tables, match):
    with pytest.raises(InputError, match=match):
        case(**tables)


def test_components_of_different_covariances_are_refused():
    data = case(0.3).model_dump(exclude_unset=True) | {"factor": ()}
    mixture = {
        "kind": "gaussian_mixture",
        "means": [[0.0] * DIM, [1.0] * DIM],
        "covariances": [0.3, 0.4],
    }
    with pytest.raises(InputError, match="one covariance"):
        wfrpde.Case.from_dict({**data, "target": mixture, "initial": {"covariance": 1.0}})


def test_a_start_that_is_missing_is_that_of_the_case():
    tables = case(0.3).model_dump(exclude_unset=True)
    for factor in tables["factor"]:
        del factor["initial"]
    with pytest.raises(InputError) as caught:
        wfrpde.solve(wfrpde.Case.from_dict(tables))
    assert caught.value.where == "initial"  # and no factor that nobody has written
