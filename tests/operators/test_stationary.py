"""What a drift that does not keep the target keeps, relative to itself in every entry."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

import wfrpde
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.errors import InputError
from wfrpde.operators import stationary_density
from wfrpde.operators.stationary import _rates, stationary_masses
from wfrpde.parallel.mpi import MPI
from wfrpde.report.spectrum.fields import nodal_fields
from wfrpde.report.spectrum.page import study_sentences
from wfrpde.studies.spectral.study import study_spectrum


def case(potential, dynamics, **tables):
    return wfrpde.Case.model_validate(
        {
            "target": {"potential": potential}, "initial": {"kind": "uniform"},
            "dynamics": dynamics, **tables,
        }
    )  # fmt: skip


@pytest.mark.parametrize("diffusion", [None, "1 + 0.5*sin(2*x)"])
def test_a_gradient_in_disguise(diffusion):
    """V = x²/2 with f = −D(x − ½x³)… keeps e^{−x⁴/8}, to 40 nats below its top."""
    spread = diffusion or "1"
    drift = [f"({spread})*(x - x**3/2)"]
    dynamics = {"drift": drift} if diffusion is None else {"drift": drift, "diffusion": diffusion}
    found = stationary_density(case("x**2/2", dynamics, domain={"box": [[-5, 5]]}))
    x = np.linspace(-4, 4, 81)
    quad = np.linspace(-6, 6, 4001)
    log_z = np.log(np.exp(-(quad**4) / 8).sum() * (quad[1] - quad[0]))
    exact = -(x**4) / 8 - log_z
    gap = found.log_density(x[:, None]) - exact
    assert np.abs(gap).max() < 1e-6
    assert found.log_error.max() < 1e-5
    # π itself has another fourth moment, and is found to be another law
    assert found.kl > 0.01
    assert found.kl_error < 1e-7
    np.testing.assert_allclose(found.current([[0.5], [1.0]]), 0.0, atol=1e-5)


def test_a_rotation_without_a_potential_of_its_own():
    """f = −(B − 1)x beside |x|²/2: a Gaussian by Lyapunov's equation, and its current."""
    b = np.array([[1.0, 1.5], [-0.5, 2.0]])
    rest = (np.eye(2) - b).tolist()
    drift = [f"({p})*x + ({q})*y" for p, q in rest]
    tables = {"domain": {"box": [[-7, 7], [-6, 6]]}, "numerics": {"cells": [28, 28]}}
    found = stationary_density(case("(x**2 + y**2)/2", {"drift": drift}, **tables))
    covariance = solve_continuous_lyapunov(b, 2 * np.eye(2))
    precision = np.linalg.inv(covariance)
    points = np.random.default_rng(0).uniform(-2.0, 2.0, (100, 2))
    exact = -np.einsum("ni,ij,nj->n", points, precision, points) / 2
    exact -= np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] / 2
    gap = np.abs(found.log_density(points) - exact)
    assert gap.max() < 1e-4
    kl = (np.trace(covariance) - 2 - np.linalg.slogdet(covariance)[1]) / 2
    assert found.kl == pytest.approx(kl, abs=3 * found.kl_error + 1e-7)
    assert found.kl_error < 1e-4
    flow = np.exp(exact)[:, None] * (points @ (precision - b.T))
    np.testing.assert_allclose(found.current(points), flow, atol=2e-3 * np.abs(flow).max())


def test_every_entry_is_right_relative_to_itself():
    """Over 100 nats and a barrier of 8, against elimination without a subtraction (GTH)."""
    dynamics = {"drift": ["1.5*y", "-2*x"]}
    wells = case("8*(x**2 - 1)**2 + 2*y**2", dynamics, domain={"box": [[-1.9, 1.9], [-4, 4]]})
    problem = make_problem(wells, at_equilibrium=True)
    nodes = make_nodes(MPI.COMM_SELF, problem.tensor_grid((16, 12)), 1)
    mass = stationary_masses(problem, wells.equation.dynamics, nodes)
    start, end, forth, back = _rates(problem, wells.equation.dynamics, nodes)
    n = len(mass)
    rates = np.zeros((n, n))
    np.add.at(rates, (start, end), forth)
    np.add.at(rates, (end, start), back)
    exact = gth(rates)
    assert np.log(exact.max() / exact.min()) > 25
    np.testing.assert_allclose(mass, exact, rtol=1e-9)


def gth(rates):
    """Stationary law by Grassmann, Taksar and Heyman: no cancellation anywhere."""
    a = rates.copy()
    n = len(a)
    for k in range(n - 1, 0, -1):
        a[:k, k] /= a[k, :k].sum()
        a[:k, :k] += np.outer(a[:k, k], a[k, :k])
    mass = np.ones(n)
    for k in range(1, n):
        mass[k] = mass[:k] @ a[:k, k]
    return mass / mass.sum()


def test_a_study_tells_what_the_drift_keeps(tmp_path):
    study = study_spectrum(
        case("x**2/2", {"drift": ["x - x**3/2"]}, domain={"box": [[-5, 5]]}, spectrum={"count": 2})
    )
    assert study.stationary.kl > 0.01
    words = " ".join(study_sentences(study))
    assert "The drift does not keep the target: what it keeps has KL" in words
    assert "In the end KL" not in words
    fields = nodal_fields(study)
    assert fields["stationary_current"].shape == (len(study.spectrum.nodes), 3)
    again = type(study).load(study.save(tmp_path / "kept.npz"))
    x = np.array([[0.3], [1.0]])
    np.testing.assert_array_equal(again.stationary.density(x), study.stationary.density(x))
    assert "KL" in study.stationary._repr_html_()
    assert study.stationary.to_dataframe()["kl"][0] == study.stationary.kl


def test_what_is_refused():
    with pytest.raises(InputError, match="full matrix"):
        stationary_density(case("x**2 + y**2", {"diffusion": [[1.0, 0.5], [0.5, 1.0]]}))
    domain = {"box": [[-3, 3]], "absorbing": "x > 2"}
    with pytest.raises(InputError, match="absorbs"):
        stationary_density(case("x**2", {"drift": ["1"]}, domain=domain))
