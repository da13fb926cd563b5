"""Runs stopped by Ctrl-C at one place or another give what a whole run gives, up to there."""

import importlib.util
import os
import signal

import numpy as np
import pytest

import wfrpde
from wfrpde.case import Case
from wfrpde.commands.solve import run_case
from wfrpde.report.flow import read_run

SAVE = [0.1, 0.3, 0.6]


def planar(**numerics):
    return Case.model_validate(
        {
            "target": {
                "potential": "(x**2 + y**2)/2 + 0.3*x*y + 0.2*cos(2*x)",
                "modes": {"left": "x < 0", "right": "x >= 0"},
            },
            "initial": {"mean": [-1.0, 0.2], "covariance": 0.4},
            "domain": {"box": [[-6.0, 6.0], [-6.0, 6.0]]},
            "flow": {"save": SAVE},
            "numerics": numerics,
        }
    )


def stopped(case, phase, t):
    """Solve with a Ctrl-C as soon as `phase` has reached the time t."""

    def observer(event):
        if event.phase == phase and event.t >= t and not asked:
            asked.append(event.t)
            os.kill(os.getpid(), signal.SIGINT)

    asked = []
    solution = wfrpde.solve(case, observer=observer, on_stop="return")
    assert asked, "the phase did not come"
    return solution


def assert_agrees(part, whole, tolerance):
    """The numbers of the times that `part` reached, relative to the scale of each."""
    assert not part.complete
    assert any(text.startswith("interrupted") for text in part.warnings)
    count = len(part.times)
    np.testing.assert_array_equal(part.times, whole.times[:count])
    for name in ("kl", "mass", "fisher_information", "reaction_variance"):
        np.testing.assert_allclose(
            part.series[name], whole.series[name][:count], rtol=tolerance, err_msg=name
        )
    np.testing.assert_allclose(part.mean, whole.mean[:count], atol=tolerance)
    np.testing.assert_allclose(part.covariance, whole.covariance[:count], atol=tolerance)
    for name, mass in part.mode_mass.items():
        np.testing.assert_allclose(mass, whole.mode_mass[name][:count], rtol=tolerance)
    x = np.stack(np.meshgrid(np.linspace(-1.6, 1.6, 9), np.linspace(-1, 1, 7)), axis=-1)
    for t in part.times:
        np.testing.assert_allclose(
            part.log_density(t, x.reshape(-1, 2)), whole.log_density(t, x.reshape(-1, 2)),
            atol=10 * tolerance,
        )  # fmt: skip
    assert np.isnan(part.error.series["kl"]).all(), "no second opinion, so no error"


@pytest.fixture(scope="module")
def whole():
    return wfrpde.solve(planar(formulation="edge-averaged", cells=[60, 60]))


@pytest.mark.parametrize(
    ("phase", "t", "reached"),
    [
        ("grid 2 of 3", 0.0, 4),  # the coarsest grid is all there is
        ("grid 3 of 3", 0.35, 3),
        ("evaluating", 0.6, 4),
    ],
)
def test_what_was_saved_before_a_stop(whole, phase, t, reached):
    part = stopped(whole.case, phase, t)
    assert len(part.times) == reached
    on_finest = len(part.nodes) == len(whole.nodes)
    assert not on_finest, "the coarser grid will do for a person who waits"
    # the coarsest grid alone is not extrapolated: second order with cells of 0.17
    assert_agrees(part, whole, 0.05 if phase == "grid 2 of 3" else 1e-4)


def test_the_coarser_degree_stands_in_for_a_finer_one_that_was_stopped_early():
    case = planar(formulation="spectral", degree=5, cells=[14, 14], dt=0.05)
    whole = wfrpde.solve(case)
    for phase, t, reached in (("degree 5", 0.0, 4), ("degree 5", 0.15, 2), ("evaluating", 0.6, 4)):
        part = stopped(case, phase, t)
        assert len(part.times) == reached
        assert part.numerics["degree"] == (4 if t == 0.0 else 5)
        assert_agrees(part, whole, 5e-3 if t == 0.0 else 1e-6)


def test_a_stop_while_figures_are_drawn(tmp_path, monkeypatch):
    """Every number is there and readable, the run is marked, and nothing half-written is left."""
    from wfrpde.parallel.files import atomic
    from wfrpde.report import style

    def save(figure, path):
        with atomic(path, "wb") as stream:
            stream.write(b"half a figure")
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("drawing went on")

    monkeypatch.setattr(style, "save", save)
    case = Case.model_validate(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"mean": [-1.0], "covariance": 0.5},
            "flow": {"save": [0.2]},
            "output": {"compare": False},
        }
    )
    run = run_case(case, tmp_path)
    assert not run.solution.complete
    assert run.solution.error is not None
    kept = read_run(tmp_path).solution
    assert not kept.complete
    np.testing.assert_array_equal(kept.mean, run.solution.mean)
    if importlib.util.find_spec("pyvista") is not None:  # else there is nothing for ParaView
        assert (tmp_path / "solution.pvd").is_file()
    assert "incomplete" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob("*.png"))
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_script_does_not_go_on_with_half_a_solution(number):
    def observer(event):
        if event.phase == "grid 3 of 3" and event.t >= 0.35:
            os.kill(os.getpid(), number)
            signal.signal(number, signal.SIG_IGN)  # once is enough

    case = planar(formulation="edge-averaged", cells=[30, 30])
    before = signal.getsignal(number)
    try:
        with pytest.raises(wfrpde.Interrupted) as caught:
            wfrpde.solve(case, observer=observer)
    finally:
        signal.signal(number, before)
    assert isinstance(caught.value, KeyboardInterrupt)
    part = caught.value.result
    assert not part.complete
    assert len(part.times) == 3
    assert np.isfinite(part.series["kl"]).all()


def test_what_becomes_of_a_stop_is_asked_beforehand():
    with pytest.raises(ValueError, match="on_stop"):
        wfrpde.solve(planar(), on_stop="ignore")


def test_a_terminal_that_is_ignored_stays_so(monkeypatch):
    """As under nohup."""
    from wfrpde.parallel import StopRequest

    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested()
    finally:
        signal.signal(signal.SIGHUP, before)
