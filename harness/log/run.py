"""The content of one log: its series, its facts, and the lines that could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.extras import require
from harness.log.facts import RunFacts
from harness.log.published import Published
from harness.log.shown import printable, shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One logged quantity of one rank. `steps` and `values` have shape (n,); steps rise strictly.

    A value is the mean over the last `window` steps, its own included: 1 for a per-step loss, 10
    for the loss that mmengine prints. Values may be NaN or infinite, because logs contain those.
    """

    name: str
    rank: int
    window: int = 1
    unit: str = ""
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        steps, values = _owned(self.steps, np.int64), _owned(self.values, np.float64)
        if steps.ndim != 1 or steps.shape != values.shape:
            msg = f"{self.key}: steps {steps.shape} and values {values.shape} must be (n,)"
            raise ValueError(msg)
        if self.window < 1 or (steps.size > 1 and not (steps[1:] > steps[:-1]).all()):
            msg = f"{self.key}: steps must rise strictly and the window be at least 1"
            raise ValueError(msg)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "unit", printable(self.unit))

    @property
    def key(self) -> str:
        """The name with its window: `loss`, or `loss@10`."""
        return self.name if self.window == 1 else f"{self.name}@{self.window}"

    def __len__(self) -> int:
        return int(self.steps.size)


def _owned(data: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """Returns the array itself if it is read-only, otherwise a read-only copy."""
    if isinstance(data, np.ndarray) and data.dtype == kind and not data.flags.writeable:
        return data
    copy = np.array(data, dtype=kind)
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A line that looked like a record but is not, with the reason, as printable text."""

    line: int
    text: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))
        object.__setattr__(self, "reason", printable(self.reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The part of a log that one format took.

    `place` counts the formats from 1 in the order of asking. `records` is 0 where a format states
    facts only.
    """

    format: str
    place: int
    first_line: int
    last_line: int
    records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """The content of one log. `sha256` and `size_bytes` describe the stored file.

    `replaced` holds records that later records replaced, because a resumed run logged their steps
    again or an attempt was restarted. It keeps the earliest record of each such step, NaN included.
    `by_order` names the series whose records were numbered in order, because the log states no
    step; two such logs align only if they print at the same interval. `epochs` holds the epochs
    that such a log states, at the steps of its records; None if it states none. `unread_end` is
    the last line that looked like a record but is not; None if a record follows it. `read` holds
    the part of each format, in the order of asking; it is empty for a recording. `dropped_count`
    lines behind the first record state figures in no known form; `dropped` holds the first ones.
    `unfinished` says why the run may not be whole, if a tracker knows that it did not finish.
    `published` is set for a run that is known by its published figures only; it has no log.

    All texts are printable. `source` and `notes` contain no user, password or query value of a URL.
    """

    source: str
    series: tuple[Series, ...]
    replaced: tuple[Series, ...] = ()
    facts: RunFacts = field(default_factory=RunFacts)
    formats: tuple[str, ...] = ()
    lines: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    sha256: str = ""
    size_bytes: int = 0
    by_order: tuple[str, ...] = ()
    epochs: Series | None = None
    unread_end: Skipped | None = None
    read: tuple[Read, ...] = ()
    dropped: tuple[Skipped, ...] = ()
    dropped_count: int = 0
    unfinished: str = ""
    published: Published | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", place_text(self.source))
        object.__setattr__(self, "notes", tuple(map(printable, self.notes)))
        object.__setattr__(self, "unfinished", printable(self.unfinished))
        object.__setattr__(self, "by_order", tuple(map(printable, self.by_order)))

    def find(self, name: str, rank: int) -> tuple[Series, ...]:
        """Returns the series of this name and rank, the narrowest window first."""
        named = [s for s in self.series if s.name == name and s.rank == rank]
        return tuple(sorted(named, key=lambda s: s.window))

    @property
    def ranks(self) -> tuple[int, ...]:
        """The ranks that logged anything, in order."""
        return tuple(sorted({s.rank for s in self.series}))

    def frame(self) -> pd.DataFrame:
        """Returns all records as a tidy table with columns rank, step, name, value.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        require("pandas", "a table of the records")
        import pandas as pd  # noqa: PLC0415  (an extra; takes 0.5 s, and no command needs it)

        parts = [
            pd.DataFrame({"rank": s.rank, "step": s.steps, "name": s.key, "value": s.values})
            for s in self.series
        ]
        columns = ["rank", "step", "name", "value"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def place_text(place: str) -> str:
    """Returns a path or a URL as printable text without secrets."""
    return shown(place) if "://" in place else printable(place)


def same_series(a: Iterable[Series], b: Iterable[Series]) -> bool:
    """Returns whether two sets of series hold the same records, bit for bit (NaN equals NaN)."""
    left = {(s.key, s.rank): s for s in a}
    right = {(s.key, s.rank): s for s in b}
    return left.keys() == right.keys() and all(
        np.array_equal(s.steps, right[k].steps) and s.values.tobytes() == right[k].values.tobytes()
        for k, s in left.items()
    )
