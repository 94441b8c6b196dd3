"""What lines of TCAPPDLL records that differ in their numbers only have in common."""

from __future__ import annotations

from dataclasses import dataclass

from harness.parse.formats.tcappdll import HEAD, MARK, fields_of, series_name
from harness.parse.tracks import MAX_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The words and the fields of such lines.

    `words` stand before the date, the time, the epoch, the iteration, the rank and each value, and
    behind the last one. `fields` are (series, unit) of the values.
    """

    words: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]


WHEN = (1, 2)
"""The words of a line that are its date and time, which differ and are not read."""


def shape_of(line: str) -> Shape | None:
    """The shape of a line that is one whole record and nothing else; None for any other line."""
    head = HEAD.match(line, len(MARK))
    body = line.rstrip("\r\n")
    if not line.startswith(MARK + " ") or head is None or body == line:
        return None
    if line.count(MARK) > 1 or not body.isprintable():
        return None
    read = fields_of(body, head.end(), whole=True)
    fields = tuple((series_name(field.name), field.unit) for field in read)
    if any(field.reason or field.is_word for field in read) or not _are_series(fields):
        return None
    words = body.split(" ")
    spans = [head.span(part) for part in ("epoch", "iteration", "rank")]
    spans += [field.at for field in read]
    places = [body.count(" ", 0, start) for start, _ in spans]
    if any(words[at] != body[slice(*span)] for at, span in zip(places, spans, strict=True)):
        return None
    for at in (*WHEN, *places):
        words[at] = "\0"  # no text of a log holds one
    return Shape(words=tuple(" ".join(words).split("\0")), fields=fields)


def _are_series(fields: tuple[tuple[str, str], ...]) -> bool:
    """Whether each name is a series of its record, and no two are the same."""
    names = [name for name, _ in fields]
    fit = all(0 < len(name) <= MAX_NAME for name in names)
    return fit and 0 < len(names) == len(set(names))
