"""The ``mpirun`` that has started this process: its id, and an end together with it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

NAMES = ("mpirun", "mpiexec", "prterun", "orterun", "prted", "orted", "hydra_pmi_proxy")
"""Programs that start ranks, on the first machine and on others."""


def launcher() -> int | None:
    """Process id of what has started this rank, if that is its parent."""
    parent = os.getppid()
    try:
        name = Path(f"/proc/{parent}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return parent if name in NAMES else None


def end_with_launcher() -> None:
    """Let the kernel end this rank when its launcher is gone: a killed one can tell nobody.

    Open MPI's ranks learn of that while they communicate, which may be long after. Only on Linux.
    """
    parent = launcher()
    if parent is None or not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it went before that was said
        os.kill(os.getpid(), signal.SIGKILL)
