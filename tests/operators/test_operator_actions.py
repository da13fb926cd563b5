"""What the operators do to functions and densities, against formulas; adjoints and kernels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm
from spectrum_references import case_of

import wfrpde
from wfrpde.errors import InputError
from wfrpde.operators import feynman_kac_operator, generator, linearised_flow

WELL = {"kind": "double_well", "barrier": 3.0, "tilt": 0.4}
CORRELATED = {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1.0, 0.4], [0.4, 0.7]]}
PLANE = {"domain": {"box": [[-6.0, 6.0]] * 2}, "numerics": {"degree": 6, "cells": [10, 10]}}

CASES = {
    "line": case_of(WELL, flow={"alpha": 0.7, "beta": 0.4, "reaction": "tanh(2*x) - x**2"}),
    "plane": case_of(
        CORRELATED, 2, flow={"alpha": 0.7, "beta": 0.4, "reaction": "x*y - x**2"}, **PLANE
    ),
    "triangles": case_of(
        CORRELATED,
        2,
        flow={"alpha": 0.7, "beta": 0.4, "reaction": "x*y - x**2"},
        domain={"box": [[-5.0, 5.0]] * 2, "cell": "simplex"},
        numerics={"cells": [16, 16]},
    ),
    "absorbed": case_of(
        WELL,
        flow={"alpha": 0.7, "beta": 0.0, "reaction": "x"},
        spectrum={"absorbing": "x > 0.9"},
    ),
}
MAKERS = (generator, feynman_kac_operator, linearised_flow)


def measures(operator):
    """Quadrature weights of dx and of π at the nodes."""
    form = operator.form
    n = form.nodes.n_owned
    return form.nodes.weights[:n], form.mass[:n]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", CASES)
def test_left_is_the_adjoint_of_right(name, make):
    """⟨ρ, A f⟩ = ⟨A*ρ, f⟩, and A is symmetric in L²(π); the densities fall like π."""
    operator = make(CASES[name])
    x = operator.points
    volume, mass = measures(operator)
    f, g = np.sin(x.sum(axis=1)), np.cos(2 * x[:, 0]) + 0.3 * x[:, -1]
    density = mass / volume * (1 + 0.3 * g)
    left, right = operator.left(density), operator.right(f)
    free = operator.free
    pairing, adjoint = volume @ (density * right), volume @ (left * np.where(free, f, 0))
    assert abs(pairing - adjoint) < 1e-12 * (volume @ np.abs(density * right))
    f, g = np.where(free, f, 0), np.where(free, g, 0)
    one, other = mass @ (g * operator.right(f)), mass @ (f * operator.right(g))
    assert one == pytest.approx(other, rel=1e-11)
    if name == "absorbed":
        assert np.array_equal(operator.right(f)[~free], np.zeros((~free).sum()))


@pytest.mark.parametrize("name", ["line", "plane", "triangles"])
def test_kernels(name):
    """L1 = 0 exactly, L*π = 0; mass is kept; the linearised flow damps all but its mean."""
    operator, linearised = generator(CASES[name]), linearised_flow(CASES[name])
    x = operator.points
    volume, mass = measures(operator)
    assert np.array_equal(operator.right(np.ones(len(x))), np.zeros(len(x)))
    assert np.abs(operator.left(mass / volume)).max() < 1e-14
    f = np.sin(x[:, 0]) + x[:, -1] ** 2
    change = operator.left(mass / volume * f)
    assert abs(volume @ change) < 1e-13 * (volume @ np.abs(change))
    mean = mass @ f
    np.testing.assert_allclose(
        linearised.right(f), operator.right(f) - 0.4 * (f - mean), rtol=1e-10, atol=1e-10
    )


def smooth(x):
    """A function with its gradient and Laplacian."""
    s, c = np.sin(x[:, 0] + 0.5 * x[:, -1]), np.cos(x[:, 0] + 0.5 * x[:, -1])
    if x.shape[1] == 1:
        s, c = np.sin(1.5 * x[:, 0]), np.cos(1.5 * x[:, 0])
        return s, 1.5 * c[:, None], -2.25 * s
    return s, np.stack([c, 0.5 * c], axis=1), -1.25 * s


def inner(x, half_width):
    return (np.abs(x) < half_width).all(axis=1)


def test_the_generator_and_its_schroedinger_form_on_smooth_functions():
    """αLf = α(Δf − ∇V·∇f) and Hw = −Δw + (|∇V|²/4 − ΔV/2) w, at spectral accuracy."""
    covariance = np.array(CORRELATED["covariance"])
    precision = np.linalg.inv(covariance)
    operator = generator(case_of(CORRELATED, 2, flow={"alpha": 0.7}, **PLANE))
    x = operator.points
    near = inner(x, 2.5)
    f, slope, laplacian = smooth(x)
    force = x @ precision
    wanted = 0.7 * (laplacian - (force * slope).sum(axis=1))
    weight = np.exp(-np.einsum("ni,ij,nj->n", x, precision, x) / 4)[near]
    # a Galerkin action at the nodes has order p − 1, in the middle of elements more
    assert (np.abs(operator.right(f) - wanted)[near] * weight).max() < 2e-3

    root = np.exp(-np.einsum("ni,ij,nj->n", x, precision, x) / 4)
    energy = (force**2).sum(axis=1) / 4 - np.trace(precision) / 2
    w = root * f  # −Δ(√π f) + (…) √π f = −√π L f, and the formula term by term:
    gradient_of_root = -force / 2 * root[:, None]
    laplacian_of_root = ((force**2).sum(axis=1) / 4 - np.trace(precision) / 2) * root
    laplacian_of_w = (
        root * laplacian + 2 * (gradient_of_root * slope).sum(axis=1) + laplacian_of_root * f
    )
    wanted = -laplacian_of_w + energy * w
    assert np.abs(operator.schroedinger(w) / 0.7 - wanted)[near].max() < 2e-3


@pytest.mark.parametrize(("degree", "cells"), [(2, (20, 40, 80)), (4, (10, 20, 40))])
def test_the_order_of_the_schroedinger_form(degree, cells):
    """In the weak sense: ⟨w, H v⟩ for smooth w and v has order 2p."""
    errors = []
    for n in cells:
        case = case_of(
            "x**2/2 + x**4/10",
            domain={"box": [[-5.0, 5.0]]},
            numerics={"degree": degree, "cells": [n]},
        )
        operator = generator(case)
        x = operator.points[:, 0]
        volume, _ = measures(operator)
        value = volume @ (np.exp(-(x**2)) * operator.schroedinger(np.exp(-((x - 0.3) ** 2))))
        s = np.linspace(-9.0, 9.0, 20001)
        v = np.exp(-((s - 0.3) ** 2))
        second = (4 * (s - 0.3) ** 2 - 2) * v
        slope, curvature = s + 0.4 * s**3, 1 + 1.2 * s**2
        wanted = np.exp(-(s**2)) @ (-second + (slope**2 / 4 - curvature / 2) * v) * (s[1] - s[0])
        errors.append(abs(value / wanted - 1))
    orders = np.diff(-np.log(errors)) / np.diff(np.log(cells))
    assert orders[-1] > 2 * degree - 0.2, (errors, orders)
    assert errors[-1] < {2: 1e-5, 4: 1e-8}[degree], errors


def test_feynman_kac_adds_the_rate():
    case = CASES["line"]
    operator, plain = feynman_kac_operator(case), generator(case)
    x = operator.points[:, 0]
    f = np.cos(x)
    rate = np.tanh(2 * x) - x**2
    np.testing.assert_allclose(operator.right(f), plain.right(f) + rate * f, atol=1e-9)
    assert operator.energy(f[None])[0, 0] == pytest.approx(
        -(operator.form.mass @ (f * operator.right(f))), rel=1e-12
    )
    with pytest.raises(InputError, match=r"flow\.reaction"):
        feynman_kac_operator(case_of(WELL))


def test_the_linearised_flow_is_that_of_small_perturbations():
    """d⟨x⟩_t/dε of the nonlinear flow from π (1 + ε f) is ∫ x e^{tA*}(π f), up to O(ε²)."""
    potential, t = "x**2/2 + x**4/10 + x/3", 0.4
    tables = {
        "flow": {"alpha": 0.8, "beta": 0.6, "save": [t]},
        "domain": {"box": [[-5.0, 5.0]]},
    }
    operator = linearised_flow(case_of(potential, numerics={"cells": [10], "degree": 8}, **tables))
    x = operator.points[:, 0]
    _, mass = measures(operator)
    matrix = np.array([operator.right(column) for column in np.eye(len(x))]).T
    f = np.tanh(2 * x)
    wanted = mass @ (x * (expm(t * matrix) @ (f - mass @ f)))

    def mean(epsilon):
        start = {"log_density": f"-({potential}) + log(1 + {epsilon}*tanh(2*x))"}
        case = wfrpde.Case.model_validate(
            {"target": {"potential": potential}, "initial": start, **tables}
        )
        return wfrpde.solve(case).mean[-1, 0]

    errors = [abs((mean(e) - mean(-e)) / (2 * e) / wanted - 1) for e in (0.4, 0.2, 0.1)]
    assert errors[1] < 0.3 * errors[0], errors
    assert errors[2] < 0.3 * errors[1], errors
    assert errors[2] < 1e-3, errors
