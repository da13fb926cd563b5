"""Initial densities: normalisation, samples, and what ``[initial]`` accepts."""

import numpy as np
import pytest

from wfrpde.errors import InputError
from wfrpde.starts import make_initial, validate_initial
from wfrpde.targets import make_target
from wfrpde.targets.reach import reach

LINE = make_target(kind="double_well")
PLANE = make_target(kind="banana")
SPACE = make_target(kind="double_well", dim=3)

EXACT = {
    "gaussian": (LINE, "gaussian", {"mean": -1, "covariance": [[0.01]]}),
    "plane": (PLANE, "gaussian", {"mean": [-1, 0.5], "covariance": [[1, 0.4], [0.4, 0.7]]}),
    "mixture": (PLANE, "mixture", {"weights": [1, 3], "means": [[-1, 0], [2, 1]],
                                   "covariances": [0.2, [[0.5, 0.1], [0.1, 0.3]]]}),
    "dirac": (LINE, "dirac", {"point": -1, "width": 0.05}),
    "uniform": (PLANE, "uniform", {"box": [[-1, 1], [0, 3]]}),
}  # fmt: skip


def lattice(dim, n=801, reach=8.0):
    axes = [np.linspace(-reach, reach, n)] * dim
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, dim), (
        2 * reach / (n - 1)
    ) ** dim


@pytest.mark.parametrize("name", EXACT)
def test_density_is_normalised_and_sampled(name):
    target, kind, parameters = EXACT[name]
    initial = make_initial(kind=kind, parameters=parameters, target=target)
    points, volume = lattice(target.dim)
    density = np.exp(initial.log_density(points))
    assert initial.normalised
    # The uniform density jumps: its lattice sum is good to the spacing only.
    accuracy = 0.02 if kind == "uniform" else 1e-8
    assert density.sum() * volume == pytest.approx(1, abs=accuracy)
    mean = (density @ points) / density.sum()
    centred = points - mean
    covariance = (density[:, None] * centred).T @ centred / density.sum()
    draws = initial.sample(40_000, np.random.default_rng(0))
    assert draws.shape == (40_000, target.dim)
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * spread.max() / 200 + 1e-3)
    np.testing.assert_allclose(np.cov(draws.T).reshape(covariance.shape), covariance,
                               atol=0.05 * spread.max() ** 2)  # fmt: skip
    if initial.gaussian is not None:
        np.testing.assert_allclose(initial.gaussian[0], mean, atol=1e-9)
        np.testing.assert_allclose(initial.gaussian[1], covariance, atol=1e-9)


def test_seeds_are_the_centres():
    for target, kind, parameters in EXACT.values():
        initial = make_initial(kind=kind, parameters=parameters, target=target)
        assert initial.seeds.shape[1] == initial.dim == target.dim
        assert np.isfinite(initial.log_density(initial.seeds)).all()


def test_dirac_has_its_width():
    narrow = make_initial(kind="dirac", parameters={"point": [0, 0, 1], "width": 0.1}, target=SPACE)
    np.testing.assert_allclose(narrow.gaussian[1], 0.01 * np.eye(3))
    default = make_initial(kind="dirac", parameters={"point": 0}, target=LINE)
    length = reach(LINE.potential, np.zeros(1))
    change = LINE.potential([[length]])[0] - LINE.potential([[0.0]])[0]
    assert abs(change) == pytest.approx(1, rel=1e-5)
    assert default.gaussian[1] == pytest.approx((0.05 * length) ** 2)
    assert f"width {0.05 * length:.3g}" in default.description


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
def test_a_point_is_as_wide_in_every_unit(unit):
    target = make_target(potential=f"(x/{unit!r})**2/2")
    start = make_initial(kind="dirac", parameters={"point": [0.5 * unit]}, target=target)
    assert start.blur == pytest.approx(0.05 * unit * (np.sqrt(0.25 + 2) - 0.5), rel=1e-5)


@pytest.mark.parametrize("unit", [1e-7, 1e5])
def test_a_point_on_a_plateau_is_as_wide_as_its_box_lets_it(unit):
    """V says nothing of lengths there: 5 % of half the shortest side."""
    for slope in (0.0, 1e-9 / unit):
        target = make_target(potential=f"{slope!r}*abs(x)")
        point, box = {"point": [0.0]}, [[-unit, 2 * unit]]
        start = make_initial(kind="dirac", parameters=point, target=target, box=box)
        assert start.blur == pytest.approx(0.05 * 1.5 * unit)


def test_uniform_lives_on_the_domain_by_default():
    initial = make_initial(kind="uniform", parameters={}, target=LINE, box=[[-2, 2]])
    np.testing.assert_allclose(initial.log_density([[0.0], [3.0]]), [-np.log(4), -np.inf])


