"""Reads captures from disk: a side's capture, and the twins that lie beside it."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ParseError
from harness.locate.capture import Capture
from harness.locate.format import ADVICE, from_bytes
from harness.storage.bounded import full, size
from harness.storage.local import open_path

SUFFIX = ".capture"
MAX_BYTES = 4 << 30
"""Largest capture; a step of a network with ten thousand operators has 5 MB."""
MAX_HEADER = 100_000_000
"""Longest header, the index of the records; safetensors reads no longer one."""
MAX_TWINS = 64
_TWIN = re.compile(r"\.twin[0-9]{1,6}$")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """The capture of a side and its twins, in the order of their numbers."""

    run: Capture
    twins: tuple[Capture, ...]


def read_side(path: str) -> Side:
    """Returns the capture of a side, with its twins: `gpu.twin1.capture` beside `gpu.capture`.

    Raises:
        ParseError: a file cannot be read, is not a capture, or is damaged.
    """
    run = read_capture(path)
    return Side(run=run, twins=tuple(read_capture(str(twin)) for twin in twins_of(Path(path))))


def read_capture(path: str) -> Capture:
    """Returns the capture that a file holds.

    Raises:
        ParseError: the file cannot be read, is not a capture, or is damaged.
    """
    return from_bytes(_bytes_of(path), source=path)


def twins_of(path: Path) -> list[Path]:
    """Returns the files of a capture's twins, in the order of their numbers.

    A twin itself has none.

    Raises:
        ParseError: there are more than 64.
    """
    if _TWIN.search(path.stem) or path.suffix != SUFFIX:
        return []
    form = re.compile(rf"{re.escape(path.stem)}\.twin([0-9]{{1,6}}){re.escape(SUFFIX)}")
    try:
        beside = [(m[1], p) for p in path.parent.iterdir() if (m := form.fullmatch(p.name))]
    except OSError as error:
        raise _unreadable(str(path.parent), error) from error
    if len(beside) > MAX_TWINS:
        msg = f"{len(beside)} twins beside this capture; expected at most {MAX_TWINS}; remove some"
        raise ParseError(msg, source=str(path))
    return [twin for _, twin in sorted(beside, key=lambda one: int(one[0]))]


def _bytes_of(path: str) -> bytes:
    """Returns the bytes of a file, after a look at its beginning."""
    try:
        with closing(open_path(path)) as stream:
            head = full(stream, 8)
            _check_head(head, path)
            rest = full(stream, MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in a name
        raise _unreadable(path, error) from error
    if len(rest) > MAX_BYTES:
        msg = f"more than {size(MAX_BYTES)}; expected a capture of a few steps; {ADVICE}"
        raise ParseError(msg, source=path)
    return head + rest


def _check_head(head: bytes, path: str) -> None:
    """Refuses a file that does not begin as a safetensors file does, before it is read."""
    if not head:
        raise ParseError(f"an empty file; expected a capture; {ADVICE}", source=path)
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > MAX_HEADER:
        msg = f"not a capture, which begins with the length of its header; {ADVICE}"
        raise ParseError(msg, source=path)


def _unreadable(path: str, error: OSError | ValueError) -> ParseError:
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, FileNotFoundError):
        reason = "no such file"
    elif isinstance(error, IsADirectoryError):
        reason = "a folder"
    return ParseError(f"{reason}; expected a capture file. Check the path.", source=path)
