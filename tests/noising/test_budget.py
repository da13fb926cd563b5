"""The error budget: the numbers of a design note to two digits, and Girsanov's bounds."""

from itertools import pairwise

import numpy as np
import pytest
from noised import PLANE, mixture, reverse_case

import wfrpde
from wfrpde.flow.noising.budget import girsanov
from wfrpde.flow.noising.setup import Process

NORMAL = {"mean": [0.0], "covariance": [[1.0]]}


def parts(**tables):
    solution = wfrpde.solve(reverse_case(flow={"t_end": 3.0}, **tables))
    return {part.name: part for part in solution.budget}


def start_costs(end, stop=0.01):
    """KL(p_ε‖ρ) and KL(p_T‖ρ₀) of a start from N(0, 1), by quadrature.

    The exact reverse process takes y to x with the density p_ε(x) k(y|x)/p_T(y), where k is the
    kernel of the noise: ρ/p_ε at x is the average of ρ₀/p_T under k.
    """
    shrink = np.exp(-(end - stop))
    x = np.linspace(-9, 9, 6001)
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    y = shrink * x[:, None] + np.sqrt(1 - shrink**2) * z

    def excess(y):
        logs = mixture().at(end).log_density(y.reshape(-1, 1)).reshape(y.shape)
        return -(y**2) / 2 - np.log(2 * np.pi) / 2 - logs

    mean = np.expm1(excess(y)) @ weights / weights.sum()
    step = x[1] - x[0]
    late, early = (np.exp(mixture().at(t).log_density(x[:, None])) * step for t in (stop, end))
    return late @ (mean - np.log1p(mean)), early @ -excess(x)


# the T = 4 entry of the first table of this kind, 1.2e-8, was its own mesh's error
@pytest.mark.parametrize(
    ("end", "kl", "ratio"),
    [(1.0, 1.2e-3, 6.9), (2.0, 2.2e-5, 47), (3.0, 4.1e-7, 350), (4.0, 7.6e-9, 2600)],
)
def test_start(end, kl, ratio):
    case = reverse_case(initial=NORMAL, flow={"t_end": end})
    solution = wfrpde.solve(case)
    start = {part.name: part for part in solution.budget}["start"]
    exact, bound = start_costs(end)
    assert start.kl == pytest.approx(exact, rel=2e-3)
    assert abs(start.kl - exact) < start.kl_error
    assert start.bound == pytest.approx(bound, rel=1e-4)
    assert float(f"{start.kl:.2g}") == kl
    # the data-processing inequality is far from sharp
    assert float(f"{start.bound / start.kl:.2g}") == ratio


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


@pytest.mark.parametrize(
    ("stop", "kl"), [(0.1, 0.165), (0.03, 0.038), (0.01, 6.7e-3), (0.001, 8.8e-5)]
)
def test_stopping(stop, kl):
    found = parts(noising={"kind": "ou", "stop": stop})["stopping"]
    assert found.kl == pytest.approx(kl, rel=0.015)


@pytest.mark.parametrize(("steps", "kl"), [(16, 2.3e-2), (32, 6.5e-3), (64, 1.7e-3), (128, 4.5e-4)])
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


def plane_entropy(clock):
    """Entropy of the plane's data with noise."""
    g = np.linspace(-6, 6, 601)
    x = np.stack(np.meshgrid(g, g, indexing="ij"), axis=-1).reshape(-1, 2)
    logs = mixture(PLANE).at(clock).log_density(x)
    return -(np.exp(logs) @ logs) * (g[1] - g[0]) ** 2


@pytest.mark.parametrize(("omega", "noted"), [(1.0, 4.4), (3.0, 39.7)])
def test_girsanov_of_a_solenoidal_error(omega, noted):
    # ∫ E|ω J∇log p|² = ω² ∫ E|∇log p|², which de Bruijn's identity tells from entropies
    tables = {"noising": {"kind": "ou", "stop": 0.1}, "score": {"rotation": omega}}
    process = Process.of(reverse_case(PLANE, flow={"t_end": 2.0, "save": [1.0]}, **tables))
    exact = omega**2 * (plane_entropy(2.0) - plane_entropy(0.1) + 2 * 1.9)
    assert girsanov(process) == pytest.approx(exact, rel=1e-6)
    assert exact == pytest.approx(noted, rel=0.02)
