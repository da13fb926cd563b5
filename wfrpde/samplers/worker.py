"""The process of an `IsolatedSampler`: ``python -m wfrpde.samplers.worker FD``.

It reads from the connection the arguments of `load_python_sampler`, then one request for each
replicate, and answers each with a pair: ``("done", result)``, ``("input", arguments of an
InputError)`` or ``("error", what happened)``. It ends when the other side does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from wfrpde.errors import InputError, SamplerError
from wfrpde.samplers.python_sampler import load_python_sampler


def answered(call: Callable[[], Any]) -> tuple[str, Any]:
    """Call, and return the answer that says how it went."""
    try:
        return "done", call()
    except InputError as error:
        return "input", error.args
    except SamplerError as error:
        return "error", error.what
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"


def serve(connection: Connection[Any, Any]) -> None:
    """Make the sampler, and run replicates until the connection is closed."""
    kind, answer = answered(lambda: load_python_sampler(**connection.recv()))
    connection.send((kind, None if kind == "done" else answer))
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(answered(partial(answer.replicate, request)))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
