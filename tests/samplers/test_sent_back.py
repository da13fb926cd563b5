"""Sides of a box as particles meet them: wrapped, sent back, and judged."""

import numpy as np
import pytest
from scipy.stats import kstest
from torus import STARTS, on_torus

import wfrpde
from wfrpde.comparison.limit import limit_laws
from wfrpde.samplers import Langevin, SamplerContext
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.mala import Mala
from wfrpde.samplers.walls import Walls

BOX = np.array([[0.0, 2.0], [-1.0, 1.0]])


def walls(closed, reflecting):
    return Walls(BOX, np.array(closed), np.array(reflecting))


def test_positions_are_brought_into_the_box():
    around = walls([True, False], [[False, False], [True, True]])
    x = np.array([[2.5, 1.25], [-0.5, -1.5], [7.0, 3.5], [1.0, 0.0], [-1e-20, 5.5]])
    there, sign = around.unfolded(x)
    expected = [[0.5, 0.75], [1.5, -0.5], [1.0, -0.5], [1.0, 0.0], [0.0, 0.5]]
    np.testing.assert_allclose(there, expected, atol=1e-15)
    assert sign.tolist() == [[1, -1], [1, -1], [1, 1], [1, 1], [1, -1]]
    one = walls([False, False], [[True, False], [False, True]]).folded(x)
    assert one[1].tolist() == [0.5, -1.5]
    assert one[0].tolist() == [2.5, 0.75]


def test_images_make_a_kernel_density_of_what_is_brought_back():
    around = walls([True, False], [[False, False], [True, True]])
    rng = np.random.default_rng(0)
    centre, width = np.array([[0.1, 0.9]]), 0.2
    images, shares = around.images(centre, np.ones(1), np.full(2, 6 * width))
    assert len(images) == 4
    drawn = around.folded(centre + width * rng.standard_normal((400_000, 2)))
    near = np.array([1.9, 0.8])
    share = (np.abs(drawn - near) < 0.02).all(axis=1).mean() / 0.04**2
    kernel = np.exp(-np.square(near - images).sum(axis=1) / 2 / width**2)
    density = float(shares @ kernel) / (2 * np.pi * width**2)
    assert share == pytest.approx(density, rel=0.05)


def biases(case, f, steps):
    """Distance of E f of infinitely many Langevin particles from the flow's, at each step."""
    t, (low, high) = case.flow.save[0], case.domain.box[0]
    flow = wfrpde.solve(case.with_overrides({"accuracy.tolerance": 1e-6}))
    x = low + (high - low) * (np.arange(4000) + 0.5) / 4000
    context = SamplerContext.of(case)
    sampler, found = Langevin.of(context, "langevin"), []
    for dt in steps:
        (law,) = limit_laws(sampler.law(), context, dt, [t])
        rho, exact = np.exp(law.log_density(x[:, None])), flow.density(t, x[:, None])
        found.append(rho @ f(x) / rho.sum() - exact @ f(x) / exact.sum())
    return np.array(found)


@pytest.mark.parametrize("side", ["periodic", "reflecting"])
def test_langevin_in_a_box_is_of_first_order(side):
    keys = {"domain.sides": {"x": side}, "flow.beta": 0.0, "flow.save": [0.3]}
    period = 2.0
    if side == "reflecting":
        period = 1.0
        keys |= {"target.potential": "2*x + cos(3*x)", "domain.box": [[0.0, 1.5]]}
        keys |= {"initial": {"kind": "uniform"}}
    bias = biases(on_torus(**keys), lambda x: np.cos(period * x), [0.008, 0.004, 0.002])
    np.testing.assert_allclose(np.log2(bias[:-1] / bias[1:]), 1.0, atol=0.2)
    assert abs(bias[-1]) < 5e-3


@pytest.mark.parametrize("side", ["periodic", "reflecting"])
def test_mala_keeps_its_target_at_the_sides(side):
    """π ∝ 1 + 0.9 cos x on [0, 2π], whose mass is at the sides; steps are large."""
    keys = {"target.potential": "-log(1 + 0.9*cos(x))", "domain.sides": {"x": side}}
    context = SamplerContext.of(on_torus(**keys, **{"initial": {"kind": "uniform"}}))
    rng = np.random.default_rng(1)
    quantiles = np.interp(rng.random(20_000), np.linspace(0, 1, 20001), _inverse(20001))
    ensemble = Ensemble.equal(quantiles[:, None])
    sampler = Mala.of(context, "mala")
    for _ in range(12):
        ensemble = sampler.step(ensemble, 0.0, 0.5, rng)
    x = ensemble.positions[:, 0]
    assert x.min() >= 0
    assert x.max() <= 2 * np.pi
    assert kstest(x, lambda q: (q + 0.9 * np.sin(q)) / (2 * np.pi)).pvalue > 0.01


def _inverse(n):
    x = np.linspace(0, 2 * np.pi, 200_001)
    return np.interp(np.linspace(0, 1, n), (x + 0.9 * np.sin(x)) / (2 * np.pi), x)


SAMPLERS = [
    {"kind": "langevin"},
    {"kind": "weighted", "density": "oracle"},
    {"kind": "birth_death"},
    {"kind": "smc_wfr"},
    {"name": "kernel", "kind": "weighted", "density": "kde"},
]


def judged(samplers):
    keys = {"initial.log_density": STARTS["narrow"], "flow.save": [0.3]}
    table = [{"particles": 1000, "dt": 0.01, "replicates": 16, **one} for one in samplers]
    validation = {"observables": {"c": "cos(x)", "s": "sin(2*x)"}, "metrics": False}
    keys |= {"sampler": table, "validation": {**validation, "equation": False}}
    return wfrpde.validate(on_torus(**keys))


def test_samplers_on_a_torus_follow_their_flows():
    """Within what a step of 0.01 and 1000 particles make of it: none where none wraps."""
    report = judged(SAMPLERS)
    assert not report.failed
    for row in report.table:
        if row.observable in "cs":
            assert abs(row.mean - row.reference) < 0.04 + 4 * row.standard_error, row
    assert not any("outside" in text for one in report.samplers for text in one.warnings)


def test_what_does_not_wrap_is_found_and_named(monkeypatch):
    """A mesh density counts what has left the box at its walls."""
    monkeypatch.setattr(Walls, "folded", lambda self, x: x)
    report = judged([{"kind": "birth_death"}])
    (sampler,) = report.samplers
    assert any("periodic" in text and "outside" in text for text in sampler.warnings)
    assert "bias" in report.verdicts["birth_death"] or "wrong" in report.verdicts["birth_death"]
