"""Tables of numbers with their errors, as rows of text for the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.numbers import MISSING, column, number, pretty
from wfrpde.report.flow.record import NORMALISATION, Estimated, FlowRecord, RunRecord

__all__ = ["Table", "main_tables", "more_tables"]

AXES = "xyz"


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    title
        What it holds.
    header
        Names of the columns.
    rows
        One a saved time.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def main_tables(record: RunRecord) -> list[Table]:
    """KL of every flow, and the mode masses of the run's own flow."""
    columns = {
        f"KL {label}": flow.scalars["kl"]
        for label, flow in record.flows.items()
        if "kl" in flow.scalars
    }
    tables = []
    if columns:
        tables.append(_table("KL divergence to the target", record.flow, record.flows, columns))
    if NORMALISATION in record.flow.scalars:
        growth = {"log γₜ(1)": record.flow.scalars[NORMALISATION]}
        tables.append(_own("Log of the normalising constant", record.flow, growth))
    tables += _mode_table(record, record.flow)
    return tables


def more_tables(record: RunRecord) -> list[Table]:
    """Mode masses of the companions, and moments and dissipation of the run's own flow."""
    flow = record.flow
    tables = [t for other in record.companions.values() for t in _mode_table(record, other)]
    moments = {}
    dim = flow.mean.value.shape[1]
    for i in range(dim):
        moments[f"mean {AXES[i]}"] = Estimated(flow.mean.value[:, i], flow.mean.error[:, i])
    for i in range(dim):
        for j in range(i, dim):
            moments[f"cov {AXES[i]}{AXES[j]}"] = Estimated(
                flow.covariance.value[:, i, j], flow.covariance.error[:, i, j]
            )
    tables.append(_own(f"Mean and covariance, {flow.label}", flow, moments))
    words = {
        "fisher_information": "Fisher information I",
        "reaction_variance": "Var log(ρ/π)",
        "min_density": "smallest density at a node",
    }
    elsewhere = ("kl", "mass", NORMALISATION)
    scalars = {words.get(k, k): v for k, v in flow.scalars.items() if k not in elsewhere}
    if "mass" in flow.scalars:
        mass = flow.scalars["mass"]
        if record.conserves_mass:
            scalars["mass − 1"] = Estimated(mass.value - 1.0, mass.error * float("nan"))
        else:
            scalars["mass"] = mass
    scalars["relative L² error of ρ"] = Estimated(
        flow.density_error, flow.density_error + float("nan")
    )
    tables.append(_own(f"Dissipation and conservation, {flow.label}", flow, scalars))
    return tables


def _mode_table(record: RunRecord, flow: FlowRecord) -> list[Table]:
    if not flow.mode_mass:
        return []
    table = _own(f"Mass of each mode, {flow.label}", flow, flow.mode_mass)
    goals = record.target_mode_mass
    if not goals:
        return [table]
    last = ("target", *(pretty(number(goals.get(name), 5)) for name in flow.mode_mass))
    return [Table(table.title, table.header, (*table.rows, last))]


def _own(title: str, flow: FlowRecord, columns: dict[str, Estimated]) -> Table:
    return _table(title, flow, dict.fromkeys(columns, flow), columns)


def _table(
    title: str, first: FlowRecord, flows: dict[str, FlowRecord], columns: dict[str, Estimated]
) -> Table:
    """One row for each time of the first flow; flows that did not get there leave a dash."""
    texts = [[pretty(number(float(t), 4, trim=True)) for t in first.times]]
    for flow, quantity in zip(flows.values(), columns.values(), strict=True):
        cells = [pretty(cell) for cell in column(quantity.value, quantity.error, 7)]
        texts.append([_cell_at(float(t), flow, cells) for t in first.times])
    return Table(title, ("t", *columns), tuple(zip(*texts, strict=True)))


def _cell_at(t: float, flow: FlowRecord, cells: list[str]) -> str:
    at = np.flatnonzero(abs(flow.times - t) <= 1e-12 * max(1.0, abs(t)))
    return cells[at[0]] if at.size else MISSING
