"""Schedules: f and g are those of a and s, and the clock runs as the theory says."""

import pytest

from wfrpde.errors import InputError
from wfrpde.noising import NOISINGS


@pytest.mark.parametrize("kind", sorted(NOISINGS))
def test_drift_and_diffusion_belong_to_scale_and_variance(kind):
    noising, h = NOISINGS[kind](), 1e-6
    for t in (0.05, 0.4, 0.9):
        a, s2 = noising.scale(t), noising.variance(t)
        slope = (noising.scale(t + h) - noising.scale(t - h)) / (2 * h)
        growth = (noising.variance(t + h) - noising.variance(t - h)) / (2 * h)
        assert noising.drift(t) == pytest.approx(slope / a, rel=1e-7, abs=1e-9)
        assert noising.diffusion(t) == pytest.approx(growth - 2 * noising.drift(t) * s2, rel=1e-6)
        clock = (noising.clock(t + h) - noising.clock(t - h)) / (2 * h)
        assert clock == pytest.approx(noising.diffusion(t) / (2 * noising.unit(t) ** 2), rel=1e-6)
        assert noising.time(noising.clock(t), 1.0) == pytest.approx(t, abs=1e-12)


def test_clock_is_that_of_ornstein_and_uhlenbeck():
    assert NOISINGS["ou"]().clock(1.7) == pytest.approx(1.7, abs=1e-14)
    assert NOISINGS["vp"](beta_min=0.3, beta_max=0.3).clock(0.5) == pytest.approx(0.075, abs=1e-14)


def test_an_explosion_must_grow():
    with pytest.raises(InputError, match="sigma_max"):
        NOISINGS["ve"](sigma_min=2.0, sigma_max=1.0)
