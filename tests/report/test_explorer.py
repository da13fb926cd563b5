"""The pages in a browser: what is seen at a time, a place or a verdict is what was computed."""

from __future__ import annotations

import base64
import json
import re
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import webdriver
from closed_form import SOLUTIONS, closed_form, two_mode_solution

from wfrpde import Case
from wfrpde.comparison.results import Curve, DensityPicture, Row, SamplerSummary, ValidationReport
from wfrpde.report.convergence.page import write_study_report as write_convergence
from wfrpde.report.explorer import packed
from wfrpde.report.flow import FlowRun, write_run
from wfrpde.report.flow import page as flow_page
from wfrpde.report.flow.explorer import flow_explorer
from wfrpde.report.spectrum import page as spectrum_page
from wfrpde.report.validation import page as validation_page
from wfrpde.studies.convergence.orders import fit_order
from wfrpde.studies.convergence.study import ConvergenceStudy, StudyResult
from wfrpde.studies.convergence.study import Row as StudyRow

in_browser = pytest.mark.skipif(
    not webdriver.available(), reason="no browser: make test-browser (or chromedriver on the PATH)"
)
WIDTHS = (1400, 390)
POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")


def number(text: str) -> float:
    """Read 1.2×10⁻³, 0.12 or 10⁻³."""
    text = text.split("±")[0].strip().translate(POWERS)
    text = re.sub(r"^10(?=[-\d])", "1e", text) if "×" not in text and text[:3] == "10-" else text
    return float(text.replace("×10", "e"))


def unpacked(field):
    planes = np.frombuffer(zlib.decompress(base64.b64decode(field["data"])), np.uint8)
    high, low = planes.reshape(2, -1).astype(np.uint16)
    codes = (high << 8 | low).reshape(field["shape"])
    codes = codes.cumsum(axis=2, dtype=np.uint16).cumsum(axis=1, dtype=np.uint16)
    return np.where(codes == 0, np.nan, field["low"] + (codes - 1.0) * field["step"])


def test_an_array_is_kept_to_half_a_step():
    rng = np.random.default_rng(1)
    values = rng.uniform(-30.0, 5.0, (3, 17, 23))
    values[1, 4, :5] = np.nan
    again = unpacked(packed(values, -20.0, 5.0))
    np.testing.assert_array_equal(np.isnan(again), np.isnan(values))
    assert np.nanmax(np.abs(again - np.maximum(values, -20.0))) <= 0.5001 * 25.0 / 65534


@pytest.mark.parametrize("name", ["modes-1d", "modes-2d"])
def test_the_page_holds_the_densities_and_numbers_of_the_flow(name):
    run = FlowRun(closed_form(name))
    data = flow_explorer(run)
    solution = run.solution
    assert data["times"] == solution.times.tolist()
    view = data["views"][0]
    points = np.stack(np.meshgrid(*view["axes"]), axis=-1).reshape(-1, solution.dim)[::7]
    kept = unpacked(view["flows"]["WFR"])
    for k, t in enumerate(solution.times):
        exact = solution.log_density(t, points) / np.log(10)
        shown = exact > view["top"] - data["kept"]
        assert np.abs(kept[k].ravel()[::7] - exact)[shown].max() < 2e-3
    curves = {curve["title"]: curve for curve in data["curves"]}
    series = curves["KL(ρ‖π)"]["series"][0]["points"]
    assert [p["y"] for p in series] == solution.series["kl"].tolist()
    assert [p["error"] for p in series] == solution.error["kl"].tolist()
    assert curves["mass of “right”"]["goal"] == solution.numerics["target_mode_mass"]["right"]


@pytest.fixture(scope="module")
def window():
    with webdriver.browser() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def without_stills():
    """Pages of explorers alone: the figures are tested elsewhere, and take ten times as long."""
    with pytest.MonkeyPatch.context() as patch:
        for page in (flow_page, spectrum_page, validation_page):
            patch.setattr(page, "drawings", lambda *_: [None])
        yield


@pytest.fixture(scope="module")
def flow_pages(tmp_path_factory):
    """Pages of flows in one, two and three dimensions, the first two with companions."""
    pages = {}
    for name, others in (("modes-1d", ("W", "FR")), ("modes-2d", ("W",)), ("modes-3d", ())):
        solution = SOLUTIONS[name]()
        flows = {label: two_mode_solution(solution.dim, label) for label in others}
        folder = tmp_path_factory.mktemp(name)
        options = SimpleNamespace(figures=True, paraview=False)
        write_run(solution, folder, flows, options=options)
        pages[name] = (folder / "report.html", {"WFR": solution, **flows})
    return pages


def seen_well(window, page, width):
    """Nothing is complained of, nothing is fetched, and nothing has to be scrolled sideways."""
    assert window.console() == []
    assert window.run("return performance.getEntriesByType('resource').length") == 0
    assert window.run("return document.documentElement.scrollWidth") <= width
    small = "return [...document.querySelectorAll('#explorer svg')].map((s) => s.clientWidth)"
    assert min(window.run(small)) > 150
    assert window.run(
        "return [...document.querySelectorAll('input, button')].every((e) => "
        "e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())"
    )


