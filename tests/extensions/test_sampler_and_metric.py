"""A sampler and a metric from outside: one line each, and everything else follows."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

import wfrpde
from wfrpde.comparison import metrics
from wfrpde.comparison.metrics import METRICS, Metric
from wfrpde.errors import InputError
from wfrpde.report.validation.distances import draw_distances
from wfrpde.report.validation.page import _distances
from wfrpde.samplers import KINDS, Langevin, LawStep, register

CASE = {
    "target": {"kind": "gaussian", "mean": 0.0, "covariance": 1.0},
    "initial": {"mean": [1.0], "covariance": [[0.5]]},
    "flow": {"save": [0.5]},
    "validation": {"equation": False},
}


@pytest.fixture
def outside(monkeypatch):
    """Langevin moves whose rate is a share of the flow's, and the distance of the medians."""
    monkeypatch.setattr("wfrpde.samplers.registry.KINDS", dict(KINDS))

    @register
    @dataclass(frozen=True)
    class Slower(Langevin):
        """Langevin moves at a share of their rate."""

        kind = "slower"
        claims = "W"
        Share = Annotated[float, Field(gt=0, le=1, description="share of flow.alpha, 0 to 1")]

        @classmethod
        def of(cls, context, name, *, share: Share = 1.0):
            return cls(context.target, share * context.equation.alpha, name)

        def step(self, ensemble, t, dt, rng):
            return super().step(ensemble, t, dt, rng)

        def law(self):
            return LawStep(self.alpha)

    def medians(density, n):
        points, mass = density.plain_atoms
        order = np.argsort(points[:, 0])
        middle = points[order[np.searchsorted(np.cumsum(mass[order]), 0.5)], 0]
        return lambda x, weights: abs(np.median(x[:, 0]) - middle)

    metrics.register(Metric("median", "Δ½", medians))
    yield
    del METRICS["median"]


def case(**keys):
    table = {"kind": "slower", "particles": 500, "replicates": 8, "dt": 0.05, **keys}
    return wfrpde.Case.model_validate({**CASE, "sampler": [table]})


def test_parameters_claim_and_law_of_a_sampler_count(outside):
    report = wfrpde.validate(case(share=0.5))
    (summary,) = report.samplers
    assert (summary.claims, summary.verdict) == ("W", "biased")
    # its law says so without noise: at half the rate the mean is e^{−1/4}, not e^{−1/2}
    split = next(s for s in report.splits if s.observable == "mean x")
    assert split.limit_rest == pytest.approx(np.exp(-0.25) - np.exp(-0.5), abs=1e-3)
    with pytest.raises(InputError, match=r"sampler\[0\]\.share: found 2\.0; needed share of flow"):
        case(share=2.0)
    with pytest.raises(InputError, match=r"sampler\[0\]\.shar: found an unknown key"):
        case(shar=0.5)


def test_a_metric_is_computed_and_shown(outside):
    report = wfrpde.validate(case())
    (row,) = (m for m in report.metrics if m.metric == "median")
    assert 0 < row.floor < 0.1
    assert abs(row.excess) < 5 * row.standard_error + 5 * row.floor_spread
    (table,) = _distances(report)
    assert "Δ½" in [cells[0] for cells in table.rows]
    labels = [axes.get_ylabel() for axes in draw_distances(report).figure.axes]
    assert labels == ["KL [nats]", "TV", "W₁", "MMD²", "Δ½"]


@pytest.mark.parametrize("claims", ["Langevin", None])
def test_a_claim_that_is_none_is_refused(claims):
    class Odd(Langevin):
        kind = "odd"

    Odd.claims = claims
    with pytest.raises(InputError, match=r"Odd.claims: found .*needed one of W, FR, WFR"):
        register(Odd)


def test_a_sampler_without_a_name_is_refused():
    class Nameless(Langevin):
        kind = None

    with pytest.raises(InputError, match=r"Nameless\.kind: found nothing; needed its name"):
        register(Nameless)


def test_walls_that_a_sampler_does_not_heed_are_told(outside):
    """`Slower` makes its moves without the walls of the case: it fails, and is not judged."""
    walled = {
        "target": {"potential": "x"},
        "initial": {"mean": [1.0], "covariance": [[0.1]]},
        "domain": {"box": [[0.0, 12.0]]},
    }
    asked = wfrpde.Case.model_validate({**case(particles=100).model_dump(), **walled})
    verdict = wfrpde.validate(asked).verdicts["slower"]
    assert verdict.startswith("failed: has passed a wall that reflects: ")
