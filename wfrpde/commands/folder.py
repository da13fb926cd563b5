"""The folder of a run: claimed before anything is computed, filled when the results are there.

A folder is a run's only if it holds `MARKER`, which lists the files that runs have put there: these
alone are ever replaced or removed, one by one. A process that computes holds a lock on the marker,
so that no two write into one folder; the lock ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from wfrpde import __version__
from wfrpde.errors import InputError, WfrpdeError
from wfrpde.parallel import collectively
from wfrpde.parallel.files import remove_parts
from wfrpde.parallel.screen import logger

MARKER = ".wfrpde"
STAGE = ".wfrpde-part"
"""Within the folder, where a run's files are made."""

ROOM = 1 << 13
"""Bytes that a marker takes from the start, so that a full disk does not hinder it later."""

_PAGE = ("summary.json", "report.html")
#: What each command writes whatever the case: of someone else, it would be in the way.
_WRITES = {
    "solve": (*_PAGE, "series.csv", "steps.csv", "solution.npz"),
    "spectrum": (*_PAGE, "spectrum.csv"),
    "sweep": (*_PAGE, "sweep.csv"),
    "validate": ("report.html", "validation.json", "validation.csv", "validation.npz"),
    "converge": ("report.html", "convergence.json", "runs.csv", "orders.csv"),
    "demo": ("index.html",),
}
_STORES = {
    "validate": "replicates",
    "converge": "runs",
    **dict.fromkeys(("solve", "sweep", "demo"), "checkpoints"),
}
_KINDS = {
    "solve": "run",
    "sweep": "sweep",
    "demo": "demo",
    "validate": "validation",
    "converge": "convergence study",
}


class RunFolder:
    """The folder of a run, which holds its results when the block ends (collective).

    If the block ends well, the files of an earlier run are replaced by those that were made in
    `path`. If it fails, what was made until then is kept; if nothing was, nothing is left behind.

    Parameters
    ----------
    folder
        Where the run is to be found in the end.
    command
        What writes it: ``"solve"``, ``"spectrum"``, ``"sweep"``, ``"validate"``, ``"converge"`` or
        ``"demo"``, which may always replace a demo.
    force
        Whether the files of an earlier run may be replaced, and those of others lie beside.
    resume
        Whether an earlier run of the same command may be gone on with.
    comm
        MPI communicator, or ``None`` for a single process.

    Attributes
    ----------
    path
        A hidden folder within, where the block puts what it makes.
    store
        Folder of the finished parts of a run that is gone on with.
    spent
        Whether these are of no more use once the block has ended well.

    Raises
    ------
    InputError
        On entering, if the folder cannot be written, holds something else, or another process is
        about to write into it.
    WfrpdeError
        On leaving, if not everything could be written.
    """

    def __init__(
        self,
        folder: Path,
        command: str,
        *,
        force: bool = False,
        resume: bool = False,
        comm: Any = None,
    ) -> None:
        self.folder, self.path = folder, folder / STAGE
        self.store = folder / _STORES.get(command, STAGE)
        self._command, self._force, self._resume = command, force, resume
        self._comm = comm
        self._writes = comm is None or comm.rank == 0
        self._lock, self._staged, self.spent = -1, False, False
        self._files: list[str] = []
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        with collectively(self._comm):
            if self._writes:
                try:
                    self._claim()
                except (OSError, InputError) as error:
                    self._leave()
                    if isinstance(error, InputError):
                        raise
                    found = f"that it cannot be written ({error.strerror or error})"
                    needed = "a folder that can be written"
                    raise self._refusal(found, needed, "Choose another one with --out.") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: object) -> None:
        if kind is None:
            with collectively(self._comm):
                if self._writes:
                    self._put_in_place()
        elif self._writes:  # the other ranks may have failed, or not
            if not any(path.is_file() for path in self.path.rglob("*")):
                self._leave()
                return
            self._put_in_place()
        if isinstance(error, Exception) and not isinstance(error, WfrpdeError):
            rest = f"'wfrpde plot {self.folder}' makes the rest"
            if self._command in ("spectrum", "demo"):
                rest = "the same command with --force makes the rest"
            raise WfrpdeError(
                f"not everything could be written ({type(error).__name__}: {error}); what is in "
                f"{self.folder} is complete, and {rest} once that is mended"
            ) from error

    def _refusal(self, found: str, needed: str, do: str = "") -> InputError:
        return InputError(f"output folder {self.folder}", found, needed, do)

    def _claim(self) -> None:
        folder, marker = self.folder, self.folder / MARKER
        if folder.is_symlink() and not folder.exists():
            raise self._refusal("a link that leads nowhere", "a folder")
        if folder.exists() and not folder.is_dir():
            raise self._refusal("a file of that name", "a folder")
        self._made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            self._made.insert(0, marker)
        elif _read(marker) is None:
            raise self._refusal(f"a file {MARKER} that no run has written", "another folder")
        self._lock = _locked(marker)
        if self._lock < 0:
            self._made = []
            raise self._refusal(
                "that another run is about to write into it",
                "a folder of its own",
                "Wait for its end, or use --out for another one.",
            )
        known = _read(marker) or {}
        self._files = known.get("files", [])
        store = known.get("store", "")
        if store not in _STORES.values():
            store = ""
        self._check(known.get("command", ""), store)
        if known:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        self._staged = True
        for inner in {folder, folder / "figures", folder / store}:
            remove_parts(inner)
        if store and (folder / store != self.store or not self._resume):
            _empty(folder / store)
        self._write_marker(self._files)

    def _check(self, command: str, store: str) -> None:
        """Refuse a folder that holds what may not be replaced, or would be in the way."""
        held = {path.name for path in self.folder.iterdir()} - {MARKER, STAGE}
        same = command == self._command
        if held and not self._force and not (same and (self._resume or command == "demo")):
            kind = _KINDS.get(self._command)
            if self._resume:
                raise self._refusal(
                    f"a folder that holds something else than a {kind}",
                    f"a new or empty one, or that of a {kind} to go on with",
                    "Use --out for another one.",
                )
            resume = f"--resume to go on with a {kind}, " if kind else ""
            raise self._refusal(
                "a folder that is not empty",
                "a new or empty one",
                f"Use {resume}--force to replace it, or --out for another one.",
            )
        names = [*_WRITES[self._command], *({self.store.name} - {store})]
        foreign = [name for name in names if name in held and name not in self._files]
        if foreign:
            raise self._refusal(
                f"{foreign[0]}, which no run of wfrpde has written",
                "a folder without files of such names",
                "Move it away, or use --out for another folder.",
            )

    def _put_in_place(self) -> None:
        """Replace the files of an earlier run; those of others stay, whatever their names."""
        made = sorted(path for path in self.path.rglob("*") if path.is_file())
        moves = {}
        for path in made:
            name = path.relative_to(self.path).as_posix()
            if os.path.lexists(self.folder / name) and name not in self._files:
                logger.warning("%s was there already, and stays: see %s.new", name, name)
                name += ".new"
            moves[name] = path
        try:
            self._write_marker({*self._files, *moves})
            for name, path in moves.items():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                path.replace(self.folder / name)
        except OSError as error:
            raise WfrpdeError(
                f"not everything could be put into {self.folder} ({error}); what is missing there "
                f"is in {self.path}"
            ) from error
        for name in set(self._files) - set(moves):
            self._remove(name)
        shutil.rmtree(self.path, ignore_errors=True)
        if self.spent:
            _empty(self.store)
        self._write_marker(moves)
        self._unlock()

    def _remove(self, name: str) -> None:
        """Remove a file that the marker lists, and the folders that are empty then."""
        path, top = self.folder / name, self.folder.resolve()
        inner = path.parent.resolve()
        if ".." in path.parts[len(self.folder.parts) :] or top not in (inner, *inner.parents):
            return
        with suppress(OSError):
            path.unlink()
            while inner != top:
                inner.rmdir()
                inner = inner.parent

    def _write_marker(self, files: Iterable[str]) -> None:
        store = self.store.name if self._command in _STORES else ""
        _write(self._lock, self._command, files, store)

    def _leave(self) -> None:
        """Leave nothing behind but finished parts of a run, and what was there before."""
        if self._staged:
            shutil.rmtree(self.path, ignore_errors=True)
        if not self.store.exists():
            for path in self._made:
                with suppress(OSError):
                    path.rmdir() if path.is_dir() else path.unlink()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _empty(store: Path) -> None:
    for path in store.glob("*.npz"):
        path.unlink()
    with suppress(OSError):
        store.rmdir()


