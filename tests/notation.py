"""How numbers are written: 1e-09 on the screen, where they can be typed; 10⁻⁹ on pages."""

import re

TYPED = re.compile(r"\b\d+(\.\d+)?e[+-]?\d+\b")
SET = re.compile(r"\b10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]")


def prose(page):
    """What a page shows as text: no scripts, styles, and none of what is quoted as it is."""
    page = re.sub(r"(?s)<(script|style|pre|code|svg)\b.*?</\1>", " ", page)
    return re.sub(r"(?s)<[^>]*>", " ", page)


def is_notation_of_screens(text):
    return not SET.search(text)


def is_notation_of_pages(page):
    return not TYPED.search(prose(page))
