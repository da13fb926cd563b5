"""`FlowRun`: a flow that was solved and those it is compared with, as a folder holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wfrpde.errors import InputError
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.product.solution import AnySolution, ProductSolution
from wfrpde.flow.saved import Estimated
from wfrpde.flow.solution import Solution, load_solution
from wfrpde.report.flow.pictures import Pictures, take_pictures
from wfrpde.report.versions import software_versions

if TYPE_CHECKING:
    from wfrpde.equation import Equation
    from wfrpde.flow.noising.solution import NoisingSolution

NORMALISATION = "log_normalising_constant"
"""The series that a linear reaction adds."""

NEEDED = "the folder of a run, as 'wfrpde solve' writes it"


@dataclass(frozen=True)
class FlowRun:
    """What tables, figures and report of a run are made from.

    Attributes
    ----------
    solution
        The run's own flow.
    companions
        Flows of the same problem with other rates, by label.
    ranks
        Number of MPI ranks that the run used.
    created, versions
        When, and by which software.
    """

    solution: AnySolution
    companions: Mapping[str, AnySolution] = field(default_factory=dict)
    ranks: int = 1
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: Mapping[str, str] = field(default_factory=software_versions)

    @property
    def title(self) -> str:
        """Title of the case."""
        return self.solution.case.title or "Untitled case"

    @property
    def equation(self) -> Equation:
        """What the run's own flow solves."""
        return self.solution.case.equation

    @property
    def flows(self) -> dict[str, AnySolution]:
        """The run's own flow first, then its companions, by label."""
        return {self.equation.label: self.solution, **self.companions}

    @property
    def is_product(self) -> bool:
        """Whether the flow consists of factors, without a mesh of its own."""
        return self.solution.case.is_factored

    @cached_property
    def pictures(self) -> Pictures:
        """The densities of all flows on meshes, to be drawn."""
        flows = {k: flow for k, flow in self.flows.items() if isinstance(flow, Solution)}
        return take_pictures(flows)

    @property
    def target_mode_mass(self) -> dict[str, float]:
        """Mass that the target itself gives to each mode."""
        return dict(self.solution.numerics["target_mode_mass"])

    @property
    def far_mode(self) -> str | None:
        """The mode that the start reaches least: there the flows differ most."""
        masses = self.solution.mode_mass
        if not masses or len(self.solution.times) < 2:
            return None
        goals = self.target_mode_mass
        # A mode that the target leaves empty too is no goal.
        wanted = [name for name in masses if goals.get(name, 1.0) > 1e-3] or list(masses)
        return min(wanted, key=lambda name: float(masses[name][0]))


def all_estimates(solution: AnySolution | NoisingSolution) -> dict[str, dict[str, Estimated]]:
    """Every number of a solution with its error: series, moments by their axes, mode masses."""
    series = {name: solution.estimated(name) for name in solution.series}
    modes = {name: solution.estimated("mode_mass", name) for name in solution.mode_mass}
    mean = solution.estimated("mean")
    if isinstance(solution, ProductSolution | ChainSolution):
        # coordinates of a product whose moments are listed: the others are in its solution
        names = solution.case.coordinates[:8]
        spread = solution.variance
        return {
            "series": series,
            "mean": {x: mean[:, i] for i, x in enumerate(names)},
            "covariance": {x + x: spread[:, i] for i, x in enumerate(names)},
            "mode_mass": modes,
        }
    covariance = solution.estimated("covariance")
    axes = solution.case.coordinates
    return {
        "series": series,
        "mean": {x: mean[:, i] for i, x in enumerate(axes)},
        "covariance": {
            x + y: covariance[:, i, i + j]
            for i, x in enumerate(axes)
            for j, y in enumerate(axes[i:])
        },
        "mode_mass": modes,
    }


def solution_file(folder: Path, companion: str = "") -> Path:
    """Return where a run's folder keeps its solution, or that of a companion."""
    return folder / (f"solution_{companion}.npz" if companion else "solution.npz")


def read_run(folder: Path) -> FlowRun:
    """Read a run's folder back.

    Raises
    ------
    InputError
        If the folder holds no readable run.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(str(folder), "no such folder", NEEDED)
    if not folder.is_dir():
        raise InputError(str(folder), "a file", NEEDED)
    missing = [name for name in ("summary.json", "solution.npz") if not (folder / name).is_file()]
    if missing:
        inner = sorted(path.parent.name for path in folder.glob("*/summary.json"))
        raise InputError(
            str(folder),
            f"a folder that holds no run (no {' and no '.join(missing)})",
            NEEDED,
            f"It holds runs: {', '.join(str(folder / name) for name in inner)}." if inner else "",
        )
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        labels = list(summary["companions"])
        facts = {key: summary[key] for key in ("ranks", "created", "versions")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = f"a run that cannot be read ({type(error).__name__}: {error})"
        raise InputError(str(folder), found, NEEDED) from error
    companions = {label: load_solution(solution_file(folder, label)) for label in labels}
    return FlowRun(load_solution(solution_file(folder)), companions, **facts)
