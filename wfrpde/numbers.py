"""Numbers as people write them: rounded where their error says that digits stop to mean anything.

``0.31000024`` known to ``1e-6`` is written ``0.310000 ± 1e-06``: the last digit shown stands where
the first digit of the error stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

Polish = Callable[[str], str]
"""What is done to each number of a table: `str` for the screen, `pretty` for a page."""

MISSING = "–"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _exponent(value: float) -> int:
    """Return the decimal exponent of a finite, non-zero number."""
    # Fifteen digits: with seventeen, 1e-6 would read 9.9999999999999995e-7.
    return int(f"{abs(value):.14e}".split("e")[1])


def number(
    value: float | None, digits: int = 4, *, trim: bool = False, scientific: bool = False
) -> str:
    """Format a number with a fixed count of significant digits.

    Parameters
    ----------
    value
        The number; ``None`` and NaN give a dash.
    digits
        Significant digits.
    trim
        Leave out zeros at the end: ``0.5`` for ``0.500``.
    scientific
        Whether to write every number but 0 in scientific notation.

    Returns
    -------
    str
        Positional notation for ``1e-3 <= |value| < 1e5``, scientific otherwise.
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = _exponent(rounded)
    if -3 <= exponent < 5 and not scientific:
        text = f"{rounded:.{max(digits - 1 - exponent, 0)}f}"
        return text.rstrip("0").rstrip(".") if trim and "." in text else text
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    if trim and "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{power}"


def with_error(
    value: float | None,
    error: float | None,
    max_digits: int = 9,
    *,
    scientific: tuple[bool, bool] = (False, False),
) -> str:
    """Format ``value ± error`` so that both end at the same decimal place.

    Parameters
    ----------
    value, error
        The number and the estimate of its error. Without an estimate (``None``, NaN) the value is
        given to four digits and no error is invented; so it is, with that, if nothing bounds it.
    max_digits
        Upper bound on the significant digits of the value, however small the error.
    scientific
        Whether to write every value, and every error, in scientific notation.

    Returns
    -------
    str
        For example ``1.2340e-05 ± 2e-09``.
    """
    if value is None or math.isnan(value):
        return MISSING
    if error is None or not math.isfinite(error) or not math.isfinite(value):
        shown = number(value, scientific=scientific[0])
        bounded = error is None or not math.isinf(error)
        return shown if bounded or not math.isfinite(value) else f"{shown} ± inf"
    error = abs(error)
    if error == 0:
        shown = number(value, max_digits, scientific=scientific[0])
        return f"{shown} ± 0" if value else "0 ± 0"
    error = float(f"{error:.0e}")
    last = _exponent(error)
    if value == 0 or _exponent(value) < last:
        # Not one digit of the value is certain: its order of magnitude is all there is to say.
        shown = number(value, 1, scientific=scientific[0])
        return f"{shown} ± {number(error, 1, scientific=scientific[1])}"
    # Rounding may carry into a new leading digit, as from 0.9996 to 1.000.
    rounded = float(f"{value:.{_exponent(value) - last}e}")
    digits = min(_exponent(rounded) - last + 1, max_digits)
    shown = number(rounded, digits, scientific=scientific[0])
    return f"{shown} ± {number(error, 1, scientific=scientific[1])}"


def column(
    values: Iterable[float], errors: Iterable[float] | None = None, digits: int = 4
) -> list[str]:
    """Format the numbers of one column of a table alike.

    Parameters
    ----------
    values
        The numbers.
    errors
        Estimates of their errors, as for `with_error`; ``None`` for numbers without any.
    digits
        Significant digits; with errors the most that are shown.

    Returns
    -------
    list of str
        All in positional notation, or, where one of them is too small or too large for that, all
        in scientific notation; errors likewise.
    """
    values = [float(value) for value in values]
    if errors is None:
        exponents = [_exponent(v) for v in values if v and math.isfinite(v)]
        decimals = max((digits - 1 - exponent for exponent in exponents), default=0)
        apart = exponents and max(exponents) - min(exponents) > 3
        if apart or any(_is_scientific(number(value, digits)) for value in values):
            return [number(value, digits, scientific=True) for value in values]
        return [
            f"{v:.{max(decimals, 0)}f}" if v and math.isfinite(v) else number(v) for v in values
        ]
    errors = [float(error) for error in errors]
    cells = [with_error(*pair, digits).split(" ± ") for pair in zip(values, errors, strict=True)]
    scientific = (
        any(_is_scientific(cell[0]) for cell in cells),
        any(_is_scientific(error) for cell in cells for error in cell[1:]),
    )
    return [
        with_error(*pair, digits, scientific=scientific)
        for pair in zip(values, errors, strict=True)
    ]


def _is_scientific(text: str) -> bool:
    return "e" in text


def shortened(text: str, longest: int = 200) -> str:
    """Cut a description that is longer than anyone reads, and say so by an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def pretty(text: str) -> str:
    """Rewrite ``1.2e-05`` as ``1.2×10⁻⁵`` and ASCII minus signs as true ones, for reading.

    Screens, files and what Python returns have numbers that can be typed, ``1.2e-05``; pages,
    figures and cards of notebooks have these.

    Parameters
    ----------
    text
        What `number` or `with_error` returned, or a sentence with such numbers.
    """
    return _TYPED.sub(_set, text)


_TYPED = re.compile(r"(?<![\w.^-])(-?)(\d+(?:\.\d+)?|inf)(?:e([+-]?\d+))?\b")
"""Sign, mantissa and exponent of a number within a text."""


def _set(found: re.Match[str]) -> str:
    sign, mantissa, exponent = found.groups()
    if exponent is not None:
        power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
        mantissa = power if mantissa == "1" else f"{mantissa}×{power}"
    return "−" * bool(sign) + mantissa


def duration(seconds: float) -> str:
    """Wall time in words: ``0.42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 100:
        return f"{number(seconds, 2 if seconds < 10 else 3)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
