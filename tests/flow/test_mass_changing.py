"""Flows of positive measures (no mean reaction): the mass has an equation and a closed form."""

import numpy as np
import pytest
from scipy.integrate import cumulative_simpson, quad

import wfrpde
from wfrpde.case import Case


def solve(initial, flow, **tables):
    return wfrpde.solve(
        Case.model_validate(
            {
                "target": {"potential": "x**2/2 + 0.4*cos(2*x)"},
                "initial": initial,
                "flow": {"conserve_mass": False, **flow},
                **tables,
            }
        )
    )


START = {"kind": "gaussian", "mean": [-0.8], "covariance": 0.5, "mass": 2.5}


@pytest.mark.parametrize(
    "numerics",
    [
        {"formulation": "edge-averaged"},
        {"formulation": "log-density"},
        {"formulation": "spectral", "degree": 6},
    ],
)
def test_mass_follows_its_equation(numerics):
    """(log m)' = −β(log m + KL(ρ/m | π)), integrated between the saved times by Simpson's rule."""
    beta = 1.5
    times = np.linspace(0.1, 1, 37)
    solution = solve(START, {"beta": beta, "save": times.tolist()}, numerics=numerics)
    assert solution.numerics["formulation"] == numerics["formulation"]
    mass = solution.series["mass"]
    assert mass[0] == pytest.approx(2.5, rel=1e-8)
    assert abs(np.log(mass[-1] / mass[1])) > 0.5
    # the entropy of measures is m log m + m KL − m + 1
    kl = ((solution.series["kl"] + mass - 1) / mass - np.log(mass))[1:]
    integral = cumulative_simpson(np.exp(beta * times) * kl, x=times, initial=0)
    start = np.exp(beta * times[0]) * np.log(mass[1])
    np.testing.assert_allclose(
        np.log(mass[1:]), np.exp(-beta * times) * (start - beta * integral), atol=1e-6
    )
    assert (solution.error.series["mass"] < 1e-5).all()


def test_pure_reaction_from_a_uniform_start_is_exact():
    """u_t = e^{−βt} u₀ with u₀ = log(m₀ Z/L) + V, at every point; its mass by quadrature."""
    low, high, m0, beta = -2.0, 2.0, 3.0, 0.7
    solution = solve(
        {"kind": "uniform", "mass": m0},
        {"alpha": 0.0, "beta": beta, "save": [0.3, 1.0, 4.0]},
        domain={"box": [[low, high]]},
    )

    def potential(x):
        return x**2 / 2 + 0.4 * np.cos(2 * x)

    z = quad(lambda x: np.exp(-potential(x)), low, high, epsabs=1e-13)[0]
    x = np.linspace(low, high, 101)
    for k, t in enumerate(solution.times):
        theta = np.exp(-beta * t)
        start = np.log(m0 * z / (high - low)) + potential(x)
        np.testing.assert_allclose(
            solution.log_relative_density(t, x), theta * start, atol=1e-6, rtol=1e-6
        )

        def density(y, theta=theta):
            u = theta * (np.log(m0 * z / (high - low)) + potential(y))
            return np.exp(u - potential(y)) / z

        exact = quad(density, low, high, epsabs=1e-13)[0]
        assert solution.series["mass"][k] == pytest.approx(exact, rel=1e-6)
    assert solution.numerics["formulation"] == "fisher-rao"


def test_mass_other_than_one_needs_an_open_balance():
    with pytest.raises(wfrpde.WfrpdeError, match=r"initial\.mass.*conserve_mass = false"):
        solve(START, {"conserve_mass": True})
