"""One run as a row of a table: everything that a log says, but for the names of its places.

Figures are kept as 8 bytes each, so that NaN, infinity and -0.0 come back with the same bits.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.log.facts import RunFacts
from harness.log.run import Read, Run, Series, Skipped

_APART = frozenset({"source", "series", "sha256", "size_bytes", "facts"})
"""Fields of a run that have columns; the others are in `about`."""
_MANY = {"replaced": "series", "skipped": Skipped, "dropped": Skipped, "read": Read}
_TEXTS = ("formats", "notes", "by_order")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """A run of a log. `steps` and `values` (n,) are those of all series, one after another.

    `log` is the name of the log, `run` that of the run, and `stamp` what changes with the log.
    `facts`, `series` and `about` are JSON.
    """

    log: str
    run: str
    stamp: str
    sha256: str
    size_bytes: int
    facts: str
    series: str
    about: str
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    def heads(self) -> list[list[Any]]:
        """Returns name, rank, window, unit and number of records of each series."""
        heads: list[list[Any]] = json.loads(self.series)
        return heads


TEXT_COLUMNS = ("log", "run", "stamp", "sha256", "facts", "series", "about")


def row_of(run: Run, *, log: str, stamp: str) -> Row:
    """Returns a run as a row."""
    empty: list[Any] = [np.zeros(0)]
    return Row(
        log=log,
        run=run.source,
        stamp=stamp,
        sha256=run.sha256,
        size_bytes=run.size_bytes,
        facts=_json(dict(run.facts)),
        series=_json([[s.name, s.rank, s.window, s.unit, len(s)] for s in run.series]),
        about=_json(_about(run)),
        steps=np.concatenate([s.steps for s in run.series] or empty).astype(np.int64),
        values=np.concatenate([s.values for s in run.series] or empty).astype(np.float64),
    )


def run_of(row: Row, *, source: str) -> Run:
    """Returns the run of a row, with the bits that were read from the log.

    Raises:
        ValueError, TypeError, KeyError: the row is damaged.
    """
    series, begun = [], 0
    for name, rank, window, unit, count in row.heads():
        part = slice(begun, begun + count)
        begun += count
        series.append(
            Series(
                name=name,
                rank=rank,
                window=window,
                unit=unit,
                steps=row.steps[part],
                values=row.values[part],
            )
        )
    if begun != len(row.steps):
        msg = f"{row.run} has {len(row.steps)} records, and its series have {begun}"
        raise ValueError(msg)
    about = json.loads(row.about)
    unknown = set(about) - {field.name for field in fields(Run)} - {"lines_of_facts"}
    if unknown:
        msg = f"it has {min(unknown)!r:.40}, which a newer harness wrote. Update the harness."
        raise ValueError(msg)
    facts = RunFacts(values_by_name=json.loads(row.facts), lines=about.pop("lines_of_facts"))
    return Run(
        source=source,
        series=tuple(series),
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        facts=facts,
        **{name: _value(name, plain) for name, plain in about.items()},
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _about(run: Run) -> dict[str, Any]:
    named = [field.name for field in fields(run) if field.name not in _APART]
    plain = {name: _plain(getattr(run, name)) for name in named}
    return {**plain, "lines_of_facts": dict(run.facts.lines)}


def _plain(value: Any) -> Any:
    """Returns a field of a run as JSON has it."""
    if isinstance(value, Series):
        return {
            "name": value.name,
            "rank": value.rank,
            "window": value.window,
            "unit": value.unit,
            "steps": _bytes(value.steps.astype("<i8")),
            "values": _bytes(value.values.astype("<f8")),
        }
    if isinstance(value, Skipped | Read):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _value(name: str, plain: Any) -> Any:
    """Returns a field of a run from its JSON."""
    if name in _TEXTS:
        return tuple(plain)
    if name in _MANY:
        return tuple(_object(_MANY[name], part) for part in plain)
    if plain is None or name not in {"epochs", "unread_end"}:
        return plain
    return _object("series" if name == "epochs" else Skipped, plain)


def _object(kind: Any, plain: Mapping[str, Any]) -> Any:
    if kind != "series":
        return kind(**plain)
    return Series(
        **{
            **plain,
            "steps": np.frombuffer(base64.b64decode(plain["steps"]), "<i8"),
            "values": np.frombuffer(base64.b64decode(plain["values"]), "<f8"),
        }
    )


def _bytes(data: NDArray[Any]) -> str:
    return base64.b64encode(data.tobytes()).decode()


def runs_with(rows: Sequence[Row], names: Sequence[str]) -> tuple[Run, ...]:
    """Returns the runs of rows under these names; see `run_of`."""
    return tuple(run_of(row, source=name) for row, name in zip(rows, names, strict=True))
