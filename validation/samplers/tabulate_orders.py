"""Tables and figure of what `orders.py` has measured."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import fitted_order, richardson

Array = np.ndarray[Any, Any]
Result = dict[str, Any]

SHARE = 1
"""Which of the two observables the tables show first."""


def write(results: dict[str, list[Result]], folder: Path) -> None:
    """Write ``sampler-orders.md``, ``.csv`` and ``.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = sum(kept["seconds"] for rows in results.values() for kept in rows)
    parts = [
        *step_table(results["step"]),
        "",
        *width_table(results["step"]),
        "",
        *size_table(results["particles"]),
        "",
        *default_table(results["default"]),
        "",
        f"Seed 2026; {seconds:.0f} s of processor time in all.",
    ]
    (folder / "sampler-orders.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    write_csv(results, folder / "sampler-orders.csv")
    draw(results, folder / "sampler-orders.png")


def step_table(rows: list[Result]) -> list[str]:
    """Biases of the step for infinitely many particles."""
    lines = [
        "| problem | sampler | flow | share | bias, longest step | shortest | order: x², share "
        "| → 0 |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kept in rows:
        biases = np.array(kept["biases"])[-1]
        orders = ", ".join(order_in_step(column) for column in biases.T)
        last = np.array([limit(column, kept["noise"]) for column in biases.T])
        share, moved = last[SHARE]
        lines.append(
            f"| {kept['row']['problem']} | `{kept['row']['name']}` | {kept['claims']} "
            f"| {kept['truth'][SHARE]:.5f} | {1e3 * biases[0, SHARE]:.3f} "
            f"| {1e3 * biases[-1, SHARE]:.3f} | {orders} | {1e3 * share:.3f} ± {1e3 * moved:.3f} |"
        )
    return lines


def limit(biases: Array, noise: float) -> tuple[float, float]:
    """Extrapolate biases to a step of zero; the error, or that which noise brings."""
    value, moved = richardson(biases)
    return value, max(moved, noise * np.sqrt(16**2 + 12**2 + 2**2) / 6)


def order_in_step(biases: Array) -> str:
    """Order between the last three biases, – where they do not fall alike."""
    first, second = biases[-3] - biases[-2], biases[-2] - biases[-1]
    return f"{np.log2(first / second):.2f}" if first / second > 1 else "–"


def width_table(rows: list[Result]) -> list[str]:
    """Tabulate what stays for dt → 0 and N = ∞ when the density is smoothed."""
    lines = [
        "| problem | density | widths | bias for dt → 0 | order in the width | → 0 |",
        "| --- | --- | --- | --- | ---: | ---: |",
    ]
    for kept in rows:
        widths = kept["row"]["widths"]
        if not widths:
            continue
        rest = np.array([richardson(b[:, SHARE])[0] for b in np.array(kept["biases"])])
        order = np.log2((rest[-3] - rest[-2]) / (rest[-2] - rest[-1]))
        squared = (4 * rest[1:] - rest[:-1]) / 3  # free of the square of the width
        shown = ", ".join(f"{1e3 * r:.3f}" for r in rest)
        lines.append(
            f"| {kept['row']['problem']} | {kept['row']['name'].rpartition(' ')[2]} "
            f"| {', '.join(f'{w:g}' for w in widths)} {kept['row']['key']} | {shown} "
            f"| {order:.2f} | {1e3 * squared[-1]:.3f} ± "
            f"{1e3 * abs(squared[-1] - squared[-2]):.3f} |"
        )
    return lines


def biases_in_size(kept: Result) -> tuple[Array, Array, Array]:
    """Sizes, biases ``(sizes, 2)`` as if of order 1/N, and their errors."""
    means, errors = np.array(kept["means"]), np.array(kept["errors"])
    sizes = np.array(kept["row"]["sizes"], dtype=float)
    if kept["row"]["coupled"]:
        return sizes, -means[:, 1], errors[:, 1]
    centre = kept["limit"]
    if centre is None:  # no law is known: against all sizes together
        centre = np.average(means[:, 0], axis=0, weights=errors[:, 0] ** -2.0)
    return sizes, means[:, 0] - np.array(centre), errors[:, 0]


def farthest(kept: Result) -> str:
    """How far particles, extrapolated to N = ∞, are from the law: largest of both observables."""
    if kept["limit"] is None:
        return "–"
    means, errors = np.array(kept["means"]), np.array(kept["errors"])
    if kept["row"]["coupled"]:
        gap = means[-1, 0] + means[-1, 1] - np.array(kept["limit"])
        error = np.hypot(errors[-1, 0], errors[-1, 1])
    else:  # twice the largest ensembles' mean less that of half their size
        gap = 2 * means[-1, 0] - means[-2, 0] - np.array(kept["limit"])
        ratio = kept["row"]["sizes"][-1] / kept["row"]["sizes"][-2]
        gap = (ratio * means[-1, 0] - means[-2, 0]) / (ratio - 1) - np.array(kept["limit"])
        error = np.hypot(ratio * errors[-1, 0], errors[-2, 0]) / (ratio - 1)
    return f"{(gap / error)[np.argmax(np.abs(gap / error))]:+.1f}"


def order_in_size(kept: Result, which: int) -> str:
    """Fitted order with its interval, or that no bias is seen."""
    sizes, biases, errors = biases_in_size(kept)
    if (np.abs(biases[:, which]) < 3 * errors[:, which]).all():
        worst = float(np.abs(biases[:, which] / errors[:, which]).max())
        return f"no bias: {worst:.1f} s.e. at most"
    order, low, high = fitted_order(sizes, biases[:, which], errors[:, which])
    return f"{order:.2f} ({low:.2f} to {high:.2f})"


def size_table(rows: list[Result]) -> list[str]:
    """Biases of few particles where 1/N is to be expected."""
    lines = [
        "| problem | sampler | t, dt | N | R | N × bias of the share | order: share | x² "
        "| N → ∞, s.e. |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | ---: |",
    ]
    for kept in rows:
        row, (sizes, biases, errors) = kept["row"], biases_in_size(kept)
        scaled, spread = sizes * biases[:, SHARE], sizes * errors[:, SHARE]
        shown = ", ".join(f"{b:.3f} ± {e:.3f}" for b, e in zip(scaled, spread, strict=True))
        lines.append(
            f"| {row['problem']} | `{row['name']}` | {row['t']:g}, {row['dt']:g} "
            f"| {', '.join(map(str, row['sizes']))} | {', '.join(map(str, row['counts']))} "
            f"| {shown} | {order_in_size(kept, SHARE)} | {order_in_size(kept, 0)} "
            f"| {farthest(kept)} |"
        )
    return lines


def default_table(rows: list[Result]) -> list[str]:
    """N times the bias of the samplers as they come, and the order between neighbours."""
    sizes = rows[0]["row"]["sizes"]
    lines = [
        f"| problem | sampler | {' | '.join(f'N = {n}' for n in sizes)} | orders |",
        f"| --- | --- | {' | '.join('---:' for _ in sizes)} | --- |",
    ]
    for kept in rows:
        n, biases, errors = biases_in_size(kept)
        scaled, spread = n * biases[:, SHARE], n * errors[:, SHARE]
        cells = " | ".join(f"{b:.2f} ± {e:.2f}" for b, e in zip(scaled, spread, strict=True))
        ratio = biases[:-1, SHARE] / biases[1:, SHARE]
        local = ", ".join(
            f"{np.log(r) / np.log(b / a):.2f}" if r > 0 else "–"
            for r, a, b in zip(ratio, n[:-1], n[1:], strict=True)
        )
        lines.append(f"| {kept['row']['problem']} | `{kept['row']['name']}` | {cells} | {local} |")
    return lines


def write_csv(results: dict[str, list[Result]], path: Path) -> None:
    """Write every bias with its error, one row each."""
    header = ["part", "problem", "sampler", "observable", "t", "width", "dt", "particles",
              "replicates", "bias", "error"]  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for part, rows in results.items():
            for kept in rows:
                for entry in _entries(kept):
                    writer.writerow([part, kept["row"]["problem"], kept["row"]["name"], *entry])


def _entries(kept: Result) -> Iterator[list[Any]]:
    row, names = kept["row"], ("(x/m)^2", "share")
    if "biases" in kept:
        for width, levels in zip(row["widths"] or [""], kept["biases"], strict=True):
            for dt, pair in zip(kept["steps"], levels, strict=True):
                for name, bias in zip(names, pair, strict=True):
                    yield [name, kept["t"], width, dt, "inf", "", f"{bias:.6g}", kept["noise"]]
        return
    sizes, biases, errors = biases_in_size(kept)
    for k, (n, count) in enumerate(zip(sizes, row["counts"], strict=True)):
        for name, bias, error in zip(names, biases[k], errors[k], strict=True):
            yield [name, row["t"], "", row["dt"], int(n), count, f"{bias:.6g}", f"{error:.2g}"]


def draw(results: dict[str, list[Result]], path: Path) -> None:
    """Draw biases against the step, and against N with and without what is slower than 1/N."""
    from wfrpde.report import style

    with style.look():
        figure = style.new_figure(12.0, 7.6)
        left, middle, right = figure.subplots(1, 3)
        marks = "osD^vP*Xhd<>"
        rows = [k for k in results["step"] if k["row"]["problem"] == "mixture"]
        for kept, mark in zip(rows, marks, strict=False):
            biases = np.array(kept["biases"])[-1][:, SHARE]
            rest = limit(biases, 0.0)[0]
            name = kept["row"]["name"].replace("weighted, birth_death", "weighted")
            left.loglog(kept["steps"], np.abs(biases - rest), mark, ms=4, lw=1, ls="-", label=name)
        steps = np.array(rows[0]["steps"])
        left.loglog(steps, 0.02 * steps, color=style.TARGET, lw=5, alpha=0.25, zorder=0)
        left.set(xlabel="dt", title="mixture, N = ∞: |bias − limit|")
        estimated = ("mesh", "kde", "smc_wfr")
        shown = [k for k in results["particles"] if any(w in k["row"]["name"] for w in estimated)]
        for number, kept in enumerate(shown):
            _against_size(middle, kept, marks[number % len(marks)], 1.0)
        middle.set(xlabel="N", title="fixed width, no front")
        for kept, mark in zip(results["default"], marks, strict=False):
            _against_size(right, kept, mark, 1.0)
        right.set(xlabel="N", title="mixture from N(0, 1), t = 1")
        for axes in (middle, right):
            n = np.array(axes.get_xlim())
            axes.loglog(n, 0.3 / n, color=style.TARGET, lw=5, alpha=0.25, zorder=0)
        for axes in (left, middle, right):
            axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12))
        style.save(figure, path)


def _against_size(axes: Any, kept: Result, mark: str, scale: float) -> None:
    sizes, biases, errors = biases_in_size(kept)
    size, error = scale * np.abs(biases[:, SHARE]), errors[:, SHARE]
    low = np.minimum(error, 0.9 * size)
    label = f"{kept['row']['problem']}: {kept['row']['name']}"
    axes.errorbar(sizes, size, [low, error], fmt=mark, ls="-", ms=3.5, lw=0.8, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
