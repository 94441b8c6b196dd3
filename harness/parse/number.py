"""Text, or a value of JSON -> number, as strictly as a log deserves.

`float` reads `1_000`, digits of other scripts and blanks; a log that holds them is damaged. What
`float` does not read but programs print is a thousands separator, `1,234.5`.
"""

from __future__ import annotations

import re

NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
"""A decimal, for use inside larger patterns compiled with `re.ASCII`."""
VALUE = rf"(?:{NUMBER}|[-+]?(?i:nan|inf(?:inity)?)\b)"
"""A decimal, NaN or an infinity."""
MAX_COUNT = 10**12
"""Steps, epochs and ranks beyond it are damage."""

_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?(?:[eE][-+]?\d+)?", re.ASCII)


def number(text: str) -> float | None:
    """The number that a text is, NaN and infinities included; None if it is none.

    >>> number("1.0E+01"), number("1,234.5"), number("-inf"), number("1_000"), number("0.12a")
    (10.0, 1234.5, -inf, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return float(text.replace(",", "")) if _GROUPED.fullmatch(text) else None
    return value if text.isascii() and "_" not in text and text.strip() == text else None


def as_float(value: int | float) -> float:
    """As a float; a whole number too large for one is infinite."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def json_number(value: object) -> float | None:
    """The number that a value of JSON is; None for text, true, false and null.

    >>> json_number(3), json_number(0.5), json_number("3"), json_number(True)
    (3.0, 0.5, None, None)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return as_float(value)
    return None


def json_count(value: object) -> int | None:
    """The step, epoch or rank that a value of JSON is; None for text and what is not whole.

    >>> json_count(12), json_count(-1), json_count(1.0), json_count("12"), json_count(True)
    (12, None, None, None, None)
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def json_counter(value: object) -> int | None:
    """The same, also of a text of digits: programs quote their counters.

    >>> json_counter(12), json_counter("12"), json_counter(True), json_counter("1.0")
    (12, 12, None, None)
    """
    return count(value) if isinstance(value, str) else json_count(value)


def json_epoch(value: object) -> float:
    """The epoch that a value of JSON is; 0 for what is not a finite number from 0 on.

    >>> json_epoch(0.5), json_epoch(float("inf")), json_epoch("3"), json_epoch(None)
    (0.5, 0.0, 0.0, 0.0)
    """
    epoch = json_number(value)
    return epoch if epoch is not None and 0 <= epoch < float("inf") else 0.0


def count(text: str) -> int | None:
    """The step, epoch or rank that a text of digits is; None if it is none or absurdly large.

    >>> count("0012"), count("-1"), count("1e3"), count("9" * 30)
    (12, None, None, None)
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    if len(digits) > 16:
        return None
    value = int(digits or "0")
    return value if value <= MAX_COUNT else None
