"""Named exceptions. Each carries the exit code that the command line returns for it."""

from __future__ import annotations

from collections.abc import Iterable


class WfrpdeError(Exception):
    """Base class of every error that wfrpde raises on purpose."""

    exit_code = 1


class InputError(WfrpdeError):
    """What the user gave cannot be used.

    Parameters
    ----------
    where
        The key of the case file (``"target.potential"``), or the file, that is wrong.
    found
        What stands there.
    needed
        What is needed instead.
    do
        What to do next, if it does not follow from ``needed``.
    """

    exit_code = 2

    def __init__(self, where: str, found: str, needed: str, do: str = "") -> None:
        self.where, self.found, self.needed, self.do = where, found, needed, do
        super().__init__(where, found, needed, do)

    def _render_traceback_(self) -> list[str]:
        return one_message(self)

    def at(self, where: str) -> InputError:
        """Return the same complaint about another key."""
        return InputError(where, self.found, self.needed, self.do)

    def __str__(self) -> str:
        text = f"{self.where}: found {self.found}; needed {self.needed}"
        return f"{text}. {self.do}" if self.do else text


class DependencyMissingError(WfrpdeError):
    """A library that this capability needs is not installed."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        return one_message(self)


class SolverError(WfrpdeError):
    """A linear or nonlinear solver, or a time step, failed beyond what retries can mend."""


class AccuracyError(WfrpdeError):
    """The result is known to be worse than what was asked for."""


class SamplerError(WfrpdeError):
    """A sampler raised, returned what cannot be used, or did not end in time.

    Parameters
    ----------
    name
        The sampler.
    what
        What happened.
    """

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        super().__init__(name, what)

    def __str__(self) -> str:
        return f"sampler {self.name}: {self.what}"


def one_message(error: BaseException) -> list[str]:
    """Return what IPython shows in place of a traceback, for what the caller has to mend."""
    return [f"{type(error).__name__}: {error}"]


def place(x: Iterable[float]) -> str:
    """Return how a message names a point."""
    return "(" + ", ".join(f"{value:.4g}" for value in x) + ")"
