"""The report says in words what the numbers say, and needs nothing but itself."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from closed_form import two_mode_solution

import wfrpde
from wfrpde.report.flow import FlowRun, read_run, write_run
from wfrpde.report.flow.page import result_sentences, write_report
from wfrpde.report.flow.report_tables import main_tables

VOID = {"meta", "img", "br", "link", "mspace"}


class Balance(HTMLParser):
    """Checks that tags nest, and collects addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag):
        assert tag in VOID or self.open.pop() == tag, self.getpos()


def parse(path):
    page = Balance()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_sentences(modes_1d, companions_1d):
    words = " ".join(result_sentences(FlowRun(modes_1d, companions_1d)))
    assert "At t = 2 the WFR flow has KL divergence 0.00418459 ± 4×10⁻⁸" in words
    assert "“right”" in words
    assert "the target: 0.3000" in words
    assert "Transport alone (W, Langevin) is at KL 0.356 and has 5.0×10⁻⁹ of the mass" in words


def test_the_target_has_the_notation_of_its_column(modes_1d):
    (table,) = (
        t for t in main_tables(FlowRun(modes_1d)) if t.title.startswith("Mass of each mode")
    )
    right = table.header.index("right")
    assert all("×10" in row[right].partition(" ")[0] for row in table.rows), table.rows
    assert table.rows[-1][right] == "3.0000×10⁻¹"


def test_a_companion_that_knows_no_masses_tells_its_divergence(modes_1d, companions_1d):
    unknown = {name: np.full(len(mass), np.nan) for name, mass in modes_1d.mode_mass.items()}
    companions = {k: replace(flow, mode_mass=unknown) for k, flow in companions_1d.items()}
    words = " ".join(result_sentences(FlowRun(modes_1d, companions)))
    assert "is at KL" in words
    assert "of the mass in" not in words


def test_a_pair_of_modes_that_rotates_shows_both_parts():
    from wfrpde.report.spectrum.window import shown_part, window_of
    from wfrpde.studies.spectral.study import study_spectrum

    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"kind": "uniform"},
            "dynamics": {"kind": "kinetic", "friction": 1.0},
            "spectrum": {"count": 3},
        }
    )
    study = study_spectrum(case)
    window = window_of(study)
    (one, first), (two, second) = (shown_part(study, window, i) for i in (1, 2))
    assert {first, second} == {"Re ", "Im "}
    assert np.abs(one - two).max() > 0.1 * np.abs(one).max()
    assert shown_part(study, window, 0)[1] == ""


def test_the_page_is_self_contained(modes_1d, companions_1d, tmp_path):
    options = SimpleNamespace(figures=True, paraview=False)
    write_run(modes_1d, tmp_path, companions_1d, options=options)
    page = parse(tmp_path / "report.html")
    outside = [a for a in page.addresses if not a.startswith(("data:", "#"))]
    assert outside == ["https://arxiv.org/abs/2512.17878"]
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in html, "a browser is told to fetch nothing"
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|import\(", html)
    assert html.count("✓ passed") == 4
    assert "<strong>This run is incomplete" not in html


def test_failed_checks_and_warnings_are_prominent(modes_1d, tmp_path):
    checks = [{**c, "passed": c["name"] != "mass drift"} for c in modes_1d.numerics["checks"]]
    solution = replace(
        modes_1d,
        numerics={**modes_1d.numerics, "checks": checks},
        warnings=("the box cuts off 3e-05 of the target",),
    )
    write_report(FlowRun(solution), tmp_path, figures=False)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 of 4 checks failed." in html
    assert html.count("✗ failed") == 1
    assert "the box cuts off 3×10⁻⁵ of the target" in html
    assert html.index("checks failed") < html.index("the box cuts off") < html.index("At t = 2")


def test_what_steers_a_screen_is_written_out(modes_1d, tmp_path):
    """Warnings were copied as they stand, and other people's words with them."""
    loud = "a\x1b[2Jb\u202ec"
    write_report(FlowRun(replace(modes_1d, warnings=(loud,))), tmp_path, figures=False)
    parse(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "a\\x1b[2Jb\\u202ec" in html
    assert not {"\x1b", "\u202e"} & set(html)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
def test_the_equation_shows_the_terms_that_act(modes_1d, alpha, beta, tmp_path):
    case = modes_1d.case.with_overrides({"flow.alpha": alpha, "flow.beta": beta})
    write_report(FlowRun(replace(modes_1d, case=case)), tmp_path, figures=False)
    parse(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("<mi>α</mi>" in html) == (alpha > 0)
    assert ("<mi>β</mi>" in html) == (beta > 0)


def test_a_solution_without_errors_and_modes(modes_1d, tmp_path):
    numerics = {**modes_1d.numerics, "checks": ()}
    silent = replace(modes_1d, numerics=numerics, mode_mass={}, error=None)
    write_report(FlowRun(silent), tmp_path, figures=False)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "reported no checks" in html
    parse(tmp_path / "report.html")


def test_a_linear_reaction_is_told(modes_1d, tmp_path):
    """Its formula, log γ_t(1) with its error, and no claim that the flow descends to the target."""
    growth = -0.5 * modes_1d.times
    case = modes_1d.case.with_overrides({"flow.beta": 0.0, "flow.reaction": "2*tanh(x) - 3"})
    error = replace(
        modes_1d.error,
        series={**modes_1d.error.series, "log_normalising_constant": 1e-6 * modes_1d.times},
    )
    solution = replace(
        modes_1d,
        case=case,
        series={**modes_1d.series, "log_normalising_constant": growth},
        error=error,
    )
    options = SimpleNamespace(figures=True, paraview=False)
    write_run(solution, tmp_path, {"W": two_mode_solution(1, "W")}, options=options)
    run = read_run(tmp_path)
    assert run.equation.label == "FK"
    assert run.equation.rate.text == "2*tanh(x) - 3"
    np.testing.assert_array_equal(run.solution.series["log_normalising_constant"], growth)
    assert (tmp_path / "figures" / "growth.png").is_file()
    assert not (tmp_path / "figures" / "dissipation.png").exists(), "another identity holds"
    header = (tmp_path / "series.csv").read_text(encoding="utf-8").splitlines()[0]
    assert "log_normalising_constant,log_normalising_constant_error" in header
    parse(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2*tanh(x) - 3" in html
    assert "normalising constant is then −1.000000 ± 2×10⁻⁶" in html
    assert "does not lead to the target" in html
    assert "descends KL" not in html
