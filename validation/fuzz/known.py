"""Numbers whose bar once did not cover the truth, each with its right value.

    OMP_NUM_THREADS=1 tools/env python validation/fuzz/known.py
    OMP_NUM_THREADS=1 tools/env python validation/fuzz/known.py --only kinked-walls --all-numbers

Right values are closed forms, or references of `lines.py` on two resolutions. The table has the
worst numbers of each example; a bar covers where error/bar is at most 1.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from judging import Row, row, rows
from lines import line_rates
from scipy.integrate import quad
from truths import Truth, formula, gaussian, line, mixture, product, radial

import wfrpde
from wfrpde.errors import WfrpdeError

Array = np.ndarray[Any, Any]
Answer = tuple[list[Row], list[str]]


@dataclass(frozen=True)
class Example:
    """One example: what it shows, and how it is judged."""

    title: str
    judged: Callable[[], Answer]


def case(potential: Any, start: Any, flow: Any = None, modes: Any = None, **tables: Any) -> Any:
    """Make a case."""
    target = {"potential": potential} if isinstance(potential, str) else dict(potential)
    target |= {"modes": modes} if modes else {}
    data = {"target": target, "initial": start, "flow": flow or {}, **tables}
    return wfrpde.Case.model_validate(data)


def flow(problem: Any, truth: Truth) -> Answer:
    """Solve and judge a flow."""
    solution = wfrpde.solve(problem)
    return rows(solution, truth), list(solution.warnings)


def normal(mean: Any, covariance: Any) -> dict[str, Any]:
    """Return the table of a Gaussian."""
    return {"mean": np.atleast_1d(mean).tolist(), "covariance": np.atleast_2d(covariance).tolist()}


def on_line(
    potential: str, mean: float, variance: float, save: list[float], *, tolerance: Any = None,
    modes: Any = None, box: Any = None, breaks: Any = (), same: Any = None, **rates: Any,
) -> Answer:  # fmt: skip
    """Judge a flow on a line from a Gaussian; `same` is the potential without underflow."""
    named = {k: f"x > {low!r}" for k, (low, _) in (modes or {}).items()}
    problem = case(potential, normal(mean, variance), {"save": save, **rates}, named,
                   accuracy={"tolerance": tolerance} if tolerance else {},
                   domain={"box": [list(box)]} if box else {})  # fmt: skip
    keys = {"beta": 0.0 if "reaction" in rates else 1.0} | rates
    truth = product(
        [line(same or potential, mixture([1], [mean], [variance]), save, centre=mean, box=box,
              breaks=breaks, regions=modes, **keys)],
        linear="reaction" in rates and not keys["beta"],
    )  # fmt: skip
    return flow(problem, truth)


def turned(text: str, angle: float, letter: str = "u") -> str:
    """Write a formula in u or v in the coordinates of the plane, which is turned."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    form = {"u": f"({c!r}*x + {s!r}*y)", "v": f"({c!r}*y - {s!r}*x)"}[letter]
    return re.sub(r"\bx\b", lambda _: form, text)


