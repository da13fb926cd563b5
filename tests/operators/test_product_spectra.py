"""Spectra, first exits and growth of products, against sums by hand, meshes and closed forms."""

from collections import Counter
from itertools import product
from math import comb

import numpy as np
import pytest

import wfrpde
from wfrpde.commands.plot import redraw
from wfrpde.commands.spectrum import run_spectrum, spectrum_summary
from wfrpde.operators import first_exit, mean_exit_time, product_growth, product_spectrum

WELL = {"target": {"kind": "double_well", "barrier": 1.5, "tilt": 0.25}}
WIDE = {"target": {"kind": "gaussian", "mean": 0.5, "covariance": 2.0}}


def case(*factors, **tables):
    return wfrpde.Case.from_dict({"target": {"kind": "product"}, "factor": list(factors), **tables})


def alone(factor, **spectrum):
    data = {**factor, "initial": {"kind": "uniform"}, "spectrum": spectrum}
    return wfrpde.Case.from_dict(data)


def test_rates_and_multiplicities_are_those_of_all_sums():
    factors = ({"repeat": 3, **WELL}, {"repeat": 2, **WIDE})
    found = product_spectrum(case(*factors, spectrum={"count": 12}))
    well = wfrpde.spectrum(alone(WELL, count=6)).rates
    ladders = [well] * 3 + [0.5 * np.arange(24)] * 2
    top = found.rates[-1] + 1e-6
    sums = Counter(
        round(sum(choice), 6)
        for choice in product(*(rates[rates <= top] for rates in ladders))
        if sum(choice) <= top
    )
    assert np.allclose(found.rates, sorted(sums), atol=2e-6)
    assert list(found.multiplicities) == [sums[rate] for rate in sorted(sums)]
    assert found.gap == pytest.approx(min(well[1], 0.5), abs=1e-8)
    assert found.excited[0] == "none"


def test_a_hundred_rates_in_a_hundred_dimensions():
    found = product_spectrum(case({"repeat": 100, **WIDE}, spectrum={"count": 30}))
    assert np.allclose(found.rates, 0.5 * np.arange(30), atol=1e-12)
    assert list(found.multiplicities) == [comb(99 + k, k) for k in range(30)]
    wells = product_spectrum(case({"repeat": 100, **WELL}, spectrum={"count": 100}))
    assert len(wells.rates) == 100
    assert wells.multiplicities[:3] == (1, 100, comb(100, 2))
    assert np.allclose(wells.rates[:3], wells.gap * np.arange(3), atol=1e-9)
    assert not wells.warnings
    assert (wells.errors <= 1e-5 * (1 + wells.rates)).all()


def test_the_spectrum_of_the_mesh_in_the_plane():
    sums = product_spectrum(case(WELL, WIDE, spectrum={"count": 3}))
    formula = "1.5*(x**2 - 1)**2 + 0.25*x + (y - 0.5)**2/4"
    mesh = wfrpde.spectrum(alone({"target": {"potential": formula}}, count=3))
    spread = np.repeat(sums.rates, sums.multiplicities)[:3]
    bars = np.repeat(sums.errors, sums.multiplicities)[:3] + mesh.errors + 1e-9
    assert (np.abs(spread - mesh.rates) <= bars).all()
    assert np.abs(spread - mesh.rates).max() < 1e-4


def test_the_first_of_the_factors_to_leave():
    factors = ({"repeat": 4, "name": "well", **WELL}, {"repeat": 2, **WIDE})
    found = first_exit(case(*factors, flow={"alpha": 2.0}), "any(x > 1, well)")
    single = mean_exit_time(alone(WELL), "x > 1")
    assert found.rate == pytest.approx(2.0 * 4 * single.rate, abs=8 * single.rate_error + 1e-8)
    assert found.mean_time == pytest.approx(1 / found.rate)
    assert np.allclose(found.shares.sum(), 1)
    with pytest.raises(wfrpde.WfrpdeError, match=r"any\(R\)"):
        first_exit(case({"repeat": 4, **WELL}), "count(x > 1) >= 2")


def test_additive_growth():
    # of dX = −X dt + √2 dW, U = kx: Λ = k², and x averages to 2k along what carries the weight
    line = {"target": {"kind": "gaussian", "mean": 0.0, "covariance": 1.0}}
    found = product_growth(case({"repeat": 5, "reaction": "x/2", **line}, {"repeat": 3, **WIDE}))
    assert found.principal_eigenvalue == pytest.approx(5 / 4, abs=1e-6)
    assert abs(found.principal_eigenvalue - 5 / 4) <= found.error + 1e-9
    assert found.mean_rate == pytest.approx(5 / 2, abs=1e-5)
    assert found.gap == pytest.approx(0.5, abs=1e-6)


def test_the_folder_of_a_product_can_be_drawn_again(tmp_path):
    factors = ({"repeat": 3, "reaction": "x/2", **WIDE}, {"repeat": 2, **WELL})
    study = run_spectrum(
        case(*factors, spectrum={"count": 5, "absorbing": "any(x > 2)"}), tmp_path / "run"
    )
    assert "enters any(x > 2) at the rate" in spectrum_summary(study)
    assert "grow at the rate" in spectrum_summary(study)
    table = np.genfromtxt(tmp_path / "run" / "spectrum.csv", delimiter=",", names=True)
    assert np.allclose(table["rate"], study.spectrum.rates, rtol=1e-6)
    assert study.exit.rate == pytest.approx(study.spectrum.rates[0], rel=1e-6)
    drawn = [path.name for path in redraw(tmp_path / "run")]
    assert drawn == ["states.png", "report.html"]
    assert "states" in study.spectrum._repr_html_()


def test_what_has_no_sums():
    ring = {"kind": "radial", "potential": "2*(r - 3)**2", "dim": 10}
    data = {"target": ring, "initial": {"mean": 0.0, "covariance": 1.0}}
    with pytest.raises(wfrpde.WfrpdeError, match="radial"):
        product_spectrum(wfrpde.Case.from_dict(data))
