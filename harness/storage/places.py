"""What may name a log: a path, `-` for standard input, or a URL of a protocol that is read here.

Other protocols never reach a library: some run code from the file that they name
(`reference://`), others read through the first one (`zip://`, `a::b`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from harness.errors import ParseError

STDIN = "-"
HTTP = ("http", "https")
STORES = ("s3", "gs", "gcs", "az", "abfs", "memory")
"""Object stores, which fsspec reads; `memory` is for tests."""
PACKED_SUFFIXES = (".gz", ".xz", ".zst", ".bz2")

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a log is. `name` is a path, or a URL with all that is needed to read it."""

    kind: Literal["file", "stdin", "http", "store"]
    name: str

    @property
    def packed(self) -> str:
        """The suffix of a packed log, `.gz`; empty for a plain one. A URL's query is no part."""
        path = urlsplit(self.name).path if self.kind in {"http", "store"} else self.name
        return next((suffix for suffix in PACKED_SUFFIXES if path.endswith(suffix)), "")


def place_of(spec: str) -> Place:
    """The place that a text names.

    >>> place_of("runs/a.log").kind, place_of("file:///runs/a%20b.log").name
    ('file', '/runs/a b.log')

    Raises:
        ParseError: an empty name, a NUL in it, or a protocol that is not read.
    """
    if not spec.strip():
        msg = (
            f"an empty name ({spec!r}); expected a log. If a variable of the shell stands in the "
            "command, it may be unset."
        )
        raise ParseError(msg)
    if "\0" in spec:
        msg = "a NUL character in the name of a log; expected a path or a URL. Correct the name."
        raise ParseError(msg, source=spec)
    if spec == STDIN:
        return Place(kind="stdin", name=spec)
    if "://" not in spec:
        return Place(kind="file", name=spec)
    url = _SCHEME.fullmatch(spec)
    scheme = url["scheme"].lower() if url is not None else ""
    if url is None or scheme not in {"file", *HTTP, *STORES}:
        raise _refused(spec, f"the protocol {spec.partition('://')[0]!r:.60} is not read here")
    if scheme == "file":
        return Place(kind="file", name=_local(spec, url["rest"]))
    if scheme in HTTP:
        _check_host(spec)
        return Place(kind="http", name=spec)
    if "::" in spec:
        raise _refused(spec, "a chain of protocols (`::`) is not read here")
    return Place(kind="store", name=f"{scheme}://{url['rest']}")


def _refused(spec: str, what: str) -> ParseError:
    msg = (
        f"{what}; expected a path, `-`, or a URL of file, http, https, s3, gs or az. "
        "Download the log and give its path."
    )
    return ParseError(msg, source=spec)


def _local(spec: str, rest: str) -> str:
    path = unquote(rest.removeprefix("localhost"))
    if not path.startswith("/") or "\0" in path:
        msg = "a file URL of another host; expected file:///path/to/log. Give the path itself."
        raise ParseError(msg, source=spec)
    return path


def _check_host(spec: str) -> None:
    try:
        parts = urlsplit(spec)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        msg = "a URL without a host, or with a port that is none; expected http://host:port/path"
        raise ParseError(msg, source=spec)


def is_url(spec: str) -> bool:
    """Whether a text is meant as a URL, of whatever protocol."""
    return "://" in spec


def parts_of(spec: str, *, is_file: bool = False) -> list[str]:
    """The names that a text lists by commas; one where a file has the whole text as its name.

    A comma in a URL is a part of it, unless another URL follows.

    >>> parts_of("a.log, b.log,http://host/c,d.log,https://host/e.log")
    ['a.log', 'b.log', 'http://host/c,d.log', 'https://host/e.log']

    Raises:
        ParseError: one of several names is empty.
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
            f"an empty name between commas in {spec!r}; expected a log at each place. If a "
            "variable of the shell stands there, it may be unset."
        )
        raise ParseError(msg)
    return [part.strip() for part in parts]
