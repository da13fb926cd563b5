"""What cannot be computed ends in one error, or is flagged: never in numbers that look right."""

from __future__ import annotations

import numpy as np
import pytest
from spectrum_references import case_of, double_well_rates

import wfrpde
from wfrpde.errors import InputError, SolverError
from wfrpde.operators import committor

WELL = {"kind": "double_well", "barrier": 8.0}


def with_options(**options):
    return case_of(WELL, numerics={"petsc_options": options})


@pytest.mark.parametrize("count", [19, 500])
def test_more_modes_than_unknowns(count):
    """On degree 3, the coarser of the two, there are 18 besides the constant."""
    case = case_of("x**2/2", spectrum={"count": count}, numerics={"cells": [6], "degree": 4})
    with pytest.raises(InputError, match="18 unknowns") as caught:
        wfrpde.spectrum(case)
    assert caught.value.where == "spectrum.count"


@pytest.mark.parametrize(
    "options",
    [
        {"st_ksp_type": "cg", "st_pc_type": "jacobi", "st_ksp_max_it": 1},
        {"eps_tol": 1e-30, "eps_max_it": 2},
        {"eps_ncv": 14, "eps_max_it": 1},
        {"eps_type": "jd", "eps_max_it": 1},
    ],
)
def test_solvers_that_do_not_converge(options):
    for _ in range(2):  # PETSc says nothing of what fails after a first failure
        with pytest.raises(SolverError, match=r"converge|eigenpairs"):
            wfrpde.spectrum(with_options(**options))
    # and nothing of the failed solve is left behind
    assert wfrpde.spectrum(case_of(WELL)).rates[1] == pytest.approx(4.57495111094852e-3, rel=1e-12)


def test_a_linear_solve_that_does_not_converge():
    options = {"st_ksp_type": "cg", "st_pc_type": "jacobi", "st_ksp_max_it": 1}
    with pytest.raises(SolverError):
        committor(with_options(**options), "x < -0.9", "x > 0.9")


@pytest.mark.parametrize("options", [{"st_pc_type": "none such"}, {"eps_type": "none such"}])
def test_options_that_nobody_knows(options):
    with pytest.raises(InputError, match="none such") as caught:
        with_options(**options)
    assert caught.value.where == "numerics.petsc_options"


@pytest.mark.parametrize("options", [{"eps_type": "trlan"}, {"eps_type": "blopex"}])
def test_options_that_this_petsc_does_not_know(options):
    with pytest.raises(InputError, match=r"trlan|blopex") as caught:
        wfrpde.spectrum(with_options(**options))
    assert caught.value.where == "numerics.petsc_options"


@pytest.mark.parametrize("kind", ["gd", "jd", "arnoldi"])
def test_other_eigensolvers_find_the_same(kind):
    spectrum = wfrpde.spectrum(with_options(eps_type=kind))
    np.testing.assert_allclose(spectrum.rates, wfrpde.spectrum(case_of(WELL)).rates, rtol=1e-10)
    assert spectrum.numerics["runs"][-1]["eigensolver"] == kind


def test_iterating_finds_the_same():
    case = case_of(WELL, numerics={"solver": "iterative"})
    spectrum = wfrpde.spectrum(case)
    np.testing.assert_allclose(spectrum.rates, wfrpde.spectrum(case_of(WELL)).rates, rtol=1e-10)
    assert "cg" in spectrum.numerics["runs"][-1]["linear_solver"]


def test_a_mesh_that_is_too_coarse_is_told():
    """Every mode that is off by more than its estimated error makes the warning a must."""
    case = case_of({"kind": "double_well", "barrier": 40.0}, numerics={"cells": [8], "degree": 8})
    spectrum = wfrpde.spectrum(case)
    assert any("estimated error" in text for text in spectrum.warnings)
    wanted = double_well_rates(40.0, 0.0, 8)
    sure = spectrum.errors < 1e-2 * spectrum.rates
    assert sure[1]
    for rate in spectrum.rates[sure]:
        assert np.abs(wanted / rate - 1).min() < 1e-2, "no artefact passes for a rate"


def test_without_a_second_mesh_there_are_no_errors():
    spectrum = wfrpde.spectrum(case_of(WELL, numerics={"certify": False}))
    assert np.isnan(spectrum.errors[1:]).all()


def test_a_box_that_cuts_the_target_or_a_mode_is_told():
    spectrum = wfrpde.spectrum(case_of(WELL, domain={"box": [[-1.0, 1.0]]}))
    assert sum("cuts off" in text for text in spectrum.warnings) == 1
    # 1e-6 of π is cut off, and a tenth of the eighth mode
    spectrum = wfrpde.spectrum(case_of("x**2/2", domain={"box": [[-5.0, 5.0]]}))
    assert spectrum.rates[7] > 7.1
    assert any("wider than the box" in text for text in spectrum.warnings)
    wide = wfrpde.spectrum(case_of("x**2/2", domain={"box": [[-10.0, 10.0]]}))
    assert wide.rates[7] == pytest.approx(7, rel=1e-9)
    assert wide.warnings == ()
    flat = case_of({"potential": "0*x", "dim": 1}, domain={"box": [[0.0, 1.0]]})
    spectrum = wfrpde.spectrum(flat)
    np.testing.assert_allclose(spectrum.rates, (np.arange(8) * np.pi) ** 2, rtol=1e-10)
    assert spectrum.warnings == ()


def test_an_offset_of_the_potential_changes_nothing():
    spectrum = wfrpde.spectrum(case_of("8*(x**2 - 1)**2 + 200000"))
    assert spectrum.rates[1] == pytest.approx(4.57495111094852e-3, rel=1e-9)


def test_a_continuous_spectrum_is_told():
    """From V'²/4 = 1 on there are no eigenfunctions: whatever is found there belongs to the box."""
    spectrum = wfrpde.spectrum(case_of("2*sqrt(1 + x**2)"))
    assert any("however wide it is" in text for text in spectrum.warnings)


def test_modes_that_fill_every_box_are_solved_in_three_of_them():
    """V = |x| has rates from 1/4 on alone, which five boxes approached: bars hold the limit now."""
    spectrum = wfrpde.spectrum(case_of("abs(x)", spectrum={"count": 3}))
    assert spectrum.numerics["level"] == 180
    assert (np.abs(spectrum.rates - [0, 0.25, 0.25]) <= spectrum.errors + 1e-12).all()
    assert spectrum.errors.max() < 2e-3


@pytest.mark.parametrize("potential", ["-x**2", "3*log(1 + x**2)"])
def test_a_target_that_does_not_confine_is_refused(potential):
    with pytest.raises(InputError):
        wfrpde.spectrum(case_of(potential))


def test_one_rate_has_no_gap():
    spectrum = wfrpde.spectrum(case_of(WELL, spectrum={"count": 1}))
    assert spectrum.rates.tolist() == [0.0]
    with pytest.raises(ValueError, match="two rates"):
        _ = spectrum.gap
