"""The command `harness collect`, which reads many logs once into a table of Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Pattern
from harness.report import verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.storage.store_listing import Found
    from harness.storage.table.collecting import Collect

SHOWN = 20
"""Errors that are listed; more are counted."""


def collect(
    logs: Annotated[
        list[str],
        typer.Argument(
            help="The logs: paths, quoted globs, folders, or URLs of objects, folders and patterns "
            "in a store, such as 's3://bucket/runs/**/*.log'."
        ),
    ],
    *,
    to: Annotated[
        str,
        typer.Option("--to", help="Folder of the table: a path or a URL of a store.", metavar="TO"),
    ],
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that read logs. Default: one per core."),
    ] = None,
    pattern: Pattern = None,
) -> None:
    """Read many logs once into a table of Parquet files, which every command reads.

    Name the table instead of the logs: `TABLE`, or `TABLE#RUN` for some of its runs. The verdict is
    the same as from the logs. Logs that did not change since are not read again, a changed log is
    replaced, and a collect that was stopped goes on. A log that cannot be read stops no other; the
    exit status is then 2.

    Example: harness collect 's3://bucket/runs/**/*.log' --to runs.table
    """
    from contextlib import closing

    from harness.log.wording import counted
    from harness.storage.table import collecting
    from harness.storage.table.found import logs_of
    from harness.system.workers import cores

    named = collecting.stamped(logs_of(logs), pattern=pattern)
    with closing(collecting.begin(to)) as begun:
        unread = collecting.to_read(begun, named)
        errors = _read(begun, unread, pattern=pattern, workers=workers or cores())
        _list(errors)
        table = collecting.publish(begun)
    typer.echo(
        f"{to}: {counted(table.runs, 'run')} in {counted(len(table.parts), 'part')}; "
        f"{len(unread) - len(errors)} of {counted(len(named), 'log')} read, "
        f"{len(named) - len(unread)} unchanged"
    )
    if errors:
        raise typer.Exit(verdicts.row("error").exit_status)


def _list(errors: Sequence[str]) -> None:
    """Prints the errors, before that of a table for which no log could be read."""
    from harness.log.wording import counted

    for error in errors[:SHOWN]:
        typer.echo(f"error: {error}", err=True)
    if errors:
        more = f", of which {SHOWN} are listed" if len(errors) > SHOWN else ""
        typer.echo(f"error: {counted(len(errors), 'log')} could not be read{more}", err=True)


def _read(
    begun: Collect, unread: Sequence[Found], *, pattern: str | None, workers: int
) -> list[str]:
    """Reads logs behind a progress bar, and returns the errors."""
    from contextlib import closing

    from harness.cli.progress import progress_bar
    from harness.storage.table.collecting import read_into

    errors = []
    with (
        progress_bar("reading logs") as bar,
        closing(read_into(begun, unread, pattern=pattern, workers=workers)) as stream,
    ):
        shown = bar.add_task("", total=len(unread))
        for read in stream:
            if read.error:
                errors.append(read.error)
            bar.advance(shown)
    return sorted(errors)
