"""The automatic box, the levels that matter, length scales, and mass outside a box."""

from math import erfc, sqrt

import numpy as np
import pytest

from wfrpde.domain.extent import COARSE_SAMPLES, automatic_box, share_outside
from wfrpde.domain.landscape import LEVEL, Landscape, sample
from wfrpde.errors import InputError


def gaussian(mean, covariance):
    """−log of N(mean, covariance) up to a constant."""
    mean, precision = np.atleast_1d(mean), np.linalg.inv(np.atleast_2d(covariance))
    return lambda x: np.einsum("ni,ij,nj->n", x - mean, precision, x - mean) / 2


def landscape(potential, surprise, seeds, **rates):
    return Landscape(potential, surprise, np.atleast_2d(np.asarray(seeds, dtype=float)), **rates)


def test_box_of_a_correlated_gaussian_holds_every_level():
    covariance = np.array([[1.0, 0.6], [0.6, 0.5]])
    target = gaussian([3.0, -1.0], covariance)
    box = automatic_box(landscape(target, target, [[3.0, -1.0]]))
    # the ellipse V = 40 reaches √(2·40·Σ_kk) along axis k
    reach = np.sqrt(2 * LEVEL * np.diag(covariance))
    exact = np.stack([np.array([3.0, -1.0]) - reach, np.array([3.0, -1.0]) + reach], axis=1)
    assert (box[:, 0] <= exact[:, 0]).all()
    assert (box[:, 1] >= exact[:, 1]).all()
    assert (np.ptp(box, axis=1) < 1.1 * np.ptp(exact, axis=1)).all()


@pytest.mark.parametrize("widths", [(1.0, 1e-6), (1e-9, 1.0), (1e4, 1e-3), (1e-8, 3e5, 2.0)])
def test_axes_in_other_units_are_no_reason_to_refuse(widths):
    """A box was said not to confine where one axis is 1e5 times as wide as another."""
    target = gaussian(np.zeros(len(widths)), np.diag(np.square(widths)))
    box = automatic_box(landscape(target, target, [np.zeros(len(widths))]))
    reach = np.sqrt(2 * LEVEL) * np.array(widths)
    assert (box[:, 0] <= -reach).all()
    assert (box[:, 1] >= reach).all()
    assert (np.ptp(box, axis=1) < 2.5 * reach).all()


def test_box_of_a_double_well_holds_every_level():
    def potential(x):
        return 5 * (x[:, 0] ** 2 - 1) ** 2

    start = gaussian([-1.0], [[0.01]])
    box = automatic_box(landscape(potential, start, [[-1.0], [1.0]]))
    reach = sqrt(1 + sqrt(LEVEL / 5))  # V = 40
    assert box[0, 0] <= -reach
    assert box[0, 1] >= reach
    assert np.ptp(box) < 1.1 * 2 * reach


@pytest.mark.parametrize("reaction", [True, False])
def test_box_of_a_far_start_spans_the_way_but_not_the_other_side(reaction):
    """N(0, 1) → N(20, 0.1): all between both, yet not x = 40, which is as high as the start."""
    flow = landscape(
        gaussian([20.0], [[0.1]]), gaussian([0.0], [[1.0]]), [[20.0], [0.0]], reaction=reaction
    )
    low, high = automatic_box(flow)[0]
    assert low <= -sqrt(2 * LEVEL)
    assert low > -12
    assert high >= 20 + sqrt(2 * LEVEL * 0.1)
    assert high < 24
    way = np.linspace(0, 20, 41)[:, None]
    assert (flow.levels(way) < LEVEL).all()


def test_walls_beside_a_wide_start_have_no_levels_of_their_own():
    """Mass 50 kT up a narrow valley leaves at once; in an upper well there it stays."""

    def valley(x):
        return 50 * x[:, 1] ** 2 + x[:, 0] ** 2 / 2

    start = gaussian([0.0, 0.0], np.diag([1e-2, 0.111]))  # 3 standard deviations up: 50 kT
    flow = landscape(valley, start, [[0.0, 0.0]])
    heights = np.array([44.0, 58.0, 89.0, 93.0])
    # far out along the valley only V and the way down hold a point
    x = np.stack([np.sqrt(2 * heights), np.zeros(4)], axis=1)
    near = np.concatenate([x, np.stack([np.zeros(200), np.linspace(-1, 1, 200)], axis=1)])
    assert ((flow.levels(near)[:4] < LEVEL) == [True, False, False, False]).all()

    def wells(x):  # the upper one 50 kT up, at (0, 4)
        upper = gaussian([0.0, 4.0], np.diag([1.0, 0.01]))
        return np.minimum(valley(x), 50.0 + upper(x))

    above = landscape(wells, gaussian([0.0, 4.0], 1e-3 * np.eye(2)), [[0.0, 0.0], [0.0, 4.0]])
    x = np.stack([np.sqrt(2 * (heights - 40.0)), np.full(4, 4.0)], axis=1)  # 54, 68, 99, 103 kT
    assert ((above.levels(x) < LEVEL) == [True, True, False, False]).all()
    x[:2] = [[np.sqrt(2 * 39.0), 4.0], [np.sqrt(2 * 41.0), 4.0]]
    assert ((above.levels(x) < LEVEL)[:2] == [True, False]).all()


