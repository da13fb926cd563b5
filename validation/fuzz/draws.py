"""Random problems, each from its seed: dictionaries that JSON can hold.

A factor is a potential in one coordinate with a start and a region. A problem has one factor, two
that may be turned by an angle, or three; Gaussians with a full covariance are a kind of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Problem = dict[str, Any]
TOLERANCES = (None, None, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
ON_LINES = (
    "well", "polynomial", "mixture", "kink", "walls", "lower of two", "heavy tails", "narrow",
    "waves",
)  # fmt: skip
STARTS = ("near", "near", "near", "far", "wide", "narrow")


def draw(kind: str, seed: int) -> Problem:
    """Draw the problem of a seed: `kind` is 1d, 2d, 3d or spectra."""
    rng = np.random.default_rng([seed, ("1d", "2d", "3d", "spectra").index(kind)])
    problem = {"1d": _line, "2d": _plane, "3d": _space, "spectra": _spectrum}[kind](rng)
    return {"kind": kind, "seed": seed, **problem}


def factor(rng: np.random.Generator, smooth: bool = False) -> dict[str, Any]:
    """Draw a potential on a line: its text or parts, kinks, scale, and where it is low."""
    names = [n for n in ON_LINES if not smooth or n in ("well", "polynomial", "waves", "mixture")]
    family = str(rng.choice(names))
    breaks: list[float] = []
    scale, centre = 1.0, 0.0
    made: dict[str, Any] = {}
    if family == "well":
        a, c = _between(rng, 1, 10), _between(rng, -1, 1)
        text = f"{a}*(x**2 - 1)**2 + {c}*x"
        centre, scale = -1.0, float(np.sqrt(1 / (8 * a)))
    elif family == "polynomial":
        a, b, c = _between(rng, 0.05, 1), _between(rng, 0, 2), _between(rng, -1, 1)
        text = f"{a}*x**4 + {b}*x**2/2 + {c}*x"
        scale = float(1 / np.sqrt(b + 2 * np.sqrt(a)))
    elif family == "mixture":
        n = int(rng.integers(2, 4))
        weights = np.exp(rng.normal(0, 1, n))
        made = {
            "weights": [float(f"{w:.3g}") for w in weights / weights.sum()],
            "means": [_between(rng, -4, 4) for _ in range(n)],
            "variances": [_logs(rng, 0.03, 2) for _ in range(n)],
        }
        text, centre, scale = "", made["means"][0], float(np.sqrt(made["variances"][0]))
    elif family == "kink":
        a, b, c = _logs(rng, 0.5, 20), _between(rng, 0, 1), _between(rng, -1, 1)
        text, breaks, scale = f"{a}*abs(x - {c}) + {b}*x**2/2", [c], 1 / a
        centre = c
    elif family == "walls":
        a, c = _logs(rng, 5, 100), _between(rng, 0.3, 2)
        text, breaks, scale = f"{a}*max(0, abs(x) - {c})", [-c, c], c / 2
    elif family == "lower of two":
        a, b = _logs(rng, 1, 20), _logs(rng, 1, 20)
        c = _between(rng, -1, 1)
        # where a (x + 1)² = b (x − 1)² + c
        roots = np.roots([a - b, 2 * a + 2 * b, a - b - c])
        breaks = [float(r.real) for r in np.atleast_1d(roots) if abs(r.imag) < 1e-12]
        text = f"min({a}*(x + 1)**2, {b}*(x - 1)**2 + {c})"
        centre, scale = -1.0, float(np.sqrt(1 / (2 * a)))
    elif family == "heavy tails":
        n = int(rng.integers(4, 12))
        if rng.random() < 0.5:
            text = f"{(n + 1) / 2}*log(1 + x**2/{n})"
        else:
            text = f"{_logs(rng, 0.5, 5)}*sqrt(1 + x**2)"
    elif family == "narrow":
        depth, c, w = _between(rng, 1, 8), _between(rng, -1.5, 1.5), _logs(rng, 0.01, 0.2)
        text = f"x**2/2 - {depth}*exp(-(x - {c})**2/{float(f'{2 * w * w:.3g}')})"
    else:
        a, k = _between(rng, 0.3, 3), _between(rng, 1, 6)
        text = f"x**2/2 + {a}*cos({k}*x)"
    return {"family": family, "text": text, "breaks": breaks, "centre": centre,
            "scale": float(f"{scale:.3g}"), **made}  # fmt: skip


def start(rng: np.random.Generator, f: dict[str, Any], kinds: tuple[str, ...] = STARTS) -> Problem:
    """Draw a Gaussian, or two, on the scale of a potential."""
    kind = str(rng.choice(kinds))
    s = f["scale"]
    off, width = {
        "near": (_between(rng, -2, 2), _logs(rng, 0.3, 1.5)),
        "far": (_between(rng, 5, 10) * rng.choice([-1, 1]), _logs(rng, 0.5, 1.5)),
        "wide": (_between(rng, -1, 1), _logs(rng, 3, 8)),
        "narrow": (_between(rng, -2, 2), _logs(rng, 0.05, 0.2)),
    }[kind]
    mean, variance = f["centre"] + off * s, (width * s) ** 2
    made = {"start": kind, "weights": [1.0], "means": [float(f"{mean:.4g}")],
            "variances": [float(f"{variance:.4g}")]}  # fmt: skip
    if rng.random() < 0.15:
        made |= {"weights": [0.7, 0.3], "means": [*made["means"], float(f"{mean + 2 * s:.4g}")],
                 "variances": made["variances"] * 2}  # fmt: skip
    return made


def _flow(rng: np.random.Generator, scale: float, dim: int) -> Problem:
    unit = scale**2
    last = _logs(rng, 1, 6)
    save = [float(f"{unit * last * share:.3g}") for share in (0.02, 0.1, 0.3, 1.0)]
    rates: Problem = {"save": save, "alpha": 1.0}
    lot = rng.random()
    rate = float(rng.choice([0.1, 1.0, 1.0, 3.0]))
    rates["beta"] = 0.0 if lot < 0.25 else float(f"{rate / unit:.3g}")
    if lot > 0.95:
        rates |= {"alpha": 0.0}
    elif lot > 0.8 and dim == 1:
        rates["reaction"] = str(
            rng.choice([f"{_between(rng, 0.2, 2)}*cos(x)", f"{_between(rng, -1, 1)}*x",
                        f"-{_between(rng, 0.1, 1)}*x**2"])
        )  # fmt: skip
        rates["beta"] = 0.0 if rng.random() < 0.6 else 0.1
    return rates


def _numerics(rng: np.random.Generator, dim: int, dt: float) -> Problem:
    """Return a tolerance, or now and then numerics that are set by hand."""
    if rng.random() < 0.12:
        forms = ["spectral", "edge-averaged"]
        hand: Problem = {}
        for key in rng.choice(
            ["cells", "dt", "formulation"], size=rng.integers(1, 3), replace=False
        ):
            if key == "cells":
                hand["cells"] = [int(rng.integers(10, 60 if dim == 1 else 30))] * dim
            elif key == "dt":
                hand["dt"] = float(f"{dt / rng.integers(2, 30):.3g}")
            else:
                hand["formulation"] = str(rng.choice(forms))
        return {"tolerance": None, "numerics": hand}
    return {"tolerance": TOLERANCES[int(rng.integers(len(TOLERANCES)))], "numerics": {}}


def _line(rng: np.random.Generator) -> Problem:
    f = factor(rng)
    f |= {"initial": start(rng, f), "region": float(f"{f['centre'] + f['scale'] / 2:.4g}")}
    rates = _flow(rng, max(f["scale"], 0.15), 1)
    return {"factors": [f], "flow": rates, **_numerics(rng, 1, rates["save"][-1])}


def _plane(rng: np.random.Generator) -> Problem:
    if rng.random() < 0.2:
        return _gaussian(rng, 2)
    factors = [factor(rng), factor(rng, smooth=rng.random() < 0.6)]
    factors = [{**f, "text": f["text"]} for f in factors]
    for f in factors:
        f |= {"initial": start(rng, f, ("near", "near", "near", "far", "wide")),
              "region": float(f"{f['centre'] + f['scale'] / 2:.4g}")}  # fmt: skip
        if len(f["initial"]["means"]) > 1:  # a product of sums is no sum that a case can name
            f["initial"] |= {k: f["initial"][k][:1] for k in ("weights", "means", "variances")}
    rates = _flow(rng, max(min(f["scale"] for f in factors), 0.15), 2)
    angle = float(rng.choice([0.0, round(float(rng.uniform(0.1, 1.5)), 2)]))
    tight = _numerics(rng, 2, rates["save"][-1])
    if tight["tolerance"] is not None:
        tight["tolerance"] = max(tight["tolerance"], 1e-4)
    return {"factors": factors, "angle": angle, "flow": rates, **tight}


def _space(rng: np.random.Generator) -> Problem:
    if rng.random() < 0.4:
        return _gaussian(rng, 3)
    factors = [factor(rng, smooth=True) for _ in range(3)]
    for f in factors:
        f |= {"initial": start(rng, f, ("near",)), "region": f["centre"]}
        f["initial"] |= {k: f["initial"][k][:1] for k in ("weights", "means", "variances")}
    rates = _flow(rng, max(min(f["scale"] for f in factors), 0.3), 3)
    return {"factors": factors, "angle": 0.0, "flow": rates, "numerics": {},
            "tolerance": (None, 1e-2)[int(rng.integers(2))]}  # fmt: skip


def _gaussian(rng: np.random.Generator, dim: int) -> Problem:
    """Draw Gaussians with full covariances; in the plane up to 1 : 30 in their axes."""
    made = []
    for _ in range(2):
        turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        axes = [
            _logs(rng, 0.03 if dim == 2 and rng.random() < 0.3 else 0.4, 1.2) for _ in range(dim)
        ]
        matrix = turn.T @ np.diag(np.square(axes)) @ turn
        made.append(np.round((matrix + matrix.T) / 2, 6).tolist())
    mean = [_between(rng, -1, 1) for _ in range(dim)]
    rates = _flow(rng, 0.5, dim)
    tight = _numerics(rng, dim, rates["save"][-1])
    if dim == 3:
        tight = {"numerics": {}, "tolerance": None if tight["tolerance"] is None else 1e-2}
    return {"gaussian": {"end": [[0.0] * dim, made[0]], "start": [mean, made[1]]}, "flow": rates,
            **tight}  # fmt: skip


def _spectrum(rng: np.random.Generator) -> Problem:
    f = factor(rng)
    while f["family"] == "heavy tails" and "log" in f["text"]:  # no gap
        f = factor(rng)
    factors = [f]
    if rng.random() < 0.4:
        factors.append(factor(rng, smooth=True))
    angle = 0.0
    if len(factors) == 2 and rng.random() < 0.5:
        angle = round(float(rng.uniform(0.1, 1.5)), 2)
    return {"factors": factors, "angle": angle, "count": int(rng.integers(3, 7)),
            "tolerance": None,
            "numerics": {} if rng.random() < 0.85
            else {"cells": [int(rng.integers(10, 40))] * len(factors)}}  # fmt: skip


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(f"{rng.uniform(low, high):.3g}")


def _logs(rng: np.random.Generator, low: float, high: float) -> float:
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")
