"""Work and weights of annealing into two wells, beside a reference that shares no code.

    tools/env python validation/annealed_work.py [--particles 200000]

π₀ = N(0, 0.64) is tempered into 8(x² − 1)² + x/2 on [−3.5, 3.5], evenly in the time T, by Langevin
dynamics of rate 1. The reference is a spectral-element discretisation of the density itself (not
of ρ/π), stepped by Radau's method of order 5: the plain density, E[W; x] and E[W²; x] by linear
equations of their own, and the density with weights e^{−2W}. Its own error is told by a second run
with other elements and steps. Particles move by a rule of their own.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.linalg import lu_factor, lu_solve

import wfrpde

WELL, SIDE = "8*(x**2 - 1)**2 + x/2", 3.5
DURATIONS = (0.25, 1.0, 4.0, 16.0)
NAMES = ("log(N/ESS)", "work", "variance of work", "log Z ratio")
STEP = 0.004
"""Step of the particles."""
ROOT = np.sqrt(6.0)
RADAU = np.array(
    [
        [(88 - 7 * ROOT) / 360, (296 - 169 * ROOT) / 1800, (-2 + 3 * ROOT) / 225],
        [(296 + 169 * ROOT) / 1800, (88 + 7 * ROOT) / 360, (-2 - 3 * ROOT) / 225],
        [(16 - ROOT) / 36, (16 + ROOT) / 36, 1 / 9],
    ]
)
STAGES = np.array([(4 - ROOT) / 10, (4 + ROOT) / 10, 1.0])


def first(x):
    """Potential of the start."""
    return x * x / 1.28


def last(x):
    """Potential of the end."""
    return 8 * (x * x - 1) ** 2 + x / 2


def lobatto(degree):
    """Nodes, weights and differentiation matrix on [−1, 1]."""
    legendre = np.polynomial.legendre.Legendre.basis(degree)
    x = np.concatenate([[-1.0], np.sort(legendre.deriv().roots().real), [1.0]])
    weights = 2 / (degree * (degree + 1) * legendre(x) ** 2)
    gap = x[:, None] - x
    np.fill_diagonal(gap, 1.0)
    size = gap.prod(axis=1)
    slopes = size[:, None] / size / gap
    np.fill_diagonal(slopes, 0.0)
    np.fill_diagonal(slopes, -slopes.sum(axis=1))
    return x, weights, slopes


def reference(duration, elements, degree, steps):
    """Return the four numbers of `NAMES`."""
    half = np.linspace(0, 1, elements // 2 + 1)
    ends = SIDE * np.sin(np.pi / 2 * half)  # finer at the walls
    ends = np.concatenate([-ends[:0:-1], ends])
    x, w, slopes = lobatto(degree)
    n = elements * degree + 1
    nodes, mass = np.empty(n), np.zeros(n)
    diffuse, drift_first, drift_last = np.zeros((3, n, n))
    for k, (a, b) in enumerate(pairwise(ends)):
        own, size = slice(k * degree, (k + 1) * degree + 1), (b - a) / 2
        place = (a + b) / 2 + size * x
        nodes[own] = place
        mass[own] += size * w
        test = slopes.T * w  # ∫ φ' f = Σ test f(x_q)
        diffuse[own, own] -= test @ slopes / size
        drift_first[own, own] -= test * (2 * place / 1.28)
        drift_last[own, own] -= test * (32 * place * (place**2 - 1) + 0.5)
    rise = last(nodes) - first(nodes)
    rate = rise / duration

    def generator(t, power):
        s = t / duration
        total = (diffuse + (1 - s) * drift_first + s * drift_last) / mass[:, None]
        return total - power * np.diag(rate)

    z0, z1 = (quad(lambda s, f=f: np.exp(-f(s)), -SIDE, SIDE, epsabs=0, epsrel=1e-13,
                   points=[-1, 1])[0] for f in (first, last))  # fmt: skip
    start = np.exp(-first(nodes)) / z0
    plain, one, two, squared, growth = start, 0 * start, 0 * start, start, 0.0
    grid = duration * np.linspace(0, 1, steps + 1) ** 2  # fast at first: the walls push
    for t, end in pairwise(grid):
        h = end - t

        def stages(power, t=t, h=h):
            blocks = [generator(t + c * h, power) for c in STAGES]
            whole = np.block([[-h * RADAU[i, j] * blocks[j] for j in range(3)] for i in range(3)])
            whole[np.diag_indices(3 * n)] += 1
            return lu_factor(whole, check_finite=False)

        def solved(factors, y, source=None, h=h):
            right = np.tile(y, 3)
            if source is not None:
                right = right + h * (RADAU @ source.reshape(3, n)).ravel()
            return lu_solve(factors, right, check_finite=False).reshape(3, n)

        own = stages(0.0)
        at = solved(own, plain)
        at_one = solved(own, one, rate * at)
        at_two = solved(own, two, 2 * rate * at_one)
        plain, one, two = at[-1], at_one[-1], at_two[-1]
        squared = solved(stages(2.0), squared)[-1]
        total = mass @ squared
        growth, squared = growth + np.log(total), squared / total
    mean = mass @ one
    ratio = np.log(z1 / z0)
    return np.array([growth - 2 * ratio, mean, mass @ two - mean**2, ratio])


def case(duration, **tables):
    """Return the case of wfrpde."""
    share = f"(t/{duration!r})"
    text = f"(1 - {share})*x**2/1.28 + {share}*({WELL})"
    return wfrpde.Case.model_validate(
        {
            "target": {"potential": text},
            "path": {"kind": "expression"},
            "domain": {"box": [[-SIDE, SIDE]]},
            "flow": {"reaction": "annealed", "save": [duration]},
            **tables,
        }
    )


def foretold(duration, cells, steps):
    """Return the four numbers of wfrpde, and its estimated errors of the first three."""
    numerics = {"cells": [cells], "dt": duration / steps}
    solution = wfrpde.solve(case(duration, numerics=numerics))
    series, error = solution.series, solution.error.series
    ess = series["ess"][-1]
    found = [-np.log(ess), *(series[k][-1] for k in ("work", "work_variance")),
             series["log_normalising_constant"][-1]]  # fmt: skip
    bars = [error["ess"][-1] / ess, error["work"][-1], error["work_variance"][-1]]
    return np.array(found), np.array(bars)


def sampled(duration, particles, step, seed):
    """Return the first three numbers of particles and their standard errors.

    They move by the rule of Leimkuhler and Matthews, whose laws at rest are of second order: by
    Euler's the mean work in the stiff wells is off by 5 % at the same step.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(0.0, 0.8, 2 * particles)
    x = x[np.abs(x) < SIDE][:particles]
    work, kick = np.zeros(particles), rng.standard_normal(particles)
    steps = round(duration / step)
    dt = duration / steps
    for k in range(steps):
        share = (k + 0.5) / steps
        work += (last(x) - first(x)) / (2 * steps)
        slope = (1 - share) * x / 0.64 + share * (32 * x * (x * x - 1) + 0.5)
        new = rng.standard_normal(particles)
        x = x - dt * slope + np.sqrt(dt / 2) * (kick + new)
        x = SIDE - np.abs((x + SIDE) % (4 * SIDE) - 2 * SIDE)  # walls
        kick = new
        work += (last(x) - first(x)) / (2 * steps)
    n = len(work)
    w = np.exp(-(work - work.min()))
    first_, second = w.mean(), (w**2).mean()
    # log(E w²/(E w)²) by the delta method
    parts = w**2 / second - 2 * w / first_
    spread = (work - work.mean()) ** 2
    found = [np.log(second / first_**2), work.mean(), work.var()]
    return np.array(found), np.array([parts.std(), work.std(), spread.std()]) / np.sqrt(n)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--particles", type=int, default=0, help="of each run; 0 for none")
    parser.add_argument("--durations", type=float, nargs="*", default=DURATIONS)
    parser.add_argument("--steps", type=int, default=360, help="of the reference")
    given = parser.parse_args()
    for duration in given.durations:
        coarse = reference(duration, 24, 8, given.steps // 2)
        fine = reference(duration, 28, 10, given.steps)
        steps = int(560 * max(1.0, duration**0.5))
        found, bars = foretold(duration, 480, steps)
        print(f"T = {duration:g}")
        for k, name in enumerate(NAMES):
            bar = f" ± {bars[k]:.0e}" if k < 3 else ""
            print(
                f"  {name:18} reference {fine[k]:.9f} (two runs differ by "
                f"{abs(fine[k] - coarse[k]):.0e}), wfrpde {found[k]:.9f}{bar}, "
                f"off by {abs(found[k] - fine[k]):.0e}",
                flush=True,
            )
        if given.particles:
            value, error = sampled(duration, given.particles, min(STEP, duration / 1000), 1)
            gaps = (value - fine[:3]) / error
            print(f"  particles off by {', '.join(f'{g:+.1f}' for g in gaps)} standard errors")


if __name__ == "__main__":
    main()
