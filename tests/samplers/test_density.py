"""Density sources against Gaussians, and against the sum over all pairs."""

import numpy as np
import pytest

from wfrpde.errors import InputError
from wfrpde.flow.exact import gaussian_log_density
from wfrpde.samplers.density import KernelDensity, MeshDensity, kernel_sum, silverman
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.resampling import Resampling
from wfrpde.samplers.smc_wfr import SmcWfr, pair_sum
from wfrpde.targets import make_target

MEAN, COVARIANCE = np.array([0.3, -0.2]), np.array([[0.6, 0.2], [0.2, 0.5]])
PI = make_target(
    kind="gaussian", parameters={"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]}
)
BOX = np.array([[-6.0, 6.0], [-6.0, 6.0]])


def particles(n, mean=MEAN, covariance=COVARIANCE, number=2):
    rng = np.random.default_rng(number)
    return mean + rng.standard_normal((n, 2)) @ np.linalg.cholesky(covariance).T


def log_ratio(x):
    """log(ρ/π) of the Gaussian above, up to a constant."""
    return gaussian_log_density(x, MEAN, COVARIANCE) + PI.potential(x)


def spread_of_error(estimate, x):
    gap = estimate - log_ratio(x)
    return float(np.sqrt(np.mean(np.square(gap - gap.mean()))))


def equal(n):
    return np.full(n, 1.0 / n)


def test_a_lattice_reads_linear_fields_exactly_and_gathers_all_mass():
    lattice = Lattice(np.array([-1.0, 0.0]), np.array([0.25, 0.5]), (9, 5))
    x = np.random.default_rng(0).uniform([-1, 0], [1, 2], (500, 2))
    nodes = lattice.points
    field = (1 + 2 * nodes[:, 0] - 3 * nodes[:, 1]).reshape(lattice.shape)
    stencil = lattice.stencil(x)
    assert np.allclose(stencil.read(field), 1 + 2 * x[:, 0] - 3 * x[:, 1], rtol=0, atol=1e-12)
    weights = np.random.default_rng(1).random(500)
    gathered = stencil.gathered(weights)
    assert gathered.sum() == pytest.approx(weights.sum(), rel=1e-12)
    # the transpose of reading: hats keep the mean position
    assert np.vdot(gathered, field) == pytest.approx(weights @ stencil.read(field), rel=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_corners_and_walls_of_a_lattice(dim):
    lattice = Lattice.over(np.array([[0.0, 1.0]] * dim), np.full(dim, 0.3), 100)
    assert lattice.shape == (5,) * dim
    x = np.array([[0.0] * dim, [1.0] * dim, [7.0] * dim, [-7.0] * dim])
    field = lattice.points.sum(axis=1).reshape(lattice.shape)
    assert np.allclose(lattice.stencil(x).read(field), [0, dim, dim, 0], rtol=0, atol=1e-12)


def test_kernel_sum_is_the_sum_over_pairs():
    centres, at = particles(2000), particles(500, number=3)
    weights = np.random.default_rng(5).random(2000)
    weights /= weights.sum()
    width = 0.2
    exact = pair_sum(centres, weights, width**2, at)
    close = kernel_sum(centres, weights, np.array([width, width]), at, Ranks())
    dense = exact > 0.05 * exact.max()
    assert np.abs(close / exact - 1)[dense].max() < 0.03
    # on the average over the particles the lattice leaves nothing behind
    assert abs(np.mean((close / exact - 1)[dense])) < 2e-3


def test_pair_sum_of_one_kernel():
    x = np.array([[0.1, 0.2]])
    value = pair_sum(np.zeros((1, 2)), np.ones(1), 0.3, x)
    assert value == pytest.approx(np.exp(-0.05 / 0.6) / (2 * np.pi * 0.3), rel=1e-14)


def test_silverman_in_one_dimension():
    x = particles(1000)[:, :1]
    width = silverman(x, equal(1000), Ranks())
    assert width[0] == pytest.approx((4 / 3 / 1000) ** 0.2 * x.std(), rel=1e-12)


def test_kernel_density_is_that_of_the_widened_gaussian():
    n, width = 200_000, 0.2
    x = particles(n)
    estimate = KernelDensity(PI, np.full(2, width)).log_relative(x, equal(n), 0.0)
    widened = gaussian_log_density(x, MEAN, COVARIANCE + width**2 * np.eye(2))
    bulk = widened > widened.max() - 3.0
    gap = (estimate - widened - PI.potential(x))[bulk]
    # a kernel holds n · 2π · 2 width² · ρ particles, some 5000 in the bulk: an error of 2 %
    assert abs(gap.mean()) < 0.003
    assert gap.std() < 0.03
    # and not that of the particles' own density: the smoothing bias is seen
    own = (estimate - gaussian_log_density(x, MEAN, COVARIANCE) - PI.potential(x))[bulk]
    assert own.std() > 0.05


def test_mesh_density_has_second_order():
    """No noise: particles on a fine grid whose weights are ρ."""
    x = Lattice(BOX[:, 0], np.full(2, 0.0123), (976, 976)).points
    weights = np.exp(gaussian_log_density(x, MEAN, COVARIANCE))
    weights /= weights.sum()
    bulk = np.square(x - MEAN).sum(axis=1) < 1.0
    errors = []
    for cells in (24, 48):
        lattice = Lattice(BOX[:, 0], np.ptp(BOX, axis=1) / cells, (cells + 1,) * 2)
        estimate = MeshDensity(PI, lattice, 0.5).log_relative(x, weights, 0.0)
        errors.append(spread_of_error(estimate[bulk], x[bulk]))
    assert 1.7 < np.log2(errors[0] / errors[1]) < 2.3
    assert errors[1] < 0.025


def test_mesh_density_is_even_at_equilibrium():
    """Particles from π: log(ρ/π) = 0 in the mean, however coarse the mesh."""
    n = 400_000
    x = particles(n, np.zeros(2), np.eye(2))
    lattice = Lattice.over(BOX, np.full(2, 1.0), 100)
    estimate = MeshDensity(PI, lattice, 1.0).log_relative(x, equal(n), 0.0)
    bulk = np.square(x).sum(axis=1) < 4.0
    assert np.abs(estimate[bulk]).max() < 0.03
    shifted = MeshDensity(PI, lattice, 1.0).log_relative(x + 0.1, equal(n), 0.0)
    assert np.abs(shifted[bulk]).max() > 0.1


def test_weights_count_as_copies():
    x = particles(3000)
    weights = np.repeat([1.0, 2.0, 0.0], 1000) / 3000
    copies = np.concatenate([x[:1000], x[1000:2000], x[1000:2000]])
    lattice = Lattice.over(BOX, np.full(2, 0.3), 100)
    for source in (MeshDensity(PI, lattice), KernelDensity(PI, np.full(2, 0.3))):
        one = source.log_relative(x, weights, 0.0)[:2000]
        two = source.log_relative(copies, equal(3000), 0.0)[:2000]
        assert np.allclose(one, two, rtol=0, atol=0.02)


def test_a_kernel_too_narrow_for_a_lattice_is_refused():
    with pytest.raises(InputError, match="bandwidth: found a kernel of width"):
        kernel_sum(particles(100), equal(100), np.full(2, 1e-6), particles(100), Ranks())


class Drawn:
    """A generator whose normal draws are given."""

    def __init__(self, noise):
        self.noise = np.asarray(noise, dtype=float)

    def standard_normal(self, shape):
        return self.noise.reshape(shape)


@pytest.mark.parametrize("pairwise", [False, True])
def test_smc_wfr_weighs_a_particle_that_goes_farther_than_kernels_reach(pairwise):
    """Weights by the published formula, (1 − e^{−h})(log π − log q), q the mixture of the moves.

    A draw of six standard deviations, once in 10⁹ particle-steps, is beyond the lattice's kernels.
    """
    target = make_target(kind="gaussian", parameters={"mean": [0.0], "covariance": [[1.0]]})
    x, noise, h = np.array([0.1, -0.2, 0.3, 1.2]), np.array([0.2, -1.0, 0.5, 6.0]), 0.02
    sampler = SmcWfr(target, pairwise=pairwise, resampling=Resampling(threshold=0.0))
    made = sampler.step(Ensemble.equal(x[:, None]), 0.0, h, Drawn(noise))
    centres = x - h * x
    y = centres + np.sqrt(2 * h) * noise
    kernels = np.exp(-((y[:, None] - centres) ** 2) / (4 * h)) / np.sqrt(4 * np.pi * h)
    log_weights = -np.expm1(-h) * (-(y**2) / 2 - np.log(kernels.mean(axis=1)))
    expected = np.exp(log_weights) / np.exp(log_weights).sum()
    np.testing.assert_allclose(made.positions[:, 0], y)
    np.testing.assert_allclose(np.exp(made.log_weights), expected, rtol=1e-3)
