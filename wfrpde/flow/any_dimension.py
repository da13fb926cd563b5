"""`solve_apart`: flows that are not solved on one mesh, of products and of chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wfrpde.case.case import Case
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.product.solution import ProductSolution
from wfrpde.parallel import OnStop, Progress

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


def solve_apart(
    case: Case,
    comm: Comm | None = None,
    observer: Callable[[Progress], None] | None = None,
    *,
    on_stop: OnStop = "raise",
) -> ProductSolution | ChainSolution:
    """Do what `wfrpde.solve` does for cases that `Case.is_factored` tells (collective)."""
    if case.target.is_chain:
        from wfrpde.flow.chain.solve import solve_chain

        return solve_chain(case, comm, observer, on_stop=on_stop)
    from wfrpde.flow.product.solve import solve_product

    return solve_product(case, comm, observer, on_stop=on_stop)
