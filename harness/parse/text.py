"""Bytes of a log -> chunks of whole lines -> text of one line, whatever wrote it.

PowerShell's `tee` writes UTF-16 with a byte-order mark, Chinese consoles GBK, progress bars rewrite
their line with carriage returns, and terminals colour it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.errors import ParseError

CHUNK_BYTES = 1 << 22
"""Bytes that are taken at a time; a chunk of whole lines is about that long."""
MAX_LINE_BYTES = 1 << 25
"""A line without line end or carriage return beyond this is no text of a log."""
RELEASE_BYTES = 1 << 20
"""An unfinished line longer than this is handed on up to its last carriage return."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
TO_START = 20
"""Backspaces that go to the start of a line even if it is longer: a bar may follow other words."""
_BACK = re.compile(r"(\x08+)")
_BAR = "%|"
_REST = re.compile(r"[\d.]|e[-+]?\d")
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)|[@-Z\\^_])"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text of whole lines, or of one line that has no end yet.

    What two blocks share is joined: the `seam`. Behind it comes a part of a block, which stays
    where it is, since copying a large log takes a tenth of the time in which it is read.
    """

    seam: bytes
    block: bytes = b""
    start: int = 0
    end: int = 0

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.seam) + self.end - self.start

    def is_whole(self) -> bool:
        """Whether it is whole lines."""
        last = self.block[self.end - 1 : self.end] if self.end > self.start else self.seam[-1:]
        return last == b"\n"

    def joined(self) -> bytes:
        """All of it."""
        return self.seam + self.block[self.start : self.end]


def chunks(blocks: Iterable[bytes], *, source: str, line: Callable[[], int]) -> Iterator[Chunk]:
    """The text in UTF-8, or in the 8-bit encoding that it has, cut after line ends.

    The last chunk may be a line without end, and a very long line may come in several, each of
    which ends after a carriage return. `line` tells the number of the next chunk's first line.

    Raises:
        ParseError: a line of more than 32 MiB, or a NUL byte: this is no text.
    """
    for chunk in _whole_lines(_recoded(blocks), source, line):
        if b"\0" in chunk.seam or chunk.block.find(b"\0", chunk.start, chunk.end) >= 0:
            msg = (
                "a NUL byte, so this is not text (or was damaged when a machine went down); "
                "expected a training log. Give the log file."
            )
            before, _, _ = chunk.joined().partition(b"\0")
            raise ParseError(msg, source=source, line=line() + before.count(b"\n"))
        yield chunk


def _recoded(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks without byte-order mark, UTF-16 as UTF-8; joined to chunks of a useful size."""
    decoder = None
    start = True
    for block in _gathered(blocks):
        if start:
            start = False
            mark, encoding = next(
                ((m, name) for m, name in _BOMS if block.startswith(m)), (b"", _unmarked(block))
            )
            block = block[len(mark) :]  # noqa: PLW2901  (the rest of it is the text)
            if encoding != "utf-8":
                decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        yield block if decoder is None else decoder.decode(block).encode("utf-8", "replace")


def _unmarked(block: bytes) -> str:
    """The encoding of a text without a mark: UTF-16 shows in its every other byte."""
    if block[1:8:2] == b"\0\0\0\0" and 0 not in block[:8:2]:
        return "utf-16-le"
    return "utf-8"


def _gathered(blocks: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for block in blocks:
        if not size and len(block) >= CHUNK_BYTES:
            yield block
            continue
        held.append(block)
        size += len(block)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


def _whole_lines(blocks: Iterable[bytes], source: str, line: Callable[[], int]) -> Iterator[Chunk]:
    rest: list[bytes] = []
    size = 0
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if not end and size + len(block) > RELEASE_BYTES:
            end = block.rfind(b"\r") + 1
        if end:
            start = (block.find(b"\n", 0, end) + 1 or end) if size else 0
            yield Chunk(b"".join([*rest, block[:start]]), block, start, end)
            rest, size, block = [], 0, block[end:]  # noqa: PLW2901  (what is left of it)
        rest.append(block)
        size += len(block)
        if size > MAX_LINE_BYTES:
            msg = f"a line of more than {MAX_LINE_BYTES >> 20} MiB; expected the text of a log."
            raise ParseError(msg, source=source, line=line())
    if size:
        yield Chunk(b"".join(rest))


def decoded(raw: bytes) -> tuple[str, bool]:
    """The text of a line, and whether it was UTF-8. Other bytes are read as GBK, else replaced."""
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("gb18030"), False
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace"), False


def pieces(line: str) -> list[str]:
    r"""The pieces of a line that carriage returns overwrite on a screen, each with its line end.

    Backspaces to the start of a line, as Keras prints them, overwrite it likewise.
    A piece that a bar broke into, before or inside a number, was cut there and has no line end.
    Colours and other escape sequences of a terminal are left out.

    >>> pieces("10%\r20%\x1b[32m done\x1b[0m\r\n")
    ['10%\n', '20% done\n']
    """
    if "\x1b" in line:
        line = _ANSI.sub("", line)
    if "\b" in line:
        line = "\r".join(map(_backspaced, line.split("\r")))
    if "\r" not in line:
        return [line]
    body = line.rstrip("\r\n")
    end = "\n" if len(body) < len(line) else ""
    *inner, last = body.split("\r")
    whole = [piece + "\n" for piece in inner]
    if _BAR in line:
        for i, rest in enumerate([*inner[2:], last][: len(inner) - 1]):
            cut = _REST.match(rest) or inner[i].rstrip().endswith((":", "="))
            if cut and _BAR in inner[i + 1] and _BAR not in inner[i]:
                whole[i] = inner[i]
    return [*whole, last + end]


def _backspaced(line: str) -> str:
    """A line without the characters that backspaces overwrite; back at its start it begins again.

    Backspaces with nothing behind them overwrite nothing.
    """
    end = "\n" if line.endswith("\n") else ""
    first, *rest = _BACK.split(line.removesuffix("\n").rstrip("\b"))
    text, begun = list(first), []
    for back, more in zip(rest[::2], rest[1::2], strict=True):
        at = len(text) - len(back)
        if at <= 0 or len(back) >= TO_START:
            begun.append("".join(text))
            at = 0
        del text[at:]
        text.extend(more)
    return "\r".join([*begun, "".join(text)]) + end
