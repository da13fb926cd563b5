"""Tables of numbers with their errors, as rows of text for the report."""

from __future__ import annotations

import numpy as np

from wfrpde.flow.product.solution import AnySolution
from wfrpde.flow.saved import Estimated
from wfrpde.numbers import MISSING, column, number, pretty
from wfrpde.report.flow.run import NORMALISATION, FlowRun, all_estimates
from wfrpde.report.pages import Table

SURVIVAL = ("survival", "first_passage_density")
"""Series of a flow where something absorbs."""


def main_tables(run: FlowRun) -> list[Table]:
    """KL of every flow, and the mode masses of the run's own flow."""
    columns = {f"KL {label}": flow.estimated("kl") for label, flow in run.flows.items()}
    tables = [_table("KL divergence to the target", run.solution, run.flows, columns)]
    if NORMALISATION in run.solution.series:
        growth = {"log γₜ(1)": run.solution.estimated(NORMALISATION)}
        tables.append(_own("Log of the normalising constant", run.solution, growth))
    if SURVIVAL[0] in run.solution.series:
        left = dict(zip(("survival", "absorbed per unit time"), SURVIVAL, strict=True))
        shares = {word: run.solution.estimated(name) for word, name in left.items()}
        tables.append(_own("What has not been absorbed", run.solution, shares))
    return tables + _mode_table(run, run.solution, run.equation.label)


def more_tables(run: FlowRun) -> list[Table]:
    """Mode masses of the companions, and moments and dissipation of the run's own flow."""
    flow, label = run.solution, run.equation.label
    tables = [t for k, other in run.companions.items() for t in _mode_table(run, other, k)]
    found = all_estimates(flow)
    moments = {f"mean {axis}": mean for axis, mean in found["mean"].items()}
    moments |= {f"cov {axes}": entry for axes, entry in found["covariance"].items()}
    tables.append(_own(f"Mean and covariance, {label}", flow, moments))
    words = {
        "fisher_information": "Fisher information I",
        "reaction_variance": "Var log(ρ/π)",
        "min_density": "smallest density at a node",
    }
    elsewhere = ("kl", "mass", NORMALISATION, *SURVIVAL)
    scalars = {words.get(k, k): v for k, v in found["series"].items() if k not in elsewhere}
    mass = found["series"]["mass"]
    if run.equation.conserve:
        scalars["mass − 1"] = Estimated(mass.value - 1.0, mass.error * np.nan)
    else:
        scalars["mass"] = mass
    scalars["relative L² error of ρ"] = Estimated(flow.density_error, flow.density_error + np.nan)
    tables.append(_own(f"Dissipation and conservation, {label}", flow, scalars))
    return tables


def _mode_table(run: FlowRun, flow: AnySolution, label: str) -> list[Table]:
    masses = all_estimates(flow)["mode_mass"]
    if not masses:
        return []
    table = _own(f"Mass of each mode, {label}", flow, masses)
    goals = run.target_mode_mass
    if not goals:
        return [table]
    last = ["target"]
    for name, quantity in masses.items():
        cells = column(quantity.value, quantity.error, 7)
        powers = any("e" in cell.partition(" ")[0] for cell in cells)
        last.append(pretty(number(goals.get(name), 5, scientific=powers)))
    return [Table(table.title, table.header, (*table.rows, tuple(last)))]


def _own(title: str, flow: AnySolution, columns: dict[str, Estimated]) -> Table:
    return _table(title, flow, dict.fromkeys(columns, flow), columns)


def _table(
    title: str, first: AnySolution, flows: dict[str, AnySolution], columns: dict[str, Estimated]
) -> Table:
    """One row for each time of the first flow; flows that did not get there leave a dash."""
    texts = [[pretty(number(float(t), 4, trim=True)) for t in first.times]]
    for flow, quantity in zip(flows.values(), columns.values(), strict=True):
        cells = [pretty(cell) for cell in column(quantity.value, quantity.error, 7)]
        texts.append([_cell_at(float(t), flow, cells) for t in first.times])
    return Table(title, ("t", *columns), tuple(zip(*texts, strict=True)))


def _cell_at(t: float, flow: AnySolution, cells: list[str]) -> str:
    at = np.flatnonzero(abs(flow.times - t) <= 1e-12 * max(1.0, abs(t)))
    return cells[at[0]] if at.size else MISSING
