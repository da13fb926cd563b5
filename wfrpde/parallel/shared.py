"""Arrays that all ranks of a machine share: large results are there once, not once a rank."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.parallel.mpi import MPI

LEAST = 2**20
"""Bytes from which sharing is worth a file: smaller arrays every rank has for itself."""

LARGE = 2**17
"""Unknowns of a rank from which giving memory back is worth its time."""

KEPT = 2**25
"""Bytes at the end of the heap that a process keeps for itself."""

PLACE = "/dev/shm"
"""Where files lie in memory. Where there is no such place, or no room, nothing is shared."""


def give_back(count: int) -> None:
    """Give what was freed back to the system, after work on so many unknowns.

    SuperLU_DIST, which PETSc loads, tells glibc (``mallopt``) never to do it by itself: a process
    would stay as large as it ever was, and what others fill meanwhile comes on top.
    """
    if count >= LARGE:
        with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


@cache
def keep_freed() -> None:
    """Keep a little of what is freed: it is wanted again at once.

    Of the end of its heap glibc gives everything back beyond 128 kB, and takes it anew, page by
    page: in the plane a sixth of a small solve. Once a large array was freed it keeps twice that.
    """
    large = np.empty(KEPT // 2, dtype=np.uint8)  # whose pages nobody touches
    del large


@dataclass(frozen=True)
class Shared:
    """An array, and who fills it.

    Attributes
    ----------
    values
        The array. Who does not fill it reads it once the ranks have met after that.
    writers
        The ranks that fill their copy: one on each machine, or all of them.
    share
        Which part of how many is this rank's to fill where each can: all of it, if it has its own.
    """

    values: Array
    writers: tuple[int, ...]
    share: tuple[int, int] = (0, 1)


def shared(comm: Any, shape: tuple[int, ...]) -> Shared:
    """Return an array of a shape, one for all ranks of a machine if it is large (collective).

    It has no name, and its memory is given back when no rank has it any more, also when they die.
    """
    size = 8 * int(np.prod(shape))
    if comm.size == 1 or size < LEAST:
        return Shared(np.empty(shape), tuple(range(comm.size)))
    with _machine(comm) as local:
        memory = _mapped(local, size)
        writes = memory is None or local.rank == 0
        share = (0, 1) if memory is None else (local.rank, local.size)
    values = np.empty(shape) if memory is None else np.frombuffer(memory).reshape(shape)
    each = comm.allgather(writes)
    return Shared(values, tuple(rank for rank in range(comm.size) if each[rank]), share)


def spread(comm: Any, values: Array | None) -> Array:
    """Return an array that rank 0 has on every rank, as `shared` does (collective)."""
    if comm.size == 1:
        assert values is not None
        return values
    every = shared(comm, comm.bcast(None if values is None else values.shape))
    for rank in every.writers:
        if comm.rank == rank == 0:
            every.values[...] = values
        elif comm.rank == 0:
            comm.Send(np.ascontiguousarray(values), rank)
        elif comm.rank == rank:
            comm.Recv(every.values, 0)
    comm.Barrier()
    return every.values


@contextlib.contextmanager
def _machine(comm: Any) -> Iterator[Any]:
    """Give the ranks of this machine a communicator of their own."""
    local = comm.Split_type(MPI.COMM_TYPE_SHARED, key=comm.rank)
    try:
        yield local
    finally:
        local.Free()


def _mapped(local: Any, size: int) -> mmap.mmap | None:
    """Return memory that all ranks of a machine see; None if one of them cannot (collective).

    The file has lost its name before it takes memory: whatever ends the ranks leaves none.
    """
    name = local.bcast(_named() if local.rank == 0 and local.size > 1 else None)
    if name is None:
        return None
    with contextlib.ExitStack() as opened:
        file = None
        try:
            with contextlib.suppress(OSError):
                file = opened.enter_context(open(name, "r+b"))
            seen = all(local.allgather(file is not None))
        finally:
            if local.rank == 0:
                os.unlink(name)
        if file is None or not seen:
            return None  # on every rank
        if not local.bcast(_reserved(file.fileno(), size) if local.rank == 0 else None):
            return None
        memory = None
        with contextlib.suppress(OSError):
            memory = mmap.mmap(file.fileno(), size)
        return memory if all(local.allgather(memory is not None)) else None


def _named() -> str | None:
    """Return an empty file in memory; None where there cannot be one."""
    try:
        handle, name = tempfile.mkstemp(prefix="wfrpde-", dir=PLACE)
    except OSError:
        return None
    os.close(handle)
    return name


def _reserved(handle: int, size: int) -> bool:
    """Reserve room for a file: to write what has no place would end the process."""
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError:
        return False
    return True
