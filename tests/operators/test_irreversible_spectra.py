"""Generators that are not symmetric, or whose noise depends on the place, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde
from wfrpde import Case
from wfrpde.domain.sides import KINDS, Side
from wfrpde.errors import InputError

STIFFNESS = np.array([[1.0, 0.3], [0.3, 2.0]])
START = {"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]}


def gaussian(dynamics, count, **tables):
    target = {
        "kind": "gaussian", "mean": [0.0, 0.0], "covariance": np.linalg.inv(STIFFNESS).tolist()
    }  # fmt: skip
    return Case.from_dict(
        {
            "target": target, "initial": START, "dynamics": dynamics,
            "spectrum": {"count": count}, **tables,
        }
    )  # fmt: skip


def sums(values, count):
    """The lowest eigenvalues Σ n_i μ_i of an Ornstein–Uhlenbeck generator."""
    first, second = np.linalg.eigvals(values)
    every = [a * first + b * second for a in range(40) for b in range(40)]
    return np.array(sorted(every, key=lambda v: (round(v.real, 9), abs(v.imag), -v.imag))[:count])


def distance(found, exact):
    """Largest distance when each value is matched with one of the exact ones, each taken once."""
    from scipy.optimize import linear_sum_assignment

    gap = np.abs(np.subtract.outer(found, exact))
    return gap[linear_sum_assignment(gap)].max()


@pytest.mark.parametrize(
    ("theta", "count", "certify"), [(0.3, 6, True), (2.0, 6, True), (10.0, 15, False)]
)
def test_rotation_in_a_gaussian(theta, count, certify):
    """To degree 4 where the eigenvalues rotate: slow modes that turn fast are all there."""
    box = {"box": [[-8.5, 8.5], [-6.5, 6.5]]}
    numerics = {"degree": 8, "cells": [12, 11], "certify": certify}
    spectrum = wfrpde.spectrum(
        gaussian({"circulation": theta}, count, domain=box, numerics=numerics)
    )
    exact = sums((np.eye(2) + theta * np.array([[0, 1], [-1, 0]])) @ STIFFNESS, count)
    assert spectrum.warnings == ()
    assert distance(spectrum.eigenvalues, exact) <= 1e-8 * np.abs(exact).max()
    if certify:
        assert distance(spectrum.eigenvalues, exact) <= spectrum.errors.max()
    np.testing.assert_array_equal(spectrum.rates, spectrum.eigenvalues.real)
    assert spectrum.rotates == (theta > 1)
    pairing = (spectrum.left_functions.conj() * spectrum.mass) @ spectrum.functions.T
    np.testing.assert_allclose(pairing, np.eye(count), atol=1e-9)
    assert spectrum.conditions.min() >= 1 - 1e-9
    # h is linear for the slowest mode: u = c·x with c an eigenvector of the transposed drift
    points = np.array([[0.5, 0.0], [0.0, 0.5], [0.5, 0.5]])
    one, other, both = spectrum.eigenfunction(1, points)
    assert both == pytest.approx(one + other, abs=1e-6)


MEET = np.sqrt(9 / 4 / np.linalg.det(STIFFNESS) - 1)
"""θ at which the two eigenvalues of (1 + θJ)A, of trace 3, are one."""


@pytest.mark.parametrize("theta", [0.0, 0.5, MEET, 1.0, 10.0])
def test_linear_dynamics_by_polynomials(theta):
    """Without a mesh: to degree 4, functions with the duality that they should have."""
    spectrum = wfrpde.spectrum(gaussian({"circulation": theta}, 15))
    assert spectrum.numerics["formulation"] == "closed form"
    exact = sums((np.eye(2) + theta * np.array([[0, 1], [-1, 0]])) @ STIFFNESS, 15)
    gap = distance(spectrum.eigenvalues, exact)
    if theta == MEET:  # eigenvalues have met, and are known to a root of round-off
        assert gap < 1e-6
        assert spectrum.errors.max() < 1e-5
        assert spectrum.conditions[1:].min() > 1e6
        return
    assert gap < 1e-12
    assert spectrum.errors.max() < 1e-10
    pairing = (spectrum.left_functions.conj() * spectrum.mass) @ spectrum.functions.T
    np.testing.assert_allclose(pairing, np.eye(15), atol=1e-8)


def test_polynomials_and_elements_agree():
    """Eigenvalues, conditions and functions, beside a diffusion that is no unit matrix."""
    dynamics = {"circulation": 2.0, "diffusion": [[1.0, 0.3], [0.3, 0.5]]}
    known = wfrpde.spectrum(gaussian(dynamics, 4))
    assert known.numerics["formulation"] == "closed form"
    box = {"box": [[-7.5, 7.5], [-5.5, 5.5]]}
    mesh = {"cells": [11, 9], "certify": False}
    meshed = wfrpde.spectrum(gaussian(dynamics, 4, domain=box, numerics=mesh))
    np.testing.assert_allclose(known.eigenvalues, meshed.eigenvalues, atol=1e-4)
    np.testing.assert_allclose(known.conditions, meshed.conditions, rtol=1e-3)
    x = np.array([[0.5, 0.3], [1.0, -0.7], [-1.5, 0.2]])
    for name in ("eigenfunction", "density"):
        for k in (1, 2, 3):
            one, other = (getattr(s, name)(k, x) for s in (known, meshed))
            np.testing.assert_allclose(one / one[0], other / other[0], atol=2e-3)


def test_linear_dynamics_in_space():
    turn = np.array([[0.0, 1.0, 0.5], [-1.0, 0.0, 2.0], [-0.5, -2.0, 0.0]])
    stiffness = np.array([[1.0, 0.2, 0.0], [0.2, 2.0, 0.1], [0.0, 0.1, 1.5]])
    case = Case.from_dict(
        {
            "target": {
                "kind": "gaussian", "mean": np.ones(3), "covariance": np.linalg.inv(stiffness)
            },
            "initial": {"mean": np.zeros(3), "covariance": 1.0},
            "dynamics": {"circulation": turn},
            "spectrum": {"count": 10},
        }
    )  # fmt: skip
    values = np.linalg.eigvals((np.eye(3) + turn) @ stiffness)
    every = [0.0, *values, *(values[i] + values[j] for i in range(3) for j in range(i, 3))]
    exact = sorted(every, key=lambda v: (round(v.real, 9), abs(v.imag), -v.imag))
    found = wfrpde.spectrum(case).eigenvalues
    slow = [v for v in exact if v.real < 2.9 * values.real.min()]  # below the third degree
    assert len(slow) >= 4
    assert distance(found[: len(slow)], np.array(slow)) < 1e-12


def test_what_two_degrees_do_not_share_is_named():
    coarse = gaussian(
        {"circulation": 1.0}, 12, numerics={"degree": 6, "cells": [6, 6]},
        domain={"box": [[-10, 10], [-8, 8]]},
    )  # fmt: skip
    spectrum = wfrpde.spectrum(coarse)
    exact = sums((np.eye(2) + np.array([[0, 1], [-1, 0]])) @ STIFFNESS, 12)
    assert any("artefacts of the mesh" in text for text in spectrum.warnings)
    assert len(spectrum.numerics["spurious"]) > 2
    for value, error in zip(spectrum.eigenvalues, spectrum.errors, strict=True):
        assert np.abs(exact - value).min() <= max(error, 1e-9)


def test_the_target_is_stationary_and_constants_are_harmonic():
    """With J(x) and D(x) that are formulas, to round-off, on a mesh that resolves nothing."""
    from wfrpde.case.setup import make_problem
    from wfrpde.discretisation.nodes import make_nodes
    from wfrpde.operators.generator_form import GeneratorForm
    from wfrpde.parallel.mpi import MPI

    dynamics = {
        "circulation": "1 + x*y",
        "diffusion": [["2 + sin(x)", "0.5*cos(y)"], ["0.5*cos(y)", "1 + 0.1*x**2"]],
    }
    case = gaussian(dynamics, 4, domain={"box": [[-3, 3], [-3, 3]]})
    problem = make_problem(case, at_equilibrium=True)
    nodes = make_nodes(MPI.COMM_SELF, problem.tensor_grid((4, 4)), 4)
    potential = problem.potential(nodes.points)
    form = GeneratorForm.of(nodes, potential, case.dynamics.build(2))
    root, size = np.sqrt(form.mass), abs(form.matrix).max()
    assert np.abs(form.matrix @ root).max() <= 1e-13 * size
    assert np.abs(form.matrix.T @ root).max() <= 1e-13 * size


def test_noise_that_depends_on_the_place():
    case = Case.from_dict(
        {
            "target": {"potential": "3*(x**2 - 1)**2"},
            "initial": {"mean": [0.0], "covariance": [[1.0]]},
            "dynamics": {"diffusion": "1 + 0.8*sin(3*x)"},
            "spectrum": {"count": 4},
        }
    )
    spectrum = wfrpde.spectrum(case)
    np.testing.assert_allclose(spectrum.rates, _by_sinc(), rtol=1e-8, atol=1e-11)
    assert (np.abs(spectrum.rates - _by_sinc())[1:] <= spectrum.errors[1:] + 1e-11).all()
    known = [0.0, 0.15978129, 5.86109606, 14.29758372]
    np.testing.assert_allclose(spectrum.rates, known, rtol=4e-8, atol=1e-11)


def _by_sinc():
    """−L = AᵀA with A = √D (∂ + V′/2) on √π h, at equidistant points."""
    step = 4.8 / 139
    x = -2.4 + step * np.arange(140)
    gap = np.subtract.outer(np.arange(140), np.arange(140))
    derivative = np.where(gap == 0, 0.0, (-1.0) ** gap / np.where(gap == 0, 1, gap)) / step
    root = np.sqrt(1 + 0.8 * np.sin(3 * x))
    factor = root[:, None] * (derivative + np.diag(6 * x * (x**2 - 1)))
    return np.linalg.eigvalsh(factor.T @ factor)[:4]


def test_a_closed_form_says_which_keys_mean_nothing():
    dynamics = {"circulation": 2.0}
    told = wfrpde.spectrum(gaussian(dynamics, 3, numerics={"solver": "direct", "certify": False}))
    assert told.numerics["formulation"] == "closed form"
    assert any("numerics.certify, numerics.solver had no effect" in w for w in told.warnings)
    assert not wfrpde.spectrum(gaussian(dynamics, 3)).warnings


def test_a_full_matrix_of_any_anisotropy():
    """D = R diag(1, 1/100) Rᵀ at 30°: the rates are sums of the eigenvalues of DA."""
    turn = np.array([[np.cos(np.pi / 6), -0.5], [0.5, np.cos(np.pi / 6)]])
    spread = turn @ np.diag([1.0, 0.01]) @ turn.T
    case = gaussian({"diffusion": spread.tolist()}, 6, numerics={"degree": 7})
    spectrum = wfrpde.spectrum(case)
    exact = sums(spread @ STIFFNESS, 6).real
    np.testing.assert_allclose(spectrum.rates, exact, rtol=1e-6, atol=1e-12)
    assert not spectrum.rotates
    assert (np.abs(spectrum.rates - exact) <= spectrum.errors).all()


class Ring(Side):
    closed = True

    def wrapped(self, x, low, high):
        return low + (x - low) % (high - low)


@pytest.mark.parametrize("push", [0.7, 30.0])
def test_a_constant_drift_on_a_ring(monkeypatch, push):
    """V = cos x and f = F − sin x make b = F: λ = k² ± ikF, and a uniform stationary law."""
    monkeypatch.setitem(KINDS, "ring", Ring())
    case = Case.from_dict(
        {
            "target": {"potential": "cos(x)"},
            "initial": {"kind": "uniform"},
            "domain": {"box": [[0.0, 2 * np.pi]], "sides": {"x": "ring"}},
            "dynamics": {"drift": [f"{push} - sin(x)"]},
            "spectrum": {"count": 9},
        }
    )
    spectrum = wfrpde.spectrum(case)
    exact = [0.0] + [k * k + s * 1j * k * push for k in range(1, 5) for s in (1, -1)]
    np.testing.assert_allclose(spectrum.eigenvalues, exact, rtol=1e-8, atol=1e-9)
    stationary = spectrum.density(0, np.array([[0.3], [2.0], [4.4]]))
    np.testing.assert_allclose(np.abs(stationary / stationary[0]), 1.0, atol=1e-8)


def test_what_is_refused():
    with pytest.raises(InputError, match="circulation"):
        Case.from_dict(
            {
                "target": {"potential": "x**2"},
                "initial": {"kind": "uniform"},
                "dynamics": {"circulation": 1.0},
            }
        )
    from wfrpde.studies.spectral.study import study_spectrum

    with pytest.raises(InputError, match=r"spectrum\.sets"):
        study_spectrum(gaussian({"circulation": 1.0}, 4, spectrum={"sets": 2}))
    with pytest.raises(InputError, match="simplices"):
        wfrpde.spectrum(gaussian({"circulation": 1.0}, 4, domain={"cell": "simplex"}))


def test_kept_and_read_again(tmp_path):
    case = gaussian({"circulation": 2.0}, 3, numerics={"degree": 6, "cells": [8, 8]})
    spectrum = wfrpde.spectrum(case.with_overrides({"domain.box": [[-6, 6], [-5, 5]]}))
    again = type(spectrum).load(spectrum.save(tmp_path / "kept.npz"))
    np.testing.assert_array_equal(again.eigenvalues, spectrum.eigenvalues)
    point = np.array([[0.3, 0.4]])
    assert again.eigenfunction(1, point) == spectrum.eigenfunction(1, point)


def test_functions_are_those_of_the_backward_operator():
    """u = c·x with Bᵀc = λc for b = −Bx, not Bc = λc, whatever makes up B: J, or J and a drift."""
    turn = np.array([[0.0, 0.3], [-0.3, 0.0]])
    points = np.array([[0.5, 0.0], [0.0, 0.5]])
    box = {"domain": {"box": [[-8.5, 8.5], [-6.5, 6.5]]}, "numerics": {"cells": [10, 9]}}
    rest = (turn @ STIFFNESS).tolist()
    drift = [f"({a})*x + ({b})*y" for a, b in rest]
    for dynamics, b in (
        ({"circulation": 0.3}, (np.eye(2) + turn) @ STIFFNESS),
        ({"circulation": 0.3, "drift": drift}, STIFFNESS),  # f = JAx undoes −J∇V
    ):
        spectrum = wfrpde.spectrum(gaussian(dynamics, 3, **box))
        values, vectors = np.linalg.eig(b.T)
        slow = vectors[:, values.argmin()]
        assert spectrum.eigenvalues[1] == pytest.approx(values.min(), abs=1e-7)
        found = spectrum.eigenfunction(1, points)
        assert found[1] / found[0] == pytest.approx(slow[1] / slow[0], rel=1e-6)
