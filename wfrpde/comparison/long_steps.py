"""Right samplers of a score-based process whose steps are too long: laws, not faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.limit import Law, limit_laws
from wfrpde.comparison.noised_flows import process_context
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.noising.sampling import Spacing
from wfrpde.samplers.noised import Corrected, ReverseSde

TOO_LONG = "steps that are too long"
"""How names of such laws begin."""

COUNTS: dict[Spacing, tuple[int, ...]] = {"cubic": (8, 16, 32, 64), "even": (16, 32, 64, 128)}
"""Numbers of Euler's steps that are tried, by how they lie."""

_LIE = {"cubic": "even in the cube root of the time that is left", "even": "of one length"}


@dataclass(frozen=True)
class Stepped:
    """The law of infinitely many particles at the saved times of a process but the first.

    Attributes
    ----------
    laws
        In x.
    units
        Length ``(T,)`` of y = 1 at all saved times.
    """

    laws: Sequence[Law]
    units: Array

    def log_density(self, index: int, y: Array) -> Array:
        """Log density of y ``(n,)`` at points y ``(n, d)`` and a saved time after the start."""
        unit = float(self.units[index])
        own = self.laws[index - 1].log_density(np.asarray(unit * y))
        return np.asarray(own + y.shape[1] * np.log(unit))


def long_steps(solution: NoisingSolution) -> dict[str, Stepped]:
    """Return laws of right samplers by Euler's steps, by name; none of what no lattice holds."""
    context = process_context(solution.case)
    process = context.process
    assert process is not None
    found = {}
    times = [float(t) for t in solution.times[1:]]
    kind = ReverseSde(process, "") if process.corrector is None else Corrected(process, "")
    for spacing, counts in COUNTS.items():
        step = replace(kind, spacing=spacing).law()
        assert step is not None
        for count in counts:
            laws = limit_laws(step, context, (process.end - process.stop) / count, times)
            if laws is not None:
                name = f"{TOO_LONG}: about {count} of Euler's, {_LIE[spacing]}"
                found[name] = Stepped(laws, solution.units)
    return found
