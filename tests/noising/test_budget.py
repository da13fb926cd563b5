"""The error budget: the numbers of a design note to two digits, and Girsanov's bounds."""

from itertools import pairwise

import numpy as np
import pytest
from noised import mixture, reverse_case
from scipy.integrate import quad

import wfrpde

NORMAL = {"mean": [0.0], "covariance": [[1.0]]}


def parts(**tables):
    solution = wfrpde.solve(reverse_case(flow={"t_end": 3.0}, **tables))
    return {part.name: part for part in solution.budget}


@pytest.mark.parametrize(("end", "kl"), [(1.0, 1.2e-3), (2.0, 2.2e-5), (3.0, 4.2e-7)])
def test_start(end, kl):
    case = reverse_case(initial=NORMAL, flow={"t_end": end})
    solution = wfrpde.solve(case)
    start = {part.name: part for part in solution.budget}["start"]
    assert abs(start.kl - kl) < 0.05 * kl
    assert start.kl_error < 0.03 * kl
    law = mixture().at(end)

    def integrand(x):
        p = law.log_density(np.array([[x]]))[0]
        return np.exp(p) * (p + x * x / 2 + np.log(2 * np.pi) / 2)

    assert start.bound == pytest.approx(quad(integrand, -8, 8, epsabs=1e-13)[0], rel=1e-4)
    assert start.bound > 6 * start.kl  # the data-processing inequality is far from sharp


@pytest.mark.parametrize(
    ("score", "kl", "bound"),
    [
        ({"weights": [0.5, 0.5]}, 0.0815, 0.0818),
        ({"shift": 0.1}, 0.0364, 0.0364),
        ({"spread": 1.2}, 0.0223, 0.0223),
        ({"scale": 1.1}, 0.0080, 0.0337),
        ({"ripple": 0.3}, 0.00115, 0.1345),
    ],
)
def test_score_beside_girsanov(score, kl, bound):
    score_part = parts(score=score)["score"]
    assert score_part.kl == pytest.approx(kl, rel=0.012)
    assert score_part.bound == pytest.approx(bound, rel=0.012)
    assert score_part.kl <= score_part.bound * (1 + 1e-3)


@pytest.mark.parametrize(("stop", "kl"), [(0.1, 0.165), (0.03, 0.038), (0.01, 6.7e-3)])
def test_stopping(stop, kl):
    found = parts(noising={"kind": "ou", "stop": stop})["stopping"]
    assert found.kl == pytest.approx(kl, rel=0.015)


@pytest.mark.parametrize(("steps", "kl"), [(16, 2.3e-2), (32, 6.5e-3), (64, 1.7e-3)])
def test_steps(steps, kl):
    found = parts(noising={"kind": "ou", "steps": steps})["steps"]
    assert found.kl == pytest.approx(kl, rel=0.03)
    assert found.kl_error < 1e-6


def test_together_is_a_chain_that_particles_follow():
    noising = {"kind": "vp", "stop": 0.1, "steps": 24}
    case = reverse_case(score={"scale": 1.1}, initial=NORMAL, noising=noising,
                        flow={"t_end": 1.0})  # fmt: skip
    solution = wfrpde.solve(case)
    found = {part.name: part for part in solution.budget}
    assert list(found) == ["start", "score", "steps", "stopping", "together"]
    from wfrpde.flow.noising.chain import chain_law, step_times

    process = solution.process
    lattice, masses, left = chain_law(process, process.score, noised=False)
    assert abs(left) < 1e-7
    rng, noise, times = np.random.default_rng(0), process.noising, step_times(process)
    y = rng.standard_normal((40_000, 1))
    for t, after in pairwise(times):
        drift = -noise.drift(t) * y + noise.diffusion(t) * process.score(y, t)
        kick = np.sqrt(noise.diffusion(t) * (t - after)) * rng.standard_normal(y.shape)
        y = y + (t - after) * drift + kick
    x = noise.unit(0.1) * lattice.points[:, 0]
    for value in (lambda z: z, lambda z: z**2, lambda z: np.tanh(4 * z)):
        exact, sample = masses @ value(x), value(y[:, 0])
        assert abs(sample.mean() - exact) < 4 * sample.std() / np.sqrt(len(y))


def test_a_score_that_is_wrong_costs_more_without_noise():
    solution = wfrpde.solve(reverse_case(score={"scale": 1.1, "process": "ode"}))
    entry = solution.estimated("reverse_kl")
    assert entry.value[-1] == pytest.approx(0.141, rel=0.01)
    assert entry.error[-1] < 1e-3
