"""Numbers of a flow on a line with a region called right, and their bars."""

import numpy as np

import wfrpde


def told(solution: wfrpde.Solution) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return each number after the start, and its bar."""
    bars = solution.error
    found = {
        "kl": (solution.series["kl"], bars.series["kl"]),
        "mean": (solution.mean[:, 0], bars.mean[:, 0]),
        "covariance": (solution.covariance[:, 0, 0], bars.covariance[:, 0, 0]),
        "mass of right": (solution.mode_mass["right"], bars.mode_mass["right"]),
    }
    return {name: (value[1:], bar[1:]) for name, (value, bar) in found.items()}
