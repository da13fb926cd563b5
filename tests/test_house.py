"""The rooms of the house: nothing imports upward, and few modules know other libraries."""

import ast
import sys
from functools import cache
from pathlib import Path

import wfrpde

HOUSE = Path(wfrpde.__file__).parent
FLOORS = [
    *(
        "arrays",
        "errors",
        "_compat",
        "numbers",
        "views",
        "parallel",
        "fields",
        "targets",
        "starts",
        "equation",
        "noising",
    ),
    *("samplers", "domain", "case", "engine", "discretisation", "flow", "operators"),
    *("comparison", "studies", "report", "commands", "__main__"),
]
"""From the bottom up: a room imports from those before it."""


KNOWN_TO = {
    "sympy": ("fields", "targets", "starts"),
    "pydantic": ("fields", "targets", "starts", "noising", "samplers", "case"),
    "matplotlib": ("report", "views"),
    "jinja2": ("report",),
    "vtkmodules": ("report",),
    "pyvista": ("report",),
    "rich": ("parallel",),
    "IPython": ("parallel",),
    **dict.fromkeys(("petsc4py", "slepc4py"), ("engine",)),
    **dict.fromkeys(("dolfinx", "basix", "ufl", "ffcx"), ("_compat", "engine", "domain")),
    "jax": ("targets", "samplers"),
    "torch": ("targets",),
}
"""The rooms that import a library: another may take its place there."""


@cache
def imports():
    """(room, module, what it imports) of every import of the package, also within functions."""
    found = []
    for path in HOUSE.rglob("*.py"):
        room = path.relative_to(HOUSE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                whole = node.module == "wfrpde"
                names = [f"wfrpde.{a.name}" if whole else node.module for a in node.names]
            found += [(room, path, name) for name in names]
    return found


def test_nothing_imports_upward():
    for room, path, name in imports():
        if name.startswith("wfrpde.") and room != "__init__":
            other = name.split(".")[1]
            assert other not in FLOORS or FLOORS.index(other) <= FLOORS.index(room), (path, name)


def test_who_knows_which_library():
    everywhere = {"wfrpde", "numpy", "scipy", "mpi4py", *sys.stdlib_module_names}
    for room, path, name in imports():
        library = name.split(".")[0]
        if library not in everywhere:
            assert room in KNOWN_TO.get(library, ()), (path, name)


def test_mpi_is_asked_for_in_one_place():
    """`parallel.mpi` has what a single process needs without mpi4py."""
    for _, path, name in imports():
        where = path.relative_to(HOUSE).as_posix()
        assert name != "mpi4py" or where == "parallel/mpi.py" or where.startswith("engine/petsc/")


def test_the_root_is_small():
    assert len(list(HOUSE.glob("*.py"))) <= 10


def test_no_two_modules_of_tests_have_one_name():
    """They would meet in one worker, which refuses the second."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py")]
    shared = {name for name in names if names.count(name) > 1}
    assert shared <= {"conftest.py"}
