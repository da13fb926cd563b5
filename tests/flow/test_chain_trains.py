"""What solves chains: kernels of a site, trains and their sweeps, against full tensors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

from wfrpde.flow.chain import kernels as site_kernels
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.law import Energy
from wfrpde.flow.chain.march import Diffusion, Pace, march
from wfrpde.flow.chain.measure import Measurement
from wfrpde.flow.chain.nodes import SiteNodes
from wfrpde.flow.chain.train import Train, values, whole
from wfrpde.targets.chain import ChainTarget

WELLS = ChainTarget(site="4*(x**2 - 1)**2 + 0.25*x", coupling="0.5*(x - y)**2", length=4)


def test_gradient_is_the_derivative_of_the_potential():
    target = WELLS.build()
    points, h = np.random.default_rng(0).normal(size=(6, 4)), 1e-6
    steps = [target.potential(points + h * e) - target.potential(points - h * e) for e in np.eye(4)]
    assert target.gradient(points) == pytest.approx(np.stack(steps, axis=1) / (2 * h), abs=1e-6)


def test_a_site_diffuses_exactly():
    nodes = SiteNodes(-6.0, 6.0, 16)
    kernels = SiteKernels(nodes, lambda x: x**2 / 2, lambda x, y: 0 * x * y, 4)
    tau, slope = 0.25, 1.5
    kernels.prepare(tau)
    x = nodes.points
    found = kernels.apply(tau, (slope * x)[:, None], None, np.array([3]))[:, 0]
    exact = slope * np.exp(-tau) * x + slope**2 * (1 - np.exp(-2 * tau)) / 2
    middle = np.abs(x) < 4  # walls reflect further out
    assert np.abs(found - exact)[middle].max() < 2e-4
    kernels.prepare(2 * tau)  # by squaring
    twice = kernels.apply(2 * tau, (slope * x)[:, None], None, np.array([3]))[:, 0]
    again = kernels.apply(tau, found[:, None], None, np.array([3]))[:, 0]
    assert np.abs(twice - again)[middle].max() < 1e-3


@pytest.mark.parametrize(("tau", "share"), [(2**-12, 1), (2**-7, 2), (2**-4, 4)])
def test_few_points_have_the_sums_of_all_where_a_kernel_is_smooth(tau, share, monkeypatch):
    nodes, (site, pair) = SiteNodes(-2.1, 1.86, 24), WELLS.functions()
    x = nodes.points
    u = np.stack([0.3 * site(x) - 5 * (x + 1) ** 2, 3 * x], axis=1)  # a peak, and a steep slope
    found = []
    for aliased in (site_kernels.ALIASED, 0.0):
        monkeypatch.setattr(site_kernels, "ALIASED", aliased)
        kernels = SiteKernels(nodes, site, pair, 3)
        before = kernels.nbytes
        kernels.prepare(tau)
        found.append((kernels.apply(tau, u, None, np.array([9, 20])), kernels.nbytes - before))
    (few, fewer_bytes), (whole_sums, bytes_of_all) = found
    assert bytes_of_all / fewer_bytes == pytest.approx(share, rel=0.05)
    gap = np.abs(few - whole_sums)
    assert gap.max() < 1e-5  # at the wall, 46 kT up
    assert gap[site(x) < 4].max() < 1e-8


def test_a_train_has_the_values_of_its_function():
    nodes = SiteNodes(-1.9, 1.9, 8)
    x = nodes.points
    site, pair = WELLS.functions()
    table = pair(np.repeat(x, 8), np.tile(x, 8)).reshape(8, 8)
    energy = Energy(4, None, site(x), table)
    train = Train(4, 8, 1e-10)
    train.fill(
        lambda own, bond: energy.block(own.left[bond], own.right[bond + 2], bond),
        2,
        np.random.default_rng(0),
    )
    index = np.indices((8,) * 4).reshape(4, -1).T
    assert np.abs(whole(train.cores()).ravel() - energy.values(index)).max() < 1e-8
    points = x[np.random.default_rng(1).integers(0, 8, (50, 4))]
    found = values(train.cores(), [nodes.interpolation(column) for column in points.T])
    assert np.abs(found + WELLS.build().potential(points)).max() < 1e-8


def test_random_fibres_change_as_they_should():
    """A train knows pivots: elsewhere, too, a site has diffused given its neighbours."""
    length, n, k, tau = 8, 12, 4, 0.02
    nodes, (site, pair) = SiteNodes(-1.9, 1.9, n), WELLS.functions()
    x = nodes.points
    kernels = SiteKernels(nodes, site, pair, 3)
    kernels.prepare(tau)
    table = pair(np.repeat(x, n), np.tile(x, n)).reshape(n, n)
    energy = Energy(length, None, 2.5 * (x + 1) ** 2 - site(x), -table)
    train = Train(length, n, 1e-8)
    train.fill(
        lambda own, bond: energy.block(own.left[bond], own.right[bond + 2], bond),
        2,
        np.random.default_rng(0),
    )
    diffusion = Diffusion(kernels, tau)
    train.sweep(diffusion)
    before = train.cores()
    train.sweep(
        lambda own, bond, block, at, far=None: (
            diffusion(own, bond, block, at, far) if at == k else block
        )
    )
    index = np.random.default_rng(1).integers(0, n, (300, length))
    every = np.repeat(index, n, axis=0)
    every[:, k] = np.tile(np.arange(n), len(index))
    u, found = (
        values(cores, [np.eye(n)[column] for column in every.T]).reshape(-1, n).T
        for cores in (before, train.cores())
    )
    after = u
    for _ in range(2):  # on the way there, and back
        after = kernels.apply(tau, after, index[:, k - 1], index[:, k + 1])
    assert np.abs(after - u).max() > 1
    assert np.abs(found - after).max() < 1e-5


def independent_kernels(x: np.ndarray, tau: float, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """For four `WELLS`: e^{τL} at nodes for each sum of neighbours and each single one, splines.

    By finite volumes on a grid that the package does not use, and Taylor's series.
    """
    n, h = len(x), (x[1] - x[0]) / cells
    beyond = 2 * cells
    y = x[0] + h * np.arange(-beyond, (n - 1) * cells + beyond + 1)
    own = 4 * (y**2 - 1) ** 2 + 0.25 * y
    sums = np.linspace(2 * x[0], 2 * x[-1], 2 * n - 1)
    potentials = [own + y**2 - y * s for s in sums] + [own + y**2 / 2 - y * s for s in x]
    rise = np.diff(np.array(potentials), axis=1)
    rate = rise / np.expm1(rise) / h**2
    generator = np.zeros((len(rise), len(y), len(y)))
    k = np.arange(len(y) - 1)
    generator[:, k, k + 1], generator[:, k + 1, k] = rate, rate * np.exp(rise)
    generator[:, [0, -1]] *= 2  # half a volume at either end
    generator -= generator.sum(axis=2)[:, :, None] * np.eye(len(y))
    halvings = int(np.ceil(np.log2(4 * tau * np.abs(generator).max())))
    small = generator * tau / 2**halvings
    step = np.eye(len(y)) + small @ (np.eye(len(y)) + small @ (np.eye(len(y)) + small / 3) / 2)
    for _ in range(halvings):
        step = step @ step
    spline, inside = make_interp_spline(x, np.eye(n), k=5), np.clip(y, x[0], x[-1])
    spread = spline(inside) + (y - inside)[:, None] * spline.derivative()(inside)
    return step[:, beyond + cells * np.arange(n)], spread


@pytest.mark.parametrize(
    ("length", "n", "cells", "others", "gauss"),
    [(4, 12, 3, 4, 28), pytest.param(5, 10, 8, 8, 5, marks=pytest.mark.slow)],
)
def test_sweeps_agree_with_a_full_tensor_that_shares_no_code(length, n, cells, others, gauss):
    target, nodes = WELLS.model_copy(update={"length": length}), SiteNodes(-1.9, 1.9, n)
    x = nodes.points
    site, pair = target.functions()
    kernels = SiteKernels(nodes, site, pair, cells)
    start = -((x + 1) ** 2) / 0.4
    table = pair(np.repeat(x, n), np.tile(x, n)).reshape(n, n)
    energy = Energy(length, None, -start - site(x), -table)
    train = Train(length, n, 1e-7)
    train.fill(
        lambda own, bond: energy.block(own.left[bond], own.right[bond + 2], bond),
        2,
        np.random.default_rng(0),
    )
    pace = Pace.of(np.array([0.0, 0.4]), 2, 0.1, 0.2)
    (cores,) = march(train, kernels, pace, 1.0, 1.0, lambda _: None)

    at = np.meshgrid(*[x] * length, indexing="ij")
    u = sum(4 * (y**2 - 1) ** 2 + 0.25 * y - (y + 1) ** 2 / 0.4 for y in at)
    u = u + sum((a - b) ** 2 / 2 for a, b in pairwise(at))

    def diffuse(u, k, known):
        logs = []
        for matrices, spread in known:
            fine = np.tensordot(np.moveaxis(u, k, -1), spread, axes=(-1, 1))
            top = fine.max(axis=-1, keepdims=True)
            near = [j for j in (k - 1, k + 1) if 0 <= j < length]
            where = sum(np.arange(n).reshape([-1 if i == j else 1 for i in range(length)])
                        for j in near) + (0 if len(near) == 2 else 2 * n - 1)  # fmt: skip
            kinds = np.broadcast_to(np.moveaxis(where, k, -1)[..., 0], fine.shape[:-1])
            after = np.empty((*fine.shape[:-1], n))
            for kind in np.unique(kinds):
                here = kinds == kind
                after[here] = np.exp(fine[here] - top[here]) @ matrices[kind].T
            logs.append(np.moveaxis(np.log(after) + top, -1, k))
        return (4 * logs[1] - logs[0]) / 3

    for part in pace.steps:
        for dt, count in part:
            known = [independent_kernels(x, dt / 2, each) for each in (others, 2 * others)]
            for _ in range(count):
                u = np.exp(-dt / 2) * u
                for k in (*range(length), *reversed(range(length))):
                    u = diffuse(u, k, known)
                u = np.exp(-dt / 2) * u
    measurement = Measurement.of(target, nodes, {"all right": "all(x > 0)"}, gauss)
    beyond = measurement.log_partition()
    _, numbers = measurement.numbers(nodes, cores, beyond)
    rows = make_interp_spline(x, np.eye(n), k=5)(measurement.points)
    for _ in range(length):  # to the points of the quadrature, one axis after the other
        u = np.tensordot(u, rows, axes=(0, 1))
    m = len(measurement.points)
    grid = np.stack(np.meshgrid(*[measurement.points] * length, indexing="ij"), -1)
    weight = np.ones(1)
    for _ in range(length):
        weight = np.multiply.outer(weight, measurement.weights)
    log_pi = -target.build().potential(grid.reshape(-1, length)).reshape((m,) * length)
    mass = weight[0] * np.exp(log_pi + u)
    total = mass.sum()
    kl = (mass * u).sum() / total - np.log(total) + beyond
    right = mass[np.ix_(*[measurement.points > 0] * length)].sum() / total
    assert np.log((weight[0] * np.exp(log_pi)).sum()) == pytest.approx(beyond, abs=1e-10)
    assert numbers["kl"] == pytest.approx(kl, rel=1e-4)
    assert numbers["mode all right"] == pytest.approx(right, rel=1e-4)
