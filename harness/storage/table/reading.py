"""Reads runs from a collected table: `TABLE`, or `TABLE#RUN` for some of its runs.

RUN is the name of a log or of a run, the end of such a name from a folder on, or a pattern.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from harness.errors import ParseError
from harness.log.run import Run
from harness.log.wording import counted
from harness.storage.store_listing import matches
from harness.storage.table.folder import folder_of
from harness.storage.table.manifest import (
    COLLECTING,
    Manifest,
    Part,
    read_manifest,
)
from harness.storage.table.names import MARK
from harness.storage.table.parts import kept_part, names_of
from harness.storage.table.rows import run_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A row of a table: its part, its place in it, and the names of its log and run."""

    part: Part
    number: int
    log: str
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """The rows of a table, in the order of their logs, and by the names of logs and runs."""

    places: tuple[Place, ...]
    by_name: dict[str, list[Place]] = field(default_factory=dict)
    by_end: dict[str, list[Place]] = field(default_factory=dict)


def read_table(table: str, selection: str) -> tuple[Run, ...]:
    """Returns the runs of a table, or those that `selection` names.

    The order is that in which a folder or a pattern gives the logs.

    Raises:
        ParseError: the table is unfinished or damaged, or has no such run, or polars is not
            installed.
    """
    manifest = _finished(table)
    while True:
        try:
            return tuple(_runs(table, manifest, selection))
        except ParseError:
            latest = _finished(table)
            if latest.seal == manifest.seal:
                raise
            manifest = latest  # the table was replaced while it was read


def _finished(table: str) -> Manifest:
    folder = folder_of(table)
    manifest = read_manifest(folder)
    if manifest is not None and manifest.parts:
        return manifest
    if manifest is None and folder.read(COLLECTING) is not None:
        msg = (
            "a table whose collect is not finished; continue it with the same "
            "`harness collect ... --to` command"
        )
    else:
        msg = "not a table, or an empty one; expected the folder of `harness collect ... --to`"
    raise ParseError(msg, source=table)


def _runs(table: str, manifest: Manifest, selection: str) -> Iterator[Run]:
    index = _index(table, manifest)
    places = _selected(index, selection, table) if selection else index.places
    for place in places:
        row = kept_part(table, place.part).row(place.number)
        try:
            yield run_of(row, source=f"{table}{MARK}{row.run}")
        except (ValueError, TypeError, KeyError) as error:
            msg = f"its row of {row.run:.200} cannot be read: {str(error)[:200]}"
            raise ParseError(msg, source=table) from error


@lru_cache(maxsize=4)
def _index(table: str, manifest: Manifest) -> _Index:
    folder = folder_of(table)
    places = [
        Place(part=part, number=number, log=log, run=run)
        for part in manifest.parts
        for number, (log, run, _) in enumerate(names_of(folder, part))
    ]
    index = _Index(places=tuple(sorted(places, key=_in_folder)))
    for place in index.places:
        for name in dict.fromkeys((place.log, place.run)):
            index.by_name.setdefault(name, []).append(place)
            index.by_end.setdefault(name.rpartition("/")[2], []).append(place)
    return index


def _in_folder(place: Place) -> tuple[int, list[str]]:
    """Returns the key by which a folder orders logs: perturbed runs are last, by their number."""
    parts = place.log.split("/")
    number = parts[-2].removeprefix("perturbed_") if len(parts) > 1 else ""
    perturbed = number.isdecimal() and parts[-2] != number
    return int(number) + 1 if perturbed else 0, parts


def _selected(index: _Index, selection: str, table: str) -> Sequence[Place]:
    """Returns the rows that a selection names.

    Raises:
        ParseError: no log, or more than one, has a name that ends so.
    """
    if selection in index.by_name:
        return index.by_name[selection]
    end = f"/{selection.lstrip('/')}"
    alike = index.by_end.get(selection.rpartition("/")[2], [])
    ending = [place for place in alike if place.log.endswith(end) or place.run.endswith(end)]
    if ending:
        logs = list(dict.fromkeys(place.log for place in ending))
        if len(logs) > 1:
            msg = f"{counted(len(logs), 'log')} end in this name, such as {logs[0]} and {logs[1]}"
            raise ParseError(f"{msg}; name more of its path", source=f"{table}{MARK}{selection}")
        return ending
    pattern = selection.split("/")
    # `filter` compiles the pattern once, and leaves few of 100,000 names to look at as a whole
    last = index.by_end if pattern[-1] == "**" else fnmatch.filter(index.by_end, pattern[-1])
    matching = {
        place
        for end in last
        for place in index.by_end[end]
        if any(_ends_like(name.split("/"), pattern) for name in {place.log, place.run})
    }
    if matching:
        return sorted(matching, key=lambda place: (place.log, place.number))
    first = index.places[0].log
    msg = f"no such run among {len(index.places)}; the table has logs such as {first}"
    raise ParseError(msg, source=f"{table}{MARK}{selection}")


def _ends_like(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Returns whether the parts of a name, from some folder on, match those of a pattern."""
    return any(matches(name[begun:], pattern) for begun in range(len(name)))