def axes(angle: float) -> Array:
    """Return the axes u and v, one a row."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def in_plane(
    first: str, second: str, angle: float, means: Any, variances: Any, save: list[float], *,
    tolerance: Any = None, modes: Any = None, breaks: Any = ((), ()), numerics: Any = None,
    **rates: Any,
) -> Answer:  # fmt: skip
    """Judge a product that is turned by an angle; modes are half-planes of its first axis."""
    turn = axes(angle)
    named = {k: f"{turned('x', angle)} > {low!r}" for k, (low, _) in (modes or {}).items()}
    problem = case(
        f"{turned(first, angle)} + {turned(second, angle, 'v')}",
        normal(np.array(means) @ turn, turn.T @ np.diag(variances) @ turn),
        {"save": save, **rates}, named, numerics=numerics or {},
        accuracy={"tolerance": tolerance} if tolerance else {},
    )  # fmt: skip
    keys = {"beta": 1.0} | rates
    flows = [
        line(text, mixture([1], [means[i]], [variances[i]]), save, centre=means[i],
             breaks=breaks[i], regions=modes if i == 0 else None, **keys)
        for i, text in enumerate((first, second))
    ]  # fmt: skip
    return flow(problem, product(flows, turn))


def rates_of(problem: Any, right: Array, own: Array) -> Answer:
    """Judge the rates of a spectrum, but 0."""
    answer = wfrpde.spectrum(problem)
    found = [
        row("rates", f"rate {k}", None, answer.rates[k], answer.errors[k], right[k], own[k],
            right[k])
        for k in range(len(answer.rates))
        if right[k] > 0
    ]  # fmt: skip
    return found, list(answer.warnings)


def spectrum_in_plane(
    first: str, second: str, angle: float, boxes: Any, breaks: Any, count: int, **tables: Any
) -> Answer:
    """Judge the spectrum of a turned product: sums of rates."""
    parts = [
        line_rates(formula(t), b, count, breaks=k)
        for t, b, k in zip((first, second), boxes, breaks, strict=True)
    ]
    sums = np.add.outer(parts[0][0], parts[1][0]).ravel()
    own = np.add.outer(parts[0][1], parts[1][1]).ravel()
    order = np.argsort(sums)[:count]
    text = f"{turned(first, angle)} + {turned(second, angle, 'v')}"
    problem = case(text, normal([0, 0], np.eye(2)), spectrum={"count": count}, **tables)
    return rates_of(problem, sums[order], own[order])


def singular_end(a: float) -> Answer:
    """Judge V = x²/2 − a log x, whose rates are 2k."""
    problem = case(f"x**2/2 - {a!r}*log(x)", {"mean": [1.0], "covariance": [[0.04]]},
                   domain={"box": [[0.0, 12.0]]}, spectrum={"count": 4})  # fmt: skip
    return rates_of(problem, 2.0 * np.arange(4), np.zeros(4))


def dirac() -> Answer:
    """Judge a point mass where lengths are 1e-7."""
    s, alpha, save = 1e-7, 1e-14, [0.1, 0.5, 2.0]
    problem = case(
        f"x**2/(2*({s!r})**2)", {"kind": "dirac", "point": [5e-8]},
        {"alpha": alpha, "beta": 0.0, "save": save}, {"right": "x > 1e-7"},
        domain={"box": [[-6e-7, 6e-7]]},
    )  # fmt: skip
    solution = wfrpde.solve(problem)
    t = np.array(save)
    mean, variance = 5e-8 * np.exp(-t), s**2 * (1 - np.exp(-2 * t))
    found = []
    for k, time_ in enumerate(save, 1):
        for name, value, bar, right in (
            ("mean", solution.mean[k, 0], solution.error.mean[k, 0], mean[k - 1]),
            ("covariance", solution.covariance[k, 0, 0], solution.error.covariance[k, 0, 0],
             variance[k - 1]),
        ):  # fmt: skip
            found.append(row(name, name, time_, value, bar, right, 0.0, right))
    return found, list(solution.warnings)


def wide_start() -> Answer:
    """Find out whether a warning says what a box cuts off."""
    problem = case("x**2/2", normal(0.0, 1e8), {"save": [0.5]}, domain={"box": [[-1.0, 1.0]]})
    solution = wfrpde.solve(problem)
    said = [float(any(w in text for text in solution.warnings)) for w in ("target", "initial")]
    found = [
        row("warning", f"a warning of what is cut off of the {w}", None, value, 0.0, 1.0, 0.0)
        for w, value in zip(("target", "start"), said, strict=True)
    ]
    return found, list(solution.warnings)


def exit_from_disk() -> Answer:
    """Judge exit from a disk of radius 2: the first zero of Kummer's function, and an integral."""
    from wfrpde.operators import mean_exit_time

    right, own = line_rates(lambda r: r**2 / 2, (0.0, 2.0), 1, absorbing=(False, True), radial=True)
    problem = case("(x**2 + y**2)/2", normal([0, 0], np.eye(2)))
    answer = mean_exit_time(problem, "x**2 + y**2 > 4")

    def time_from(r: float) -> float:
        return quad(lambda s: (np.exp(s**2 / 2) - 1) / s, r, 2, epsabs=1e-13)[0]

    inside = 1 - np.exp(-2.0)
    wanted = quad(lambda r: r * np.exp(-(r**2) / 2) * time_from(r), 0, 2, epsabs=1e-12)[0] / inside
    rate, bar = answer.rate, answer.rate_error
    found = [
        row("rates", "rate of exit", None, rate, bar, right[0], own[0], right[0]),
        row("rates", "mean time", None, answer.mean_time, answer.mean_time_error, wanted, 1e-10),
    ]
    return found, list(answer.warnings)


