"""The runs of a folder on one page: what each found, and where its report lies."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wfrpde.errors import InputError
from wfrpde.numbers import number, pretty, with_error
from wfrpde.report.pages import write_page

SIGNATURE = "wfrpde index"
"""By this a page of ours is known, which may be replaced."""
FIRST_LOOKS = ("comparison", "density", "log_density", "differences", "modes", "h", "dt", "sweep")
"""Figures that stand for a run, the most telling first."""


@dataclass(frozen=True)
class IndexedRun:
    """A run as the index shows it.

    Attributes
    ----------
    place
        Its folder, relative to that of the index.
    kind, title, result
        What was run, on what, and what came out, in words.
    date
        When, as text.
    trouble
        Why to be careful with it, or nothing.
    picture
        Address of a figure, relative to the index, or nothing.
    """

    place: str
    kind: str
    title: str
    result: str
    date: str
    trouble: str
    picture: str


def write_index(folder: Path) -> tuple[Path, list[IndexedRun]]:
    """Write ``index.html`` into a folder that holds folders of runs. Not collective.

    Raises
    ------
    InputError
        If there is no such folder, it holds no run, or an ``index.html`` of someone else.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise InputError(str(folder), found, "a folder that holds folders of runs")
    page = folder / "index.html"
    if page.exists() and SIGNATURE not in page.read_text(encoding="utf-8", errors="replace"):
        found = "an index.html that 'wfrpde index' has not written"
        raise InputError(str(folder), found, "a folder without one", "Move it away.")
    runs = runs_within(folder)
    if not runs:
        found = "no run in it, nor in the folders below"
        needed = (
            "a folder that holds what 'wfrpde solve', 'spectrum', 'validate' or 'converge' wrote"
        )
        raise InputError(str(folder), found, needed)
    name = folder.resolve().name
    context = {"name": name, "signature": SIGNATURE, "runs": runs}
    return write_page(page, "index.html.j2", context), runs


def runs_within(folder: Path) -> list[IndexedRun]:
    """Find the runs of a folder and of those below, in the order of their names."""
    found = []
    for depth in range(1, 4):  # levels of folders that are searched
        for report in folder.glob("/".join(["*"] * depth) + "/report.html"):
            hidden = any(part.startswith(".") for part in report.relative_to(folder).parts)
            run = None if hidden else _read(report.parent, folder)
            if run is not None:
                found.append(run)
    return sorted(found, key=lambda run: run.place)


def _read(run: Path, folder: Path) -> IndexedRun | None:
    """Read what a run says of itself; None for a report of something else."""
    for name, told in KINDS.items():
        if not (run / name).is_file():
            continue
        try:
            content = json.loads((run / name).read_text(encoding="utf-8"))
            kind, result, trouble = told(content)
            title = str(content["title"])
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            kind, title, result, trouble = "unreadable", run.name, "", f"{name} cannot be read"
        drawn = [run / "figures" / f"{figure}.png" for figure in FIRST_LOOKS]
        picture = next((path for path in drawn if path.is_file()), None)
        written = datetime.fromtimestamp((run / name).stat().st_mtime, UTC)
        return IndexedRun(
            run.relative_to(folder).as_posix(), kind, title, result,
            written.strftime("%Y-%m-%d %H:%M UTC"), trouble,
            picture.relative_to(folder).as_posix() if picture else "",
        )  # fmt: skip
    return None


Told = tuple[str, str, str]


def _solved(content: Mapping[str, Any]) -> Told:
    if content.get("kind") == "spectrum":
        return _spectrum(content)
    results = content["results"]
    kl = results["series"]["reverse_kl" if content.get("kind") == "noising" else "kl"]
    last = pretty(number(results["times"][-1], 4, trim=True))
    words = pretty(with_error(kl["value"][-1], kl["error"][-1], 7))
    failed = sum(not check["passed"] for check in content["numerics"].get("checks") or [])
    troubles = [
        "" if content["complete"] else "incomplete",
        f"{failed} checks failed" if failed else "",
        f"{len(content['warnings'])} warnings" if content["warnings"] else "",
    ]
    what = "process" if content.get("kind") == "noising" else "flow"
    kind = f"{content['flow']} {what} in {content['dimension']}-D"
    return kind, f"KL {words} at t = {last}", ", ".join(filter(None, troubles))


def _spectrum(content: Mapping[str, Any]) -> Told:
    trouble = "" if content["complete"] else "incomplete"
    if "sweep" in content:
        swept = content["sweep"]
        return f"sweep in {content['dimension']}-D", f"rates against {swept['key']}", trouble
    rates = content["results"]["rates"]
    first = 0 if content["results"]["absorbing"] else min(1, len(rates["value"]) - 1)
    words = pretty(with_error(rates["value"][first], rates["error"][first], 7))
    return f"spectrum in {content['dimension']}-D", f"slowest rate {words}", trouble


def _validated(content: Mapping[str, Any]) -> Told:
    counts = Counter(sampler["verdict"] for sampler in content["samplers"])
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    troubles = [
        "" if content["complete"] else "incomplete",
        "not what the case declares" if content["unexpected"] else "",
    ]
    return "validation", f"samplers: {words}", ", ".join(filter(None, troubles))


def _converged(content: Mapping[str, Any]) -> Told:
    verdicts = [study["verdict"] for study in content["studies"]]
    words = f"{verdicts.count('passed')} of {len(verdicts)} orders as expected"
    trouble = "" if content["passed"] else "incomplete" if not content["complete"] else "failed"
    return "convergence", words, trouble


KINDS: dict[str, Callable[[Mapping[str, Any]], Told]] = {
    "validation.json": _validated,
    "convergence.json": _converged,
    "summary.json": _solved,
}
