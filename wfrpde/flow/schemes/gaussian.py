"""The flow between Gaussians: no run, but two closed forms, and masses of regions by quadrature.

The dynamics may have any D and J of numbers, or momenta: b is linear then, and π is kept. So
ρ_t = N(m_t, C_t) at all times, and log(ρ/π) is quadratic: elements of degree 2 hold it. Nothing
but pictures depends on the grid: densities at points are those of the formula, and regions are
integrated over by `normal_mass`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.case.terms import Densities
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine import Wish, engine_for
from wfrpde.equation import Dynamics
from wfrpde.errors import InputError
from wfrpde.flow.exact import blur_defect, gaussian_log_density
from wfrpde.flow.ladder import Ladder
from wfrpde.flow.normal_mass import normal_mass
from wfrpde.flow.outcome import Context
from wfrpde.flow.product.gaussian_part import GaussianPart, gaussian_part
from wfrpde.flow.saved import ErrorEstimate
from wfrpde.flow.schemes.scheme import Fit, Scheme, unheeded
from wfrpde.flow.solution import Solution

STEPS = 12
"""Times between two saved ones at which the history holds KL."""

NUMBERS = ("kl", "fisher_information", "reaction_variance")


class Gaussian(Scheme):
    """Mean and covariance by a formula; see `wfrpde.flow.product.closed_form`."""

    name = "closed form"
    fallback = None

    def suits(self, problem: Problem) -> Fit:
        """Whether it is known: Gaussian target and start, and nothing else is asked for."""
        good = self.objection(problem) is None and problem.numerics.formulation != "mesh"
        return Fit(good, "target and start are Gaussian, and so is the density at all times")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what is not Gaussian, or what of a mesh it would not heed."""
        what, where = _beyond(problem), "numerics.formulation"
        if what is not None:
            needed = (
                "a Gaussian target, a Gaussian start, and linear transport that keeps the target "
                "or Fisher–Rao reaction, at fixed rates, without a box"
            )
            return InputError(where, f"'closed form' with {what}", needed)
        return unheeded(problem.numerics, self.name)

    def runs(self, context: Context) -> Ladder:
        """There is none."""
        raise NotImplementedError("a closed form takes no runs")

    def answer(self, context: Context, reason: str, began: float) -> Solution:
        """Return the flow at the saved times (collective)."""
        problem = context.problem
        assert problem.initial.gaussian is not None
        times = np.array([0.0, *problem.save])
        part = _part(problem, times)
        interpolation = TensorInterpolation(picture_grid(problem), 2)
        nodes = interpolation.nodes
        moments = [*zip(part.means, part.covariances, strict=True)]
        log_target = part.log_density(None, nodes)
        log_density = np.array([gaussian_log_density(nodes, *pair) for pair in moments])
        series = {name: part.estimated(name).value for name in (*NUMBERS, "mass")}
        series["min_density"] = np.exp(log_density.min(axis=1))
        masses, target_mass = _masses(problem, part)
        defect = blur_defect(problem, times)
        facts = {
            "nodes": len(nodes),
            "cells": list(interpolation.grid.active.shape),
            "runs": [],
            "extrapolated": False,
            **problem.facts,
            "engine": engine_for(Wish.of(problem.numerics), context.comm.size),
            "ranks": context.comm.size,
            "length_scales": problem.scales.tolist(),
            "target_mode_mass": target_mass,
            "checks": [],
        }
        context.tell("evaluating", float(times[-1]), 0.0, np.nan, 1.0)
        return Solution(
            case=problem.case,
            densities=Densities(problem.target, problem.initial, problem.equation),
            times=times,
            series=series,
            mean=part.means,
            covariance=part.covariances,
            mode_mass={name: value for name, (value, _) in masses.items()},
            error=_errors(part, series, masses, defect) if problem.numerics.certify else None,
            log_relative=log_density - log_target,
            log_normalisation=_log_normalisation(problem),
            history=_history(part),
            numerics={"formulation": self.name, "reason": reason, **facts},
            warnings=tuple(problem.warnings),
            complete=True,
            wall_time=time.perf_counter() - began,
            interpolation=interpolation,
            known={},
            gaussian=True,
        )


