"""The report of a spectral study, or of a sweep: one HTML page that says what the numbers say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.numbers import duration, number, pretty, shortened, with_error
from wfrpde.report.dynamics import dynamics_sentence
from wfrpde.report.flow.page import PARAVIEW_TIPS, numerics_rows
from wfrpde.report.pages import write_report
from wfrpde.report.spectrum.tables import study_tables, sweep_table
from wfrpde.report.spectrum.window import Window, window_of

if TYPE_CHECKING:
    from wfrpde.operators import Committor, MetastableSets, Sweep
    from wfrpde.report.drawing import Drawing
    from wfrpde.studies.spectral.product import ProductStudy
    from wfrpde.studies.spectral.study import SpectralStudy


def drawings(study: SpectralStudy, window: Window | None = None) -> Iterator[Drawing | None]:
    """Draw every figure that suits a study, in the order to look at them."""
    from wfrpde.report.spectrum.curves import draw_cumulants
    from wfrpde.report.spectrum.levels import draw_levels
    from wfrpde.report.spectrum.mode_curves import draw_curves
    from wfrpde.report.spectrum.mode_maps import draw_maps, draw_projections

    window = window or window_of(study)
    yield draw_levels(study)
    yield {1: draw_curves, 2: draw_maps, 3: draw_projections}[len(window.axes)](study, window)
    yield set_drawing(window, study.sets, study.committor)
    yield draw_cumulants(study)


def set_drawing(
    window: Window, sets: MetastableSets | None, committor: Committor | None
) -> Drawing | None:
    """Draw memberships of metastable sets and the committor, on a line or in the plane."""
    from wfrpde.report.spectrum.mode_curves import draw_sets
    from wfrpde.report.spectrum.mode_maps import draw_set_maps

    draw = {1: draw_sets, 2: draw_set_maps}.get(len(window.axes))
    return None if draw is None else draw(window, sets, committor)


def write_study_report(study: SpectralStudy, folder: Path, *, figures: bool = True) -> list[Path]:
    """Draw the figures, and write ``report.html`` of a study. Not collective."""
    spectrum, flow = study.spectrum, study.case.flow
    target = spectrum.target.description or spectrum.target.name
    words: dict[str, Any] = {
        "kicker": f"Spectrum of the generator in {study.case.dim}-D, {shortened(target)}",
        "incomplete": ""
        if study.complete
        else "It was stopped before its end: what was found until then is here.",
        "result": study_sentences(study),
        "absorbing": spectrum.absorbing or "",
        "linear": shortened(flow.reaction or ""),
        "dynamics": dynamics_sentence(study.case),
        "tables": study_tables(study, pretty),
        "note": _note(study),
        "method": numerics_rows(
            {k: v for k, v in spectrum.numerics.items() if k not in ("ranks", "runs")}
        ),
        "paraview": PARAVIEW_TIPS[study.case.dim] if (folder / "modes.pvd").is_file() else "",
    }
    if not figures:
        return spectrum_page(study, folder, (), study.warnings, **words)
    from wfrpde.report.spectrum.explorer import spectrum_explorer

    window = window_of(study)
    words["explorer"] = spectrum_explorer(study, window)
    return spectrum_page(study, folder, drawings(study, window), study.warnings, **words)


def write_sweep_report(sweep: Sweep, folder: Path, *, figures: bool = True) -> list[Path]:
    """Draw the rates, if two or more were found, and write ``report.html`` of a sweep."""
    from wfrpde.report.spectrum.curves import draw_sweep
    from wfrpde.report.spectrum.explorer import sweep_explorer

    low, high = (
        pretty(number(float(v), 5, trim=True)) for v in (sweep.values[0], sweep.values[-1])
    )
    words: dict[str, Any] = {
        "kicker": f"Rates against {sweep.key}, {len(sweep.values)} values from {low} to {high}",
        "incomplete": ""
        if sweep.complete
        else f"It was stopped before its end: {int(sweep.solved.sum())} of {len(sweep.values)} "
        "values were solved.",
        "result": sweep_sentences(sweep),
        "absorbing": sweep.case.absorbing or "",
        "dynamics": dynamics_sentence(sweep.case),
        "tables": [sweep_table(sweep, pretty)],
        "note": ERROR_NOTE,
        "data": "sweep.csv",
        "explorer": sweep_explorer(sweep) if figures else None,
    }
    drawn = map(draw_sweep, [sweep] if figures else [])
    return spectrum_page(sweep, folder, drawn, sweep.warnings, **words)


def spectrum_page(
    found: SpectralStudy | ProductStudy | Sweep,
    folder: Path,
    drawn: Iterable[Drawing | None],
    warnings: tuple[str, ...],
    **words: Any,
) -> list[Path]:
    """Write ``report.html`` of what was asked of a generator; what is not given is left out."""
    empty = ("incomplete", "linear", "dynamics", "method", "paraview")
    rows = [("wall time", duration(found.wall_time)), ("MPI ranks", str(found.ranks))]
    known = {"alpha": number(found.case.flow.alpha, 6, trim=True), "warnings": warnings}
    given = {"data": "spectrum.csv", **dict.fromkeys(empty, ""), **known, **words}
    return write_report(folder, "spectrum.html.j2", found.case, drawn, rows, **given)


ERROR_NOTE = (
    "What follows ± is the estimated error of each number, from a second discretisation and the "
    "residual of the eigenvalue equation."
)


def study_sentences(study: SpectralStudy) -> list[str]:
    """Say what came out, in plain sentences."""
    spectrum, flow = study.spectrum, study.case.flow
    rates = spectrum.rates
    result = []
    if spectrum.absorbing is not None:
        result.append(
            f"Paths enter the region {spectrum.absorbing} at the rate "
            f"{_estimate(flow.alpha * rates[0], flow.alpha * spectrum.errors[0])} per unit time, "
            "from the quasi-stationary density."
        )
    elif len(rates) > 1:
        result.append(
            f"The slowest mode relaxes at the rate λ₁ = {_estimate(rates[1], spectrum.errors[1])}"
            + (
                f", and turns as it does so, by {pretty(number(abs(turn), 4))} per unit time."
                if (turn := float(spectrum.eigenvalues[1].imag))
                else "."
            )
        )
        if flow.alpha > 0 and study.stationary is None:
            result.append(
                "In the end KL decays like "
                f"exp(−{pretty(number(spectrum.langevin_rate, 4))} t) under Langevin dynamics"
                + (
                    f", and like exp(−{pretty(number(spectrum.wfr_rate, 4))} t) under the "
                    "Wasserstein–Fisher–Rao flow."
                    if flow.beta > 0
                    else "."
                )
            )
    if study.stationary is not None:
        kept = study.stationary
        result.append(
            "The drift does not keep the target: what it keeps has KL "
            f"{_estimate(kept.kl, kept.kl_error)} to it, and the mean "
            f"({', '.join(pretty(number(float(m), 4)) for m in kept.mean)})."
        )
    if study.sets is not None:
        weights = ", ".join(pretty(number(float(w), 3)) for w in study.sets.weights)
        result.append(
            f"The slow modes divide the space into {len(study.sets)} metastable sets, of weights "
            f"{weights}."
        )
    if study.feynman_kac is not None:
        found = study.feynman_kac
        result.append(
            "The normalising constant of the weights exp ∫U dt grows like exp(Λt) with Λ = "
            f"{_estimate(found.principal_eigenvalue, found.error)}; the weighted law settles at "
            f"the rate {pretty(number(found.gap, 4))}."
        )
    return result


def sweep_sentences(sweep: Sweep) -> list[str]:
    """Say how the slowest rate changes over a sweep."""
    first = 0 if sweep.case.absorbing is not None else 1
    if sweep.rates.shape[1] <= first:
        return []
    known = np.flatnonzero(np.isfinite(sweep.rates[:, first]))
    if len(known) < 2:
        return []
    ends = known[0], known[-1]
    values = [pretty(number(float(sweep.values[i]), 5, trim=True)) for i in ends]
    rates = [pretty(number(float(sweep.rates[i, first]), 4)) for i in ends]
    result = [
        f"As {sweep.key} goes from {values[0]} to {values[1]}, the slowest rate goes from "
        f"{rates[0]} to {rates[1]}."
    ]
    beta = sweep.case.flow.beta
    if first == 1 and beta > 0 and sweep.key != "flow.beta":
        result.append(
            f"The reaction keeps the rate of the flow above β = {number(beta, 4, trim=True)}."
        )
    return result


def _estimate(value: float, error: float) -> str:
    return pretty(with_error(float(value), float(error), 7))


def _note(study: SpectralStudy) -> str:
    words = ERROR_NOTE
    if study.kramers is not None and study.spectrum.absorbing is None:
        rates = study.spectrum.rates
        off = f" ({100 * (study.kramers / rates[1] - 1):+.1f} %)" if len(rates) > 1 else ""
        words += (
            f" For context: the Eyring–Kramers estimate of λ₁ is {pretty(number(study.kramers, 4))}"
            f"{pretty(off)}; it holds for high barriers."
        )
    if study.exits and study.spectrum.absorbing is None:
        words += (
            " Exit times of a mode are those to its boundary, from π within it; of the paths that "
            "reach the top of a barrier about half return."
        )
    return words
