"""Laws of reverse processes: exact with the exact score, as far off as they should be otherwise."""

import numpy as np
import pytest
from noised import PLANE, mixture, reverse_case
from scipy.stats import norm

import wfrpde
from wfrpde.case import Case
from wfrpde.errors import InputError
from wfrpde.flow.noising.certified import solved
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.flow.noising.transport import Evolution
from wfrpde.report.noising.explorer import noising_explorer
from wfrpde.report.noising.page import tables as tables_of
from wfrpde.report.noising.page import write_report


def l1(solution, t):
    """L1 distance of the solution to the noised data, by a fine sum of its own."""
    x = np.linspace(-7, 7, 20001)[:, None]
    gap = np.abs(solution.density(t, x) - np.exp(solution.log_exact_density(t, x)))
    return gap.sum() * (x[1, 0] - x[0, 0])


def test_exact_score_leads_back_to_the_data():
    solution = wfrpde.solve(reverse_case())
    for k, t in enumerate(solution.times):
        assert l1(solution, t) < 1e-5
        assert l1(solution, t) < solution.density_error[k]
        exact = mixture().at(3.0 - t)
        roots = np.sqrt(exact.covariances[:, 0, 0])
        left = exact.weights @ norm.cdf(-0.1, exact.means[:, 0], roots)
        for name, truth in {"left": left, "right": 1 - left}.items():
            mass = solution.estimated("mode_mass", name)
            assert abs(mass.value[k] - truth) < mass.error[k] < 1e-5
        mean, covariance = solution.estimated("mean"), solution.estimated("covariance")
        assert abs(mean.value[k, 0] - exact.mean[0]) < mean.error[k, 0] < 1e-5
        assert abs(covariance.value[k, 0, 0] - exact.covariance[0, 0]) < covariance.error[k, 0, 0]
    assert solution.depth.min() > 15
    assert np.abs(solution.series["reverse_kl"]).max() < 1e-6


def test_order_four_in_time_and_after_extrapolation_in_space():
    exact, end, stop = mixture(), 3.0, 0.1
    drift = Evolution(lambda grid, s: grid.points + 2 * exact.at(end - s).score(grid.points),
                      lambda _: 1.0)  # fmt: skip

    def error(cells, steps):
        left = np.linspace(end ** (1 / 3), stop ** (1 / 3), steps + 1) ** 3
        times = end - left
        law = solved(drift, np.array([[-6.5, 6.5]]), (cells,), exact.at(end).log_density,
                     np.array([0.0, end - stop]), lambda *_: times)  # fmt: skip
        lattice, logs = law.best
        gap = np.exp(logs[-1]) - np.exp(exact.at(stop).log_density(lattice.points))
        return float((np.abs(gap) * lattice.weights).sum())

    in_time = [error(200, n) for n in (6, 12, 24)]
    assert in_time[-1] < 1e-5
    assert np.log2(in_time[1] / in_time[2]) > 3.5
    in_space = [error(n, 40) for n in (24, 48)]
    assert in_space[-1] < 2e-4
    assert np.log2(in_space[0] / in_space[1]) > 3.5


@pytest.mark.parametrize(
    ("score", "kl"),
    [
        ({"weights": [0.5, 0.5]}, 0.0815),
        ({"shift": 0.1}, 0.0364),
        ({"spread": 1.2}, 0.0223),
        ({"scale": 1.1}, 0.0080),
        ({"ripple": 0.3}, 0.00115),
    ],
)
def test_wrong_scores(score, kl):
    solution = wfrpde.solve(reverse_case(score=score))
    entry = solution.estimated("reverse_kl")
    assert entry.value[-1] == pytest.approx(kl, rel=0.01)
    assert entry.error[-1] < 2e-6


@pytest.mark.parametrize("kind", ["vp", "subvp", "ve"])
def test_every_schedule_leads_back_to_the_data(kind):
    noising = {"kind": kind, "stop": 0.1, **({"sigma_min": 0.1} if kind == "ve" else {})}
    solution = wfrpde.solve(reverse_case(noising=noising, flow={"t_end": 1.0, "save": [0.5]}))
    x = solution.process.noising.unit(0.1) * np.linspace(-2.5, 2.5, 201)[:, None]
    gap = solution.density(0.9, x) - np.exp(solution.log_exact_density(0.9, x))
    assert np.abs(gap).max() < 2e-5


def test_score_of_the_mesh_is_as_good():
    both = [
        wfrpde.solve(reverse_case(score={"kind": kind}, flow={"t_end": 0.2, "save": [0.15]}))
        for kind in ("exact", "mesh")
    ]
    x = np.linspace(-2.5, 2.5, 201)[:, None]
    np.testing.assert_allclose(both[0].density(0.19, x), both[1].density(0.19, x), atol=2e-5)


