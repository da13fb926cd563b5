"""Which tests make matrices, or start processes: what another engine may change.

A run with ``--note-engine`` (`make test`) keeps the names of all others in pytest's cache, and one
with ``--by-engine FOLDER`` leaves these out of that folder: no engine has a part in them, and what
other versions of NumPy change is asked by `make test-pip`. Tests that have not been seen are run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from importlib.util import find_spec

import pytest

KEPT = "wfrpde/without-engine"


def add_options(parser: pytest.Parser) -> None:
    parser.addoption("--note-engine", action="store_true", help="keep which tests use an engine")
    parser.addoption("--by-engine", action="append", default=[], metavar="FOLDER",
                     help="leave out of a folder what was noted to use none")  # fmt: skip


class EngineUse:
    """A plugin of pytest, on the controller and on each worker of pytest-xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.uses = self.before = 0
        self.shared: set[tuple[str, str]] = set()
        """Fixtures whose matrices several tests may find."""
        self.seen: dict[str, bool] = {}
        self.passed: set[str] = set()
        # whoever hands tests out to workers runs none, and MPI that starts there would reach them
        if self.notes and not config.getoption("numprocesses", None):
            from wfrpde.engine.petsc.matrix import PetscMatrix

            self.count(PetscMatrix)
            self.count(subprocess.Popen)

    @property
    def notes(self) -> bool:
        """Only where there is PETSc: else it is not known who would use it."""
        return self.config.getoption("note_engine") and find_spec("petsc4py") is not None

    def count(self, kind: type) -> None:
        make = kind.__init__  # type: ignore[misc]

        def counted(*given: object, **named: object) -> None:
            self.uses += 1
            make(*given, **named)

        kind.__init__ = counted  # type: ignore[misc]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef) -> Generator[None, object, object]:
        before = self.uses
        try:
            return (yield)
        finally:
            if self.uses > before and fixturedef.scope != "function":
                self.shared.add((fixturedef.baseid, fixturedef.argname))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self.before = self.uses

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item) -> Generator[None, None, None]:
        found = any(
            name in item.fixturenames and item.nodeid.startswith(base) for base, name in self.shared
        )
        item.user_properties.append(("engine", found or self.uses > self.before))
        yield

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # what was skipped or failed has not been seen to do without
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)
        if report.when == "teardown":
            uses = dict(report.user_properties)["engine"]
            self.seen[report.nodeid] = uses or report.nodeid not in self.passed

    def pytest_sessionfinish(self) -> None:
        if self.notes and not hasattr(self.config, "workerinput"):
            others = set(self.config.cache.get(KEPT, [])) - self.seen.keys()
            others |= {name for name, uses in self.seen.items() if not uses}
            self.config.cache.set(KEPT, sorted(others))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        folders = tuple(f"{folder}/" for folder in self.config.getoption("by_engine"))
        others = set(self.config.cache.get(KEPT, [])) if folders else set()
        left = [i for i in items if i.nodeid.startswith(folders) and i.nodeid in others]
        if left:
            self.config.hook.pytest_deselected(items=left)
            items[:] = [item for item in items if item not in set(left)]