def between_disks() -> Answer:
    """Judge transitions from a disk to the outside of another: 2π/(Z ∫ e^V/r dr)."""
    from wfrpde.operators import committor

    problem = case("(x**2 + y**2)/2", normal([0, 0], np.eye(2)))
    answer = committor(problem, "x**2 + y**2 < 0.25", "x**2 + y**2 > 4")
    across = quad(lambda r: np.exp(r**2 / 2) / r, 0.5, 2, epsabs=1e-13)[0]
    middle = quad(lambda r: np.exp(r**2 / 2) / r, 0.5, 1.2, epsabs=1e-13)[0] / across
    value = float(answer(np.array([[1.2 * np.cos(0.3), 1.2 * np.sin(0.3)]]))[0])
    found = [
        row("rates", "reactive flux", None, answer.rate, answer.rate_error, 1 / across, 1e-12),
        row("rates", "committor at 1.2", None, value, answer.error, middle, 1e-12),
    ]
    return found, list(answer.warnings)


def oblique_plane() -> Answer:
    """Judge exit through an oblique plane behind a barrier of 20 kT."""
    from wfrpde.operators import mean_exit_time

    angle, first = 0.6, "20*(x**2 - 1)**2"
    right, own = line_rates(formula(first), (-2.4, 0.5), 1, absorbing=(False, True))
    problem = case(f"{turned(first, angle)} + {turned('x**2/2', angle, 'v')}",
                   normal([-1.0, 0.0], np.eye(2)))  # fmt: skip
    answer = mean_exit_time(problem, f"{turned('x', angle)} > 0.5")
    rate, bar = answer.rate, answer.rate_error
    found = [row("rates", "rate of exit", None, rate, bar, right[0], own[0], right[0])]
    return found, list(answer.warnings)


def curved_mode() -> Answer:
    """Judge a flow that depends on the radius, with a round mode."""
    save, text = [0.1, 1.0], "10*((x**2)/2.25 - 1)**2"
    start = mixture([1], [0], [0.3])
    inner = line(text, start, save, box=(0.0, 3.4), radial=True, regions={"inside": (-np.inf, 1.5)})
    problem = case(text.replace("(x**2)", "(x**2 + y**2)"), normal([0, 0], 0.3 * np.eye(2)),
                   {"save": save}, {"inside": "x**2 + y**2 < 2.25"})  # fmt: skip
    return flow(problem, radial(inner))


def ring(beta: float) -> Answer:
    """Judge a thin ring that is filled from its centre."""
    save = [0.1, 0.5, 2.0]
    inner = line("((x - 2)/0.25)**2", mixture([1], [0], [0.25]), save, box=(0.0, 5.5), radial=True,
                 beta=beta, regions={"inside": (-np.inf, 2.0)})  # fmt: skip
    problem = case({"kind": "ring", "radius": 2.0, "width": 0.25}, normal([0, 0], 0.25 * np.eye(2)),
                   {"save": save, "beta": beta}, {"inside": "x**2 + y**2 < 4"})  # fmt: skip
    return flow(problem, radial(inner))


def tilted_away(tolerance: float | None) -> Answer:
    """Judge a Feynman–Kac flow whose weights carry it ten standard deviations away."""
    save = [1.0, 4.0, 8.0]
    problem = case("x**2/2", normal(0.0, 0.3), {"save": save, "reaction": "10*x"},
                   accuracy={"tolerance": tolerance} if tolerance else {})  # fmt: skip
    return flow(problem, gaussian((0.0, 0.3), (0.0, 1.0), save, beta=0.0, slope=10.0))


def thin(formulation: str | None = None) -> Answer:
    """Judge a Gaussian with standard deviations 1 : 30 along the axes."""
    save = [0.05, 0.2, 1.0]
    end = ([0.0, 0.0], np.diag([1.0, 1 / 900]))
    start = ([-1.0, 0.05], np.diag([0.3, 1 / 300]))
    problem = case({"kind": "gaussian", **normal(*end)}, normal(*start), {"save": save},
                   numerics={"formulation": formulation or "mesh"})  # fmt: skip
    return flow(problem, gaussian(start, end, save))


