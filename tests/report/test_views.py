"""What a notebook shows of cases and results: cards, figures, tables."""

import dataclasses
import sys

import numpy as np
import pytest
from closed_form import SOLUTIONS
from matplotlib.figure import Figure
from spectrum_references import case_of

import wfrpde
from wfrpde import operators
from wfrpde.case.stored import Result
from wfrpde.errors import DependencyMissingError, InputError
from wfrpde.studies.convergence.orders import Fit
from wfrpde.studies.convergence.study import ConvergenceStudy, Row, StudyResult
from wfrpde.views import VIEWS, Shown

pd = pytest.importorskip("pandas")

WELL = {"kind": "double_well", "barrier": 3.0}


@pytest.fixture(scope="module")
def spectrum():
    return wfrpde.spectrum(case_of(WELL, spectrum={"count": 4}, flow={"reaction": "x"}))


@pytest.fixture(scope="module")
def report():
    case = wfrpde.Case.model_validate(
        {
            "title": "A <b>bold</b> title",
            "target": {"potential": "x**2/2"},
            "initial": {"mean": [1.0], "covariance": [[0.5]]},
            "flow": {"beta": 0.0, "save": [0.5]},
            "sampler": [{"kind": "langevin", "dt": 0.05, "particles": 200, "replicates": 4}],
            "validation": {"equation": False, "limit": False, "metrics": False},
        }
    )
    return wfrpde.validate(case)


def study() -> ConvergenceStudy:
    rows = tuple(
        Row("cells", 2.0**k, 2**k, 4.0**-k, 4.0**-k, 2.0, True, 0.1, 1) for k in range(3, 6)
    )
    fit = Fit(2.0, 1.9, 2.1, (2.0, 2.0))
    return ConvergenceStudy(
        "Order two", (StudyResult("cells", "h", rows, fit, 2.0, 0.2, "exact", 1e-9, "passed", ""),)
    )


def test_every_public_result_has_a_view():
    public = [getattr(place, name) for place in (wfrpde, operators) for name in place.__all__]
    results = [thing for thing in public if isinstance(thing, type) and issubclass(thing, Result)]
    assert len(results) > 8
    assert {kind.__name__ for kind in results} <= set(VIEWS)
    assert issubclass(wfrpde.Case, Shown)


def test_a_profile_of_a_path():
    found = operators.PathProfile(*np.arange(1.0, 21.0).reshape(5, 4), np.full((4, 4), 1e-3))
    assert "action" in found._repr_html_()
    frame = found.to_dataframe()
    np.testing.assert_array_equal(frame["friction"], found.friction)
    np.testing.assert_array_equal(frame["lag_error"], found.errors[3])


def test_densities_on_a_lattice(solution, monkeypatch):
    parts: dict = {}

    class Xarray:
        """Takes what xarray takes."""

        @staticmethod
        def Dataset(data_vars, coords, attrs):
            return parts.update(data_vars=data_vars, coords=coords, attrs=attrs)

    monkeypatch.setitem(sys.modules, "xarray", Xarray)
    solution.to_xarray(points=5)
    axes = "xyz"[: solution.dim]
    named, values = parts["data_vars"]["log_density"]
    assert named == ("t", *axes)
    assert values.shape == (len(solution.times), *[5] * solution.dim)
    place = [parts["coords"][axis][i] for i, axis in enumerate(axes, 1)]
    for k, t in enumerate(solution.times):
        own = values[(k, *range(1, solution.dim + 1))]
        assert own == solution.log_density(t, [place])[0]
    named, values = parts["data_vars"]["log_target"]
    wanted = -solution.target.potential(np.array([place])) - solution.log_normalisation
    assert values[tuple(range(1, solution.dim + 1))] == wanted[0]
    named, values = parts["data_vars"]["kl_error"]
    assert named == "t"
    np.testing.assert_array_equal(values, solution.error.series["kl"])
    with pytest.raises(InputError, match="2 or more"):
        solution.to_xarray(points=1)
    with pytest.raises(InputError, match="a solution of a flow"):
        solution.error.to_xarray()


def test_a_data_set_of_xarray(modes_1d):
    pytest.importorskip("xarray")
    found = modes_1d.to_xarray()
    x, t = 0.5, float(modes_1d.times[-1])
    nearest = found.log_density.sel(x=x, t=t, method="nearest")
    assert nearest.item() == modes_1d.log_density(t, [[nearest.x.item()]])[0]
    np.testing.assert_array_equal(found.kl, modes_1d.series["kl"])
    assert dict(found.sizes) == {"t": len(modes_1d.times), "x": 401}


def test_a_solution(solution):
    text = solution._repr_html_()
    assert "KL" in text
    frame = solution.to_dataframe()
    np.testing.assert_array_equal(frame["t"], solution.times)
    np.testing.assert_array_equal(frame["kl"], solution.series["kl"])
    np.testing.assert_array_equal(frame["kl_error"], solution.error.series["kl"])
    for name, mass in solution.mode_mass.items():
        np.testing.assert_array_equal(frame[f"mode_{name}"], mass)
        np.testing.assert_array_equal(frame[f"mode_{name}_error"], solution.error.mode_mass[name])


