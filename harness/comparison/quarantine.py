"""The quarantine of a port: until a date, its failure is reported but fails no check.

The date of a check comes from the caller; nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from harness.log.wording import counted
from harness.rules import Verdict

NEAR_DAYS = 7
"""Days before the end of a quarantine from which on every check mentions the end."""
MOST_DAYS = 90
"""Longest time ahead for which a quarantine may be declared, about a quarter of a year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """The terms of a quarantine, and the day of the check.

    `until` is the last day of the quarantine, `checked` the day of the check in UTC; both are
    YYYY-MM-DD. `checked` is empty until the check is dated, and the quarantine then has no effect.
    """

    owner: str
    issue: str
    until: str
    reason: str
    checked: str = ""

    @property
    def days_left(self) -> int:
        """The days from the check to the last day; negative after it."""
        return (date.fromisoformat(self.until) - date.fromisoformat(self.checked)).days

    @property
    def active(self) -> bool:
        """Whether a failure is excused on the day of the check."""
        return bool(self.checked) and self.days_left >= 0

    @property
    def near(self) -> bool:
        """Whether the quarantine is active and ends within a week."""
        return self.active and self.days_left <= NEAR_DAYS

    @classmethod
    def from_entry(cls, entry: Any) -> Quarantine:
        """Returns the quarantine that `dataclasses.asdict` made into plain data.

        Raises:
            ValueError, TypeError, KeyError: the entry is not a quarantine.
        """
        texts = {name: entry[name] for name in ("owner", "issue", "until", "reason", "checked")}
        if not all(isinstance(text, str) for text in texts.values()):
            msg = "a field of the quarantine is not text"
            raise ValueError(msg)
        for name in ("until", "checked"):
            if texts[name]:
                date.fromisoformat(texts[name])
        return cls(**texts)


def sentence(quarantine: Quarantine, verdict: str) -> str:
    """Returns what the quarantine means for a port with this verdict; empty before it is dated."""
    if not quarantine.checked:
        return ""
    return "; ".join(_parts(quarantine, verdict))


def _parts(quarantine: Quarantine, verdict: str) -> Iterator[str]:
    whose = f"by {_line(quarantine.owner)} ({_line(quarantine.issue)})"
    if verdict == Verdict.PASS:
        yield (
            f"passes, so its quarantine until {quarantine.until} {whose} hides nothing: remove "
            "the quarantine from the entry"
        )
        return
    if not quarantine.active:
        yield (
            f"its quarantine {whose} expired {counted(-quarantine.days_left, 'day')} ago, on "
            f"{quarantine.until}: repair the port, or agree on a new date"
        )
        return
    yield f"quarantined until {quarantine.until} {whose}: {_line(quarantine.reason)}"
    if quarantine.near:
        yield f"it ends {_when(quarantine.days_left)}, and then the port decides the exit status"


def _when(days: int) -> str:
    return f"in {counted(days, 'day')}" if days else "today"


def _line(text: str) -> str:
    return " ".join(text.split())