def _beyond(problem: Problem) -> str | None:
    """Say what of a problem the closed form does not know."""
    equation, domain = problem.equation, problem.domain
    dynamics, sides = equation.dynamics, problem.sides
    unknown = {
        "a target of another kind": problem.target.gaussian is None,
        "a start of another kind": problem.initial.gaussian is None,
        "a linear reaction": equation.rate is not None,
        "what depends on time": equation.moving,
        "transport and reaction in turns": equation.alternation is not None,
        "mass that changes": not equation.conserve,
        "a drift that is not linear, or keeps another law": not _linear(dynamics),
        "turned axes": problem.frame is not None,
        "a box or a mesh": domain.box is not None or problem.mesh is not None,
        "sides of its own": any(sides.closed) or problem.absorption is not None,
        "simplices": domain.cell == "simplex",
    }
    return next((what for what, found in unknown.items() if found), None)


def _linear(dynamics: Dynamics | None) -> bool:
    """Whether b = −(D + J)∇V with matrices D and J of numbers, which kinetic dynamics have."""
    if dynamics is None:
        return True
    matrices = (dynamics.diffusion, dynamics.circulation)
    return dynamics.keeps_target and all(m is None or m.constant for m in matrices)


def _part(problem: Problem, times: Array) -> GaussianPart:
    equation = problem.equation
    assert problem.initial.gaussian is not None
    rates = float(equation.alpha), float(equation.beta)
    mobility = None
    if equation.dynamics is not None and equation.dynamics.terms:
        mobility = equation.dynamics.mobility_at(problem.box[:, :1].T)[0]
    return gaussian_part(problem.target, problem.initial.gaussian, *rates, times, mobility)


def picture_grid(problem: Problem) -> TensorGrid:
    """Divide the box for pictures, and for whoever integrates over it."""
    # size of a cell in units of the shortest length of V and log ρ₀
    wanted = np.ptp(problem.box, axis=1) / (1.5 * problem.scales)
    # cells beyond which they grow, by dimension: pictures then show less
    most = {1: 2_000, 2: 20_000, 3: 20_000}[problem.dim]
    shrink = min(1.0, (30 * most / np.prod(wanted)) ** (1 / problem.dim))  # most are cut away
    while True:
        cells = tuple(int(n) for n in np.maximum(np.ceil(shrink * wanted), 6))
        grid = problem.tensor_grid(cells)
        if grid.n_cells <= most:
            return grid
        shrink *= 0.98 * (most / grid.n_cells) ** (1 / problem.dim)


def _log_normalisation(problem: Problem) -> float:
    """Return log ∫e^{−V}: V is known at the mean."""
    assert problem.target.gaussian is not None
    mean, covariance = problem.target.gaussian
    highest = -float(problem.potential(mean[None])[0])
    return highest + float(np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2


Masses = dict[str, tuple[Array, Array]]


def _masses(problem: Problem, part: GaussianPart) -> tuple[Masses, dict[str, float]]:
    """Return masses ``(T,)`` of regions with their errors, and those of the target."""
    regions = problem.target.regions
    if not regions:
        return {}, {}
    rows = {
        name: [
            normal_mass(region, *part.moments(index)) for index in (*range(len(part.times)), None)
        ]
        for name, region in regions.items()
    }
    masses = {}
    for name, found in rows.items():
        value, error = np.array(found[:-1]).T
        masses[name] = value, error + part.relative_errors
    return masses, {name: found[-1][0] for name, found in rows.items()}


def _errors(
    part: GaussianPart, series: Mapping[str, Array], masses: Masses, defect: Array
) -> ErrorEstimate:
    """Return round-off, and how far the two closed forms are from each other."""

    def with_defect(value: Array, error: Array) -> Array:
        return np.asarray(error + defect.reshape(-1, *[1] * (value.ndim - 1)) * np.abs(value))

    moved = part.relative_errors
    spread = {name: part.estimated(name).error for name in (*NUMBERS, "mass")}
    spread["min_density"] = 40 * moved * series["min_density"]
    return ErrorEstimate(
        {name: with_defect(series[name], error) for name, error in spread.items()},
        with_defect(part.means, part.mean_errors),
        with_defect(part.covariances, part.covariance_errors),
        {name: with_defect(*pair) for name, pair in masses.items()},
        moved + defect,
    )


def _history(part: GaussianPart) -> dict[str, Array]:
    """Return KL at further times: early ones, at which it may fall fast, and between saved ones."""
    times = part.times
    first = times[1] * np.geomspace(1e-4, 1.0, 2 * STEPS, endpoint=False)
    between = [np.linspace(a, b, STEPS) for a, b in pairwise(times[1:])]
    t = np.unique(np.concatenate([times, first, *between]))
    flow = part.flow
    kl = np.array([flow.numbers(*flow.at(float(s)))["kl"] for s in t])
    return {"t": t, "dt": np.diff(t, prepend=0.0), "kl": kl, "mass": np.ones(len(t))}
