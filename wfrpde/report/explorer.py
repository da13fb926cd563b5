"""What a page's explorer draws from: texts, numbers and compressed arrays, as data of the page.

The explorer itself is plain script (``templates/explorer``), one file a view and one for what they
share. A number is written here, with its error, and not there.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.numbers import number, pretty, with_error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from wfrpde.flow.saved import Estimated

CODES = 65534
"""Steps between the lowest and the highest value of a packed array."""


def packed(values: ArrayLike, low: float, high: float) -> dict[str, Any]:
    """Compress an array ``(..., rows, columns)`` for the page.

    A value v becomes the whole number 1 + round((v − low) / step) with step = (high − low)/65534,
    clipped to the range; NaN becomes 0. What is kept is the difference of each number from its
    neighbour along the last two axes, modulo 2¹⁶: all high bytes, then all low bytes, deflated.
    """
    array = np.asarray(values, dtype=float)
    array = array.reshape(-1, *array.shape[-2:])
    step = (high - low) / CODES or 1.0
    with np.errstate(invalid="ignore"):
        scaled = np.clip(np.round((array - low) / step), 0, CODES) + 1
    codes = np.where(np.isnan(array), 0, scaled).astype(np.uint16)
    for axis in (1, 2):
        codes = np.diff(codes, axis=axis, prepend=np.uint16(0))
    planes = (codes >> 8).astype(np.uint8).tobytes() + codes.astype(np.uint8).tobytes()
    data = base64.b64encode(zlib.compress(planes, 9)).decode("ascii")
    return {"shape": list(array.shape), "low": low, "step": step, "data": data}


def coordinates(axis: Array) -> list[float]:
    """Round coordinates to the seven digits that a page needs."""
    return [float(f"{value:.7g}") for value in axis]


def points(
    at: Iterable[float], quantity: Estimated, names: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """Give points of a curve: place, value, error, and both in words."""
    places = list(at)
    words = [time_text(t) for t in places] if names is None else list(names)
    return [
        {
            "x": x,
            "y": float(value),
            "error": float(error),
            "name": name,
            "text": pretty(with_error(float(value), float(error), 7)),
        }
        for x, name, value, error in zip(places, words, quantity.value, quantity.error, strict=True)
    ]


def time_text(t: float) -> str:
    """Write a time as tables do."""
    return pretty(number(float(t), 4, trim=True))


def thinned(curve: Mapping[str, Array], most: int = 400) -> list[list[float]]:
    """Give at most so many points ``[x, y]`` of a curve of many steps, its ends among them."""
    x, y = curve["x"], curve["y"]
    kept = np.unique(np.linspace(0, len(x) - 1, most).round().astype(int)) if len(x) else []
    return [[float(f"{x[i]:.6g}"), float(f"{y[i]:.6g}")] for i in kept]
