"""What can go wrong, as one tree of exceptions.

    HarnessError            anything the user can mend; the command line turns it into exit status 2
    |-- ParseError          a log cannot be read, or says nothing that can be judged
    |-- AlignmentError      two logs have no series, or no step, in common
    |-- PolicyError         a rule, a limit, a fact or a manifest entry that does not exist or fit
    |-- BaselineError       a recorded baseline is missing, damaged, or would be overwritten
    |-- HistoryError        a store of results cannot be opened, read or written
    `-- ExtensionError      an installed package that adds a rule or a format cannot be loaded

Every message says what was found, what was expected and what to do.
"""

from __future__ import annotations

from harness.log.shown import shown

LONGEST = 4000
"""Characters of a message; what a stranger put into it may be longer."""


class HarnessError(Exception):
    """An error whose message a user can act on. `source` and `line` say where, when known.

    As text it is one line without secrets, whatever the names and messages in it hold.
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
    """A rule, limit, fact or manifest entry does not exist or does not fit."""


class BaselineError(HarnessError):
    """A recorded baseline is missing, damaged, or would be overwritten."""


class HistoryError(HarnessError):
    """A store of results over time cannot be opened, read or written."""


class ExtensionError(HarnessError):
    """An installed package that adds a rule or a format cannot be loaded."""
