"""Losses without a number: which of them are NaN, and which are words of a sentence.

Lines that were read show which text precedes a loss. A word there on a line of the same shape is a
value that is no number; anywhere else it is the next word of a sentence.
"""

from __future__ import annotations

import re
from math import nan

from harness.parse.grammar.figures import Figure
from harness.parse.number import VALUE
from harness.parse.tokens import instead, is_known_word

LEARNED = 200
"""Lines from which the text before a loss is learned."""
BEFORE = 24
"""Characters before a loss that lines of records share, numbers aside."""

_NUMBERS = re.compile(rf"(?<![A-Za-z]){VALUE}", re.ASCII)
_MARKS = re.compile(r"[#\s]+")


class Missing:
    """Learns the shapes of lines with losses, and judges words that replace a number."""

    def __init__(self) -> None:
        self._shapes: set[tuple[str, str]] = set()
        self._lines = 0

    def learn(self, text: str, losses: list[Figure]) -> None:
        """Takes the shape of a line that was read."""
        if self._lines < LEARNED:
            self._lines += 1
            self._shapes |= {_shape(text, loss) for loss in losses}

    def is_value(self, text: str, loss: Figure, *, placed: bool) -> bool:
        """Returns whether a word is the value of a loss; `placed` is whether the line has a step.

        A torn number is no value, but no prose either: it keeps its place among the losses.
        """
        if loss.value is not None or loss.torn:
            return True
        if instead(loss.text) is None:
            return False
        alone = not loss.behind or loss.behind in ",;|)}]-[("
        alike = self.is_alike(text, loss)
        if placed and alike:
            return is_known_word(loss.text) or alone
        surely = is_known_word(loss.text) and loss.stated and alone
        return surely and (alike or (placed and loss.text != ""))

    def is_alike(self, text: str, loss: Figure) -> bool:
        """Returns whether the text before a loss is that of lines with records."""
        return _shape(text, loss) in self._shapes


def value_of(loss: Figure) -> float | None:
    """Returns the number of a loss, or what is read for the word in its place."""
    return loss.value if loss.value is not None or loss.torn else instead(loss.text)


def spelled(loss: Figure) -> float:
    """Returns the value that a word instead of a loss is read as, for a remark."""
    return instead(loss.text) or nan


def _shape(text: str, loss: Figure) -> tuple[str, str]:
    before = text[max(0, loss.start - 3 * BEFORE) : loss.start]
    return loss.name, _MARKS.sub("#", _NUMBERS.sub("#", before))[-BEFORE:]
