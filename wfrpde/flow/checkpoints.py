"""Checkpoints: the runs of a solve are kept on the disk, and how far the present one is.

A solve makes its runs in an order that its case decides. So a run is known by its number: those
that were finished are not made again, the one that was under way goes on, and all digits are those
of a solve that nothing has stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.case.origin import Origin, check_origin, note_origin, origin_of
from wfrpde.case.stored import Result
from wfrpde.errors import AccuracyError, InputError, SolverError
from wfrpde.flow.march import March, Standing
from wfrpde.parallel import collectively
from wfrpde.parallel.files import remove_parts
from wfrpde.parallel.screen import logger
from wfrpde.parallel.shared import spread
from wfrpde.parallel.tasks import Store, store_key

if TYPE_CHECKING:
    from wfrpde.case import Case

EVERY = 5.0
"""Seconds between checkpoints at least."""

SHARE = 0.01
"""Share of the time that checkpoints may take."""

LATENCY, SPEED = 2e-3, 1e8
"""Seconds that writing a file takes at least, and bytes written in a second: before one is."""

FOLDER = "checkpoints"
"""Within a run's folder."""

FAILURES = {kind.__name__: kind for kind in (SolverError, AccuracyError)}


def worth_keeping(seconds: float, size: float) -> bool:
    """Whether so many bytes, which took so many seconds to compute, are worth being written."""
    return SHARE * seconds > LATENCY + size / SPEED


@dataclass(frozen=True)
class Kept(Result):
    """A run that ended: its outcome, or the error that it failed with."""

    march: March | None
    facts: Mapping[str, Any]
    failure: tuple[str, str]
    spent: float


@dataclass(frozen=True)
class Underway(Result):
    """A run that has not ended: its number, where it stands, and what its caller counts.

    ``standing`` is that of one rank, ``turn`` the same in the files of all.
    """

    number: int
    standing: Standing
    work: Mapping[str, Any]
    spent: float
    turn: int = 0


@dataclass(frozen=True)
class RunMark:
    """The `wfrpde.flow.march.Mark` of one run.

    Attributes
    ----------
    found
        How far it was before.
    work
        Gives what its caller counts, JSON-ready (collective).
    """

    checkpoints: Checkpoints
    number: int
    found: Underway | None
    work: Callable[[], Mapping[str, Any]] = dict

    @property
    def start(self) -> Standing | None:
        """Where to go on; None to begin."""
        return None if self.found is None else self.found.standing

    def counting(self, work: Callable[[], Mapping[str, Any]]) -> RunMark:
        """Return the same with what its caller counts."""
        return replace(self, work=work)

    def pinned(self) -> RunMark:
        """Return one for which what its caller counts stays as it is now: a step may be dropped.

        That is so on one process alone, and itself where there are several.
        """
        if self.checkpoints.comm.size > 1:
            return self
        now = self.work()
        return self.counting(lambda: now)

    def offer(self, size: int, standing: Callable[[], Standing]) -> None:
        """Keep where the run stands, of so many numbers, if it is time to (collective)."""
        if self.checkpoints.due(8 * size):
            self.keep(standing)

    def keep(self, standing: Callable[[], Standing]) -> None:
        """Keep where the run stands (collective)."""
        self.checkpoints.write(Underway(self.number, standing(), self.work(), 0.0))