def test_without_transport_only_the_geometric_means_matter():
    flow = landscape(
        gaussian([20.0], [[0.1]]), gaussian([0.0], [[1.0]]), [[20.0], [0.0]], transport=False
    )
    x = np.linspace(-15, 25, 4001)[:, None]
    levels = flow.levels(x)
    # between the start and θ = 3/4, whose mean is 20·(1/4)/0.1/(3/4 + (1/4)/0.1) = 15.4
    assert levels[np.argmin(np.abs(x[:, 0] - 15.4))] < 1
    assert (levels[x[:, 0] > 23] > LEVEL).all()


def test_infinite_potential_never_matters():
    def potential(x):
        return np.where(x[:, 0] > 0, x[:, 0], np.inf)

    flow = landscape(potential, gaussian([0.5], [[1.0]]), [[0.5]])
    levels = flow.levels(np.array([[-0.5], [0.5]]))
    assert np.isinf(levels[0])
    assert levels[1] < 1


@pytest.mark.parametrize(
    "potential",
    [
        lambda x: -(x[:, 0] ** 2),
        lambda x: x[:, 0],
        lambda x: np.zeros(len(x)),
        lambda x: np.cos(x[:, 0]),
    ],
)
def test_potential_that_does_not_confine_is_refused(potential):
    with pytest.raises(InputError, match=r"domain: found .*does not fall.*box"):
        automatic_box(landscape(potential, gaussian([0.0], [[1.0]]), [[0.0]]))


def test_scales_are_the_shortest_of_both_densities_along_each_axis():
    stiff = gaussian([0.0, 0.0], np.diag([1 / 25.0, 1.0]))  # curvatures 25 and 1
    start = gaussian([0.0, 0.0], np.diag([1.0, 1 / 9.0]))  # curvatures 1 and 9
    box = np.array([[-5.0, 5.0], [-5.0, 5.0]])
    scales = landscape(stiff, start, [[0.0, 0.0]]).scales(box)
    np.testing.assert_allclose(scales, [1 / 5, 1 / 3], rtol=1e-5)


@pytest.mark.parametrize("half", [8.0, 8000.0])
def test_at_an_edge_the_jump_of_the_slope_counts(half):
    """However large the box: 1/J with 3|x|, where the second difference made it √(Δ/J).

    What is smooth stays, also far up, where nothing is known of its last digits.
    """

    def potential(x):
        return 3 * np.abs(x[:, 0]) + 2 * np.maximum(0, x[:, 1] - 0.5) + x[:, 1] ** 2 / 2 + 1e7

    box = np.array([[-half, half], [-8.0, 8.0]])
    smooth = gaussian([0.0, 0.0], np.diag([100.0, 4.0]))
    round_one = landscape(smooth, smooth, [[0.0, 0.0]])
    assert round_one.scales(box, edges=True) == pytest.approx([min(10.0, half), 2.0], rel=1e-5)
    flat = landscape(potential, smooth, [[0.0, 0.0], [0.0, 0.5]])
    assert flat.scales(box, edges=True) == pytest.approx([1 / 6, 1 / 2], rel=1e-2)
    assert flat.scales(box)[0] == pytest.approx(np.sqrt(2e-4 * half / 6), rel=1e-2)