@pytest.mark.parametrize(
    "parameters",
    [{"density": "exp(-(x - 1)**2/0.2) + 2*exp(-(x + 2)**2/0.02)"},
     {"log_density": "log(exp(-(x - 1)**2/0.2) + 2*exp(-(x + 2)**2/0.02))"}],
)  # fmt: skip
def test_formulas(parameters):
    initial = make_initial(kind="expression", parameters=parameters, target=LINE)
    x = np.linspace(-3, 2, 30)
    expected = np.log(np.exp(-((x - 1) ** 2) / 0.2) + 2 * np.exp(-((x + 2) ** 2) / 0.02))
    np.testing.assert_allclose(initial.log_density(x[:, None]), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(np.sort(initial.seeds.ravel()), [-2, 1], atol=1e-3)
    assert np.isfinite(initial.log_density([[1e4]])).all()
    assert not initial.normalised
    with pytest.raises(InputError, match=r"initial\.kind.*cannot be sampled"):
        initial.sample(1, np.random.default_rng(0))


def test_a_density_that_is_not_positive_has_no_mass_there():
    for text in ("1 - x**2", "x*exp(-x**2)", "max(0, 1 - x**2)", "(1 - x)*(1 + x)"):
        initial = make_initial(kind="expression", parameters={"density": text}, target=LINE)
        values = initial.log_density([[0.5], [-2.0]])
        assert np.isfinite(values[0])
        assert values[1] == -np.inf


@pytest.mark.parametrize(
    ("kind", "parameters", "parts"),
    [
        ("gauss", {}, ["initial.kind: found 'gauss'", "Did you mean gaussian?", "dirac"]),
        ("gaussian", {}, ["initial.mean: found nothing"]),
        ("gaussian", {"mean": 0, "covarience": 1}, ["initial.covarience: found", "covariance?"]),
        ("gaussian", {"mean": [0, 0], "covariance": [[1, 2], [2, 1]]},
         ["initial.covariance: found", "eigenvalue -1"]),
        ("gaussian", {"mean": [0, 0], "covariance": [[1, 2], [1, 1]]},
         ["initial.covariance: found", "symmetric"]),
        ("mixture", {"means": [0, 1], "covariances": [1]}, ["initial.covariances: found 1"]),
        ("dirac", {"point": 0, "width": 0}, ["initial.width: found 0", "positive"]),
        ("dirac", {"point": []}, ["initial.point: found 0 numbers"]),
        ("uniform", {"box": [[1, 0]]}, ["initial.box[0]: found [1, 0]", "low < high"]),
        ("expression", {}, ["initial.log_density: found neither", "exactly one"]),
        ("expression", {"density": "1", "log_density": "0"}, ["initial.log_density: found both"]),
        ("expression", {"density": "exp(-x**2"}, ["initial.density: found a syntax error"]),
        ("expression", {"log_density": "x.__class__"}, ["initial.log_density: found attribute"]),
        ("expression", {"density": 3}, ["initial.density: found 3"]),
    ],
)  # fmt: skip
def test_wrong_parameters_name_the_key(kind, parameters, parts):
    with pytest.raises(InputError) as caught:
        validate_initial(kind, parameters)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "parameters", "parts"),
    [
        ("gaussian", {"mean": [0, 0]}, ["initial.mean: found 2 entries", "needed 1"]),
        ("mixture", {"means": [[0, 0]], "covariances": [1]}, ["initial.means[0]: found 2 entries"]),
        ("dirac", {"point": [0, 0]}, ["initial.point: found 2 entries"]),
        ("uniform", {}, ["initial.box: found nothing", "[domain] box"]),
        ("uniform", {"box": [[0, 1], [0, 1]]}, ["initial.box: found 2 entries"]),
        ("expression", {"density": "exp(-x**2 - y**2)"}, ["initial.density: found the coordinate"]),
        ("expression", {"density": "-exp(-x**2)"}, ["initial.density:", "nowhere positive"]),
        ("expression", {"density": "min(-1, -x**2)"}, ["initial.density:"]),
        ("expression", {"log_density": "x"}, ["initial.log_density:", "rises without bound"]),
    ],
)
def test_what_does_not_fit_the_target_names_the_key(kind, parameters, parts):
    with pytest.raises(InputError) as caught:
        make_initial(kind=kind, parameters=parameters, target=LINE)
    for part in parts:
        assert part in str(caught.value)


def test_points_of_the_wrong_shape_are_refused():
    initial = make_initial(kind="dirac", parameters={"point": 0}, target=LINE)
    with pytest.raises(ValueError, match=r"\(n, 1\) needed"):
        initial.log_density(np.zeros((2, 2)))
