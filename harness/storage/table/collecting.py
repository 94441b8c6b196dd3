"""Collects logs into a table: reads those that are new or changed, and replaces the table at once.

Parts are written while logs are read, and listed in `collecting.json`, from which a collect that
was stopped goes on. Readers see the table before, until `collected.json` is replaced.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from harness.errors import HarnessError, ParseError
from harness.log.run import place_text
from harness.storage.store_listing import Found
from harness.storage.table.batches import Read, read_logs
from harness.storage.table.engine import polars
from harness.storage.table.folder import Folder, folder_of
from harness.storage.table.manifest import (
    COLLECTED,
    COLLECTING,
    INNER,
    Manifest,
    Part,
    is_ours,
    read_manifest,
    refuse_others,
    write_manifest,
)
from harness.storage.table.parts import (
    MOST_RECORDS,
    MOST_RUNS,
    names_of,
    read_part,
    write_part,
)
from harness.storage.table.rows import Row
from harness.version import tool_version

MOST_SMALL = 8
"""Number of parts of less than half the size from which on they are joined."""


@dataclass(slots=True, kw_only=True)
class Collect:
    """A collect into a folder: the parts so far, and the logs that they hold by their stamps."""

    folder: Folder
    base: str
    parts: list[Part]
    stamps: dict[str, str]
    waiting: list[Row] = field(default_factory=list)
    records: int = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Takes rows, and writes them as a part if they are enough for one."""
        for row in rows:
            self.waiting.append(row)
            self.records += len(row.steps)
        if len(self.waiting) >= MOST_RUNS or self.records >= MOST_RECORDS:
            self.write()

    def write(self) -> None:
        """Writes the waiting rows as a part."""
        if self.waiting:
            self.parts.append(write_part(self.folder, self.waiting))
            self.waiting, self.records = [], 0

    def close(self) -> None:
        """Lets other collects write the table."""
        self.folder.leave()

    def list_parts(self) -> None:
        """Lists the parts so far, from which a later collect goes on."""
        listed = Manifest(parts=tuple(dict.fromkeys(self.parts)), base=self.base)
        write_manifest(self.folder, listed, COLLECTING)


def begin(to: str) -> Collect:
    """Returns a collect into a folder, with what an earlier one collected there. Close it.

    Raises:
        ParseError: polars is not installed, another collect is writing there, the folder cannot be
            read, it holds other files and no table, or its table is damaged.
        HarnessError: the folder cannot be made.
    """
    polars(to)
    folder = folder_of(to)
    folder.claim()
    try:
        return _begun(folder)
    except BaseException:
        folder.leave()
        raise


def _begun(folder: Folder) -> Collect:
    table = read_manifest(folder) or Manifest()
    begun = read_manifest(folder, COLLECTING)
    if not table.seal and begun is None:
        refuse_others(folder)
    parts = list(begun.parts if begun is not None and begun.base == table.seal else table.parts)
    stamps = {log: stamp for part in parts for log, _, stamp in names_of(folder, part)}
    return Collect(folder=folder, base=table.seal, parts=parts, stamps=stamps)


def stamped(logs: Sequence[Found], *, pattern: str | None) -> list[Found]:
    """Returns the logs with stamps that also state the version that reads them, and the format."""
    reader = f"{tool_version()}|{pattern or ''}|"
    return [replace(log, stamp=reader + log.stamp if log.stamp else "") for log in logs]


def to_read(collect: Collect, logs: Sequence[Found]) -> list[Found]:
    """Returns the logs that are not in the table yet, or may have changed since."""
    known = collect.stamps
    return [log for log in logs if not log.stamp or known.get(place_text(log.name)) != log.stamp]


def read_into(
    collect: Collect, logs: Sequence[Found], *, pattern: str | None, workers: int
) -> Generator[Read, None, None]:
    """Yields the logs as they are read, and writes their rows into parts."""
    with closing(read_logs(logs, pattern=pattern, workers=workers)) as stream:
        for read in stream:
            before = len(collect.parts)
            collect.add(read.rows)
            if len(collect.parts) > before:
                collect.list_parts()
            yield read
    collect.write()
    if collect.parts:
        collect.list_parts()


def publish(collect: Collect) -> Manifest:
    """Replaces the table by what was collected, removes the parts of before, and returns it.

    Raises:
        HarnessError: another collect has replaced the table meanwhile, or nothing was collected.
    """
    folder = collect.folder
    try:
        parts = _without_replaced(collect)
    except ParseError:  # the other collect has removed our parts
        _not_replaced(collect)
        raise
    now = _not_replaced(collect)
    if not parts:
        msg = "no log could be read, so there is no table"
        raise HarnessError(msg, source=folder.name)
    if now is None or parts != now.parts:
        now = write_manifest(folder, Manifest(parts=parts, base=""), COLLECTED)
    _clean(folder, now)
    return now


def _not_replaced(collect: Collect) -> Manifest | None:
    """Returns the table as it is now, None if there is none.

    Raises:
        HarnessError: another collect has replaced the table since this one began.
    """
    now = read_manifest(collect.folder)
    if (now.seal if now is not None else "") != collect.base:
        msg = "another collect has replaced this table meanwhile; run this one again"
        raise HarnessError(msg, source=collect.folder.name)
    return now


def _without_replaced(collect: Collect) -> tuple[Part, ...]:
    """Returns parts with the last version of each log; parts with earlier ones are rewritten.

    Small parts, which many small collects leave, are joined.
    """
    parts = list(dict.fromkeys(collect.parts))
    logs = [[name[0] for name in names_of(collect.folder, part)] for part in parts]
    last = {log: number for number, of_part in enumerate(logs) for log in of_part}
    small = [n for n, part in enumerate(parts) if _is_small(part)]
    changed = {n for n, of_part in enumerate(logs) if any(last[log] != n for log in of_part)}
    if len(small) > MOST_SMALL:
        changed.update(small)
    whole = [part for n, part in enumerate(parts) if n not in changed]
    rewritten = Collect(folder=collect.folder, base=collect.base, parts=whole, stamps={})
    for n in sorted(changed):
        rewritten.add(_rows(collect.folder, parts[n], {log for log in logs[n] if last[log] == n}))
    rewritten.write()
    return tuple(rewritten.parts)


def _is_small(part: Part) -> bool:
    return part.runs < MOST_RUNS // 2 and part.records < MOST_RECORDS // 2


def _rows(folder: Folder, part: Part, logs: set[str]) -> Iterator[Row]:
    content = read_part(folder, part)
    rows = (content.row(number) for number in range(len(content)))
    return (row for row in rows if row.log in logs)


def _clean(folder: Folder, table: Manifest) -> None:
    """Removes the files of parts that the table does not list, and the list of the collect.

    Files of other names are somebody else's, and stay.
    """
    listed = {file for part in table.parts for file in (part.runs_file, part.records_file)}
    for inner in INNER:
        for file in folder.files(inner):
            if file not in listed and is_ours(file):
                folder.remove(file)
    folder.remove(COLLECTING)
