"""Ends a check: writes what was asked for, prints the table, and exits with the worst verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from harness.comparison.result import PortResult
    from harness.trackers.publish import Publication

Outputs = Mapping[str, Path]


def finish(
    results: Sequence[PortResult],
    *,
    report: Path | None,
    outputs: Outputs,
    history: str,
    quiet: bool,
    false_discoveries: float | None = None,
    commit: str | None = None,
    to: Sequence[str] = (),
) -> NoReturn:
    """Writes the outputs, the history and the index, prints the table, and exits.

    `to` are trackers that get the verdicts; one that fails changes nothing else.

    `false_discoveries` is the share of the failures that may be due to chance; None leaves all.
    `commit` is that of merged shards; otherwise it is that of the manifest's folder.

    Raises:
        HarnessError: the first output that could not be written, after the table was printed.
    """
    import os

    from harness.comparison import fleet
    from harness.errors import HarnessError
    from harness.ports.publish import publish

    if false_discoveries is not None:
        results = fleet.controlled(results, false_discoveries)
    errors = []
    try:
        publish(results, outputs=outputs, history=history, environ=os.environ, commit=commit)
    except HarnessError as error:
        errors.append(error)
    if report is not None:
        try:
            write_index(results, report, history)
        except HarnessError as error:
            errors.append(error)
    show(results, quiet=quiet)
    note = "" if false_discoveries is not None else fleet.warning(results)
    if note and not quiet:
        typer.echo(f"note: {note}")
    if report is not None and not quiet:
        typer.echo(f"reports: {report / 'index.html'}")
    if to:
        from harness.ports.publications import publications

        write_to(to, publications(results, report))
    if errors:
        raise errors[0]
    leave(results)


def write_to(trackers: Sequence[str], verdicts: Sequence[Publication]) -> None:
    """Writes verdicts to trackers, and says on standard error what was written and what not."""
    from harness.report.escape import terminal
    from harness.trackers.publish import publish_all

    for line in publish_all(trackers, verdicts):
        typer.echo(terminal(line), err=True)


def check_share(false_discoveries: float | None) -> None:
    """Refuses a share of false failures that is out of range, before any work.

    Raises:
        PolicyError: the share is not between 0 and 1.
    """
    from harness.comparison import fleet

    if false_discoveries is not None:
        fleet.controlled((), false_discoveries)


def show(results: Sequence[PortResult], *, quiet: bool) -> None:
    """Prints the table of the results, or one line."""
    from harness.report.ports import check_table, oneline
    from harness.report.screen import console

    if quiet:
        typer.echo(oneline.summary_line(results))
    else:
        check_table.write(results, console())


def leave(results: Sequence[PortResult]) -> NoReturn:
    """Exits with the status of the worst port; with 0 if there is no port."""
    from harness.report import verdicts

    worst = verdicts.worst(result.verdict for result in results) if results else "pass"
    raise typer.Exit(verdicts.row(worst).exit_status)


def refuse_overwriting(inputs: Sequence[Path], outputs: Outputs, *, kind: str) -> None:
    """Refuses an output that is one of the inputs; `kind` says what those are.

    Raises:
        PolicyError: an output would overwrite an input.
    """
    from harness.errors import PolicyError

    read = {path.resolve() for path in inputs}
    for output in outputs.values():
        if output.resolve() in read:
            msg = f"is {kind}, and the output would overwrite it; choose another file"
            raise PolicyError(msg, source=str(output))


def write_index(results: Sequence[PortResult], report: Path, history: str) -> None:
    """Writes the page that lists the reports, with the trend of each port if there is a history."""
    from harness.report.ports.site import render_index
    from harness.system.whole import write_text

    histories = {}
    if history:
        from harness.ports.history.store import open_history

        with open_history(history) as store:
            histories = {result.port: store.read(result.port) for result in results}
    write_text(report / "index.html", render_index(results, histories=histories))
