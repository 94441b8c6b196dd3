"""What passes between the reading loop and the formats: a line of the log, and a record's place."""

from __future__ import annotations

from typing import NamedTuple

from harness.parse.tokens import respelled, unwrapped


class Line(NamedTuple):
    """One line of a log, with its line end; only a last line that was cut off has none.

    `number` counts from 1. `raw` is the line as written, `spelled` has `2.5` for `tensor(2.5)`, and
    `text` also has `nan` for `nan(ind)` and `1.#QNAN`. Mostly all three are the same string.
    """

    number: int
    text: str
    spelled: str
    raw: str

    @classmethod
    def of(cls, number: int, text: str) -> Line:
        """Returns a line without any such spelling."""
        return cls(number, text, text, text)

    @classmethod
    def respelled(cls, number: int, raw: str, odd: list[str]) -> Line:
        """Returns a line as written with its other spellings; adds to `odd` what is not finite."""
        if "(" not in raw and ".#" not in raw:
            return cls(number, raw, raw, raw)
        spelled = unwrapped(raw, odd)
        return cls(number, respelled(spelled, odd), spelled, raw)

    @property
    def whole(self) -> bool:
        """Whether the line has its end: otherwise its last value may be cut off as well."""
        return self.text.endswith("\n")


class Place(NamedTuple):
    """Where a record belongs.

    `iteration` counts as the log does, within the epoch or over the run. `total` is where the log
    says that the counter ends, 0 if it does not. `window` is the number of steps that the values
    are means of. `after_last` marks a record without a step, such as a validation: it belongs to
    the last step that the log has shown, or to `iteration` if that is later.
    """

    iteration: int
    rank: int = 0
    epoch: float = 0.0
    total: int = 0
    window: int = 1
    after_last: bool = False


Fields = list[tuple[str, float]]
"""Names and values in the order of a line."""


def records_of(fields: Fields) -> list[dict[str, float]]:
    """Returns the records that a line states: a name that comes again begins another record.

    >>> records_of([("loss", 2.0), ("lr", 0.1), ("loss", 1.5)])
    [{'loss': 2.0, 'lr': 0.1}, {'loss': 1.5}]
    """
    values = dict(fields)
    if len(values) == len(fields):
        return [values] if fields else []
    records: list[dict[str, float]] = [{}]
    for name, value in fields:
        if name in records[-1]:
            records.append({})
        records[-1][name] = value
    return records
