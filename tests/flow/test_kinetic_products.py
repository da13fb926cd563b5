"""Kinetic flows of several positions in separable potentials: products of phase spaces."""

import numpy as np
import pytest
from gaussian_flow import riccati

import wfrpde
from wfrpde.case import Case
from wfrpde.errors import InputError

FRICTION = 1.5
STARTS = [([1.0, 0.5], [[0.3, 0.05], [0.05, 0.2]]), ([-0.5, 0.2], [[0.4, 0.0], [0.0, 0.6]])]


def case(beta, **tables):
    factors = [
        {"target": {"potential": potential}, "initial": {"mean": mean, "covariance": covariance}}
        for potential, (mean, covariance) in zip(("x**2/2", "x**2"), STARTS, strict=True)
    ]
    return Case.model_validate(
        {
            "target": {"kind": "product", "modes": {"right": "all(x > 0)"}},
            "factor": factors,
            "dynamics": {"kind": "kinetic", "friction": FRICTION},
            "flow": {"beta": beta, "save": [0.5]},
            "numerics": {"dt": 0.1},
            **tables,
        }
    )


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_two_positions_and_two_momenta(beta):
    """Mean, variances and KL in 2+2 dimensions against Riccati's equation: 1e-5."""
    solution = wfrpde.solve(case(beta))
    assert solution.dim == 4
    assert solution.case.coordinates == ("q1", "p1", "q2", "p2")
    means, variances, kl = [], [], 0.0
    for stiffness, (mean, covariance) in zip((1.0, 2.0), STARTS, strict=True):
        drift = np.array([[0.0, -1.0], [stiffness, FRICTION]])
        precision = np.diag([stiffness, 1.0])
        start = {"mean": np.array(mean), "covariance": np.array(covariance)}
        noise = np.diag([0.0, FRICTION])
        m, c, own = riccati(np.array([0.0, 0.5]), drift, noise, precision, beta, **start)
        means += list(m[-1])
        variances += list(np.diag(c[-1]))
        kl += own[-1]
    mean, variance = solution.estimated("mean")[-1], solution.variance[-1]
    for found, exact in ((mean, means), (variance, variances)):
        gap = np.abs(found.value - exact)
        assert (gap < 1e-5).all()
        assert (gap <= 1.2 * found.error + 1e-9).all()
    assert solution.series["kl"][-1] == pytest.approx(kl, rel=1e-5)


def test_what_products_with_momenta_cannot_do():
    with pytest.raises(InputError, match=r"target\.rotation"):
        case(0.0, target={"kind": "product", "rotation": "random:1"})
    with pytest.raises(InputError, match="dynamics"):
        case(0.0, dynamics={"drift": ["y", "x", "1", "1"]})
    ring = {"target": {"kind": "radial", "potential": "r**2/2", "dim": 3}, "initial": {"mean": 0.0}}
    with pytest.raises(InputError, match="factor"):
        Case.model_validate({**ring, "dynamics": {"kind": "kinetic"}})