def add_files(folder: Path, paths: Iterable[Path]) -> None:
    """Note in the marker of a run's folder, if it has one, files that were added later."""
    known = _read(folder / MARKER)
    lock = _locked(folder / MARKER) if known else -1
    if known and lock >= 0:
        names = {path.relative_to(folder).as_posix() for path in paths}
        _write(lock, known["command"], names | set(known["files"]), known["store"])
        os.close(lock)


def _read(marker: Path) -> dict[str, Any] | None:
    """Content of a marker, {} if there is none yet, or None if no run has written that file."""
    try:
        text = marker.read_text(encoding="utf-8")
        content = json.loads(text) if text else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    if content == {}:
        return {}
    kinds = {"wfrpde": str, "command": str, "files": list, "store": str}
    if not isinstance(content, dict):
        return None
    ours = all(isinstance(content.get(key), kind) for key, kind in kinds.items())
    return content if ours and all(isinstance(name, str) for name in content["files"]) else None


def _write(lock: int, command: str, files: Iterable[str], store: str) -> None:
    # in place, as the lock is that of the file
    content = {
        "wfrpde": __version__,
        "command": command,
        "store": store,
        "files": sorted(files),
    }
    data = json.dumps(content, indent=1).encode().ljust(ROOM)
    os.pwrite(lock, data, 0)
    os.ftruncate(lock, len(data))


def _locked(marker: Path) -> int:
    """Open a marker for this process alone; −1 if another one has it."""
    lock = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = os.fstat(lock).st_nlink == 0  # removed between opening and locking
    except BlockingIOError:
        taken = True
    except OSError:
        taken = False  # a file system without locks: there two runs are not told apart
    if taken:
        os.close(lock)
        return -1
    return lock