@in_browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["modes-1d", "modes-2d", "modes-3d"])
def test_the_slider_shows_the_numbers_of_its_time(window, flow_pages, name, width):
    page, flows = flow_pages[name]
    solution = flows["WFR"]
    window.open(page, width)
    window.press("#explorer-time", "home", "right", "right", "right")
    k = 3
    said = window.run("return document.getElementById('explorer-time').ariaValueText")
    assert said == f"t = {solution.times[k]:g}"
    rows = window.run(
        "return [...document.querySelectorAll('#explorer-numbers tbody tr')].map("
        "(row) => [...row.children].map((cell) => cell.textContent))"
    )
    for label, kl, left, right in rows[: len(flows)]:
        flow = flows[label]
        assert number(kl) == pytest.approx(flow.series["kl"][k], rel=1e-5)
        assert "±" in kl
        assert number(left) == pytest.approx(flow.mode_mass["left"][k], rel=1e-5)
        assert number(right) == pytest.approx(flow.mode_mass["right"][k], rel=1e-4)
    assert rows[-1][0] == "target"
    seen_well(window, page, width)


@in_browser
@pytest.mark.parametrize("name", ["modes-1d", "modes-2d"])
def test_arrow_keys_read_the_density(window, flow_pages, name):
    page, flows = flow_pages[name]
    window.open(page, 1400)
    window.press("#explorer-time", "home", "right", "right", "right")
    t = flows["WFR"].times[3]
    for scale in (0, 1):
        window.run("document.querySelectorAll('.choices input')[arguments[0]].click()", scale)
        window.press("#explorer .densities svg", "left", "left", "left", "down", "right")
        lines = window.run(
            "return [...document.querySelectorAll('.densities .tip:not([hidden]) div')]"
            ".map((line) => line.textContent)"
        )
        place = [number(part.split("=")[1]) for part in lines[0].split(",")]
        for line, (label, flow) in zip(lines[1:], flows.items(), strict=False):
            assert line.startswith(f"ρ {label} = ")
            expected = flow.density(t, np.array([place]))[0]
            assert number(line.split("=")[1]) == pytest.approx(expected, rel=0.02)
        assert lines[-1].startswith("ρ is known to")


@in_browser
def test_a_click_on_a_curve_chooses_its_time(window, flow_pages):
    page, flows = flow_pages["modes-1d"]
    window.open(page, 1400)
    window.press("#explorer .curves svg", "left", "left", "left", "left", "enter")
    shown = window.run("return Number(document.getElementById('explorer-time').value)")
    assert 0 <= shown < len(flows["WFR"].times) - 1
    assert window.text(".clock") == f"t = {flows['WFR'].times[shown]:g}"
    assert window.run("return document.querySelectorAll('.curves .now').length") == 2


@in_browser
def test_what_is_printed_is_all_there(window, flow_pages):
    page, _ = flow_pages["modes-2d"]
    window.open(page, 1400)
    made = window.devtools("Page.printToPDF", printBackground=True)
    assert base64.b64decode(made["data"]).startswith(b"%PDF")
    window.run("dispatchEvent(new Event('beforeprint'))")
    assert window.run("return document.querySelectorAll('details:not([open])').length") == 0
    window.run("dispatchEvent(new Event('afterprint'))")
    assert window.run("return document.querySelectorAll('details[open]').length") == 0
    assert window.console() == []


def validation(dim: int) -> ValidationReport:
    """Two samplers, one of them biased in its second observable at the last time."""
    case = Case.model_validate(
        {
            "target": {"potential": " + ".join(f"{a}**2/2" for a in "xy"[:dim])},
            "initial": {"mean": [0.0] * dim, "covariance": np.eye(dim).tolist()},
            "flow": {"save": [0.5, 1.0]},
        }
    )
    rng = np.random.default_rng(3)
    rows = []
    for sampler in ("good", "bad"):
        for observable in ("mean x", "energy"):
            for t in (0.5, 1.0):
                biased = sampler == "bad" and observable == "energy" and t == 1.0
                mean = 1.3 if biased else 1.01
                verdict = "biased" if biased else "consistent"
                low, high, p = mean - 0.02, mean + 0.02, 1e-9 if biased else 0.5
                numbers = (8, mean, 0.01, (low, high), 1.0, 1e-6, 1.0, p)
                rows.append(Row(sampler, observable, t, *numbers, verdict, 0.05, 0))
    axes = tuple(np.linspace(-4.0, 4.0, 60) for _ in range(dim))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    values = np.exp(-(grid**2).sum(axis=0) / 2) / (2 * np.pi) ** (dim / 2)
    times = np.array([0.5, 1.0])
    return ValidationReport(
        case=case,
        table=rows,
        verdicts={"good": "consistent", "bad": "biased"},
        failed={},
        unexpected=(),
        samplers=[
            SamplerSummary(
                name, "W", 200, 0.01, 8, verdict, verdict, None, times, times, times, 0.1
            )
            for name, verdict in (("good", "consistent"), ("bad", "biased"))
        ],
        metrics=(), splits=(), ladders=(), diagnoses=(),
        curves=[Curve("W", o, times, np.ones(2), np.full(2, 1e-6)) for o in ("mean x", "energy")],
        pictures=[DensityPicture("W", t, axes, values) for t in (0.5, 1.0)],
        particles={
            name: {t: (rng.normal(size=(200, dim)), np.full(200, 1 / 200)) for t in (0.5, 1.0)}
            for name in ("good", "bad")
        },
    )  # fmt: skip


