"""A case from its file, and what a function says that was given something else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wfrpde.case.case import Case
from wfrpde.case.files import find_case, read_toml
from wfrpde.case.leaves import shortened
from wfrpde.case.overrides import apply_overrides
from wfrpde.errors import InputError


def load_case(
    case: str | Path, overrides: Mapping[str, Any] | None = None, *, start: bool = True
) -> Case:
    """Read a case from its file, or by the name of one that ships with the package.

    Parameters
    ----------
    case
        Path of a TOML file, or the name of a shipped case.
    overrides
        Keys to change before the case is checked, e.g. ``{"flow.beta": 0.0}``.
    start
        Whether an initial density is needed. If not, the uniform density stands in for one that is
        missing, unless ``spectrum.observe`` needs a start; questions about the target do not.

    Raises
    ------
    InputError
        If there is no such file, or if anything in it is wrong; the message names file and key.
    """
    path = find_case(case)
    data = read_toml(path)
    target = data.get("target")
    if isinstance(target, dict) and "python" in target:
        # A target written in Python usually lies next to its case file.
        folder = str(path.resolve().parent)
        if folder not in sys.path:
            sys.path.append(folder)
    data = apply_overrides(data, overrides or {})
    if not (start or _observed(data) or "factor" in data):
        data.setdefault("initial", {"kind": "uniform"})
    try:
        return Case.from_dict(data, path)
    except InputError as error:
        raise error.at(f"{path.name}: {error.where}") from None


def named_code(case: str | Path, overrides: Mapping[str, Any] | None = None) -> list[str]:
    """Return what of Python and programs the file of a case names, as ``key = value``.

    Such code runs with the rights of whoever takes the case, that of a target as soon as it is
    read: a command says so before.

    Raises
    ------
    InputError
        If there is no such file, or none that can be read.
    """
    data = apply_overrides(read_toml(find_case(case)), overrides or {})
    return [f"{key} = {shortened(repr(value))}" for key, value in _code_in(data)]


def _code_in(data: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Find the keys ``python`` and ``command`` of all tables."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key in ("python", "command") and not isinstance(value, Mapping):
                yield f"{where}{key}", value
            yield from _code_in(value, f"{where}{key}.")
    elif isinstance(data, list):
        for k, value in enumerate(data):
            yield from _code_in(value, f"{where.removesuffix('.')}[{k}].")


def _observed(data: Mapping[str, Any]) -> bool:
    asked = data.get("spectrum")
    return isinstance(asked, Mapping) and asked.get("observe") is True


def require_case(case: Any, function: str, *, factored: bool = False, noised: bool = False) -> None:
    """Raise TypeError unless ``function`` was given a case.

    Unless it takes them, one of factors, in more than three dimensions, or with noise for data is
    an `InputError`.
    """
    if not isinstance(case, Case):
        raise TypeError(
            f"{function} needs a Case, not {type(case).__name__}: wfrpde.load_case makes one"
        )
    if case.noising is not None and not noised:
        needed = "a flow towards a target: score-based processes are solved by wfrpde.solve"
        raise InputError("noising", f"a score-based process, in {function}", needed)
    taken = factored and (function in ("solve", "validate") or not case.target.is_chain)
    if case.is_factored and not taken:
        if case.target.is_chain:
            do = "Chains are known to wfrpde.solve and wfrpde.validate, and their commands."
            raise InputError("target.kind", f"'chain', in {function}", "another one", do)
        raise InputError(
            "target",
            f"{case.dim} dimensions of factors, in {function}",
            "one to three dimensions, momenta counted, solved on a mesh",
            "For products and beyond three dimensions there are wfrpde.solve, wfrpde.validate and "
            "wfrpde.operators.product_spectrum, and their commands.",
        )
