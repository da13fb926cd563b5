"""Targets from functions that give log π, in NumPy, JAX and PyTorch."""

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.targets import log_prob_target

X = np.array([[0.3, -1.2], [0.0, 0.0], [2.0, 0.7], [-1.0, 1.0], [0.1, 0.2]])


def banana(x):
    return -0.5 * x[0] ** 2 - 2.0 * (x[1] - x[0] ** 2) ** 2


def batched(x):
    return -0.5 * x[:, 0] ** 2 - 2.0 * (x[:, 1] - x[:, 0] ** 2) ** 2


POTENTIAL = -batched(X)
BENT = X[:, 1] - X[:, 0] ** 2
GRADIENT = np.stack([X[:, 0] - 8 * X[:, 0] * BENT, 4 * BENT], axis=1)


def test_a_function_of_points_in_numpy():
    for function, many in ((banana, False), (batched, True)):
        target = log_prob_target(function, 2, library="numpy", batched=many)
        np.testing.assert_allclose(target.potential(X), POTENTIAL, rtol=1e-15)
        assert target.gradient is None


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_other_libraries_differentiate(library):
    pytest.importorskip(library)
    for function, many in ((banana, False), (batched, True)):
        target = log_prob_target(function, 2, library=library, batched=many)
        np.testing.assert_allclose(target.potential(X), POTENTIAL, rtol=1e-14)
        np.testing.assert_allclose(target.gradient(X), GRADIENT, rtol=1e-14, atol=1e-15)


def test_a_model_of_stan():
    """What BridgeStan compiles has a method that returns the value and the slope at a point."""

    class StanModel:
        def log_density_gradient(self, theta_unc):
            bent = theta_unc[1] - theta_unc[0] ** 2
            slope = [8 * theta_unc[0] * bent - theta_unc[0], -4 * bent]
            return banana(theta_unc), np.array(slope)

    target = log_prob_target(StanModel(), 2)
    assert target.description == "exp of StanModel (stan)"
    np.testing.assert_allclose(target.potential(X), POTENTIAL, rtol=1e-15)
    np.testing.assert_allclose(target.gradient(X), GRADIENT, rtol=1e-14, atol=1e-15)


def test_a_function_of_jax_is_recognised():
    jnp = pytest.importorskip("jax.numpy")
    target = log_prob_target(lambda x: -jnp.sum(jnp.cosh(x)), 1)
    assert target.description.endswith("(jax)")
    # SciPy is no JAX
    scipy = pytest.importorskip("scipy.special")
    other = log_prob_target(lambda x: -float(scipy.logsumexp(np.asarray(x))), 1)
    assert other.description.endswith("(numpy)")


@pytest.mark.parametrize("library", ["numpy", "jax", "torch"])
def test_a_flow_is_that_of_the_formula(library):
    if library != "numpy":
        pytest.importorskip(library)
    tables = {
        "target": {"potential": "8*(x**2 - 1)**2 + 0.5*x", "modes": {"right": "x > 0"}},
        "initial": {"mean": [-1.0], "covariance": [[0.01]]},
        "flow": {"save": [0.5]},
    }
    expected = wfrpde.solve(wfrpde.Case.model_validate(tables))
    target = log_prob_target(
        lambda x: -8 * (x[0] ** 2 - 1) ** 2 - 0.5 * x[0], 1, library=library,
        regions={"right": "x > 0"},
    )  # fmt: skip
    case = wfrpde.Case.model_validate({**tables, "target": {"python": target}})
    found = wfrpde.solve(case)
    error = expected.error.mode_mass["right"] + found.error.mode_mass["right"]
    gap = np.abs(found.mode_mass["right"] - expected.mode_mass["right"])
    assert (gap <= error + 1e-13).all()
    assert found.mode_mass["right"][-1] == pytest.approx(2.5935e-3, rel=1e-3)
    # a case stays data, and goes on naming the object
    assert case.with_overrides({"flow.beta": 0.0}).target.build().potential([[0.5]]) == (
        pytest.approx(4.75)
    )


def test_what_cannot_be_evaluated_is_one_message():
    with pytest.raises(InputError, match="which failed: IndexError"):
        log_prob_target(lambda x: x[5], 2, library="numpy")
    with pytest.raises(InputError, match="one number a point"):
        log_prob_target(lambda x: x, 2, library="numpy")
    with pytest.raises(InputError, match="dim: found 7"):
        log_prob_target(banana, 7)
    with pytest.raises(InputError, match="library: found 'jacks'"):
        log_prob_target(banana, 2, library="jacks")


def test_an_object_of_another_process_is_named():
    with pytest.raises(InputError, match="no object_999 in"):
        wfrpde.Case.model_validate(
            {
                "target": {"python": "wfrpde.targets.memory:object_999"},
                "initial": {"mean": [0.0], "covariance": [[1.0]]},
            }
        )
