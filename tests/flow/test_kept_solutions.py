"""Solutions of every kind are what they were after saving and pickling, and cannot be changed."""

import pickle

import numpy as np
import pytest

import wfrpde
from wfrpde.case import Case

FLOW = {"save": [0.2]}
ROUND = {"target": {"kind": "radial", "potential": "r**4/4", "dim": 5}, "flow": FLOW}
MIXTURE = {
    "weights": [0.3, 0.7],
    "means": [[-1.5], [1.0]],
    "covariances": [[[0.1]], [[0.25]]],
}
KINDS = {
    "interval": {"target": {"potential": "x**4/2 - x**2"}, "initial": {"mean": [-0.5],
                 "covariance": 0.1}, "flow": FLOW},
    "plane": {"target": {"potential": "x**2/2 + y**2"},
              "initial": {"mean": [0.3, 0.1], "covariance": 0.3}, "flow": FLOW,
              "numerics": {"cells": [24, 24], "dt": 0.05}},
    "more dimensions": {"target": {"kind": "gaussian", "mean": [0.0] * 5},
                        "initial": {"mean": [0.5] * 5, "covariance": 0.3}, "flow": FLOW},
    "path": {"target": {"potential": "x**4/2 - x**2"}, "domain": {"box": [[-3, 3]]},
             "path": {"kind": "anneal", "schedule": "2 - t"},
             "flow": {**FLOW, "reaction": "annealed", "beta": 0.0}},
    "absorbing": {"target": {"potential": "x**2/2"}, "domain": {"box": [[-4, 4]],
                  "sides": {"x": ["reflecting", "absorbing"]}},
                  "initial": {"mean": [0.0], "covariance": 0.3}, "flow": {**FLOW, "beta": 0.0}},
    "product": {"target": {"kind": "product", "rotation": "random:3"}, "flow": FLOW,
                "factor": [{"repeat": 4, "target": {"potential": "x**4/2 - x**2"},
                            "initial": {"mean": [-0.5], "covariance": 0.1}}]},
    "radial": {**ROUND, "initial": {"kind": "radial", "potential": "r**2/0.8"}},
    "chain": {"target": {"kind": "chain", "site": "x**2/2", "coupling": "0.25*(x - y)**2",
                         "length": 3},
              "initial": {"mean": [-0.5], "covariance": [[0.4]]}, "flow": FLOW,
              "accuracy": {"tolerance": 1e-1}, "numerics": {"certify": False}},
    "noised data": {"target": {"potential": "x**2/2"}, "initial": {"kind": "mixture", **MIXTURE},
                    "noising": {"kind": "ou"}, "flow": FLOW},
    "reverse process": {"target": {"kind": "gaussian_mixture", **MIXTURE},
                        "noising": {"kind": "ou", "stop": 0.01}, "score": {},
                        "flow": {"t_end": 3.0, "save": [1.5]}, "numerics": {"cells": [40]}},
}  # fmt: skip


@pytest.mark.parametrize("name", list(KINDS))
def test_kept_and_unchangeable(name, tmp_path):
    solution = wfrpde.solve(Case.from_dict({"output": {"compare": False}, **KINDS[name]}))
    t, x = float(solution.times[-1]), np.random.default_rng(0).normal(size=(6, solution.dim)) / 2
    for again in (
        type(solution).load(solution.save(tmp_path / "kept.npz")),
        pickle.loads(pickle.dumps(solution)),
    ):
        np.testing.assert_array_equal(again.log_density(t, x), solution.log_density(t, x))
        np.testing.assert_array_equal(again.series["kl"], solution.series["kl"])
        np.testing.assert_array_equal(
            again.estimated("mean").error, solution.estimated("mean").error
        )
        assert repr(again) == repr(solution)
    with pytest.raises(ValueError, match="read-only"):
        solution.series["kl"][:] = 0
    with pytest.raises(ValueError, match="read-only"):
        solution.mean[:] = 0
    with pytest.raises(TypeError, match="cannot be changed"):
        solution.series["kl"] = 0
    with pytest.raises(AttributeError):
        solution.warnings.append("all is well")
