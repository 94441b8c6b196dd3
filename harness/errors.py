"""The exceptions that a user can act on.

    HarnessError            the base class; the command line turns it into exit status 2
    |-- ParseError          a log cannot be read, or holds nothing that can be judged
    |-- AlignmentError      two logs have no series, or no step, in common
    |-- PolicyError         a rule, parameter, fact or manifest entry does not exist or is invalid
    |-- BaselineError       a recorded baseline is missing, damaged, or would be overwritten
    |-- HistoryError        a store of results cannot be opened, read or written
    `-- ExtensionError      an installed package that adds a rule or a format cannot be loaded

Each message states the actual value, the expected value and the remedy.
"""

from __future__ import annotations

from harness.log.shown import shown

LONGEST = 4000
"""Longest message in characters; names from a log may be longer."""


class HarnessError(Exception):
    """An error whose message a user can act on.

    `source` and `line` name the place, if known. `str()` of the error is one line without control
    characters and secrets.
    """

    def __init__(self, message: str, *, source: str | None = None, line: int | None = None) -> None:
        self.message = message
        self.source = source
        self.line = line
        super().__init__(message)

    def __str__(self) -> str:
        where = [] if self.source is None else [self.source]
        if self.line is not None:
            where.append(str(self.line))
        text = shown(f"{':'.join(where)}: {self.message}" if where else self.message)
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-100:]}"


class ParseError(HarnessError):
    """A log cannot be read, or holds nothing that can be judged."""


class AlignmentError(HarnessError):
    """Two runs have no series, or no step, in common."""


class PolicyError(HarnessError):
    """A rule, parameter, fact or manifest entry does not exist or is invalid."""


class BaselineError(HarnessError):
    """A recorded baseline is missing, damaged, or would be overwritten."""


class HistoryError(HarnessError):
    """A store of results over time cannot be opened, read or written."""


class ExtensionError(HarnessError):
    """An installed package that adds a rule or a format cannot be loaded."""
