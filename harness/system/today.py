"""The day of a check, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from harness.errors import PolicyError

VARIABLE = "HARNESS_DATE"
"""The variable that sets the day: for the jobs of one pipeline, or to repeat an old check.

SOURCE_DATE_EPOCH is not read: build environments set it to 1980, and a quarantine would then
outlive its date.
"""


def today(environ: Mapping[str, str]) -> date:
    """Returns the day in HARNESS_DATE, by default the present day in UTC.

    Raises:
        PolicyError: the variable does not hold a date.
    """
    given = environ.get(VARIABLE, "")
    if not given:
        return datetime.now(UTC).date()
    try:
        day = date.fromisoformat(given)
    except ValueError:
        day = None
    if day is None or day.isoformat() != given:  # fromisoformat also reads 20260131 and 2026-W05-6
        msg = f"{VARIABLE} is {given!r:.40}; expected a date such as 2026-01-31, or no variable"
        raise PolicyError(msg)
    return day
