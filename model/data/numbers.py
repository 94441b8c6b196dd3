"""Checks of the numbers that a config gives to a transform, when the transform is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def number(name: str, value: Any) -> float:
    """Returns a value as it is. Raises ValueError unless it is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is {value!r}; expected a number")
    return value


def numbers(name: str, value: Any) -> tuple[float, float]:
    """Returns a pair of numbers. Raises ValueError unless it is one."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise ValueError(f"{name} is {value!r}; expected two numbers")
    return number(name, value[0]), number(name, value[1])


def label_pairs(name: str, value: Any) -> tuple[tuple[int, int], ...]:
    """Returns pairs of labels. Raises ValueError unless all are two of 0 to 255, each used once."""
    pairs = [tuple(pair) if isinstance(pair, Sequence) else (pair,) for pair in value]
    labels = [label for pair in pairs for label in pair]
    whole = all(type(label) is int and 0 <= label < 256 for label in labels)
    if not whole or any(len(pair) != 2 for pair in pairs) or len(set(labels)) < len(labels):
        raise ValueError(
            f"{name} is {value!r}; expected pairs of labels from 0 to 255, each label in one pair"
        )
    return tuple((left, right) for left, right in pairs)
