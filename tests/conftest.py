"""What several folders of tests share."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from engine_use import EngineUse, add_options

from wfrpde import errors
from wfrpde.errors import DependencyMissingError, InputError

if TYPE_CHECKING:
    from wfrpde import Solution


os.environ.pop("COLUMNS", None)  # pytest-xdist sets it in its workers, and lines are broken at it

# What is started by nohup, or in the background by a script, ignores these, and so do its children:
# tests send them to themselves and to commands.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


OPTIONAL = {
    *("dolfinx", "basix", "ufl", "petsc4py", "slepc4py", "mpi4py", "meshio", "gmsh"),
    *("pyvista", "vtkmodules", "arviz", "IPython", "sphinx"),
}
"""What pip alone does not bring (`make test-pip`)."""


def _within_the_package(error: BaseException) -> bool:
    """Whether a function of the package imports what is missing: it is to say so, or do without."""
    calls = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen importlib")
    ]
    within = Path(calls[-1].filename).is_relative_to(Path(errors.__file__).parent)
    return within and calls[-1].name != "<module>"


@contextmanager
def skipping() -> Iterator[None]:
    """Skip what needs DOLFINx, PETSc, MPI or an extra where it is not installed."""
    try:
        yield
    except DependencyMissingError as error:
        if importlib.util.find_spec("dolfinx") is not None:
            raise
        pytest.skip(str(error))
    except InputError as error:
        if "for the SciPy engine (since there is no" not in str(error):
            raise
        pytest.skip(str(error))
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in OPTIONAL or _within_the_package(error):
            raise
        pytest.skip(str(error))


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(EngineUse(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take files with slow tests first, so that no worker is left with one of them in the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    size = Counter(item.path for item in items)
    items.sort(key=lambda item: (-slow[item.path], -size[item.path]))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    with skipping():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    with skipping():
        return (yield)


@pytest.fixture(autouse=True)
def nothing_is_known() -> None:
    """No test finds what another one has looked at."""
    from wfrpde.case.posed import forget

    forget()


@pytest.fixture(scope="session")
def solved(tmp_path_factory) -> Callable[[str], Solution]:
    """Solutions of the shipped cases by name, each computed once, also by several workers."""
    import wfrpde

    alone = os.environ.get("PYTEST_XDIST_WORKER") is None
    folder = tmp_path_factory.getbasetemp()

    @cache
    def solve(name: str) -> Solution:
        if alone:
            return wfrpde.solve(wfrpde.load_case(name))
        kept = folder.parent / f"{name}.npz"
        with (folder.parent / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second waits, and reads
            if not kept.exists():
                wfrpde.solve(wfrpde.load_case(name)).save(kept)
        return wfrpde.load_solution(kept)

    return solve


@pytest.fixture
def tensor_grid():
    """Return (dim, cut) -> a ragged box, with some cells cut out."""
    from wfrpde.domain.grid import TensorGrid

    def make(dim, *, cut=True, cells=4, low=-1.0, high=2.0):
        spread = np.linspace(0.0, 1.0, cells + 1)
        spread = spread + 0.15 * spread * (1 - spread)  # unequal cells
        breaks = tuple(low + (high - low + 0.3 * k) * spread for k in range(dim))
        active = np.ones([cells] * dim, dtype=bool)
        if cut and dim > 1:
            active[0, 0] = False
            active[-1, -1] = False
        return TensorGrid(breaks, active)

    return make


@pytest.fixture
def nodes_of(tensor_grid):
    """Return (kind, dim, degree) -> nodes of a tensor or simplex grid on this process alone."""
    from wfrpde.discretisation.nodes import make_nodes
    from wfrpde.domain.grid import simplices_of_box
    from wfrpde.parallel.mpi import MPI

    def make(kind, dim, degree=1, **options):
        grid = tensor_grid(dim, **options)
        return make_nodes(
            MPI.COMM_SELF, simplices_of_box(grid) if kind == "simplex" else grid, degree
        )

    return make


@pytest.fixture
def dense():
    """Return (nodes, triplets) -> dense matrix in the local order of the nodes."""

    def make(nodes, triplets):
        matrix = np.zeros((len(nodes.points), len(nodes.points)))
        np.add.at(matrix, (triplets.row, triplets.column), triplets.value)
        return matrix

    return make
