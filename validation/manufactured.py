"""Manufactured solutions by residual reaction, for random drifts, noises and paths.

    tools/env python validation/manufactured.py [--seeds 100 40 6]

For any drift b, noise D and path q particles that are weighed at the rate
∂q/q + ∇·b + b·∇log q − D(Δlog q + |∇log q|²) have the law q_t/Z_t, so that moments and log Z_t/Z_0
are known by quadrature. Paths are products of powers of noised mixtures; drifts do not follow
them. Counted is how many numbers (first and second moments along each axis, and log E w, at two
times) lie within their estimated errors.
"""

from __future__ import annotations

import argparse

import numpy as np

from wfrpde.flow.noising.certified import solved
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.noising.transport import Evolution
from wfrpde.noising import Mixture
from wfrpde.noising.correctors import Corrector

CELLS = {1: 96, 2: 24, 3: 10}
STEPS = {1: 6, 2: 6, 3: 2}
FINER = {1: 8, 2: 4, 3: 4}
END = 0.4


def random_corrector(dim, rng):
    """Return a path Π p_i^{c_i} of two random mixtures, and a drift that does not follow it."""

    def data():
        means = rng.uniform(-0.8, 0.8, (2, dim))
        covariances = np.array([np.diag(rng.uniform(0.3, 0.7, dim)) for _ in range(2)])
        return Mixture(np.array([0.4, 0.6]), means, covariances)

    powers = tuple(rng.uniform(0.4, 0.9, 2))
    pushes = tuple(rng.uniform(0.5, 1.5, 2))
    return Corrector((data(), data()), powers, pushes, rng.uniform(0.6, 1.4), 0.9, END)


def compared(dim, seed):
    """Return errors and bars of all numbers of one manufactured solution, and their truths."""
    c = random_corrector(dim, np.random.default_rng(seed))
    box = np.array([[-6.0, 6.0]] * dim)
    law = solved(
        Evolution(
            lambda grid, s: c.drift(grid.points, s),
            lambda _: c.diffusion,
            lambda grid, s: c.reaction(grid.points, s),
        ),
        box,
        (CELLS[dim],) * dim,
        lambda y: c.log_path(y, 0.0),
        np.array([0.0, END / 2, END]),
        lambda a, b: np.linspace(a, b, STEPS[dim] + 1),
    )
    fine = Lattice.of(box, (FINER[dim] * CELLS[dim],) * dim)
    exact, logs = [], []
    for s in law.times:
        q = c.log_path(fine.points, float(s))
        masses = np.exp(q - q.max()) * fine.weights.ravel()
        logs.append(np.log(masses.sum()) + q.max())
        exact.append(masses / masses.sum())
    pairs = [(law.total_growth(), np.array(logs) - logs[0])]
    for k in range(dim):
        for power in (1, 2):

            def moment(run, i, k=k, power=power):
                return run.masses(i).ravel() @ run.lattice.points[:, k] ** power

            truth = np.array([m @ fine.points[:, k] ** power for m in exact])
            pairs.append((law.estimated(moment), truth))
    errors = [np.abs(entry.value - truth)[1:] for entry, truth in pairs]
    bars, truths = [entry.error[1:] for entry, _ in pairs], [truth[1:] for _, truth in pairs]
    return tuple(np.concatenate(rows) for rows in (errors, bars, truths))


def sample(dim, seeds):
    """Return of many: the share of numbers within bars, how many, and the largest two ratios.

    These are of errors to bars, and of errors to 1 + |truth|.
    """
    errors, bars, truths = (
        np.concatenate(rows) for rows in zip(*(compared(dim, seed) for seed in seeds), strict=True)
    )
    over = errors / bars
    return (over < 1).mean(), len(over), over.max(), (errors / (1 + np.abs(truths))).max()


def main():
    """Print one line for each dimension."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=3, default=[100, 40, 6], help="by dimension")
    for dim, count in enumerate(parser.parse_args().seeds, start=1):
        if count:
            share, numbers, worst, error = sample(dim, range(count))
            print(
                f"{dim}-D: {share:.2%} of {numbers} numbers within bars; the worst {worst:.2f} of "
                f"its bar; largest relative error {error:.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
