"""Parses the names of logs: a path, `-` for standard input, a URL, or a run of a tracker.

Other protocols never reach a library: some execute code from the file that they name
(`reference://`), others chain protocols (`zip://`, `a::b`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from harness.errors import ParseError
from harness.trackers.registry import tracker_of

STDIN = "-"
HTTP = ("http", "https")
STORES = ("s3", "gs", "gcs", "az", "abfs", "memory")
"""Object stores that fsspec reads; `memory` is for tests."""
PACKED_SUFFIXES = (".gz", ".xz", ".zst", ".bz2")
LOG_SUFFIXES = (".log", ".txt", ".out", ".json", ".jsonl", ".csv", ".tsv", ".parquet")
"""Endings by which a file in a folder counts as a log, before the suffix of a compression."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a log. `name` is a path, or the whole URL or name, credentials included."""

    kind: Literal["file", "stdin", "http", "store", "tracker"]
    name: str

    @property
    def packed(self) -> str:
        """The suffix of a compressed log, such as `.gz`; empty if not compressed."""
        path = urlsplit(self.name).path if self.kind in {"http", "store"} else self.name
        return next((suffix for suffix in PACKED_SUFFIXES if path.endswith(suffix)), "")


def place_of(spec: str, *, folder: Path | None = None) -> Place:
    """Returns the place that a text names.

    A file in `folder` that has the name of a tracker's run is taken for the file.

    >>> place_of("runs/a.log").kind, place_of("file:///runs/a%20b.log").name
    ('file', '/runs/a b.log')

    Raises:
        ParseError: the name is empty, contains a NUL, or uses an unsupported protocol.
    """
    if not spec.strip():
        msg = (
            f"an empty name ({spec!r}); expected a log. If the command uses a shell variable, it "
            "may be unset."
        )
        raise ParseError(msg)
    if "\0" in spec:
        msg = "a NUL character in the name of a log; expected a path or a URL. Correct the name."
        raise ParseError(msg, source=spec)
    if spec == STDIN:
        return Place(kind="stdin", name=spec)
    if is_tracker(spec, folder=folder):
        return Place(kind="tracker", name=spec)
    # `runs.table#s3://bucket/a.log` is a run of a table on this machine
    if "://" not in spec.partition("#")[0]:
        return Place(kind="file", name=spec)
    url = _SCHEME.fullmatch(spec)
    scheme = url["scheme"].lower() if url is not None else ""
    if url is None or scheme not in {"file", *HTTP, *STORES}:
        raise _refused(spec, f"the protocol {spec.partition('://')[0]!r:.60} is not supported")
    if scheme == "file":
        return Place(kind="file", name=_local(spec, url["rest"]))
    if scheme in HTTP:
        _check_host(spec)
        return Place(kind="http", name=spec)
    if "::" in spec:
        raise _refused(spec, "chained protocols (`::`) are not supported")
    return Place(kind="store", name=f"{scheme}://{url['rest']}")


def _refused(spec: str, what: str) -> ParseError:
    msg = (
        f"{what}; expected a path, `-`, or a URL of file, http, https, s3, gs or az. "
        "Download the log and pass its path."
    )
    return ParseError(msg, source=spec)


def _local(spec: str, rest: str) -> str:
    path = unquote(rest.removeprefix("localhost"))
    if not path.startswith("/") or "\0" in path:
        msg = "a file URL of another host; expected file:///path/to/log. Pass the path instead."
        raise ParseError(msg, source=spec)
    return path


def _check_host(spec: str) -> None:
    try:
        parts = urlsplit(spec)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        msg = "a URL without a host, or with an invalid port; expected http://host:port/path"
        raise ParseError(msg, source=spec)


def is_log_name(name: str) -> bool:
    """Returns whether a file of this name in a folder counts as a log.

    >>> is_log_name("a.log.gz"), is_log_name("a.pth"), is_log_name(".a.log")
    (True, False, False)
    """
    for suffix in PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(LOG_SUFFIXES) and not name.startswith(".")


def is_url(spec: str) -> bool:
    """Returns whether a text is a URL of any protocol, or the name of a tracker's run."""
    return "://" in spec.partition("#")[0] or is_tracker(spec)


def is_tracker(spec: str, *, folder: Path | None = None) -> bool:
    """Returns whether a text names a run of a tracker, and no file in `folder`."""
    return bool(tracker_of(spec)) and not os.path.lexists((folder or Path()) / spec)


def parts_of(spec: str, *, is_file: bool = False) -> list[str]:
    """Returns the names that commas separate in a text; the whole text if a file has that name.

    A comma in a URL is part of the URL, unless another URL follows.

    >>> parts_of("a.log, b.log,http://host/c,d.log,https://host/e.log")
    ['a.log', 'b.log', 'http://host/c,d.log', 'https://host/e.log']

    Raises:
        ParseError: a name is empty.
    """
    if is_file or "," not in spec:
        return [spec]
    parts: list[str] = []
    for part in spec.split(","):
        if parts and is_url(parts[-1]) and not is_url(part):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    if any(not part.strip() for part in parts):
        msg = (
            f"an empty name between commas in {spec!r}; expected a log. If the command uses a "
            "shell variable, it may be unset."
        )
        raise ParseError(msg)
    return [part.strip() for part in parts]
