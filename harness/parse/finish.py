"""What was gathered from a log -> `Run`."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import ParseError
from harness.log.run import Run
from harness.parse.collect import Collector
from harness.parse.derive import derive
from harness.parse.dropped import Dropped
from harness.parse.formats.hf_trainer import HfTrainer
from harness.parse.nearly import Nearly

_FORMATS = "`harness formats` shows a line of each known format"


def runs_of(
    into: Collector,
    *,
    source: str,
    lines: int,
    notes: Sequence[str],
    known: Sequence[str],
    nearly: Nearly | None = None,
    dropped: Dropped | None = None,
) -> tuple[Run, ...]:
    """Returns each run of a log; where there are several, they are named `source [run LABEL]`.

    `known` are the names of the formats with records that were asked. `nearly` are the lines before
    the first record, `dropped` those with figures that no format took.

    Raises:
        ParseError: no record was gathered.
    """
    if len(into.parts) < 2:
        (only,) = into.parts.values() or (into,)
        only.take_over(into)
        return (
            run_of(
                only,
                source=source,
                lines=lines,
                notes=notes,
                known=known,
                nearly=nearly,
                dropped=dropped,
            ),
        )
    runs = []
    for label, part in into.parts.items():
        part.take_over(into)
        name = f"{source} [run {label}]"
        runs.append(run_of(part, source=name, lines=lines, notes=notes, known=known))
    return tuple(runs)


def run_of(
    into: Collector,
    *,
    source: str,
    lines: int,
    notes: Sequence[str] = (),
    known: Sequence[str] = (),
    nearly: Nearly | None = None,
    dropped: Dropped | None = None,
) -> Run:
    """Returns the run that was gathered, with the facts that follow from its figures.

    Raises:
        ParseError: no record was gathered, or a reader refuses the log.
    """
    series, replaced, by_order = into.settle()
    for refusal in into.refusals.values():
        raise ParseError(refusal, source=source)
    if not series:
        raise _no_record(lines, into, source, known, nearly or Nearly())
    derived, remarks = derive(into.facts(), series)
    if into.skipped_count > len(into.skipped):
        remarks.append(f"{into.skipped_count} damaged records; {len(into.skipped)} are listed")
    begins = min((n for name, n in into.formats.items() if name in known), default=0)
    dropped_count, first_dropped = (dropped or Dropped()).after(begins)
    return Run(
        source=source,
        series=series,
        replaced=replaced,
        facts=into.facts(derived),
        formats=tuple(sorted(into.formats, key=into.formats.__getitem__)),
        lines=lines,
        skipped=tuple(into.skipped),
        notes=(*into.notes, *notes, *remarks),
        by_order=by_order,
        unread_end=into.unread_end,
        read=into.reads(),
        dropped=first_dropped,
        dropped_count=dropped_count,
        epochs=into.epochs() if any(of == HfTrainer.name for of in into.formats) else None,
    )


def _no_record(
    lines: int, into: Collector, source: str, known: Sequence[str], nearly: Nearly
) -> ParseError:
    if lines == 0:
        return ParseError("the file is empty; expected a training log.", source=source)
    if into.skipped:
        first = into.skipped[0]
        msg = f"{into.skipped_count} damaged records and no whole one; the first: {first.reason}"
        return ParseError(msg, source=source, line=first.line)
    near, pattern = nearly.nearest()
    if near:
        listed = "; ".join(f"line {line} {text!r} {lacks}" for line, text, lacks in near)
        remedy = (
            f"Read it with --pattern '{pattern}' (correct the groups if they name other numbers)"
            if pattern
            else "Give the log that holds the loss of each step, or write a --pattern"
        )
        msg = f"no training record in {lines} lines. Nearest: {listed}. {remedy}; {_FORMATS}."
        return ParseError(msg, source=source)
    msg = (
        f"no training record in {lines} lines; expected one of: {', '.join(dict.fromkeys(known))}. "
        f"Give the log that holds the loss of each step ({_FORMATS})."
    )
    return ParseError(msg, source=source)
