"""The data of the tests: .3 N(−1.2, .25²) + .7 N(1, .4²), and its like in the plane."""

import numpy as np

from wfrpde.case import Case
from wfrpde.noising import Mixture

LINE = {"weights": [0.3, 0.7], "means": [-1.2, 1.0], "covariances": [0.0625, 0.16]}
PLANE = {"weights": [0.3, 0.7], "means": [[-1.2, 0.5], [1.0, -0.3]], "covariances": [0.16, 0.16]}


def mixture(parts=LINE):
    """The mixture of a table."""
    means = np.array(parts["means"], dtype=float).reshape(len(parts["weights"]), -1)
    eye = np.eye(means.shape[1])
    covariances = np.array([c * eye for c in parts["covariances"]])
    return Mixture(np.array(parts["weights"]), means, covariances)


def reverse_case(parts=LINE, **tables):
    """A reverse process of Ornstein and Uhlenbeck, T = 3, stopped at .01, exact score."""
    data = {
        "target": {"kind": "gaussian_mixture", **parts},
        "noising": {"kind": "ou", "stop": 0.01},
        "score": {},
        "flow": {"t_end": 3.0, "save": [1.5, 2.9]},
    }
    return Case.from_dict({**data, **tables})
