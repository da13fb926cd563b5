r"""Log density of a probability flow at points, along characteristics: any dimension, no mesh.

In units of r and the clock σ of a reverse process, with Δτ left,

.. math:: \frac{dy}{dσ} = y + r \hat s(r y, t),\qquad
          \frac{d \log ρ}{dσ} = −d − r^2 ∇·\hat s(r y, t),

from the point at the end back to the start, where log ρ is known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import SolverError
from wfrpde.noising.schedules import Noising
from wfrpde.noising.scores import Score

RELATIVE, ABSOLUTE = 1e-9, 1e-10
"""Tolerances of the integration along characteristics."""


def flow_log_density(
    noising: Noising,
    score: Score,
    end: float,
    stop: float,
    x: Array,
    log_start: Callable[[Array], Array],
) -> Array:
    """Return log ρ ``(n,)`` of the reverse probability flow where noise of time ``stop`` is left.

    Parameters
    ----------
    end
        T, where the flow begins.
    stop
        Time of the forward process at which it is asked.
    x
        Points ``(n, d)``.
    log_start
        log ρ at the beginning, of points ``(n, d)``.

    Raises
    ------
    SolverError
        If the integration fails.
    """
    from scipy.integrate import solve_ivp

    n, dim = x.shape
    late, whole = noising.clock(stop), noising.clock(end)

    def back(clock: float, state: Array) -> Array:
        """Run in the forward clock: the reverse flow backwards."""
        t = noising.time(clock, end)
        unit = noising.unit(t)
        place = unit * state[: n * dim].reshape(n, dim)
        velocity = place / unit + unit * score(place, t)
        growth = dim + unit**2 * score.divergence(place, t)
        return np.concatenate([-velocity.ravel(), -growth])

    first = np.concatenate([(x / noising.unit(stop)).ravel(), np.zeros(n)])
    found = solve_ivp(back, (late, whole), first, "DOP853", rtol=RELATIVE, atol=ABSOLUTE)
    if not found.success:
        raise SolverError(f"the probability flow cannot be followed: {found.message}")
    last = found.y[:, -1]
    there = noising.unit(end) * last[: n * dim].reshape(n, dim)
    units = dim * (np.log(noising.unit(end)) - np.log(noising.unit(stop)))
    return np.asarray(log_start(there) + last[n * dim :] + units)
