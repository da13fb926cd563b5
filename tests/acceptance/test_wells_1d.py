"""Double wells in 1-D: the mass of each well, relative to itself, however little it is.

There is no closed form. Two formulations that share neither the unknown, nor the flux, nor the time
integrator have to agree, and so has a finer mesh.
"""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde

STARTS = {"left": (-1.0, 0.2), "top": (0.3, 0.3)}
TIMES = [0.1, 0.5, 1.0, 2.0, 5.0]


def well(
    barrier: float, tilt: float, start: tuple[float, float], beta: float, **numerics: object
) -> wfrpde.Solution:
    case = wfrpde.Case.model_validate(
        {
            "target": {
                "potential": f"{barrier}*(x**2 - 1)**2 + {tilt}*x",
                "modes": {"left": "x < 0", "right": "x >= 0"},
            },
            "initial": {"mean": [start[0]], "covariance": [[start[1] ** 2]]},
            "flow": {"beta": beta, "save": TIMES},
            "numerics": numerics,
        }
    )
    return wfrpde.solve(case, observer=not_stalled)


def not_stalled(event: object) -> None:
    """A run whose steps shrink without end has to be given up by the solver, not by the test."""
    dt = getattr(event, "dt", 0.0)
    assert dt == 0.0 or dt > 1e-14, f"a step of {dt:.1e}"


def check_agreement(one: wfrpde.Solution, other: wfrpde.Solution, limit: float) -> None:
    """Masses agree relative to themselves, and within the estimated errors."""
    for name, mass in one.mode_mass.items():
        gap = np.abs(mass - other.mode_mass[name])
        assert (gap <= limit * mass).all(), (name, gap / mass)
        estimate = one.error.mode_mass[name] + other.error.mode_mass[name]
        assert (gap <= estimate)[1:].all(), (name, gap / mass, estimate / mass)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("tilt", [0.0, 0.5])
@pytest.mark.parametrize("barrier", [8.0, 20.0])
@pytest.mark.parametrize(("beta", "limit"), [(1.0, 1e-5), (0.0, 1e-4)], ids=["WFR", "W"])
def test_masses(barrier, tilt, start, beta, limit):
    default = well(barrier, tilt, start, beta)
    chosen = default.numerics["formulation"]
    second = {"log-density": "edge-averaged", "edge-averaged": "log-density"}[chosen]
    check_agreement(default, well(barrier, tilt, start, beta, formulation=second), limit)
    fine = well(barrier, tilt, start, beta, formulation="edge-averaged", cells=[960])
    check_agreement(default, fine, limit)
    assert min(mass.min() for mass in default.mode_mass.values()) > 0
    assert not default.warnings


def test_a_finer_mesh_gives_the_same_log_density():
    """Also where open ends break down on the finer mesh, which the solver has to notice."""
    coarse = well(8.0, 0.5, STARTS["top"], 1.0)
    assert coarse.numerics["formulation"] == "log-density"
    fine = well(8.0, 0.5, STARTS["top"], 1.0, formulation="log-density", cells=[80])
    check_agreement(coarse, fine, 1e-6)


def test_a_barrier_of_50():
    """V reaches 1378 kT in the box: e^{−V} is no number there."""
    solutions = []
    for formulation in ("auto", "log-density", "edge-averaged"):
        case = wfrpde.Case.model_validate(
            {
                "target": {
                    "potential": "50*(x**2 - 1)**2",
                    "modes": {"left": "x < 0", "right": "x >= 0"},
                },
                "initial": {"mean": [-1.0], "covariance": [[0.04]]},
                "domain": {"box": [[-2.5, 2.5]]},
                "flow": {"save": TIMES},
                "numerics": {"formulation": formulation},
            }
        )
        solutions.append(wfrpde.solve(case, observer=not_stalled))
    default, log_density, edge_averaged = solutions
    check_agreement(default, edge_averaged, 1e-4)
    check_agreement(log_density, edge_averaged, 1e-4)
    np.testing.assert_allclose(default.series["kl"], edge_averaged.series["kl"], rtol=1e-4)
    np.testing.assert_allclose(default.mean, edge_averaged.mean, rtol=1e-4)
    # the log-density form keeps the whole box; it is finite and positive to its ends
    points = np.linspace(-2.4, 2.4, 49)[:, None]
    assert np.isfinite(default.log_density(5.0, points)).any()
    assert default.mode_mass["right"][-1] == pytest.approx(0.47587, abs=1e-4)


@pytest.mark.parametrize("tolerance", [None, 1e-4])
def test_the_fisher_information_across_50_kt(tolerance):
    """Only the ridge has slopes, where ρ is e^{−50}. By finite differences of order 4 for log(ρ/π).

    They share no code, and their own error, seen from twice as many points, is below 4e-5.
    """
    exact = np.array([2.144794e-11, 7.589616e-20, 4.529802e-20, 1.253085e-20, 4.01520e-23])
    case = wfrpde.load_case("quartic-well-50")
    if tolerance is not None:
        case = case.with_overrides({"accuracy.tolerance": tolerance})
    solution = wfrpde.solve(case)
    assert solution.times[1:].tolist() == TIMES
    off = np.abs(solution.series["fisher_information"][1:] - exact)
    assert (off <= 3e-4 * exact).all()
    assert (off <= solution.error.series["fisher_information"][1:] + 4e-5 * exact).all()
