"""What a case needs at least, against what the machine has: told before anything is begun."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from wfrpde.errors import InputError

if TYPE_CHECKING:
    from wfrpde.case.convergence import ConvergenceSpec
    from wfrpde.case.flow import FlowSpec
    from wfrpde.case.numerics import NumericsSpec
    from wfrpde.case.samplers import SamplerSpec

BYTES_OF_A_CELL = 100
"""Bytes that a cell of a box takes at least, for each dimension."""

BYTES_OF_A_SITE = 400
"""Bytes that the cells of a chain's site take at least, for their number cubed: matrices on six
times as many points, one for each potential that neighbours make."""

MOST_STEPS = 1e9
"""Steps of time beyond which nobody waits for the end: a month at a millisecond each."""

MOST_REPLICATES = 1_000_000
"""Replicates whose results are still read."""


MOST_SAVED = 100_000
"""Saved times, of which each has a row in tables and a density."""


def check_size(
    dim: int,
    flow: FlowSpec,
    numerics: NumericsSpec,
    studies: Sequence[ConvergenceSpec],
    samplers: Sequence[SamplerSpec],
    *,
    chain: bool = False,
) -> None:
    """Raise `InputError` if a case asks for more than any patience or this machine's memory."""
    end = flow.t_end
    if len(flow.save) > MOST_SAVED:
        raise InputError("flow.save", f"{len(flow.save)} times", f"at most {MOST_SAVED}")
    if numerics.dt is not None and end / numerics.dt > MOST_STEPS:
        raise _too_many_steps("numerics.dt", numerics.dt, end)
    if numerics.cells is not None:
        need = prod(numerics.cells) * BYTES_OF_A_CELL * dim
        if chain:
            need = numerics.cells[0] ** 3 * BYTES_OF_A_SITE
        _check_memory("numerics.cells", f"{prod(numerics.cells):.3g} cells", need)
    for index, study in enumerate(studies):
        if study.vary == "h":
            need = int(study.values[-1]) ** dim * BYTES_OF_A_CELL * dim
            found = f"{study.values[-1]:.3g} cells along an axis"
            _check_memory(f"convergence[{index}].values", found, need)
    for index, sampler in enumerate(samplers):
        where = f"sampler[{index}]"
        if end / sampler.dt > MOST_STEPS:
            raise _too_many_steps(f"{where}.dt", sampler.dt, end)
        # positions, forces, and noise of one step
        need = sampler.particles * dim * 8 * 3
        _check_memory(f"{where}.particles", f"{sampler.particles:.3g} particles", need)
        if sampler.replicates > MOST_REPLICATES:
            found = f"{sampler.replicates:.3g} replicates"
            raise InputError(f"{where}.replicates", found, f"at most {MOST_REPLICATES:.0e}")


def _too_many_steps(where: str, dt: float, end: float) -> InputError:
    return InputError(
        where, f"{dt:g}, {end / dt:.1e} steps up to t = {end:g}", f"at most {MOST_STEPS:.0e} steps"
    )


def _check_memory(where: str, found: str, need: float) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > memory:
        raise InputError(
            where,
            f"{found}, which take {need / 1e9:.3g} GB at least",
            f"less than the {memory / 1e9:.3g} GB of memory of this machine",
        )
