"""Everything that a product asks of its operators: rates, the first exit, and growth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wfrpde.case.loading import require_case
from wfrpde.case.stored import Result
from wfrpde.errors import InputError
from wfrpde.operators import FirstExit, ProductGrowth, ProductSpectrum

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case


@dataclass(frozen=True, repr=False)
class ProductStudy(Result):
    """What was found of a product, the same on every rank.

    Attributes
    ----------
    spectrum
        Its rates.
    exit
        With ``spectrum.absorbing``: of the first of the factors.
    growth
        With ``factor.reaction``: of the weights.
    """

    case: Case
    spectrum: ProductSpectrum
    exit: FirstExit | None
    growth: ProductGrowth | None
    ranks: int
    wall_time: float

    @property
    def complete(self) -> bool:
        """Whether everything was answered."""
        return True


def study_product(case: Case, comm: Comm | None = None) -> ProductStudy:
    """Answer all that a product asks of its operators (collective).

    Raises
    ------
    InputError
        If something that was asked for cannot be had.
    """
    from wfrpde.operators import first_exit, product_growth, product_spectrum
    from wfrpde.parallel import world_of

    require_case(case, "spectrum", factored=True)
    comm, began, spec = world_of(comm), time.perf_counter(), case.spectrum
    for key in ("committor", "sets", "tilts", "observe"):
        if getattr(spec, key):
            needed = "it left out: rates, the first exit and growth are known of products"
            raise InputError(f"spectrum.{key}", "it, of a product", needed)
    moves = float(case.flow.alpha) > 0
    grows = moves and any(factor.reaction is not None for factor in case.factor)
    return ProductStudy(
        case=case,
        spectrum=product_spectrum(case, comm),
        exit=first_exit(case, spec.absorbing, comm) if spec.absorbing and moves else None,
        growth=product_growth(case, comm) if grows else None,
        ranks=comm.size,
        wall_time=time.perf_counter() - began,
    )
