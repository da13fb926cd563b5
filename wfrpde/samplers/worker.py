"""The process of an `IsolatedSampler`: ``python -m wfrpde.samplers.worker FD``.

It reads from the connection the reference of the sampler, which it imports, the arguments of
`load_python_sampler`, then one request for each replicate, and answers each with a pair:
``("done", result)``, ``("input", arguments of an InputError)`` or ``("error", what happened)``. It
ends when the other side does. With each replicate it tells which code it has loaded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from wfrpde.errors import InputError, SamplerError
from wfrpde.fields.user_code import load_object, loaded_code
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.python_sampler import load_python_sampler
from wfrpde.samplers.run import Request, SamplerRun


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
    try:
        kind, answer = answered(lambda: load_object(*connection.recv()))
        connection.send((kind, None if kind == "done" else answer))
        kind, answer = answered(lambda: load_python_sampler(**connection.recv()))
        loaded_code()
        connection.send((kind, None if kind == "done" else answer))
        while True:
            connection.send(answered(partial(_replicate, answer, connection.recv())))
    except EOFError:
        return


def _replicate(sampler: SamplerRun, request: Request) -> Trajectory:
    made = sampler.replicate(request)
    return replace(made, facts={**made.facts, "code": json.dumps(loaded_code())})


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