def half_plane() -> Answer:
    """Judge masses beyond an oblique line in the spectral form."""
    save, normal_to = [0.1, 0.5, 2.0], (np.cos(0.6), np.sin(0.6))
    end, start = ([0.0, 0.0], [[1.0, 0.4], [0.4, 0.7]]), ([-1.0, 0.5], [[0.3, 0.0], [0.0, 0.5]])
    text = f"{float(normal_to[0])!r}*x + {float(normal_to[1])!r}*y > 0.3"
    problem = case({"kind": "gaussian", **normal(*end)}, normal(*start), {"save": save},
                   {"right": text}, numerics={"formulation": "spectral"})  # fmt: skip
    return flow(problem, gaussian(start, end, save, half_planes={"right": (normal_to, 0.3)}))


def far_apart(x: Array) -> Array:
    """Return the mixture of `CHANCE` without underflow."""
    one, two = np.log(0.0515) - (x + 4.28) ** 2 / 9.5, np.log(7.88) - (x - 4.28) ** 2 / 0.0254
    return np.asarray(-np.logaddexp(one, two))


CHANCE = "-log(0.0515*exp(-(x + 4.28)**2/9.5) + 7.88*exp(-(x - 4.28)**2/0.0254))"
NARROW = "x**2/2 - 8*exp(-(x - 1.2345)**2/0.0002)"
WALLS = "100*max(0, abs(x) - 1)"
HALF = {"right": (0.5, np.inf)}
SHARP = [1.2345 + k * 0.01 for k in (-8, -4, -2, 0, 2, 4, 8)]
WELL = "6*(x**2 - 1)**2 + 0.5*x"
EXAMPLES = {
    "kinked-walls": Example("kinks: 100 max(0, |x| − 1), tolerance 1e-4", lambda: on_line(
        WALLS, -0.5, 0.01, [0.05, 0.2, 1.0, 3.0], tolerance=1e-4, modes=HALF, breaks=(-1, 1))),
    "kinked-walls-default": Example("… without a tolerance", lambda: on_line(
        WALLS, -0.5, 0.01, [0.05, 0.2, 1.0, 3.0], modes=HALF, breaks=(-1, 1))),
    "chance": Example("agreement by chance: mixture with reaction, tolerance 1e-2", lambda: on_line(
        CHANCE, -4.62, 4.76, [0.436, 2.18, 6.54, 21.8], tolerance=1e-2, beta=0.1,
        reaction="1.16*cos(x)", modes={"right": (2.0, np.inf)}, same=far_apart)),
    "narrow-well": Example("a well of width .01, tolerance 1e-4", lambda: on_line(
        NARROW, 1.0, 0.05, [0.1, 0.5, 2.0], tolerance=1e-4, beta=0.0, breaks=SHARP)),
    "kink-langevin": Example("|x|, β = 0, tolerance 1e-6", lambda: on_line(
        "abs(x)", 1.0, 0.2, [0.1, 1.0, 4.0], tolerance=1e-6, beta=0.0, breaks=(0,),
        modes={"right": (0.5, np.inf)})),
    "singular-end": Example("x²/2 − log(x)/2 on [0, 12]: rates 2k", lambda: singular_end(0.5)),
    "singular-end-weak": Example("… − 0.2 log(x)", lambda: singular_end(0.2)),
    "dirac": Example("a point mass where lengths are 1e-7", dirac),
    "wide-start": Example("a start of variance 1e8 in a box [−1, 1]: warnings", wide_start),
    "tilted": Example("Feynman–Kac: x²/2, 10x, t = 8", lambda: tilted_away(None)),
    "tilted-1e-4": Example("… tolerance 1e-4", lambda: tilted_away(1e-4)),
    "exit-disk": Example("exit from a disk", exit_from_disk),
    "committor-disks": Example("committor between disks", between_disks),
    "oblique-plane": Example("exit through an oblique plane behind 20 kT", oblique_plane),
    "curved-mode": Example("a round mode's name changes log Z", curved_mode),
    "oblique-kinks": Example("2|u| + 3|v| turned by .7", lambda: in_plane(
        "2*abs(x)", "3*abs(x)", 0.7, [1.0, -0.5], [0.3, 0.2], [0.1, 0.5, 2.0],
        breaks=((0,), (0,)), modes={"right": (0.5, np.inf)})),
    "oblique-kinks-1e-3": Example("… tolerance 1e-3", lambda: in_plane(
        "2*abs(x)", "3*abs(x)", 0.7, [1.0, -0.5], [0.3, 0.2], [0.1, 0.5, 2.0], tolerance=1e-3,
        breaks=((0,), (0,)), modes={"right": (0.5, np.inf)})),
    "anisotropic": Example("standard deviations 1 : 30", thin),
    "anisotropic-averaged": Example("… edge-averaged", lambda: thin("edge-averaged")),
    "soft-walls": Example("spectrum of 40 max(0, |u| − 1) + v²/2, turned", lambda:
        spectrum_in_plane("40*max(0, abs(x) - 1)", "x**2/2", 0.6, [(-3.0, 3.0), (-11.0, 11.0)],
                          [(-1, 1), ()], 6)),
    "coarse-spectrum": Example("spectrum with cells = [12, 12]", lambda: spectrum_in_plane(
        WELL, "x**2", 0.5, [(-2.9, 2.8), (-8.0, 8.0)], [(), ()], 5,
        numerics={"cells": [12, 12]})),
    "coarse-flow": Example("flow with cells = [20, 20], dt = .2", lambda: in_plane(
        "3*(x**2 - 1)**2 + 0.5*x", "x**2", 0.5, [-1.0, 0.3], [0.05, 0.3], [0.2, 1.0, 3.0],
        numerics={"cells": [20, 20], "dt": 0.2}, modes={"right": (0.0, np.inf)})),
    "ring-wfr": Example("a thin ring filled from its centre, WFR", lambda: ring(1.0)),
    "ring-w": Example("… W", lambda: ring(0.0)),
    "oblique-mode": Example("an oblique straight boundary of a mode, spectral", half_plane),
}  # fmt: skip


