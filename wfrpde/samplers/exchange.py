"""Arrays that other people's code hands over: their shapes, and how their files are read.

Positions have the shape (T, N, d): saved times, particles, coordinates; with ``layout = "(d, N)"``
(T, d, N). The axis of times may be missing if there is one time, and that of coordinates in one
dimension. Log weights have the shape (T, N). Nothing else is guessed.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.errors import SamplerError
from wfrpde.samplers.ensemble import Ensemble, Trajectory


def shaped_positions(
    name: str, value: Any, times: int, dim: int, layout: str, n: int | None = None
) -> Array:
    """Return positions ``(T, N, d)`` from an array in one of the shapes above.

    Parameters
    ----------
    name
        The sampler that made it.
    times, dim
        T and d.
    layout
        ``"(N, d)"`` or ``"(d, N)"``.
    n
        N, or None if any number will do.

    Raises
    ------
    SamplerError
        If it is no array of real numbers, or has another shape.
    """
    array = real_array(name, value, "positions")
    shape = array.shape
    swapped = layout == "(d, N)"
    if array.ndim == 1 and times == dim == 1:
        array = array[None, :, None]
    elif array.ndim == 2 and dim == 1 and shape[0] == times and 1 not in shape[1:]:
        array = array[:, :, None]
    else:
        if array.ndim == 2 and times == 1:
            array = array[None]
        if array.ndim == 3 and swapped:
            array = np.swapaxes(array, 1, 2)
    good = array.ndim == 3 and array.shape[0] == times and array.shape[2] == dim
    if not good or (n is not None and array.shape[1] != n):
        count = "N" if n is None else str(n)
        inner = f"{dim}, {count}" if swapped else f"{count}, {dim}"
        needed = f"({times}, {inner})" + (f" or ({inner})" if times == 1 else "")
        swaps = not swapped and array.ndim == 3 and array.shape[1] == dim
        fits = swaps and n in (None, array.shape[2])
        hint = '; arrays of shape (d, N) need layout = "(d, N)"' if fits else ""
        raise SamplerError(name, f"positions of shape {shape}; needed {needed}{hint}")
    return array


def real_array(name: str, value: Any, what: str) -> Array:
    """Return an array of real numbers.

    Raises
    ------
    SamplerError
        If it is none.
    """
    try:
        array = np.asarray(value)
    except Exception as error:  # ragged lists, objects with an odd __array__
        raise SamplerError(name, f"{what} that are no array: {error}") from error
    if array.dtype.kind == "O":
        found = f"{what} that are {_kind(value)}"
        raise SamplerError(name, f"{found}; needed an array of real numbers")
    if array.dtype.kind not in "fiu":
        raise SamplerError(name, f"{what} of type {array.dtype}; needed real numbers")
    return array.astype(float)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "an array of objects"
    return "None" if value is None else f"of type {type(value).__name__}"


def to_trajectory(
    name: str,
    positions: Array,
    log_weights: Any,
    times: Array,
    facts: Mapping[str, Any] | None = None,
) -> Trajectory:
    """Return the trajectory of positions ``(T, N, d)`` and log weights ``(T, N)`` or None.

    Raises
    ------
    SamplerError
        If a number is NaN, or the shape of the log weights does not fit.
    """
    shape = positions.shape[:2]
    if log_weights is None:
        weights = np.zeros(shape)
    else:
        weights = real_array(name, log_weights, "log weights")
        if weights.shape == shape[1:] and shape[0] == 1:
            weights = weights[None]
        if weights.shape != shape:
            raise SamplerError(name, f"log weights of shape {weights.shape}; needed {shape}")
    ensembles = []
    for t, x, w in zip(times, positions, weights, strict=True):
        try:
            ensembles.append(Ensemble(x, w))
        except ValueError as error:
            raise SamplerError(name, f"at t = {t:g} {error}") from None
    return Trajectory(times, tuple(ensembles), dict(facts or {}))


def read_arrays(name: str, path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of a ``.npz`` or ``.npy`` file, and refuse pickled objects.

    The array of an ``.npy`` file is called ``positions``.

    Raises
    ------
    SamplerError
        If the file cannot be read, or holds anything but arrays.
    """
    try:
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return {"positions": content}
            return {key: content[key] for key in content.files}
    except OSError as error:
        if error.errno is not None:
            raise SamplerError(name, f"{path}: {error.strerror}") from None
        problem: Exception = error
    except (ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        problem = error
    if "pickle" in str(problem).lower():
        what = "pickled Python objects, which could run code, or no NumPy file at all: refused"
        raise SamplerError(name, f"{path.name} holds {what}") from None
    raise SamplerError(name, f"{path.name} is no .npz or .npy file: {problem}") from None
