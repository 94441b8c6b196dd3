"""The `[port.quarantine]` of an entry in ports.toml."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from harness.comparison.quarantine import MOST_DAYS, Quarantine
from harness.errors import PolicyError

LONGEST = 500
"""Most characters of an owner, an issue or a reason."""


def _words(text: str) -> str:
    if not text.strip():
        msg = "no words"
        raise ValueError(msg)
    return text


def _day(value: object) -> object:
    if type(value) is not date:  # a datetime is a date in Python, and TOML has both
        msg = "not a date"
        raise ValueError(msg)
    return value


Words = Annotated[str, Field(max_length=LONGEST), AfterValidator(_words)]


class QuarantineEntry(BaseModel):
    """Who repairs the port, under which issue, until when, and why it fails. All are required."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    owner: Words
    issue: Words
    until: Annotated[date, BeforeValidator(_day)]
    reason: Words

    def terms(self) -> Quarantine:
        """Returns the terms as a result keeps them."""
        return Quarantine(
            owner=self.owner,
            issue=self.issue,
            until=self.until.isoformat(),
            reason=self.reason,
        )

    def check(self, today: date) -> None:
        """Refuses a date too far ahead.

        Raises:
            PolicyError: the last day is more than 90 days after `today`.
        """
        ahead = (self.until - today).days
        if ahead > MOST_DAYS:
            msg = (
                f"quarantine.until is {self.until}, {ahead} days ahead; expected at most "
                f"{MOST_DAYS} days after {today}. Name an earlier date, and agree on a new one then"
            )
            raise PolicyError(msg)


def of_quarantine(part: str, kind: str, value: object) -> str:
    """Returns the message about a part of a quarantine, or about all of it if `part` is empty."""
    if not part:
        return (
            f"quarantine is {_shown(value)}; expected a table [port.quarantine] with "
            f"{', '.join(QuarantineEntry.model_fields)}"
        )
    if part not in QuarantineEntry.model_fields:
        known = ", ".join(QuarantineEntry.model_fields)
        return f"quarantine has the unknown key {part[:40]!r}; known keys: {known}"
    expected = EXPECTED[part]
    if kind == "missing":
        return f"quarantine lacks {part}; expected {expected}"
    if part == "until" and isinstance(value, str) and _is_day(value):
        return f"quarantine.until is the text {value!r}; write until = {value}, without quotes"
    if part == "until" and isinstance(value, datetime):
        return f"quarantine.until holds a time; write until = {value.date()}, without a time"
    return f"quarantine.{part} is {_shown(value)}; expected {expected}"


EXPECTED = {
    "owner": "a name or a team in quotes",
    "issue": "the URL or the number of an issue, in quotes",
    "until": "a date without quotes, such as until = 2026-01-31",
    "reason": "words in quotes",
}


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