@pytest.mark.parametrize("power", [1.2, 1.5, 1.8])
def test_powers_below_2_are_no_edges(power):
    """They bend beside their kink as well: lengths are not those of a jump that is not there."""
    box, smooth = np.array([[-2.0, 2.0], [-2.0, 2.0]]), gaussian([0.0, 0.0], np.eye(2))

    def potential(x):
        return 4 * np.abs(x[:, 0] - 0.3) + 6 * np.abs(x[:, 1]) ** power

    found = landscape(potential, smooth, [[0.3, 0.0]]).scales(box, edges=True)
    near = 2 * 4e-4  # two steps of differences
    bend = 6 * power * (power - 1) * near ** (power - 2)
    assert found[0] == pytest.approx(1 / 8, rel=1e-2)
    assert found[1] < 1.1 / np.sqrt(bend)


@pytest.mark.parametrize(("power", "rough"), [(1.2, True), (1.5, True), (2.0, False), (3.0, False)])
def test_what_bends_ever_more_beside_an_edge_is_rough(power, rough):
    """No element resolves it: a covariance was off by 3 bars. Kinks in planes are ends of cells."""
    box, smooth = np.array([[-2.0, 2.0], [-2.0, 2.0]]), gaussian([0.0, 0.0], np.eye(2))

    def potential(x):
        return 4 * np.abs(x[:, 0] - 0.3) + 6 * np.abs(x[:, 1]) ** power

    plane = landscape(potential, smooth, [[0.3, 0.0]])
    assert plane.rough(box, [np.array([0.3]), np.array([])]) is rough
    assert plane.rough(box, [np.array([]), np.array([])])


def test_a_box_is_looked_at_once():
    """V and R₀ are asked for on the lattice of a box once; scales are copies."""
    box, asked = np.array([[-3.0, 3.0]]), []

    def counted(function):
        def value(x):
            asked.append(np.array_equal(x, sample(box)))
            return function(x)

        return value

    target, start = gaussian([0.0], [[1.0]]), gaussian([0.5], [[0.25]])
    line = landscape(counted(target), counted(start), [[0.0], [0.5]])
    scales = line.scales(box)
    scales[:] = np.nan
    assert line.scales(box)[0] == pytest.approx(0.5, rel=1e-4)
    x, v, r = line.on(box)
    np.testing.assert_array_equal(v, target(x))
    np.testing.assert_array_equal(r, start(x))
    assert not line.has_kink(box)
    assert line.sharpest(box) == pytest.approx(0.5, rel=1e-4)
    assert sum(asked) == 2
    wider = np.array([[-4.0, 4.0]])
    np.testing.assert_array_equal(line.on(wider)[0], sample(wider))
    np.testing.assert_array_equal(line.on(box)[1], v)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_coarse_boxes_hold_every_level_and_take_few_lattices(dim):
    """N(0, I/4) and a seed of another density: found on six lattices, a lattice's spacing wider."""
    asked = []

    def target(x):
        asked.append(len(x))
        return 2.0 * (x**2).sum(axis=1)

    seeds = np.zeros((2, dim))
    seeds[1, 0] = -0.5
    flow = landscape(target, target, seeds, reaction=False, transport=False)
    box = automatic_box(flow, trimmed=False)
    reach = sqrt(LEVEL / 2)
    assert (box[:, 0] <= -reach).all()
    assert (box[:, 1] >= reach).all()
    assert np.abs(box).max() < 1.2 * reach
    assert len([n for n in asked if n == COARSE_SAMPLES[dim] ** dim]) <= 6


def test_a_flat_landscape_has_the_scale_of_its_box():
    flow = landscape(lambda x: np.zeros(len(x)), lambda x: np.zeros(len(x)), [[0.0]])
    np.testing.assert_array_equal(flow.scales(np.array([[-1.0, 3.0]])), [2.0])


def test_share_outside_of_a_gaussian():
    log_density = gaussian([0.0], [[1.0]])
    share = share_outside(lambda x: -log_density(x), np.array([[-2.0, 2.0]]), np.array([[-9, 9]]))
    assert share == pytest.approx(erfc(2 / sqrt(2)), rel=1e-2)


def test_share_outside_is_one_for_a_density_elsewhere_and_zero_for_none():
    box, wide = np.array([[5.0, 6.0]]), np.array([[-9.0, 9.0]])
    narrow = gaussian([0.0], [[0.01]])
    assert share_outside(lambda x: -narrow(x), box, wide) == pytest.approx(1.0, abs=1e-12)
    assert share_outside(lambda x: np.full(len(x), -np.inf), box, wide) == 0.0


def test_sample_points_include_the_corners():
    points = sample(np.array([[0.0, 1.0], [2.0, 4.0]]))
    assert points.min(axis=0).tolist() == [0.0, 2.0]
    assert points.max(axis=0).tolist() == [1.0, 4.0]
