"""Runs along characteristics with a grid and a step of one's own, without certificates."""

from __future__ import annotations

import numpy as np

from wfrpde.case.setup import make_problem
from wfrpde.discretisation.characteristics import CharacteristicForm
from wfrpde.domain.grid import TensorGrid
from wfrpde.flow.control import Replay
from wfrpde.flow.march import march
from wfrpde.flow.schedule import uniform
from wfrpde.flow.steppers import STEPPERS


def stepped(case, n, dt, degree=7, t=0.2):
    """Return log ρ at the nodes of n² cells at time t, with steps dt; the form; and the run."""
    problem = make_problem(case)
    breaks = tuple(np.linspace(low, high, n + 1) for low, high in problem.box)
    form = CharacteristicForm(problem, TensorGrid(breaks, np.ones((n, n), dtype=bool)), degree)
    u = problem.log_initial(form.points) + form.potential
    u -= form.nodes.logsumexp(u + form.log_target)
    policy = Replay(uniform(np.array([t]), dt))
    stepper = STEPPERS["characteristics"](form, measured=False)
    run = march(stepper, u, (t,), policy, on_step=lambda *_: None, stop=lambda: False)
    return run.u[-1] - form.potential, form, run
