"""Smooth potentials that look rough: mixtures with ridges narrower than points lie apart."""

import numpy as np


def sharp_mixtures(count=100):
    """Yield potentials of positions ``(n,)``, each with regular points of a line ``(2001,)``."""
    rng = np.random.default_rng(0)
    for k in range(count):
        mean, width = rng.normal(0, 3, 4), 10 ** rng.uniform(-2.7, 0.5, 4)
        weight = rng.uniform(0.1, 1, 4) / width

        def potential(x, mean=mean, width=width, weight=weight):
            logs = -0.5 * ((x[:, None] - mean) / width) ** 2 + np.log(weight)
            return -np.logaddexp.reduce(logs, axis=1)

        yield potential, np.linspace(-12.0 * (1 + k % 5 * 4), 12.0, 2001)
