"""Gaussians thirty times thinner along one axis, and a mode that ends at an oblique line."""

import numpy as np
from scipy.special import ndtr

import wfrpde
from wfrpde.flow.exact import gaussian_flow, gaussian_kl


def solved(end, start, save, numerics, **target):
    return wfrpde.solve(
        wfrpde.Case.model_validate(
            {
                "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": end, **target},
                "initial": {"mean": start[0], "covariance": start[1]},
                "flow": {"save": save},
                "numerics": numerics,
            }
        )
    )


def test_axes_of_one_to_thirty():
    """Spectral elements were off by 48 bars."""
    start = np.array([-1.0, 0.05]), np.diag([0.3, 1 / 300])
    end = np.zeros(2), np.diag([1.0, 1 / 900])
    solution = solved(end[1], start, [0.05, 0.2], {"formulation": "mesh"})
    for k, t in enumerate(solution.times[1:], 1):
        mean, covariance = gaussian_flow(*start, *end, t)
        kl = gaussian_kl(mean, covariance, *end)
        assert (np.abs(solution.mean[k] - mean) <= solution.error.mean[k] + 1e-12).all()
        gap = np.abs(solution.covariance[k] - covariance)
        assert (gap <= solution.error.covariance[k] + 1e-12).all()
        assert abs(solution.series["kl"][k] - kl) <= solution.error.series["kl"][k] <= 1e-2 * kl


def test_an_oblique_line_bounds_a_mode():
    """By spectral elements the mass beyond it was off by seven bars."""
    start = np.array([-1.0, 0.5]), np.diag([0.3, 0.5])
    end = np.zeros(2), np.array([[1.0, 0.4], [0.4, 0.7]])
    normal = np.array([0.8, 0.6])
    modes = {"right": "0.8*x + 0.6*y > 0.3"}
    numerics = {"formulation": "spectral", "degree": 6, "cells": [9, 9]}
    solution = solved(end[1], start, [0.5], numerics, modes=modes)
    mean, covariance = gaussian_flow(*start, *end, 0.5)
    right = ndtr((normal @ mean - 0.3) / np.sqrt(normal @ covariance @ normal))
    bar = solution.error.mode_mass["right"][1]
    assert abs(solution.mode_mass["right"][1] - right) <= bar <= 1e-2
