"""The folder of a product's spectrum: rates and multiplicities, a figure, and a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.numbers import column, number, pretty, with_error
from wfrpde.report.files import FORMAT, write_columns, write_json
from wfrpde.report.pages import Table
from wfrpde.report.spectrum.page import spectrum_page

if TYPE_CHECKING:
    from wfrpde.report.drawing import Drawing
    from wfrpde.studies.spectral.product import ProductStudy


def product_columns(study: ProductStudy) -> Mapping[str, npt.NDArray[Any]]:
    """Return rates, errors and multiplicities as columns."""
    spectrum = study.spectrum
    return {
        "rate": spectrum.rates,
        "error": spectrum.errors,
        "multiplicity": np.array([float(m) for m in spectrum.multiplicities]),
    }


def product_table(study: ProductStudy, write: Any = pretty) -> Table:
    """Return the lowest rates as a table."""
    spectrum = study.spectrum
    # rates that a page and the screen show; all are in the table of the folder
    shown = slice(0, 40)
    rates = column(spectrum.rates[shown], spectrum.errors[shown])
    rows = [
        (str(k), write(rate), f"{many:,}", words)
        for k, (rate, many, words) in enumerate(
            zip(rates, spectrum.multiplicities, spectrum.excited, strict=False)
        )
    ]
    header = ("number", "rate", "states", "excited factors")
    return Table("Rates of the generator", header, tuple(rows))


def product_sentences(study: ProductStudy) -> list[str]:
    """Say what was found, in plain sentences."""
    spectrum, found = study.spectrum, []
    states = pretty(number(float(sum(spectrum.multiplicities)), 4, trim=True))
    found.append(f"{len(spectrum.rates)} different rates belong to {states} states.")
    if spectrum.absorbing is None and len(spectrum.rates) > 1:
        gap = pretty(with_error(spectrum.gap, float(spectrum.errors[1])))
        found.append(f"The gap is that of the slowest factor, {gap}.")
    if study.exit is not None:
        rate = pretty(with_error(study.exit.rate, study.exit.rate_error))
        mean = pretty(number(study.exit.mean_time, 5))
        found.append(
            f"The first factor enters {study.exit.region} at the rate {rate}, after {mean} on "
            "average from the quasi-stationary law."
        )
    if study.growth is not None:
        growth = pretty(with_error(study.growth.principal_eigenvalue, study.growth.error))
        found.append(f"Weights of the additive U grow at the rate {growth}.")
    return found


def draw_product(study: ProductStudy) -> Iterator[Drawing | None]:
    """Draw how many states have a rate below each."""
    from wfrpde.report import style
    from wfrpde.report.drawing import Drawing

    spectrum = study.spectrum
    count = np.cumsum([float(m) for m in spectrum.multiplicities])
    figure = style.new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    axes.step(spectrum.rates, count, where="post", color=style.CYCLE[0], lw=1.6)
    axes.plot(spectrum.rates, count, "o", color=style.CYCLE[0], ms=3.5)
    style.log_scale(axes, "y")
    axes.set_xlabel("rate λ")
    axes.set_ylabel("states up to λ")
    yield Drawing(
        "states",
        figure,
        "Number of states up to each rate, on a logarithmic axis",
        "How many states of the product have a rate of at most λ: every step is one sum of rates "
        "of factors, as high as there are ways to choose the factors.",
    )


def write_product_study(study: ProductStudy, folder: Path) -> list[Path]:
    """Write numbers, the figure and the page. Not collective."""
    folder.mkdir(parents=True, exist_ok=True)
    spectrum = study.spectrum
    content = {
        "format": FORMAT,
        "rates": {"value": spectrum.rates, "error": spectrum.errors},
        "multiplicities": spectrum.multiplicities,
        "excited": spectrum.excited,
        "absorbing": spectrum.absorbing,
        "exit": None if study.exit is None else vars(study.exit),
        "growth": None if study.growth is None else vars(study.growth),
        "warnings": spectrum.warnings,
        "ranks": study.ranks,
        "wall_time": study.wall_time,
    }
    from wfrpde.report.spectrum.files import STUDY

    written = [
        write_json(content, folder / "summary.json"),
        write_columns(folder / "spectrum.csv", product_columns(study)),
        study.save(folder / STUDY),
    ]
    return written + write_product_page(study, folder, figures=study.case.output.figures)


def write_product_page(study: ProductStudy, folder: Path, *, figures: bool = True) -> list[Path]:
    """Draw the figure, and write ``report.html``. Not collective."""
    drawn = draw_product(study) if figures else ()
    return spectrum_page(
        study,
        folder,
        drawn,
        study.spectrum.warnings,
        kicker=f"Spectrum of the generator of a product in {study.case.dim}-D",
        result=product_sentences(study),
        absorbing=study.spectrum.absorbing or "",
        tables=[product_table(study)],
        note="Rates of a product are sums of rates of its factors.",
    )
