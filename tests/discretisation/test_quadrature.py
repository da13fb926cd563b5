"""Quadrature over the mesh and over regions that its cells do not follow."""

import numpy as np
import pytest
from scipy.special import chdtr, ndtr

from wfrpde.discretisation.nodes import simplex_volumes
from wfrpde.discretisation.quadrature import make_quadrature
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid, simplices_of_box
from wfrpde.fields.regions import parse_region

CORNERS = [(2, 9, 8, 1e-13), (2, 15, 2, 1e-7), (3, 8, 6, 1e-10), (3, 9, 4, 1e-8)]


def box(dim, cells, reach=8.0):
    return TensorGrid((np.linspace(-reach, reach, cells + 1),) * dim, np.ones([cells] * dim, bool))


def gaussian(x):
    return np.exp(-(x**2).sum(axis=1) / 2) / (2 * np.pi) ** (x.shape[1] / 2)


@pytest.mark.parametrize(
    ("dim", "degree", "per_axis"), [(1, 1, 2), (2, 1, 2), (2, 4, 6), (3, 2, 4)]
)
def test_gauss_points_are_exact_to_degree_2n_minus_1(tensor_grid, dim, degree, per_axis):
    grid = tensor_grid(dim)
    rule = make_quadrature(TensorInterpolation(grid, degree), [])
    corners = grid.points[grid.cells]
    low, high = corners[:, 0], corners[:, -1]
    power = 2 * per_axis - 1
    exact = ((high ** (power + 1) - low ** (power + 1)) / (power + 1)).prod(axis=1).sum()
    assert len(rule.points) == grid.n_cells * per_axis**dim
    assert rule.weights @ (rule.points**power).prod(axis=1) == pytest.approx(exact, rel=1e-12)
    finer = make_quadrature(TensorInterpolation(grid, degree), [], points_per_axis=7)
    assert len(finer.points) == grid.n_cells * 7**dim


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_simplex_rule_is_exact_to_degree_5(tensor_grid, dim):
    tensor = tensor_grid(dim)
    rule = make_quadrature(SimplexInterpolation(simplices_of_box(tensor)), [])
    corners = tensor.points[tensor.cells]
    low, high = corners[:, 0], corners[:, -1]
    powers = {1: (5,), 2: (2, 3), 3: (2, 1, 2)}[dim]
    exact = np.ones(len(low))
    for axis, k in enumerate(powers):
        exact *= (high[:, axis] ** (k + 1) - low[:, axis] ** (k + 1)) / (k + 1)
    value = rule.weights @ (rule.points ** np.array(powers)).prod(axis=1)
    assert value == pytest.approx(exact.sum(), rel=1e-12)


def interpolation_on(grid, kind):
    if kind == "simplex":
        coarse = simplices_of_box(grid)
        return SimplexInterpolation(coarse.refined(), coarse)
    return TensorInterpolation(grid, 2)


@pytest.mark.parametrize("kind", ["tensor", "simplex"])
def test_mass_of_a_half_line(kind):
    """To 1e-10, though 0.3 lies inside a cell."""

    def left(x):
        return x[:, 0] < 0.3

    rule = make_quadrature(interpolation_on(box(1, 120), kind), [left])
    inside = left(rule.points)
    value = rule.weights[inside] @ gaussian(rule.points[inside])
    assert value == pytest.approx(ndtr(0.3), abs=1e-10)


@pytest.mark.parametrize(
    ("kind", "cells", "tolerance"), [("tensor", 40, 1e-9), ("simplex", 40, 1e-8)]
)
@pytest.mark.parametrize("normal", [[1.0, 0.7], [0.05, -1.0], [1.0, 1.0]])
def test_mass_of_an_oblique_half_plane(kind, cells, tolerance, normal):
    """n·x < 0.4 under N(0, I), whose mass is Φ(0.4/|n|), and its complement."""

    def region(x):
        return x @ normal < 0.4

    rule = make_quadrature(interpolation_on(box(2, cells), kind), [region])
    density = rule.weights * gaussian(rule.points)
    inside = region(rule.points)
    exact = ndtr(0.4 / np.linalg.norm(normal))
    assert density[inside].sum() == pytest.approx(exact, abs=tolerance)
    assert density[~inside].sum() == pytest.approx(1 - exact, abs=tolerance)


