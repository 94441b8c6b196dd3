"""Which figures measure a training: no times, sizes and speeds, and no repetition of the best."""

from __future__ import annotations

import re

from harness.parse.grammar.figures import Figure

DECIMAL = re.compile(r"\d\.\d|\d[eE][-+]\d|\d\s?%")
"""What a line with a measure has: whole numbers are counters and settings."""
_CHATTER = re.compile(
    r"\b(?:best|sav(?:ed|ing)|checkpoint|ckpt|early.stop\w*|resum\w+|load(?:ed|ing)|warning|eta)\b",
    re.IGNORECASE,
)
_RESOURCE = re.compile(
    r"time|memory|mem|[gmk]i?b|ram|elapsed|duration|seconds|secs?|minutes?|hours?|took|speed|"
    r"throughput|rates?|size|params?|parameters|flops|macs|version|cpu|gpu|util\w*|power|temp\w*|"
    r"allocated|reserved|cached|us(?:ed|age)",
    re.IGNORECASE,
)
"""Parts of the names of times, sizes and speeds."""
_PARTS = re.compile(r"[\W_]+")


def is_chatter(text: str) -> bool:
    """Returns whether a line speaks of files, or repeats the best result so far.

    >>> is_chatter("Saving checkpoint, acc: 0.75"), is_chatter("[EVAL] acc: 0.75")
    (True, False)
    """
    return _CHATTER.search(text) is not None


def is_measure(figure: Figure) -> bool:
    """Returns whether a figure is a decimal that no word calls a time, a size or a speed."""
    if figure.value is None or not DECIMAL.search(figure.text):
        return False
    return not any(map(_RESOURCE.fullmatch, _PARTS.split(figure.name)))
