"""TOML that strangers wrote: read with bounds on its size and depth, refused in one line.

`tomllib` takes time and memory that grow with the square of the depth of keys, and recurses into
brackets; both are looked at before it reads.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

MANIFEST_BYTES = 4 << 20
"""Largest manifest: some 20,000 ports."""
BASELINE_BYTES = 32 << 20
"""Largest baseline.toml: 1,000 runs with 500 settings each."""
DEEPEST = 50
"""Brackets inside brackets, and parts of a dotted key."""
BLOCK = 1 << 16

_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5})?'
    r"|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
"""A string or a comment, closed or not: no alternative can fail after a long way."""
_DOTTED = re.compile(r"(?<![\w-])[\w-]++(?:[ \t]*\.[ \t]*[\w-]++)+")
_BRACKETS = re.compile(r"[\[\]{}]")


class TomlError(ValueError):
    """A file that is not the TOML that was expected. The message is one line."""


def read_toml(path: Path, *, most_bytes: int) -> tuple[dict[str, Any], str]:
    """The content of a TOML file, and its text with plain line ends.

    A byte order mark of UTF-8 is read over; lines may end in LF, CRLF or CR.

    Raises:
        OSError: the file cannot be read.
        TomlError: it is too large, no regular file, no UTF-8, too deep, or no TOML.
    """
    text = decoded(_bytes(path, most_bytes))
    return loads(text), text


def _bytes(path: Path, most: int) -> bytes:
    """The bytes of a regular file, or of a pipe that the shell opened."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        msg = "is a folder; name the file"
        raise TomlError(msg)
    piped = stat.S_ISFIFO(mode) and str(path).startswith(("/dev/", "/proc/"))
    if not (stat.S_ISREG(mode) or piped):
        msg = "is a device or a pipe; expected a file"
        raise TomlError(msg)
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        data = bytearray()
        while len(data) <= most and (block := file.read(BLOCK)):
            data += block
    if len(data) > most:
        msg = f"is larger than {most >> 20} MiB; expected a file written by hand"
        raise TomlError(msg)
    return bytes(data)


def decoded(data: bytes) -> str:
    """The text of UTF-8, its line ends as LF.

    Raises:
        TomlError: it is another encoding.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        msg = "is UTF-16; save it as UTF-8"
        raise TomlError(msg)
    zero = data.find(b"\0")
    if zero >= 0:
        line = data.count(b"\n", 0, zero) + 1
        msg = f"holds a NUL on line {line}; expected text in UTF-8"
        raise TomlError(msg)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        msg = f"is not UTF-8: byte 0x{data[error.start]:02x} on line {line}; save it as UTF-8"
        raise TomlError(msg) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def loads(text: str) -> dict[str, Any]:
    """The content of TOML whose depth is bounded.

    Raises:
        TomlError: it is too deep, or no TOML.
    """
    _check_depth(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"is not TOML: {error}"
        raise TomlError(msg) from error
    except (ValueError, RecursionError, OverflowError) as error:
        msg = "is not TOML: it holds a number or a nesting that is too large"
        raise TomlError(msg) from error


def _check_depth(text: str) -> None:
    plain = _STRING.sub("s", text)
    depth = 0
    for bracket in _BRACKETS.finditer(plain):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > DEEPEST:
            msg = f"nests brackets more than {DEEPEST} deep"
            raise TomlError(msg)
    if any(key[0].count(".") >= DEEPEST for key in _DOTTED.finditer(plain)):
        msg = f"holds a dotted key of more than {DEEPEST} parts"
        raise TomlError(msg)