@pytest.mark.parametrize("seed", range(12))
def test_mass_of_a_half_plane_on_few_large_cells(seed):
    """To round-off: lines are split, and cells where lines begin to be (it was off by 4e-5)."""
    rng = np.random.default_rng(seed)
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1)
    normal = np.array([np.cos(angle), np.sin(angle)])

    def region(x):
        return x @ normal < distance

    elements = TensorInterpolation(box(2, 8), 8)
    rule = make_quadrature(elements, [region])
    inside = region(rule.points)
    value = rule.weights[inside] @ gaussian(rule.points[inside])
    assert value == pytest.approx(ndtr(distance), abs=1e-13)
    assert (rule.weights > 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_mass_of_a_half_space_on_few_large_cells(seed):
    """To round-off by both rules (it was off by 1e-6 to 1e-5, which they shared in part)."""
    rng = np.random.default_rng(seed)
    normal, distance = rng.normal(size=3), rng.uniform(-1, 1)
    normal /= np.linalg.norm(normal)

    def region(x):
        return x @ normal < distance

    elements = TensorInterpolation(box(3, 8), 8)
    for fewer in (0, -1):
        rule = make_quadrature(elements, [region], fewer=fewer)
        inside = region(rule.points)
        value = rule.weights[inside] @ gaussian(rule.points[inside])
        assert value == pytest.approx(ndtr(distance), abs=1e-12)
        assert (rule.weights > 0).all()


@pytest.mark.parametrize(("cells", "degree"), [(6, 4), (8, 8), (16, 3)])
@pytest.mark.parametrize("radius", [0.5, 1.3, 2.2])
def test_a_second_rule_tells_the_error_of_the_mass_of_a_ball(cells, degree, radius):
    """One with a point more on each axis shares up to five sixths of it."""

    def ball(x):
        return (x**2).sum(axis=1) < radius**2

    masses = []
    for fewer in (0, -1):
        rule = make_quadrature(TensorInterpolation(box(3, cells), degree), [ball], fewer=fewer)
        inside = ball(rule.points)
        masses.append(rule.weights[inside] @ gaussian(rule.points[inside]))
    exact = chdtr(3, radius**2)
    assert abs(masses[0] - exact) < 1e-3
    assert abs(masses[0] - exact) < 1.5 * abs(masses[0] - masses[1])


@pytest.mark.parametrize(("kind", "tolerance"), [("tensor", 1e-6), ("simplex", 1e-5)])
def test_mass_of_a_half_space(kind, tolerance):
    def region(x):
        return x @ [1.0, 0.7, -0.4] < 0.5

    rule = make_quadrature(interpolation_on(box(3, 12, reach=5.5), kind), [region])
    inside = region(rule.points)
    value = rule.weights[inside] @ gaussian(rule.points[inside])
    assert value == pytest.approx(ndtr(0.5 / np.sqrt(1.65)), abs=tolerance)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("kind", ["tensor", "simplex"])
def test_volume_of_a_half_space_is_exact(kind, dim):
    """Flat boundaries are followed."""

    def region(x):
        return x.sum(axis=1) < 0.4

    grid = box(dim, 8, reach=4.0)
    rule = make_quadrature(interpolation_on(grid, kind), [region])
    # half the cube, and a slice: sections of a square and of a cube through s = Σx
    exact = 32 + 8 * 0.4 - 0.4**2 / 2 if dim == 2 else 256 + 48 * 0.4 - 0.4**3 / 3
    assert (rule.weights > 0).all()
    assert rule.weights[region(rule.points)].sum() == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("kind", ["tensor", "simplex"])
def test_area_of_a_disk(kind):
    """A curved boundary costs the square of the divided cell."""

    def disk(x):
        return (x**2).sum(axis=1) < 1.7**2

    areas = []
    for cells in (20, 40):
        rule = make_quadrature(interpolation_on(box(2, cells, reach=4.0), kind), [disk])
        areas.append(rule.weights[disk(rule.points)].sum())
    errors = np.abs(np.array(areas) - np.pi * 1.7**2)
    assert errors[0] < 2e-3
    assert errors[1] < 5e-4


def test_regions_that_cross_share_the_points():
    """Quadrants of a tilted cross: each to the tolerance of one."""
    normals = np.array([[1.0, 0.3], [-0.2, 1.0]])
    regions = [lambda x, n=n: x @ n < 0.1 for n in normals]
    for kind in ("tensor", "simplex"):
        rule = make_quadrature(interpolation_on(box(2, 40), kind), regions)
        density = rule.weights * gaussian(rule.points)
        for region, normal in zip(regions, normals, strict=True):
            exact = ndtr(0.1 / np.linalg.norm(normal))
            assert density[region(rule.points)].sum() == pytest.approx(exact, abs=5e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("dim", "cells", "degree", "within"), CORNERS)
def test_mass_of_a_corner_within_a_cell(dim, cells, degree, within, seed):
    """Of two oblique half-spaces: 1/4 + arcsin(ρ)/2π, by two rules that tell how far they are off.

    They were off by up to 3e-3 in the plane and 4e-3 in space, and shared all of it at times.
    """
    rng = np.random.default_rng(seed)
    normals, centre = rng.normal(size=(2, dim)).round(3), rng.uniform(-0.5, 0.5, dim).round(3)
    one, other = normals / np.linalg.norm(normals, axis=1)[:, None]
    exact = 0.25 + np.arcsin(one @ other) / (2 * np.pi)
    sides = [
        " + ".join(f"({a})*({x} - ({c}))" for a, x, c in zip(n, "xyz", centre, strict=False))
        for n in normals
    ]
    region = parse_region(f"{sides[0]} > 0 and {sides[1]} > 0", dim, "region")
    elements, masses = TensorInterpolation(box(dim, cells), degree), []
    for fewer in (0, -1):
        rule = make_quadrature(elements, [region], fewer=fewer)
        inside = region(rule.points)
        assert (rule.weights > 0).all()
        assert rule.weights.sum() == pytest.approx(16.0**dim, rel=1e-12)
        masses.append(rule.weights[inside] @ gaussian(rule.points[inside] - centre))
    assert masses[0] == pytest.approx(exact, abs=within)
    assert abs(masses[0] - exact) <= 1.5 * abs(masses[0] - masses[1]) + 1e-12


def test_a_border_along_faces_cuts_nothing():
    """A region that ends at faces: exact halves, whole Gauss rules."""
    grid = box(2, 8)
    left = make_quadrature(TensorInterpolation(grid, 2), [lambda x: x[:, 0] < 0])
    plain = make_quadrature(TensorInterpolation(grid, 2), [])
    assert len(left.points) == len(plain.points)
    assert left.weights[left.points[:, 0] < 0].sum() == pytest.approx(128.0, rel=1e-14)


@pytest.mark.parametrize("simplices", [False, True])
def test_shares_of_the_ranks_add_up(tensor_grid, simplices):
    grid = tensor_grid(2)
    if simplices:
        interpolation = SimplexInterpolation(simplices_of_box(grid))
    else:
        interpolation = TensorInterpolation(grid, 3)

    def region(x):
        return x[:, 0] < 0.37

    whole = make_quadrature(interpolation, [region])
    parts = [make_quadrature(interpolation, [region], rank=r, size=3) for r in range(3)]

    def ordered(points, weights):
        return np.sort(points @ [1.0, np.sqrt(2)]), np.sort(weights)

    points = np.concatenate([p.points for p in parts])
    weights = np.concatenate([p.weights for p in parts])
    for one, other in zip(
        ordered(points, weights), ordered(whole.points, whole.weights), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-13)
    volume = simplex_volumes(simplices_of_box(grid).points[simplices_of_box(grid).cells]).sum()
    assert weights.sum() == pytest.approx(volume, rel=1e-12)


def test_the_tip_of_a_corner_beside_the_boundary_of_another_region():
    """It lies between the probes of a cell that the other is seen to cut: both rules lost 1e-5."""
    corner = parse_region("0.99 + (x - 0.5)/2 < y and x + y/50 > 0.47", 2, "corner")
    other = parse_region("x + 2*y < 1.9 and x > -1.7", 2, "other")
    y = 0.975 / 1.01
    ends = np.array([[0.47 - y / 50, y], [2.0, 1.74], [2.0, 2.0], [0.43, 2.0]])
    exact = np.linalg.det(np.stack([ends, np.roll(ends, -1, axis=0)], axis=1)).sum() / 2
    elements = TensorInterpolation(box(2, 4, 2.0), 6)
    for fewer in (0, -1):
        rule = make_quadrature(elements, [corner, other], fewer=fewer)
        assert rule.weights[corner(rule.points)].sum() == pytest.approx(exact, abs=1e-12)
