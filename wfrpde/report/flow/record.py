"""What a run leaves behind, as plain numbers: the only thing that tables, figures and report read.

A `RunRecord` is taken from a solution (`record_run`) or from a run's folder
(`wfrpde.report.flow.read_run`); figures and report cannot tell which, so a run is drawn again
without being solved again.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfrpde.report.flow.snapshots import Snapshots, take_snapshots
from wfrpde.report.flow.solution_like import SolutionLike

__all__ = ["Estimated", "FlowRecord", "RunRecord", "record_run"]

Array = NDArray[np.float64]

SCALARS = ("kl", "mass", "fisher_information", "reaction_variance", "min_density")
"""Series of one number a time, in the order in which they are written."""

NORMALISATION = "log_normalising_constant"
"""The series that a linear reaction adds to them."""


@dataclass(frozen=True)
class Estimated:
    """A reported quantity at every saved time, with the estimate of its error.

    Parameters
    ----------
    value, error
        Arrays of one shape, saved times first; NaN in ``error`` where none was estimated.
    """

    value: Array
    error: Array

    def __post_init__(self) -> None:
        if self.value.shape != self.error.shape:
            raise ValueError(f"value {self.value.shape} and error {self.error.shape} differ")


@dataclass(frozen=True)
class FlowRecord:
    """One flow: what was computed at the saved times, and the history of its steps.

    Parameters
    ----------
    label
        ``"WFR"``, ``"W"``, ``"FR"``, ``"FK"``, or the name that the caller gave.
    alpha, beta
        Transport and reaction rates, per unit flow time.
    times
        Saved flow times, shape (T,).
    scalars
        Named series, each (T,).
    mean, covariance
        Shapes (T, d) and (T, d, d).
    mode_mass
        Mass of each named region, each (T,).
    density_error
        Estimated relative L2 error of the density, shape (T,), NaN where not estimated.
    history
        ``t``, ``dt``, ``kl``, ``mass`` of every accepted step.
    linear
        Formula of a linear reaction's rate U, or "".
    """

    label: str
    alpha: float
    beta: float
    times: Array
    scalars: dict[str, Estimated]
    mean: Estimated
    covariance: Estimated
    mode_mass: dict[str, Estimated]
    density_error: Array
    history: dict[str, Array] = field(default_factory=dict)
    numerics: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    complete: bool = True
    wall_time: float = float("nan")
    linear: str = ""


@dataclass(frozen=True)
class RunRecord:
    """A run: its flow, the flows it is compared with, pictures of the density, and its facts."""

    title: str
    case: dict[str, Any]
    target_name: str
    target_description: str
    dim: int
    flow: FlowRecord
    companions: dict[str, FlowRecord]
    snapshots: Snapshots
    created: str
    ranks: int
    versions: dict[str, str]

    @property
    def flows(self) -> dict[str, FlowRecord]:
        """The run's own flow first, then its companions, by label."""
        return {self.flow.label: self.flow, **self.companions}

    @property
    def target_mode_mass(self) -> dict[str, float]:
        """Mass that the target itself gives to each mode, where the solver reported it."""
        masses = self.flow.numerics.get("target_mode_mass") or {}
        return {name: float(mass) for name, mass in masses.items() if mass is not None}

    @property
    def conserves_mass(self) -> bool:
        """Whether the flow stays on probability densities."""
        return bool(self.case.get("flow", {}).get("conserve_mass", True))


def flow_label(alpha: float, beta: float, linear: str | None = None) -> str:
    """Name of a flow by its rates: ``FK`` (linear), ``WFR``, ``W`` (β = 0) or ``FR`` (α = 0)."""
    if linear:
        return "FK"
    if beta == 0:
        return "W"
    return "FR" if alpha == 0 else "WFR"


def record_run(
    solution: SolutionLike, companions: Mapping[str, SolutionLike], *, ranks: int = 1
) -> RunRecord:
    """Reduce a solution and its companions to what is written and drawn.

    Parameters
    ----------
    solution
        The run's own flow.
    companions
        Flows of the same problem with other rates, by label.
    ranks
        Number of MPI ranks that the run used.
    """
    flow = record_flow(solution)
    others = {label: record_flow(other, label) for label, other in companions.items()}
    others.pop(flow.label, None)
    case = plain(solution.case)
    return RunRecord(
        title=str(getattr(solution.case, "title", "") or "Untitled case"),
        case=case,
        target_name=str(getattr(solution.target, "name", "") or "target"),
        target_description=str(getattr(solution.target, "description", "") or ""),
        dim=int(solution.nodes.shape[1]),
        flow=flow,
        companions=others,
        snapshots=take_snapshots(
            solution, flow.label, {label: companions[label] for label in others}
        ),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        ranks=ranks,
        versions=software_versions(),
    )


def record_flow(solution: SolutionLike, label: str | None = None) -> FlowRecord:
    """Reduce one solution; its label follows from its rates unless it is given."""
    alpha, beta = float(solution.case.flow.alpha), float(solution.case.flow.beta)
    linear = getattr(solution.case.flow, "reaction", None) or ""
    error = solution.error
    series_error = getattr(error, "series", None) or {}
    mode_error = getattr(error, "mode_mass", None) or {}
    times = np.asarray(solution.times, dtype=float)
    names = [name for name in SCALARS if name in solution.series]
    names += [name for name in solution.series if name not in SCALARS]
    return FlowRecord(
        label=label or flow_label(alpha, beta, linear),
        alpha=alpha,
        beta=beta,
        times=times,
        scalars={n: _estimated(solution.series[n], series_error.get(n)) for n in names},
        mean=_estimated(solution.mean, getattr(error, "mean", None)),
        covariance=_estimated(solution.covariance, getattr(error, "covariance", None)),
        mode_mass={n: _estimated(m, mode_error.get(n)) for n, m in solution.mode_mass.items()},
        density_error=_estimated(times, getattr(error, "density", None)).error,
        history={n: np.asarray(v, dtype=float) for n, v in solution.history.items()},
        numerics=dict(solution.numerics),
        warnings=tuple(str(w) for w in solution.warnings),
        complete=bool(solution.complete),
        wall_time=float(solution.wall_time),
        linear=linear,
    )


def _estimated(value: Any, error: Any) -> Estimated:
    values = np.asarray(value, dtype=float)
    if error is None:
        return Estimated(values, np.full(values.shape, np.nan))
    return Estimated(values, np.broadcast_to(np.asarray(error, dtype=float), values.shape).copy())


def plain(case: Any) -> dict[str, Any]:
    """Give the case as JSON-ready data."""
    if hasattr(case, "model_dump"):
        return dict(case.model_dump(mode="json"))
    return dict(case)


def software_versions() -> dict[str, str]:
    """Versions of what the numbers depend on; ``"not installed"`` where a library is missing."""
    versions = {"python": platform.python_version()}
    for name, distributions in {
        "wfrpde": ("wfrpde",),
        "dolfinx": ("fenics-dolfinx", "dolfinx"),
        "petsc": ("petsc", "petsc4py"),
        "numpy": ("numpy",),
        "scipy": ("scipy",),
    }.items():
        versions[name] = _version(name, distributions)
    return versions


def _version(module: str, distributions: tuple[str, ...]) -> str:
    # An imported module knows best: system packages may come without installation metadata.
    import sys

    if module == "petsc" and "petsc4py.PETSc" in sys.modules:
        version = sys.modules["petsc4py.PETSc"].Sys.getVersion()
        return ".".join(str(part) for part in version)
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if loaded:
        return str(loaded)
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"
