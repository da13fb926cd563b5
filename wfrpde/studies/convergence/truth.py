"""What the runs of a study are compared with: a closed form, or the finest run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.exact import gaussian_flow, gaussian_kl, gaussian_log_density

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.flow.solution import Solution


@dataclass(frozen=True)
class Truth:
    """The density at the last time.

    Attributes
    ----------
    name
        What it is, in words.
    log_density
        log ρ at points ``(n, d)``; −∞ where it is not known.
    kl
        KL(ρ‖π) in nats.
    known_to
        Relative L2 error of the density that it may itself have.
    """

    name: str
    log_density: Callable[[Array], Array]
    kl: float
    known_to: float


def has_exact_solution(case: Case) -> bool:
    """Whether start and target are Gaussian, and the flow keeps them so."""
    return _gaussians(case) is not None


def _gaussians(case: Case) -> tuple[Array, Array, Array, Array] | None:
    from wfrpde.starts import make_initial
    from wfrpde.targets import make_target

    spec, start = case.target, case.initial
    if spec.kind != "gaussian" or start.kind != "gaussian":
        return None
    if case.mesh_path is not None or not case.flow.conserve_mass:
        return None
    target = make_target(kind=spec.kind, dim=spec.dim, modes=spec.modes, parameters=spec.parameters)
    initial = make_initial(kind=start.kind, parameters=start.parameters, target=target, box=None)
    if target.gaussian is None or initial.gaussian is None:
        return None
    return (*initial.gaussian, *target.gaussian)


def exact_truth(case: Case, cut_off: float) -> Truth:
    """Give the exact flow between Gaussians, on all of R^d.

    Parameters
    ----------
    cut_off
        Share of the mass beyond the box: as far as the truth of the box may differ.
    """
    gaussians = _gaussians(case)
    assert gaussians is not None
    m0, c0, mu, sigma = gaussians
    flow = case.flow
    mean, covariance = gaussian_flow(
        m0, c0, mu, sigma, flow.save[-1], alpha=flow.alpha, beta=flow.beta
    )
    return Truth(
        "the exact flow between Gaussians",
        lambda x: gaussian_log_density(x, mean, covariance),
        gaussian_kl(mean, covariance, mu, sigma),
        max(cut_off, 1e-13),
    )


def finest_truth(solution: Solution) -> Truth:
    """Take the finest run for the truth, as far as it knows itself."""
    estimate = float(solution.density_error[-1])
    return Truth(
        f"the finest run ({len(solution.nodes)} nodes)",
        solution.at(solution.times[-1]).log_density,
        float(solution.series["kl"][-1]),
        estimate if np.isfinite(estimate) else 0.0,
    )
