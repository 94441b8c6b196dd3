"""The ranges of the parameters of rules, and the error for a value outside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from harness.errors import PolicyError
from harness.rules.equivalence import MARGINS

PRESETS: Mapping[tuple[str, str], Mapping[str, float]] = MappingProxyType(
    {("equivalence", "margin"): MARGINS}
)
"""Parameters that accept the name of a convention: `equivalence:margin=strict`."""
DEVIATIONS = frozenset({"margin", "rtol", "detect"})
"""Parameters that are relative differences. A value above 0.5 is probably meant as percent."""
LARGEST_DEVIATION = 0.5
SHARES = frozenset({"outside", "resolution"})
"""Parameters that are fractions from 0 to 1."""
PROBABILITIES = frozenset({"level", "confidence"})
"""Parameters between 0 and 1."""
LIMITS = frozenset({"at_least", "at_most", "change_at_least", "change_at_most"})
"""Parameters that are any finite number, because a figure may be negative."""
CHANGES = frozenset({"change_at_least", "change_at_most"})
"""Limits that are relative differences and may be written in percent."""
WHOLE: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "window": (2, 1_000_000),
        "permutations": (1, 1_000_000),
        "seed": (1, 2**32 - 1),
        "runs": (1, 10_000),
    }
)
"""Parameters that are whole numbers, each with its smallest and largest value."""


def checked(rule: str, key: str, value: object, *, whole: bool) -> float:
    """Returns the value of a parameter as a number in its range.

    Raises:
        PolicyError: the value is not a number, or outside its range.
    """
    names = PRESETS.get((rule, key), {})
    number = _number(names.get(str(value), value), percent=not whole and key in _fractions())
    low, high = WHOLE.get(key, (1, 2**53)) if whole else (0, math.inf)
    if whole:
        expected = f"a whole number from {low} to {high}"
        fits = low <= number <= high and number.is_integer()
    elif key in DEVIATIONS:
        expected = f"a fraction from 0 to {LARGEST_DEVIATION}"
        fits = 0 <= number <= LARGEST_DEVIATION
    elif key in SHARES:
        expected = "a fraction from 0 to 1"
        fits = 0 <= number <= 1
    elif key in PROBABILITIES:
        expected = "a number between 0 and 1"
        fits = 0 < number < 1
    elif key in LIMITS:
        expected = "a finite number"
        fits = math.isfinite(number)
    else:
        expected = "a finite number of at least 0"
        fits = 0 <= number < math.inf
    if not fits:
        expected += f", or one of: {', '.join(names)}" if names else ""
        expected += _meant(number) if key in DEVIATIONS | SHARES else ""
        msg = f"parameter {key!r} of rule {rule!r} is {value!r:.60}; expected {expected}"
        raise PolicyError(msg)
    return int(number) if whole else number


def _fractions() -> frozenset[str]:
    return DEVIATIONS | SHARES | PROBABILITIES | CHANGES


def _meant(number: float) -> str:
    """Returns how to write a value that was meant as percent; empty if it cannot be percent."""
    if not 1 <= number <= 100:
        return ""
    percent = Decimal(repr(number)).normalize()
    return f"; for {percent:f} % write {percent:f}% or {percent / 100:f}"


def _number(value: object, *, percent: bool) -> float:
    """Returns a value or its text as a number, `2%` as 0.02; NaN if it is not a number."""
    if isinstance(value, bool):
        return math.nan
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    try:
        if percent and text.endswith("%"):
            return float(Decimal(text[:-1].strip()) / 100)
        return float(text)
    except (ValueError, ArithmeticError):
        return math.nan
