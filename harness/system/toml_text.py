"""Reads untrusted TOML with bounds on its size and depth; an error is one line.

The time and memory of `tomllib` grow with the square of the depth of keys, and it recurses into
brackets. Both depths are therefore checked before it reads.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from harness.errors import PolicyError

MANIFEST_BYTES = 4 << 20
"""Largest manifest, enough for about 20,000 ports."""
BASELINE_BYTES = 32 << 20
"""Largest baseline.toml, enough for 1,000 runs with 500 settings each."""
DEEPEST = 50
"""Deepest nesting of brackets, and most parts of a dotted key."""
BLOCK = 1 << 16

_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:"{3,5})?'
    r"|'''(?:[^']++|'(?!''))*+(?:'{3,5})?"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)
"""A string or a comment, closed or not. Possessive, so that matching takes linear time."""
_DOTTED = re.compile(r"(?<![\w-])[\w-]++(?:[ \t]*\.[ \t]*[\w-]++)+")
_BRACKETS = re.compile(r"[\[\]{}]")


class TomlError(ValueError):
    """The error of a file that is not valid TOML or exceeds a bound. The message is one line."""


def read_toml(path: Path, *, most_bytes: int) -> tuple[dict[str, Any], str]:
    """Returns the content of a TOML file, and its text with LF line ends.

    A UTF-8 byte order mark is skipped; lines may end in LF, CRLF or CR.

    Raises:
        OSError: the file cannot be read.
        TomlError: the file is too large, too deep, not regular, not UTF-8, or not TOML.
    """
    text = decoded(_bytes(path, most_bytes))
    return loads(text), text


def read_by_hand(path: Path, *, absent: str) -> tuple[dict[str, Any], str]:
    """Returns the content of a TOML file that a person writes, and its text; see `read_toml`.

    `absent` says what to do if there is no such file.

    Raises:
        PolicyError: the file cannot be read, or is not TOML.
    """
    try:
        return read_toml(path, most_bytes=MANIFEST_BYTES)
    except FileNotFoundError as error:
        raise PolicyError(f"no such file; {absent}", source=str(path)) from error
    except TomlError as error:
        raise PolicyError(str(error), source=str(path)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"cannot be read: {reason}; check path and permission"
        raise PolicyError(msg, source=str(path)) from error


def _bytes(path: Path, most: int) -> bytes:
    """Returns the bytes of a regular file, or of a pipe that the shell opened."""
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
    """Returns the text of UTF-8 bytes, with LF line ends.

    Raises:
        TomlError: the bytes have another encoding.
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
    """Returns the content of TOML whose depth is bounded.

    Raises:
        TomlError: the text is too deep, or not TOML.
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
