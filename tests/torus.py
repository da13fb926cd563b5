"""A circle with V = 2.5 cos 2x + 0.5 sin x: references by dense Fourier differentiation."""

import numpy as np
from scipy.integrate import solve_ivp

import wfrpde

POTENTIAL = "2.5*cos(2*x) + 0.5*sin(x)"
TIMES = [0.05, 0.3, 1.0]
STARTS = {
    "cosine": "1.5*cos(x + 0.4)",
    "two humps": "2*cos(2*x) - sin(x + 1)",
    "narrow": "20*cos(x - 6.1)",  # around the seam
}


def on_torus(**changes):
    case = {
        "target": {"potential": POTENTIAL},
        "initial": {"log_density": STARTS["cosine"]},
        "domain": {"box": [[0.0, 2 * np.pi]], "sides": {"x": "periodic"}},
        "flow": {"save": TIMES},
    }
    return wfrpde.Case.model_validate(case).with_overrides(changes)


def points(n=161):
    return 2 * np.pi * np.arange(n) / n


def derivative(n):
    """Matrix ``(n, n)`` of Fourier differentiation at `points`."""
    turn = 1j * np.fft.fftfreq(n, 1 / n)[:, None]
    return np.fft.ifft(turn * np.fft.fft(np.eye(n), axis=0), axis=0).real


def generator(x):
    """Matrix of ρ ↦ (ρ' + ρV')' at equidistant points."""
    slope = derivative(len(x))
    return slope @ (slope + np.diag(0.5 * np.cos(x) - 5 * np.sin(2 * x)))


def law(start, alpha, beta):
    """π ``(n,)`` and ρ ``(T, n)`` at `points` and `TIMES`, of sum 1; by u = log(ρ/π)."""
    x = points()
    v, slope = 2.5 * np.cos(2 * x) + 0.5 * np.sin(x), derivative(len(x))
    force = 0.5 * np.cos(x) - 5 * np.sin(2 * x)

    def change(t, u):
        along = slope @ u
        return alpha * (slope @ along + along * (along - force)) - beta * u

    ends = [0, TIMES[-1]]
    flow = solve_ivp(change, ends, np.log(start) + v, "DOP853", TIMES, rtol=1e-10, atol=1e-11)
    rho = np.exp(flow.y.T - v)
    return np.exp(-v) / np.exp(-v).sum(), rho / rho.sum(axis=1, keepdims=True)


def numbers_of(start, alpha=1.0, beta=1.0):
    """KL and E cos x ``(T, 2)`` at `TIMES`; the start is given at `points`."""
    target, flow = law(start, alpha, beta)
    return np.array([[rho @ np.log(rho / target), rho @ np.cos(points())] for rho in flow])


def numbers(solution):
    """KL and E cos x of a solution, by the density between the nodes."""
    x = points(2000)
    density = np.array([solution.density(t, x[:, None]) for t in TIMES])
    return np.stack([solution.series["kl"][1:], density @ np.cos(x) * 2 * np.pi / 2000], axis=1)
