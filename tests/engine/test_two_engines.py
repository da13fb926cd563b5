"""SciPy on one process gives what PETSc and SLEPc give; what it cannot do is refused."""

import subprocess
import sys

import numpy as np
import pytest
from spectrum_references import case_of, double_well_rates

import wfrpde
from wfrpde.engine import Wish, choice, engine_for
from wfrpde.errors import DependencyMissingError, InputError

WELL = {"kind": "double_well", "barrier": 20.0, "tilt": 0.25}
PLANE = {
    "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1.0, 0.3], [0.3, 0.6]]},
    "initial": {"mean": [0.5, 0.0], "covariance": [[0.5, 0.0], [0.0, 0.5]]},
    "domain": {"box": [[-4.0, 4.0], [-3.0, 3.0]]},
    "flow": {"save": [0.2]},
    "numerics": {"formulation": "edge-averaged", "cells": [20, 20]},
}
LINE = {
    "target": {"kind": "double_well", "barrier": 4.0},
    "initial": {"mean": [-1.0], "covariance": [[0.05]]},
    "flow": {"save": [0.5], "reaction": "x"},
    "numerics": {"formulation": "edge-averaged"},
}
SPACE = {
    "target": {"potential": "(x**2 + y**2 + z**2)/2"},
    "initial": {"mean": [0.3, 0.0, 0.0], "covariance": np.diag([0.6] * 3).tolist()},
    "domain": {"box": [[-3.0, 3.0]] * 3},
    "flow": {"save": [0.1]},
    "numerics": {"cells": [6] * 3},
}


def spectral(case):
    return {**case, "numerics": {"formulation": "spectral", "degree": 3, "cells": [6, 6]}}


def in_space(formulation):
    degree = {"degree": 2} if formulation == "spectral" else {}
    return {**SPACE, "numerics": {**SPACE["numerics"], "formulation": formulation, **degree}}


def both(ask, case):
    """What is asked, of a case on SciPy and on PETSc."""
    pytest.importorskip("petsc4py")
    pytest.importorskip("slepc4py")
    engines = [case.with_overrides({"numerics.engine": name}) for name in ("scipy", "petsc")]
    return [ask(case) for case in engines]


FLOWS = {
    "line": LINE,
    "plane": PLANE,
    "spectral": spectral(PLANE),
    "space": in_space("edge-averaged"),
    "spectral space": in_space("spectral"),
}


@pytest.mark.parametrize("name", FLOWS)
def test_flows(name):
    case = wfrpde.Case.from_dict(FLOWS[name])
    found, expected = both(wfrpde.solve, case)
    assert (found.numerics["engine"], expected.numerics["engine"]) == ("scipy", "petsc")
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-10, atol=1e-12)
    for key, series in expected.series.items():
        np.testing.assert_allclose(found.series[key], series, rtol=1e-10, atol=1e-13, err_msg=key)
    t, x = found.times[-1], expected.mean[-1] + 0.3 * np.eye(case.dim)
    np.testing.assert_allclose(found.log_density(t, x), expected.log_density(t, x), rtol=1e-10)


@pytest.mark.parametrize("absorbing", [None, "x > 0"])
def test_spectra(absorbing):
    case = case_of(WELL, spectrum={"count": 6} | ({"absorbing": absorbing} if absorbing else {}))
    found, expected = both(wfrpde.spectrum, case)
    np.testing.assert_allclose(found.rates, expected.rates, rtol=1e-12)
    across = (found.functions - expected.functions) * np.sqrt(expected.mass)
    np.testing.assert_allclose(across, 0.0, atol=1e-9)
    assert found.numerics["engine"] == "scipy"


def test_spectra_in_the_plane():
    case = case_of({**WELL, "dim": 2, "barrier": 8.0}, 2, numerics={"cells": [10, 10]})
    found, expected = both(wfrpde.spectrum, case)
    np.testing.assert_allclose(found.rates, expected.rates, rtol=1e-10)


@pytest.mark.parametrize("barrier", [8.0, 40.0])
def test_gaps_that_round_off_would_hide(barrier):
    """1e-2 and 6e-16, against the inverse of −L as integrals of positive functions."""
    target = {"kind": "double_well", "barrier": barrier}
    spectrum = wfrpde.spectrum(case_of(target, numerics={"engine": "scipy"}))
    wanted = double_well_rates(barrier, 0.0, 8)
    assert spectrum.gap == pytest.approx(wanted[1], rel=2e-13)
    np.testing.assert_allclose(spectrum.rates[1:], wanted[1:], rtol=1e-11)


def test_exits_committors_and_feynman_kac():
    case = case_of(WELL, flow={"reaction": "sin(x)"})

    def asked(case):
        exit_ = wfrpde.operators.mean_exit_time(case, "x > 0")
        committor = wfrpde.operators.committor(case, "x < -0.8", "x > 0.8")
        kac = wfrpde.feynman_kac(case)
        x = np.linspace(-0.7, 0.7, 9)[:, None]
        return exit_.mean_time, exit_.rate, *committor(x), committor.rate, *kac.eigenvalues

    found, expected = both(asked, case)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_who_is_chosen(monkeypatch):
    monkeypatch.setattr(choice, "missing", lambda: ())
    assert [engine_for(Wish(engine=e), 1) for e in ("auto", "petsc", "scipy")] == [
        *("petsc", "petsc", "scipy")
    ]
    assert engine_for(Wish(), 3) == "petsc"
    with pytest.raises(InputError, match=r"numerics.engine: found 'scipy' on 3 MPI ranks"):
        engine_for(Wish(engine="scipy"), 3)
    monkeypatch.setattr(choice, "missing", lambda: ("petsc4py",))
    assert [engine_for(Wish(engine=e), 1) for e in ("auto", "scipy")] == ["scipy", "scipy"]
    for wish, ranks in ((Wish(engine="petsc"), 1), (Wish(), 2)):
        with pytest.raises(DependencyMissingError, match="conda"):
            engine_for(wish, ranks)


@pytest.mark.parametrize(
    ("key", "wish"),
    [("petsc_options", Wish(options={"ksp_type": "cg"})), ("solver", Wish("iterative"))],
)
def test_what_scipy_has_not(monkeypatch, key, wish):
    monkeypatch.setattr(choice, "missing", lambda: ("petsc4py",))
    with pytest.raises(InputError) as caught:
        engine_for(wish, 1)
    assert caught.value.where == f"numerics.{key}"
    case = wfrpde.Case.from_dict({**PLANE, "numerics": {"engine": "scipy"}})
    value = dict(wish.options) or "iterative"
    with pytest.raises(InputError, match=f"numerics.{key}"):
        wfrpde.solve(case.with_overrides({f"numerics.{key}": value}))


def test_nothing_but_scipy_is_needed():
    """Without mpi4py, PETSc, SLEPc and DOLFINx: a flow and a spectrum, on one process."""
    code = (
        "import sys\n"
        "for name in ('mpi4py', 'petsc4py', 'slepc4py', 'dolfinx', 'basix', 'ufl', 'meshio',\n"
        "             'pyvista'):\n"
        "    sys.modules[name] = None\n"
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n in sys.modules and sys.modules[n] is None else"
        " find(n, *a)\n"
        "import wfrpde\n"
        f"case = wfrpde.Case.from_dict({LINE!r})\n"
        "print(wfrpde.solve(case).numerics['engine'], wfrpde.spectrum(case).numerics['engine'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["scipy", "scipy"], done.stderr