def shown(name: str, example: Example, seconds: float, answer: Answer, every: bool) -> list[str]:
    """Lines of the table: the worst number of each kind, and warnings."""
    found, warnings = answer
    judged = [r for r in found if r["judged"]]
    lines = [f"\n{name}: {example.title}  [{seconds:.0f} s]"]
    missed = [r for r in judged if not r["covered"]]
    lines.append(
        f"  {len(judged) - len(missed)} of {len(judged)} numbers covered"
        f" ({len(found) - len(judged)} left out); {'MISSED' if missed else 'all covered'}"
    )
    kinds: dict[str, list[Row]] = {}
    for r in judged:
        kinds.setdefault(r["name"] if every else r["kind"], []).append(r)
    for group in kinds.values():
        worst = sorted(group, key=lambda r: r["ratio"] or 0)[:: 1 if every else -1]
        for r in worst if every else worst[:1]:
            at = "" if r["time"] is None else f" at t = {r['time']:g}"
            ratio = "round-off" if r["ratio"] is None else f"{r['ratio']:.3g}"
            lines.append(
                f"  {r['name'] + at:38s} {r['value']:.10g} ± {r['bar']:.2g}, right "
                f"{r['right']:.10g} (± {r['own']:.0e}), error/bar {ratio}"
            )
    return lines + [f"  warning: {text}" for text in warnings]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Known examples, right and as they are.")
    parser.add_argument("--only", nargs="*", choices=list(EXAMPLES), default=list(EXAMPLES))
    parser.add_argument("--all-numbers", action="store_true")
    parser.add_argument("--limit", type=int, default=240, help="seconds for an example")
    parser.add_argument("--store", type=Path, help="also write the numbers as JSON lines")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)

    def stop(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    for name in chosen.only:
        began, example = time.perf_counter(), EXAMPLES[name]
        signal.alarm(chosen.limit)
        try:
            answer = example.judged()
        except (WfrpdeError, RuntimeError, TimeoutError) as error:
            said = str(error).splitlines()[:1] or [f"more than {chosen.limit} s"]
            print(f"\n{name}: {example.title}\n  fails: {type(error).__name__}: {said[0]}",
                  flush=True)  # fmt: skip
            continue
        finally:
            signal.alarm(0)
        lines = shown(name, example, time.perf_counter() - began, answer, chosen.all_numbers)
        print("\n".join(lines), flush=True)
        if chosen.store:
            with chosen.store.open("a") as stream:
                for r in answer[0]:
                    stream.write(json.dumps({"example": name, **r}) + "\n")


if __name__ == "__main__":
    main()