def test_the_figures_of_a_solution_are_those_of_its_report():
    solution = SOLUTIONS["modes-1d"]()
    first, kl = solution.plot(), solution.plot("kl")
    assert isinstance(first, Figure)
    assert isinstance(kl, Figure)
    assert kl.axes[0].get_yscale() == "log"
    # a notebook shows it without matplotlib.pyplot
    png, about = kl._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert 400 < about["width"] < 1000
    with pytest.raises(InputError, match="density, kl"):
        solution.plot("klx")


def test_errors_of_a_solution():
    error = SOLUTIONS["modes-1d"]().error
    frame = error.to_dataframe()
    np.testing.assert_array_equal(frame["kl"], error.series["kl"])
    assert "largest" in error._repr_html_()
    with pytest.raises(InputError, match="no figures"):
        error.plot()


def test_an_interrupted_solution_says_so(interrupted):
    assert "Interrupted" in interrupted._repr_html_()


def test_a_spectrum(spectrum):
    assert "λ" in spectrum._repr_html_()
    assert isinstance(spectrum.plot(), Figure)
    assert len(spectrum.plot("modes").axes) == 4
    frame = spectrum.to_dataframe()
    np.testing.assert_array_equal(frame["rate"], spectrum.rates)
    np.testing.assert_array_equal(frame["rate_error"], spectrum.errors)


def test_what_follows_from_a_spectrum(spectrum):
    case = spectrum.case
    sets = operators.metastable_sets(spectrum, 2)
    assert sets.to_dataframe()["weight"].sum() == pytest.approx(1)
    assert sets.to_dataframe()["rate_out"][0] == -sets.generator[0, 0]
    committor = operators.committor(case, "x < -0.9", "x > 0.9")
    assert committor.to_dataframe().loc[0, "rate_error"] == committor.rate_error
    tilted = wfrpde.feynman_kac(case)
    assert tilted.to_dataframe()["eigenvalue"][0] == tilted.principal_eigenvalue
    left = operators.mean_exit_time(case, "x > 0.5")
    assert left.to_dataframe()["mean_time"][0] == left.mean_time
    curve = operators.cumulants(case, [0.0, 0.5])
    np.testing.assert_array_equal(curve.to_dataframe()["value"], curve.values)
    rates = operators.sweep(case, "target.barrier", [2.0, 3.0])
    np.testing.assert_array_equal(rates.to_dataframe()["rate_1"], rates.rates[:, 1])
    assert isinstance(rates.plot(), Figure)
    for result, drawn in ((sets, len(sets)), (committor, 1)):
        (axes,) = result.plot().axes
        assert axes.get_xlabel() == "x"
        # and π as a shade
        assert len(axes.lines) == drawn
    for result in (sets, committor, tilted, left, curve, rates):
        assert result._repr_html_().startswith("<div")


def test_a_validation(report):
    text = report._repr_html_()
    assert "A &lt;b&gt;bold&lt;/b&gt; title" in text, "a title is no markup"
    assert "langevin" in text
    frame = report.to_dataframe()
    assert list(frame["mean"]) == [row.mean for row in report.table]
    assert {"standard_error", "reference_error", "p_value", "words"} <= set(frame)
    assert isinstance(report.plot(), Figure)


def test_a_study():
    result = study()
    assert "2 ± 0.2" in result._repr_html_()
    assert list(result.to_dataframe()["error"]) == [row.error for row in result.table]
    assert isinstance(result.plot("h"), Figure)


def test_a_product():
    case = wfrpde.Case.model_validate(
        {
            "target": {"kind": "product", "modes": {"right": "all(x > 0)"}},
            "factor": [
                {
                    "repeat": 7,
                    "target": {"potential": "x**2"},
                    "initial": {"mean": [1.0], "covariance": [[0.3]]},
                }
            ],
            "flow": {"save": [0.5]},
        }
    )
    solution = wfrpde.solve(case)
    assert "mass of right" in solution._repr_html_()
    frame = solution.to_dataframe()
    np.testing.assert_array_equal(frame["kl"], solution.series["kl"])
    assert isinstance(solution.plot("kl"), Figure)


def test_a_case():
    case = wfrpde.load_case("tilted-double-well")
    assert "target.barrier" in case._repr_html_()
    frame = case.to_dataframe()
    assert dict(zip(frame["key"], frame["value"], strict=True))["flow.beta"] == "1.0"
    with pytest.raises(InputError, match="no figures"):
        case.plot()


def test_pandas_that_is_missing_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DependencyMissingError, match=r"pip install 'wfrpde\[dataframe\]'") as seen:
        study().to_dataframe()
    assert "\n" not in str(seen.value)


def test_what_has_no_view_is_left_to_repr():
    @dataclasses.dataclass(frozen=True)
    class Other(Result):
        value: float

    assert Other(1.0)._repr_html_() is None
    with pytest.raises(InputError, match="no figures of it"):
        Other(1.0).plot()


def test_a_view_is_found_for_a_derived_class():
    class Mine(ConvergenceStudy):
        pass

    assert "Order two" in Mine("Order two", study().studies)._repr_html_()


def test_ipython_shows_one_message():
    with pytest.raises(InputError) as seen:
        wfrpde.load_case("tilted-double-well", {"flow.bta": 1})
    (line,) = seen.value._render_traceback_()
    assert line.startswith("InputError: tilted-double-well.toml: flow.bta")
    assert "\n" not in line
