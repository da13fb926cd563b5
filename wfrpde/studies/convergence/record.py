"""What a study keeps of one finished run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from wfrpde.studies.convergence.field import Field


@dataclass(frozen=True)
class RunRecord:
    """What a study needs of a run.

    Attributes
    ----------
    field
        Its density at the last time; None if the run failed.
    kl
        KL(ρ‖π) then, in nats.
    estimate
        Its own estimate of the relative L2 error, NaN without one.
    cut_off
        Share of the mass of π or ρ₀ beyond the box.
    seconds
        Wall time of the solve.
    ranks
        Ranks that shared it.
    failure
        Why it failed; empty if it did not.
    """

    field: Field | None
    kl: float
    estimate: float
    cut_off: float
    unknowns: int
    seconds: float
    ranks: int
    failure: str = ""

    def arrays(self) -> dict[str, Any]:
        """As named arrays, for a file."""
        assert self.field is not None  # what failed is not kept
        facts = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "field"}
        return {"facts": json.dumps(facts), **self.field.arrays()}

    @classmethod
    def of(cls, arrays: dict[str, Any]) -> RunRecord:
        """From named arrays."""
        facts = json.loads(str(arrays.pop("facts")))
        return cls(field=Field.from_arrays(arrays), **facts)
