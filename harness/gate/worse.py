"""The direction in which a figure gets worse. The options name it, so nothing heavy is imported."""

from __future__ import annotations

from enum import StrEnum


class Worse(StrEnum):
    """The direction in which a figure gets worse."""

    LOWER = "lower"
    HIGHER = "higher"
    BOTH = "both"

    @property
    def sides(self) -> int:
        """The number of limits."""
        return 2 if self is Worse.BOTH else 1