@in_browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dim", [1, 2])
def test_a_verdict_shows_its_path(window, tmp_path, dim, width):
    validation_page.write_validation_report(validation(dim), tmp_path)
    window.open(tmp_path / "report.html", width)
    words = "#explorer .words"
    assert window.text(words).startswith("bad, energy, t = 1: biased by 0.30"), "the clearest first"
    window.click(".verdicts button[aria-label^='good, mean x, t = 0.5']")
    assert window.text(words).startswith("good, mean x, t = 0.5: consistent")
    assert "Sampler 1.01 ± 0.01, Eulerian 1.0000" in window.text(words)
    titles = window.run(
        "return [...document.querySelectorAll('#explorer figcaption')].map((e) => e.textContent)"
    )
    assert titles == ["mean x over time", "Particles of good, t = 0.5, over the density of W"]
    assert window.run("return document.querySelectorAll('[aria-pressed=true]').length") == 1
    if dim == 2:
        assert window.run("return document.querySelectorAll('g[fill] circle').length") == 200
    seen_well(window, tmp_path / "report.html", width)


@in_browser
@pytest.mark.parametrize("width", WIDTHS)
def test_a_mode_is_picked(window, tmp_path, width):
    from wfrpde.studies.spectral.study import study_spectrum

    case = Case.model_validate(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"mean": [0.0], "covariance": [[1.0]]},
            "spectrum": {"count": 4},
        }
    )
    study = study_spectrum(case)
    spectrum_page.write_study_report(study, tmp_path)
    window.open(tmp_path / "report.html", width)
    window.run("document.querySelectorAll('.choices input')[1].click()")
    words = window.text("#explorer .words")
    assert number(words.split("=")[1].split(",")[0]) == pytest.approx(2.0, rel=1e-6)
    assert "±" in words
    # the second Hermite function: πu ∝ (x² − 1) exp(−x²/2)
    window.press("#explorer .curves > div svg", "left", "right", "right")
    tip = window.text("#explorer .curves > div .tip")
    x, value = re.search(r"x = (\S+?)mode 2: πu / its largest value: (\S+)", tip).groups()
    x = number(x)
    assert abs(number(value)) == pytest.approx(abs(x**2 - 1) * np.exp(-(x**2) / 2), rel=0.01)
    seen_well(window, tmp_path / "report.html", width)


def convergence() -> ConvergenceStudy:
    """Errors 3 h² on four grids, the last of which is too good to count."""
    rows = tuple(
        StudyRow("h, degree 1", n, n + 1, 3.0 / n**2, 1.0 / n**2, np.nan, n < 80, 0.1, 1)
        for n in (10.0, 20.0, 40.0, 80.0)
    )
    fit = fit_order([1 / row.value for row in rows[:3]], [row.error for row in rows[:3]])
    study = StudyResult(
        "h, degree 1", "h", rows, fit, 2.0, 0.1, "the exact flow", 1e-3, "passed", "order 2.000"
    )
    return ConvergenceStudy("A study", (study,))


@in_browser
@pytest.mark.parametrize("width", WIDTHS)
def test_errors_and_their_orders(window, tmp_path, width):
    write_convergence(convergence(), tmp_path)
    window.open(tmp_path / "report.html", width)
    page = window.text("body")
    assert "The study shows what is expected." in page
    assert "h, degree 1: order 2.00" in page
    assert "too small to count" in page
    window.press("#explorer svg", "left", "left", "left", "left")
    tip = window.text("#explorer .tip")
    assert tip == "cells along an axis = 10h, degree 1: order 2.00: 0.03000"
    seen_well(window, tmp_path / "report.html", width)


def test_data_of_a_page_are_strict_json_that_cannot_end_the_script(tmp_path):
    solution = two_mode_solution(1, names=("</script><b>", "<!--"))
    options = SimpleNamespace(figures=True, paraview=False)
    write_run(solution, tmp_path, {}, options=options)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = re.search(r'id="explorer-data">(.*?)</script>', html, re.DOTALL)
    data = json.loads(found[1], parse_constant=lambda word: pytest.fail(word))
    assert [curve["short"] for curve in data["curves"][1:]] == ["</script><b>", "<!--"]
