"""Text of a training log -> `Run`. One file per format; formats are detected, not asked for."""

from __future__ import annotations

from collections.abc import Iterable

from harness.curve import Run
from harness.errors import ParseError
from harness.parse.collect import Collector, Format
from harness.parse.columns import Columns
from harness.parse.config_block import ConfigBlock
from harness.parse.derive import derive
from harness.parse.environment import Environment
from harness.parse.mllog import Mllog
from harness.parse.mmengine_text import MmengineText
from harness.parse.scalars_json import ScalarsJson
from harness.parse.tcappdll import Tcappdll

__all__ = ["FORMATS", "parse_log"]

FORMATS: tuple[type[Format], ...] = (
    ConfigBlock,
    Tcappdll,
    MmengineText,
    Mllog,
    ScalarsJson,
    Environment,
    Columns,
)
"""Asked in this order; the first that takes a line has it."""


def parse_log(lines: Iterable[str], *, source: str) -> Run:
    """What a log says, in one pass over its lines; only numbers and facts are kept.

    Lines keep their line ends: a last line without one was cut off while it was written, and its
    last number is not trusted. A carriage return inside a line (a progress bar) splits it.

    Raises:
        ParseError: the log is empty, is not text, or holds no record of any known format.
    """
    into = Collector()
    readers = [kind() for kind in FORMATS]
    number = 0
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            msg = "a NUL byte, so this is not text; expected a training log. Give the log file."
            raise ParseError(msg, source=source, line=number)
        for part in _parts(line):
            for reader in readers:
                if reader.feed(number, part, into):
                    break
    for reader in readers:
        reader.close(into)
    series = into.series()
    if not series:
        raise _nothing_found(number, into, source)
    derived, notes = derive(into.facts(), series)
    if into.skipped_count > len(into.skipped):
        notes.append(f"{into.skipped_count} damaged records; the first {len(into.skipped)} listed")
    return Run(
        source=source,
        series=series,
        facts=into.facts(derived),
        formats=tuple(into.formats),
        lines=number,
        skipped=tuple(into.skipped),
        notes=(*into.notes, *notes),
    )


def _parts(line: str) -> list[str]:
    """The pieces of a line that carriage returns overwrite on a screen, each with its line end."""
    body = line.rstrip("\r\n")
    if "\r" not in body:
        return [line]
    *inner, last = body.split("\r")
    return [*(piece + "\n" for piece in inner), last + line[len(body) :]]


def _nothing_found(lines: int, into: Collector, source: str) -> ParseError:
    if lines == 0:
        return ParseError("the file is empty; expected a training log.", source=source)
    if into.skipped:
        first = into.skipped[0]
        msg = f"{into.skipped_count} damaged records and no whole one; the first: {first.reason}"
        return ParseError(msg, source=source, line=first.line)
    known = ", ".join(kind.name for kind in FORMATS if kind not in {ConfigBlock, Environment})
    msg = (
        f"no training record in {lines} lines; expected one of: {known}. "
        "Give the log that holds the loss of each step."
    )
    return ParseError(msg, source=source)
