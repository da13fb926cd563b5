"""Files that appear as a whole: whatever stops the writing, no reader finds half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

_PART = re.compile(r"\..+\.(\d+)-(\d+)\.part")


@contextmanager
def atomic(path: Path, mode: str = "w", *, sync: bool = False) -> Iterator[IO[Any]]:
    """Open a file that takes the place of ``path`` when the block ends well.

    Parameters
    ----------
    path
        The file; it is left as it was if the block raises.
    mode
        ``"w"`` for text in UTF-8 (line ends as they are written), ``"wb"`` for bytes.
    sync
        Whether the bytes are to be on the disk, and not in the machine's memory, before the file
        appears.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{started_at(os.getpid())}.part")
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with temporary.open(mode, **text) as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def remove_parts(folder: Path) -> None:
    """Remove from a folder what processes that were killed within `atomic` have left there."""
    for path in folder.glob(".*.part"):
        found = re.fullmatch(_PART, path.name)
        if found and not _alive(int(found[1]), int(found[2])):
            path.unlink(missing_ok=True)


def _alive(process: int, started: int) -> bool:
    """Whether a process is there, and no other one that has got its number since."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return process != os.getpid() and started_at(process) == started


def started_at(process: int) -> int:
    """Return when a process began, in ticks since the machine did; 0 where that is not told.

    Of one that has ended, but that nobody has waited for yet, −1.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        state, *numbers = text.rpartition(")")[2].split()
        return -1 if state in "ZX" else int(numbers[18])
    except (OSError, ValueError, IndexError):
        return 0
