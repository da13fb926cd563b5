"""Figures are drawn for every kind of run; what they are computed from is checked."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from closed_form import closed_form, gaussian_solution, two_mode_solution

from wfrpde.report.drawing import saved
from wfrpde.report.flow.density2d import _outside, draw_maps
from wfrpde.report.flow.dissipation import decay_rate
from wfrpde.report.flow.kl import draw_kl
from wfrpde.report.flow.modes import draw_modes
from wfrpde.report.flow.page import drawings
from wfrpde.report.flow.pictures import spread_evenly, take_pictures
from wfrpde.report.flow.run import FlowRun
from wfrpde.report.levels import enclosing_levels
from wfrpde.report.style import CEILING, flow_colour, label_ends, new_figure, spread

ALWAYS = {"density.png", "kl.png", "modes.png", "dissipation.png"}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("gauss-1d", set()),
        ("modes-2d-tri", {"log_density.png"}),
        ("gauss-3d", {"marginals.png"}),
    ],
)
def test_the_figures_that_suit_the_dimension(name, more, tmp_path):
    if "3d" in name:
        pytest.importorskip("pyvista")
    pictures = saved(drawings(FlowRun(closed_form(name))), tmp_path / "figures")
    assert {p.path.name for p in pictures} == ALWAYS | more
    for picture in pictures:
        content = picture.path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000
        assert picture.alt
        assert picture.caption.endswith(".")


def test_companions_stand_side_by_side(modes_1d, companions_1d, tmp_path):
    pictures = saved(drawings(FlowRun(modes_1d, companions_1d)), tmp_path)
    assert "comparison.png" in {p.path.name for p in pictures}


def test_a_renderer_that_crashes_leaves_the_marginals(tmp_path, monkeypatch, caplog):
    pytest.importorskip("pyvista")

    def crash(command, **options):
        return subprocess.CompletedProcess(command, -11, "", "")

    monkeypatch.setattr(subprocess, "run", crash)
    pictures = saved(drawings(FlowRun(closed_form("modes-3d"))), tmp_path)
    names = {p.path.name for p in pictures}
    assert "density.png" not in names
    assert "marginals.png" in names
    assert "off-screen rendering failed" in caplog.text


def test_a_run_without_modes_or_fixed_mass_has_fewer_figures(modes_1d, tmp_path):
    case = modes_1d.case.with_overrides({"flow.conserve_mass": False})
    pictures = saved(drawings(FlowRun(replace(modes_1d, case=case, mode_mass={}))), tmp_path)
    assert {p.path.name for p in pictures} == {"density.png", "kl.png"}


def test_decay_rate_obeys_the_dissipation_identity():
    solution = gaussian_solution(2, alpha=0.5, beta=2.0)
    t, rate = decay_rate(solution)
    identity = 0.5 * solution.series["fisher_information"]
    identity = identity + 2.0 * solution.series["reaction_variance"]
    inner = slice(1, -1)
    observed = np.exp(np.interp(solution.times[inner], t, np.log(rate)))
    np.testing.assert_allclose(observed, identity[inner], rtol=1e-2)


def test_snapshots_are_the_solution_on_a_grid(solution):
    pictures = take_pictures({"WFR": solution})
    points = np.stack(np.meshgrid(*pictures.axes, indexing="ij"), axis=-1)
    shape = points.shape[:-1]
    points = points.reshape(-1, points.shape[-1])
    rounding = 1e-12 if solution.dim == 1 else 1e-5
    for t, values in zip(pictures.times, pictures.log_density["WFR"], strict=True):
        exact = solution.log_density(t, points).reshape(shape)
        assert np.isfinite(values).all()
        np.testing.assert_allclose(values, exact, rtol=rounding, atol=rounding)
    exact = -(solution.target.potential(points) + solution.log_normalisation).reshape(shape)
    np.testing.assert_allclose(pictures.log_target, exact, rtol=rounding, atol=rounding)
    assert (pictures.times[0], pictures.times[-1]) == (solution.times[0], solution.times[-1])


def test_snapshots_leave_holes_in_the_domain():
    pictures = take_pictures({"WFR": two_mode_solution(2, hole=0.3)})
    x, y = np.meshgrid(*pictures.axes, indexing="ij")
    values = pictures.log_density["WFR"][0]
    assert np.isnan(values[(abs(x) < 0.2) & (abs(y) < 0.2)]).all()
    assert np.isfinite(values[(abs(x) > 0.4) | (abs(y) > 0.4)]).all()


def test_a_companion_that_stopped_early_is_left_blank(modes_1d, interrupted):
    pictures = take_pictures({"WFR": modes_1d, "W": interrupted})
    late = pictures.times > interrupted.times[-1]
    assert np.isnan(pictures.log_density["W"][late]).all()
    assert np.isfinite(pictures.log_density["W"][~late]).all()


def test_pictured_times_keep_the_ends():
    chosen = spread_evenly(41, 6)
    assert len(chosen) == 6
    assert (chosen[0], chosen[-1]) == (0, 40)
    assert spread_evenly(3, 6) == [0, 1, 2]


def test_enclosing_levels_of_a_gaussian():
    x = np.linspace(-8, 8, 1001)
    log_density = -0.5 * (x[:, None] ** 2 + x[None, :] ** 2)
    levels = enclosing_levels(log_density, (0.5, 0.9, 0.99))
    # In the plane, the disk of radius r holds 1 - exp(-r^2/2) of the mass.
    np.testing.assert_allclose(levels, np.log([0.01, 0.1, 0.5]), atol=2e-3)


def test_labels_do_not_overlap():
    for heights in ([0.70, 0.74, 0.74, 0.99], [0.0, 0.97, 0.99, 1.0], [0.5], []):
        placed = spread(heights, 0.09)
        assert all(np.diff(placed) > 0.089)
        assert all(height <= CEILING for height in placed)
        assert placed == pytest.approx(heights, abs=0.2)


def test_masses_far_below_the_axis_stay_off_the_figure(modes_1d, tmp_path):
    faint = {"left": modes_1d.mode_mass["left"], "right": np.geomspace(1e-150, 1e-112, 7)}
    saved(drawings(FlowRun(replace(modes_1d, mode_mass=faint))), tmp_path)
    header = (tmp_path / "modes.png").read_bytes()[16:24]
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
    assert height < width


def test_kl_is_drawn_step_by_step_where_steps_were_kept(modes_1d, companions_1d):
    fisher_rao = companions_1d["FR"]
    saved = {"t": fisher_rao.times, "kl": fisher_rao.series["kl"]}
    companions = {**companions_1d, "FR": replace(fisher_rao, history=saved)}
    drawing = draw_kl(FlowRun(modes_1d, companions))
    curves = {
        line.get_color(): line
        for line in drawing.figure.axes[0].lines
        if line.get_linestyle() != "None"
    }
    assert curves[flow_colour("WFR")].get_linestyle() == "-"
    assert len(curves[flow_colour("WFR")].get_xdata()) > len(modes_1d.times)
    assert curves[flow_colour("FR")].get_linestyle() == "--"
    assert "Dashed (FR): known at the dots alone" in drawing.caption


def test_masses_that_are_off_the_axis_are_joined_to_nothing(modes_1d):
    count = len(modes_1d.times)
    late = np.concatenate([np.zeros(2), np.geomspace(1e-20, 0.3, count - 2)])
    masses = {"left": modes_1d.mode_mass["left"], "right": late}
    drawing = draw_modes(FlowRun(replace(modes_1d, mode_mass=masses)))
    panel = next(axes for axes in drawing.figure.axes if axes.get_yscale() == "log")
    assert np.isnan(panel.lines[0].get_ydata()[:2]).all()
    assert "guides for the eye" in drawing.caption


def test_labels_that_had_to_move_lead_to_their_curves():
    axes = new_figure(4, 3).add_subplot()
    label_ends(axes, [(0.90, "a", "k"), (0.91, "b", "k")])
    assert [text.xy for text in axes.texts] == [(1, 0.90), (1, 0.91)]
    assert all(text.arrow_patch is not None for text in axes.texts)
    axes = new_figure(4, 3).add_subplot()
    label_ends(axes, [(0.2, "a", "k"), (0.9, "b", "k")])
    assert all(text.arrow_patch is None for text in axes.texts)


def test_what_the_mesh_leaves_out_is_grey_and_explained():
    whole = two_mode_solution(2)
    assert "Grey" not in draw_maps(FlowRun(whole)).caption
    for half_width, grey in ((0.1, False), (1.0, True)):
        holed = two_mode_solution(2, hole=half_width)
        assert len(holed.cells) < len(whole.cells)
        run = FlowRun(holed)
        assert bool(_outside(run).any()) is grey
        assert ("Grey: outside the mesh" in draw_maps(run).caption) is grey
