"""What is read where a number should stand and does not."""

from __future__ import annotations

from harness.parse.collect import Collector
from harness.parse.number import number
from harness.parse.tokens import instead


def word(name: str, spelled: str, text: str, into: Collector) -> float | None:
    """Returns what a word is read as, and notes it; None for what may be the rest of a number.

    `name` is the series, `text` the line.
    """
    value = instead(spelled)
    if value is not None:
        into.odd(name, spelled, value, text)
    return value


def number_or_word(name: str, spelled: str, text: str, into: Collector) -> float | None:
    """Returns the number that a text is, else what `word` returns."""
    value = number(spelled)
    return word(name, spelled, text, into) if value is None else value
