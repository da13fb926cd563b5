"""Manufactured solutions by residual reaction: random drifts and paths, errors within bars."""

import numpy as np
import pytest

from wfrpde.flow.noising.certified import solved
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.noising.transport import Evolution
from wfrpde.noising import Mixture
from wfrpde.noising.correctors import Corrector

CELLS = {1: 96, 2: 24, 3: 10}
END = 0.4


def random_corrector(dim, rng):
    """A path Π p_i^{c_i} of two random mixtures, and a drift that does not follow it."""

    def data():
        means = rng.uniform(-0.8, 0.8, (2, dim))
        covariances = np.array([np.diag(rng.uniform(0.3, 0.7, dim)) for _ in range(2)])
        return Mixture(np.array([0.4, 0.6]), means, covariances)

    powers = tuple(rng.uniform(0.4, 0.9, 2))
    pushes = tuple(rng.uniform(0.5, 1.5, 2))
    return Corrector((data(), data()), powers, pushes, rng.uniform(0.6, 1.4), 0.9, END)


def share_within(dim, seeds):
    """Share of numbers whose error is within its bar, and the largest relative error."""
    within, worst = [], 0.0
    for seed in seeds:
        c = random_corrector(dim, np.random.default_rng(seed))
        box = np.array([[-6.0, 6.0]] * dim)
        law = solved(
            Evolution(lambda g, s, c=c: c.drift(g.points, s), lambda _, c=c: c.diffusion,
                      lambda g, s, c=c: c.reaction(g.points, s)),
            box, (CELLS[dim],) * dim, lambda y, c=c: c.log_path(y, 0.0),
            np.array([0.0, END / 2, END]),
            lambda a, b: np.linspace(a, b, 7 if dim < 3 else 3),
        )  # fmt: skip
        fine = Lattice.of(box, (8 * CELLS[dim] if dim == 1 else 4 * CELLS[dim],) * dim)
        exact, logs = [], []
        for s in law.times:
            q = c.log_path(fine.points, float(s))
            masses = np.exp(q - q.max()) * fine.weights.ravel()
            logs.append(np.log(masses.sum()) + q.max())
            exact.append(masses / masses.sum())
        pairs = [(law.total_growth(), np.array(logs) - logs[0])]
        for k in range(dim):
            for power in (1, 2):
                entry = law.estimated(
                    lambda run, i, k=k, p=power: (
                        run.masses(i).ravel() @ run.lattice.points[:, k] ** p
                    )
                )
                pairs.append((entry, np.array([m @ fine.points[:, k] ** power for m in exact])))
        for entry, truth in pairs:
            error = np.abs(entry.value - truth)[1:]
            within += list(error < entry.error[1:])
            worst = max(worst, float((error / (1 + np.abs(truth[1:]))).max()))
    return np.mean(within), worst


@pytest.mark.parametrize(
    ("dim", "seeds", "accuracy"),
    [(1, range(8), 1e-5), (2, [0], 1e-4), pytest.param(3, [0], 1e-3, marks=pytest.mark.slow)],
)
def test_errors_are_within_bars(dim, seeds, accuracy):
    share, worst = share_within(dim, seeds)
    assert share >= 0.97
    assert worst < accuracy