def test_in_the_plane_and_a_solenoidal_error_is_invisible():
    tables = {"noising": {"kind": "ou", "stop": 0.1}, "flow": {"t_end": 1.0, "save": [0.5]},
              "numerics": {"cells": [20, 20]}}  # fmt: skip
    kls = []
    for rotation in (0.0, 1.0):
        solution = wfrpde.solve(reverse_case(PLANE, score={"rotation": rotation}, **tables))
        entry = solution.estimated("reverse_kl")
        assert abs(entry.value[-1]) < entry.error[-1] + 1e-6
        kls.append(entry.value[-1])
    assert max(np.abs(kls)) < 2e-3


def test_scores_of_users(tmp_path, monkeypatch):
    code = "import numpy as np\ndef net(x, t):\n    return -x\ndef bad(x, t):\n    return x[:, 0]\n"
    (tmp_path / "their_net.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    short = {"t_end": 0.2, "save": [0.1]}
    solution = wfrpde.solve(reverse_case(score={"python": "their_net:net"}, flow=short))
    # the drift y − 2y brings what was noised up to t = 0.2 on towards N(0, 1)
    expected = mixture().at(0.2).at(0.19)
    x = np.linspace(-2, 2, 101)[:, None]
    gap = solution.density(0.19, x) - np.exp(expected.log_density(x))
    assert np.abs(gap).max() < 1e-5
    with pytest.raises(InputError, match=r"score\.python.*shape"):
        wfrpde.solve(reverse_case(score={"python": "their_net:bad"}, flow=short))


@pytest.fixture(scope="module")
def wrong():
    return wfrpde.solve(reverse_case(flow={"t_end": 0.5}, score={"scale": 1.1}))


def test_solutions_are_kept(wrong, tmp_path):
    solution = wrong
    again = NoisingSolution.load(solution.save(tmp_path / "run.npz"))
    x = np.linspace(-2, 2, 11)[:, None]
    np.testing.assert_array_equal(again.log_density(0.49, x), solution.log_density(0.49, x))
    np.testing.assert_array_equal(again.series["l1"], solution.series["l1"])


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ({"noising": {"kind": "vq"}}, "noising.kind"),
        ({"noising": {"kind": "vp", "beta": 1.0}}, "noising.beta"),
        ({"noising": {"kind": "ou", "stop": 4.0}}, "noising.stop"),
        ({"flow": {"t_end": 3.0, "save": [3.0]}}, "flow.save"),
        ({"flow": {"t_end": 3.0, "beta": 2.0}}, "flow.beta"),
        ({"dynamics": {"diffusion": 2.0}}, "dynamics"),
        ({"score": {"rotation": 1.0}}, "score.rotation"),
        ({"score": {"python": "a:b", "shift": 1.0}}, "score"),
    ],
)
def test_bad_tables(tables, key):
    with pytest.raises(InputError) as caught:
        reverse_case(**tables)
    assert caught.value.where.startswith(key)


def test_weights_of_another_number():
    with pytest.raises(InputError, match=r"score\.weights"):
        wfrpde.solve(reverse_case(score={"weights": [0.2, 0.3, 0.5]}))


def test_other_questions_refuse_it_in_one_line():
    for question in (wfrpde.spectrum, wfrpde.converge):
        with pytest.raises(InputError, match="score-based"):
            question(reverse_case())
    initial = {"mean": [0.0], "covariance": [[1.0]]}
    with pytest.raises(InputError, match="noising"):
        Case.from_dict({"target": {"potential": "x**2"}, "initial": initial, "score": {}})


def test_the_page_shows_the_law_beside_the_noised_data(wrong, tmp_path):
    solution = wrong
    data = noising_explorer(solution)
    assert [flow["label"] for flow in data["flows"]] == ["process", "noised data"]
    assert data["times"] == solution.times.tolist()
    shown = data["views"][0]
    assert shown["flows"]["process"]["shape"] == [len(data["times"]), 1, len(shown["axes"][0])]
    distance = data["curves"][0]["series"][0]["points"]
    assert [p["y"] for p in distance] == solution.estimated("reverse_kl").value.tolist()
    distances, masses = tables_of(solution, str)[1:]
    assert distances.header[0] == masses.header[0] == "t"
    # in the notation of a screen, one row a time
    assert "±" in distances.rows[-1][1]
    assert "×" not in distances.rows[-1][1]
    page = write_report(solution, tmp_path, figures=True)[-1].read_text(encoding="utf-8")
    assert "explorer-data" in page
