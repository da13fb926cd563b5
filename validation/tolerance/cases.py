"""The cases of the table, each with the truth that it is judged by."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from finite_volumes import LineFlow, solve_line
from truths import (
    Truth,
    gaussian_truth,
    product_truth,
    radial_truth,
    solved_truth,
    stored_truth,
)

import wfrpde
from wfrpde.flow.accuracy import worst_error

Array = np.ndarray[Any, Any]
logger = logging.getLogger("wfrpde")
DIGITS = (2, 3, 4, 5, 6, 7, 8)


@dataclass(frozen=True)
class Probe:
    """A case, its truth, and the digits that are asked for."""

    title: str
    target: dict[str, Any]
    initial: dict[str, Any]
    flow: dict[str, Any]
    judged_by: Callable[[Probe], Truth]
    digits: tuple[int, ...] = DIGITS

    def case(self, **keys: Any) -> wfrpde.Case:
        """Return the case with some keys."""
        data = {"target": self.target, "initial": self.initial, "flow": self.flow}
        return wfrpde.Case.model_validate(data).with_overrides(
            {"numerics.formulation": "mesh", **keys}
        )

    @property
    def times(self) -> tuple[float, ...]:
        """Saved times, without 0."""
        return tuple(self.flow["save"])

    @property
    def rates(self) -> dict[str, float]:
        """α and β."""
        return {key: self.flow.get(key, 1.0) for key in ("alpha", "beta")}


def gaussian(mean: Any, covariance: Any) -> dict[str, Any]:
    """Return the table of a Gaussian."""
    return {"kind": "gaussian", "mean": mean, "covariance": covariance}


def well(barrier: float, **keys: Any) -> dict[str, Any]:
    """Return the table of a tilted double well."""
    return {"kind": "double_well", "barrier": barrier, "tilt": 0.5, **keys}


def well_on_line(barrier: float) -> Callable[[Array], Array]:
    """Return the potential of a tilted double well."""
    return lambda x: barrier * (x**2 - 1) ** 2 + 0.5 * x


def bump(mean: float, variance: float) -> Callable[[Array], Array]:
    """Return the logarithm of a Gaussian, up to a constant."""
    return lambda x: -((x - mean) ** 2) / (2 * variance)


def mixture_on_line(x: Array) -> Array:
    """Potential of the three Gaussians below."""
    parts = zip((0.5, 0.3, 0.2), (-2.0, 0.5, 3.0), (0.3, 0.2, 0.5), strict=True)
    logs = [np.log(w / np.sqrt(c)) - (x - m) ** 2 / (2 * c) for w, m, c in parts]
    return -np.logaddexp.reduce(logs, axis=0)


# --- Truths --------------------------------------------------------------------------------------


def exact(probe: Probe) -> Truth:
    """Give the flow between Gaussians."""
    start, end = ((part["mean"], part["covariance"]) for part in (probe.initial, probe.target))
    return gaussian_truth(start, end, np.array([0.0, *probe.times]), **probe.rates)


def on_line(
    potential: Callable[[Array], Array],
    log_start: Callable[[Array], Array],
    box: tuple[float, float],
    regions: dict[str, tuple[float, float]],
) -> Callable[[Probe], Truth]:
    """Judge by finite volumes in one dimension."""

    def truth(probe: Probe) -> Truth:
        flow = solve_line(potential, log_start, box, probe.times, regions=regions, **probe.rates)
        return product_truth("finite volumes", [flow], np.eye(1))

    return truth


SIDES = {"left": (-np.inf, 0.0), "right": (0.0, np.inf)}
TURNED = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2)


def turned(probe: Probe) -> Truth:
    """Judge by the product of two flows on lines, along the diagonals."""
    parts: list[LineFlow] = [
        solve_line(well_on_line(6.0), bump(-1.0, 0.04), (-2.6, 2.6), probe.times, regions=SIDES,
                   **probe.rates),
        solve_line(lambda x: 2 * (x - 0.3) ** 2, bump(0.0, 0.4), (-6.0, 6.6), probe.times,
                   **probe.rates),
    ]  # fmt: skip
    return product_truth("finite volumes along the diagonals", parts, TURNED)


def around_centre(probe: Probe) -> Truth:
    """Judge a ring by finite volumes in the radius."""
    regions = {"inside": (0.0, 2.0), "outside": (2.0, np.inf)}
    flow = solve_line(
        lambda r: ((r - 2.0) / 0.7) ** 2, bump(0.0, 0.4), (0.0, 8.0), probe.times,
        regions=regions, radial=True, cells=1000, **probe.rates,
    )  # fmt: skip
    return radial_truth("finite volumes in the radius", flow)


def by_another(formulation: str, tolerance: float) -> Callable[[Probe], Truth]:
    """Judge by another formulation of wfrpde."""

    def truth(probe: Probe) -> Truth:
        keys = {"accuracy.tolerance": tolerance, "numerics.formulation": formulation}
        reference = wfrpde.solve(probe.case(**keys))
        logger.critical("reference of %s: %.1e by estimate", probe.title, worst_error(reference)[0])
        return solved_truth(f"the {formulation} form", reference)

    return truth


def by_differences(problem: str) -> Callable[[Probe], Truth]:
    """Judge by what `planes.py` has found: explicit steps and differences of order 6."""
    return lambda _: stored_truth("explicit differences", problem)


# --- Cases ---------------------------------------------------------------------------------------

TIMES = [0.1, 0.5, 2.0]
UNIT = gaussian([0.0], [[1.0]])
NEAR = gaussian([2.0], [[0.2]])
PLANE = gaussian([0.0, 0.0], [[1.0, 0.4], [0.4, 0.7]])
START = gaussian([-1.0, 0.5], [[0.3, 0.0], [0.0, 0.5]])
LEFT = gaussian([-1.0], [[0.02]])
THREE = {
    "kind": "gaussian_mixture",
    "weights": [0.5, 0.3, 0.2],
    "means": [[-2.0], [0.5], [3.0]],
    "covariances": [[[0.3]], [[0.2]], [[0.5]]],
    "modes": {"middle": "x > -0.8 and x < 1.5"},
}
TWO = {
    "kind": "gaussian_mixture",
    "weights": [0.6, 0.4],
    "means": [[-1.0, 0.0], [1.2, 0.6]],
    "covariances": [[[0.3, 0.1], [0.1, 0.3]], [[0.3, 0.0], [0.0, 0.4]]],
    "modes": {"right": "x > 0.1"},
}
DIAGONAL = {
    "potential": "6*((x + y)**2/2 - 1)**2 + 0.5*(x + y)/sqrt(2) + 2*((y - x)/sqrt(2) - 0.3)**2",
    "dim": 2,
    "modes": {"left": "x + y < 0", "right": "x + y >= 0"},
}
DIAGONAL_START = gaussian(
    (-TURNED[0]).tolist(), (TURNED.T @ np.diag([0.04, 0.4]) @ TURNED).tolist()
)
RING = {"kind": "ring", "radius": 2.0, "width": 0.7}
CENTRE = gaussian([0.0, 0.0], [[0.4, 0.0], [0.0, 0.4]])
SPACE = gaussian([0.0] * 3, [[1.0, 0.3, 0.0], [0.3, 0.8, 0.2], [0.0, 0.2, 0.9]])


def _well(barrier: float, start: dict[str, Any], rates: dict[str, float], words: str) -> Probe:
    judge = on_line(
        well_on_line(barrier),
        bump(start["mean"][0], start["covariance"][0][0]),
        (-3.2, 3.2) if barrier < 5 else (-2.8, 2.8) if barrier < 15 else (-2.6, 2.6),
        SIDES,
    )
    title = f"Double well, barrier {barrier:g}, {words}"
    return Probe(title, well(barrier), start, {"save": TIMES, **rates}, judge)


W, FR = {"beta": 0.0}, {"alpha": 0.0}
PROBES = {
    "line": Probe("Gaussian, 1-D, WFR", UNIT, NEAR, {"save": TIMES}, exact),
    "line-w": Probe("Gaussian, 1-D, W", UNIT, NEAR, {"save": TIMES, **W}, exact),
    "line-fr": Probe(
        "Gaussian, 1-D, FR", UNIT, gaussian([1.0], [[0.5]]), {"save": TIMES, **FR}, exact
    ),
    "far": Probe("Gaussian, 1-D, far start, WFR", gaussian([20.0], [[0.1]]), UNIT,
                 {"save": [0.05, 0.2, 0.5]}, exact),
    "wells-2": _well(2.0, LEFT, {}, "WFR"),
    "wells-8": _well(8.0, LEFT, {}, "WFR"),
    "wells-20": _well(20.0, LEFT, {}, "WFR"),
    "wells-w": _well(5.0, LEFT, W, "W"),
    "wells-fr": _well(8.0, gaussian([-0.5], [[0.2]]), FR, "FR"),
    "mixture": Probe(
        "Three Gaussians, 1-D, WFR", THREE, gaussian([-2.0], [[0.3]]), {"save": TIMES},
        on_line(mixture_on_line, bump(-2.0, 0.3), (-9.0, 12.0), {"middle": (-0.8, 1.5)}),
    ),
    "plane": Probe("Gaussian, 2-D, WFR", PLANE, START, {"save": TIMES}, exact),
    "plane-w": Probe("Gaussian, 2-D, W", PLANE, START, {"save": TIMES, **W}, exact),
    "plane-fr": Probe("Gaussian, 2-D, FR", PLANE, START, {"save": TIMES, **FR}, exact),
    "diagonal": Probe("Double well along the diagonal, 2-D, barrier 6, WFR", DIAGONAL,
                      DIAGONAL_START, {"save": [0.1, 0.5, 1.0]}, turned),
    "ring": Probe("Ring, 2-D, WFR", RING, CENTRE, {"save": [0.1, 1.0]}, around_centre),
    "ring-w": Probe("Ring, 2-D, W", RING, CENTRE, {"save": [0.1, 1.0], **W}, around_centre),
    "wells-plane": Probe(
        "Bent double well, 2-D, barrier 4, WFR", well(4.0, dim=2, stiffness=6.0, coupling=0.5),
        gaussian([-1.0, -0.5], [[0.05, 0.0], [0.0, 0.1]]), {"save": [0.1, 0.5, 1.0]},
        by_differences("bent wells"),
    ),
    "mixture-plane": Probe(
        "Two Gaussians, 2-D, WFR", TWO, gaussian([-1.0, 0.0], [[0.3, 0.1], [0.1, 0.3]]),
        {"save": [0.1, 0.5, 1.0]}, by_another("spectral", 1e-8),
    ),
    "banana": Probe(
        "Banana, 2-D, WFR", {"kind": "banana"}, gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]),
        {"save": [0.1, 0.3, 1.0, 2.0]}, by_differences("banana"), digits=(2, 3, 4),
    ),
    "space": Probe(
        "Gaussian, 3-D, WFR", SPACE, gaussian([0.5, -0.4, 0.3], np.diag([0.6, 0.5, 0.7]).tolist()),
        {"save": [0.2, 1.0]}, exact, digits=(2, 3, 4, 5),
    ),
}  # fmt: skip