@dataclass
class Checkpoints:
    """The runs of one solve in a folder (collective).

    Parameters
    ----------
    folder
        Made with the first checkpoint.
    name
        What its files begin with, so that several solves may share a folder.
    origin
        What the digits depend on.
    comm
        MPI communicator of the solve.

    Raises
    ------
    InputError
        If the folder holds checkpoints of that name and of another origin, or not all parts of one.
    """

    folder: Path
    name: str
    origin: Origin
    comm: Any
    _ended: list[Kept] = field(init=False, default_factory=list)
    _underway: Underway | None = field(init=False, default=None)
    _unwritten: dict[str, Kept] = field(init=False, default_factory=dict)
    _count: int = field(init=False, default=0)
    _cost: float = field(init=False, default=0.0)
    _works: bool = field(init=False, default=True)
    _turn: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._runs: Store[Kept] = Store(self.folder, Kept.arrays, Kept.from_arrays, sync=False)
        self._parts: Store[Underway] = Store(
            self.folder, Underway.arrays, Underway.from_arrays, sync=False
        )
        with collectively(self.comm):
            if self.comm.rank == 0:
                if self.folder.exists() and not self.folder.is_dir():
                    raise InputError(f"resume: {self.folder}", "a file", "a folder")
                check_origin(self.folder, self.name, self.origin)
                remove_parts(self.folder)
                if (self.folder / f"{self._part(0, 0)}.npz").exists():
                    self._underway = self._own_part(0)
        while (kept := self._found(len(self._ended))) is not None:
            self._ended.append(kept)
        turn = self.comm.bcast(None if self._underway is None else self._underway.turn, root=0)
        if turn is not None:
            self._turn = turn
            with collectively(self.comm):
                if self.comm.rank > 0:
                    self._underway = self._own_part(turn)
        if self.comm.rank == 0 and (self._ended or self._underway):
            logger.info("going on from the checkpoint after %.0f s", self.spent)
        self._began = time.perf_counter() - self.spent
        self._last = time.perf_counter()

    @classmethod
    def of(cls, folder: Path, case: Case, comm: Any, scene: str = "") -> Checkpoints:
        """Return those of a case in the folder of a run, which may hold those of other flows.

        Parameters
        ----------
        scene
            What tells it from another case of the same flow there.
        """
        name = store_key(f"{scene} {case.equation.label}")
        return cls(folder, name, origin_of(case, ranks=comm.size), comm)

    @property
    def spent(self) -> float:
        """Seconds that were spent until the last checkpoint that was found."""
        found = [kept.spent for kept in self._ended]
        return max([*found, 0.0 if self._underway is None else self._underway.spent])

    def made(
        self, solve: Callable[[RunMark], tuple[March, dict[str, Any]]]
    ) -> tuple[March, dict[str, Any]]:
        """Make the next run, or take it from the disk (collective).

        Raises
        ------
        SolverError, AccuracyError
            As the run does, or did.
        """
        number = self._count
        self._count += 1
        if number < len(self._ended):
            kept = self._ended[number]
            if kept.march is None:
                kind, message = kept.failure
                raise FAILURES[kind](message)
            return kept.march, dict(kept.facts)
        found = self._underway
        if found is not None and found.number != number:
            found = None
        try:
            march, facts = solve(RunMark(self, number, found))
        except (SolverError, AccuracyError) as error:
            self._note(number, Kept(None, {}, (type(error).__name__, str(error)), 0.0))
            raise
        if march.complete:
            self._note(number, Kept(march, facts, ("", ""), 0.0))
        return march, facts

    def _key(self, number: int) -> str:
        return f"{self.name}-{number:03d}"

    def _found(self, number: int) -> Kept | None:
        """Return a run that ended; its fields are once on a machine (collective)."""
        kept = self._runs.load(self._key(number)) if self.comm.rank == 0 else None
        march = None if kept is None else kept.march
        u = None if march is None else march.u
        if kept is not None and march is not None:
            kept = replace(kept, march=replace(march, u=march.u[:0]))
        told: Kept | None = self.comm.bcast(kept, root=0)
        if told is None or told.march is None:
            return told
        return replace(told, march=replace(told.march, u=spread(self.comm, u)))

    def _part(self, rank: int, turn: int) -> str:
        """Return what a rank's part of the present run is called; that of rank 0 is there once."""
        return f"{self.name}-part" + (f"-{turn % 2}-{rank}" if rank else "")

    def _own_part(self, turn: int) -> Underway:
        name = self._part(self.comm.rank, turn)
        part = self._parts.load(name)
        if part is None or (self.comm.rank > 0 and part.turn != turn):
            raise InputError(
                f"resume: {self.folder}",
                f"a checkpoint of which {name}.npz is missing or damaged",
                "all parts of it",
                f"Without {self._part(0, turn)}.npz that run is made anew, and what ended is kept. "
                "Or use another folder, or begin anew (on the command line with --force).",
            )
        return part

    def _note(self, number: int, kept: Kept) -> None:
        self._unwritten[self._key(number)] = replace(kept, spent=self._seconds())
        size = 0 if kept.march is None else kept.march.u.nbytes
        if self.due(size):
            self.write()

    def _seconds(self) -> float:
        return time.perf_counter() - self._began

    def due(self, size: int) -> bool:
        """Whether it is time to write so many bytes (collective)."""
        cost = max(self._cost, LATENCY + size / SPEED)
        due = time.perf_counter() - self._last > max(EVERY, cost / SHARE) and self._works
        return bool(due if self.comm.size == 1 else self.comm.bcast(due, root=0))

    def write(self, underway: Underway | None = None) -> None:
        """Write the runs that ended since the last checkpoint, and the present one (collective).

        A disk that has no room costs the checkpoint, not the run.
        """
        began = time.perf_counter()
        if self._works:
            try:
                self._write(underway)
            except OSError as error:
                self._works = False
                if self.comm.rank == 0:
                    logger.warning("no more checkpoints: %s", error)
        self._unwritten.clear()
        self._last = time.perf_counter()
        self._cost = self._last - began

    def _write(self, underway: Underway | None) -> None:
        """Write everything: rank 0 last, and what is out of date vanishes after that."""
        rank, turn = self.comm.rank, self._turn + 1
        part = underway and replace(underway, spent=self._seconds(), turn=turn)
        with collectively(self.comm):
            if rank == 0:
                note_origin(self.folder, self.name, self.origin)
            elif part is not None:
                self._parts.save(self._part(rank, turn), part)
        with collectively(self.comm):
            if rank == 0:
                for key, kept in self._unwritten.items():
                    self._runs.save(key, kept)
                if part is not None:
                    self._parts.save(self._part(0, turn), part)
        if part is not None:
            self._turn = turn
            if rank > 0:
                with suppress(OSError):  # in nobody's way, and no matter of one rank alone
                    (self.folder / f"{self._part(rank, turn - 1)}.npz").unlink(missing_ok=True)

    def claim(self) -> None:
        """Note where what is kept under this name comes from, before it is (collective)."""
        with collectively(self.comm):
            if self.comm.rank == 0:
                with suppress(OSError):
                    note_origin(self.folder, self.name, self.origin)

    def remove(self) -> None:
        """Remove what is kept, and the folder if nothing else is in it (collective)."""
        with collectively(self.comm):
            if self.comm.rank == 0 and self.folder.is_dir():
                for ending in ("origin", "part", "part-[01]-*", "[0-9][0-9][0-9]"):
                    for path in self.folder.glob(f"{self.name}-{ending}.npz"):
                        path.unlink(missing_ok=True)
                if not any(self.folder.iterdir()):
                    self.folder.rmdir()
