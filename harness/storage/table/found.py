"""Lists the logs to collect, each with a stamp that changes when its content does."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.errors import HarnessError, ParseError
from harness.log.run import place_text
from harness.storage.listing import expand
from harness.storage.places import STDIN, place_of
from harness.storage.store_listing import Found, found_in_store, stamped
from harness.storage.stores import IN_FLIGHT
from harness.storage.table.names import table_of
from harness.trackers.event_files import event_files

MOST_LOGS = 1_000_000
"""Most logs that one name may give to a collect."""


def logs_of(specs: Iterable[str]) -> list[Found]:
    """Returns the logs that paths, globs, folders and URLs name, each once.

    Raises:
        ParseError: a name gives no log; standard input; or two logs would have the same name
            in the table.
    """
    logs: dict[str, Found] = {}
    for spec in specs:
        if place_of(spec).kind == "stdin":
            msg = "standard input has no name to collect it under; name a file"
            raise ParseError(msg, source=STDIN)
        for found in _found(spec):
            known = logs.setdefault(place_text(found.name), found)
            if known.name != found.name:
                msg = (
                    "two URLs differ in their user, password or query only, which are not "
                    "stored; collect them into two tables"
                )
                raise ParseError(msg, source=found.name)
    return _all_stamped(list(logs.values()))


def _all_stamped(logs: list[Found]) -> list[Found]:
    """Returns the logs with the stamps of objects that were named one by one."""

    def stamp(found: Found) -> Found:
        try:
            return stamped(found.name)
        except HarnessError:
            return found  # reading it reports the error

    bare = [n for n, f in enumerate(logs) if not f.stamp and place_of(f.name).kind == "store"]
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for number, found in zip(bare, pool.map(stamp, [logs[n] for n in bare]), strict=True):
            logs[number] = found
    return logs


def _found(spec: str) -> list[Found]:
    if place_of(spec).kind == "store" and table_of(spec) is None:
        return found_in_store(place_of(spec).name, most=MOST_LOGS)
    return [
        _on_disk(name) if place_of(name).kind == "file" else Found(name=name)
        for name in expand(spec, most=MOST_LOGS)
    ]


def _on_disk(name: str) -> Found:
    """Returns a file, or a folder of event files, with sizes and times of the last change."""
    try:
        path = Path(place_of(name).name)
        files = event_files(str(path)) if path.is_dir() else [path]
        stats = [file.stat() for file in files]
    except OSError:
        return Found(name=name)
    stamp = ",".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)
    return Found(name=name, stamp=stamp, size_bytes=sum(stat.st_size for stat in stats))
