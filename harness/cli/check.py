"""The command `harness check`, which judges every port of a manifest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import FalseDiscoveries, Quiet, Where, with_outputs

Outputs = Mapping[str, Path]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.comparison.result import PortResult
    from harness.ports.check import Task
    from harness.ports.journal import Journal


@with_outputs
def check(
    manifest: Annotated[Path, typer.Argument(help="The manifest to check.")] = Path("ports.toml"),
    *,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a report of every port, and an index, into this folder.", metavar="DIR"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted check.")
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Time limit for each port in seconds; a port that exceeds it is an error. "
            "Default: 3600 if ports are judged in parallel (4 ports or more), otherwise none.",
            metavar="SECONDS",
        ),
    ] = None,
    false_discoveries: FalseDiscoveries = None,
    outputs: Outputs = MappingProxyType({}),
    history: Where = "",
    quiet: Quiet = False,
) -> None:
    """Judge every port of a manifest. The exit status is that of the worst port.

    Ports are judged in parallel, one process per core. A port whose logs cannot be read is an
    error; the others are judged all the same. --resume continues an interrupted check: ports whose
    entry and logs did not change are not judged again. On GitHub Actions (GITHUB_ACTIONS is set),
    annotations and a step summary are written too.

    Example: harness check ports.toml --report reports --junit junit.xml
    """
    import os

    from harness.comparison import fleet
    from harness.errors import HarnessError, PolicyError
    from harness.ports.check import Task
    from harness.ports.journal import Journal
    from harness.ports.manifest import entry_lines, read_manifest
    from harness.ports.publish import publish
    from harness.report import verdicts
    from harness.report.ports import oneline

    if false_discoveries is not None:
        fleet.controlled((), false_discoveries)  # refuses a share out of range before any work
    ports = read_manifest(manifest).port
    for output in outputs.values():
        if output.resolve() == manifest.resolve():
            msg = "is the manifest, and the output would overwrite it; choose another file"
            raise PolicyError(msg, source=str(output))
    tasks = [
        Task(port=p, manifest=manifest, line=n, report=report / p.name if report else None)
        for p, n in zip(ports, entry_lines(manifest, len(ports)), strict=True)
    ]
    with Journal(manifest, resume=resume) as journal:
        if journal.unwritable and resume:
            typer.echo(f"note: results cannot be kept for --resume: {journal.unwritable}", err=True)
        results = _judge(tasks, journal, report=report, limit_s=limit)
    journal.finish()
    if false_discoveries is not None:
        results = fleet.controlled(results, false_discoveries)
    errors = []
    try:
        publish(results, outputs=outputs, history=history, environ=os.environ)
    except HarnessError as error:
        errors.append(error)
    if report is not None:
        try:
            _write_index(results, report, history)
        except HarnessError as error:
            errors.append(error)
    if quiet:
        typer.echo(oneline.summary_line(results))
    else:
        _show(results, report, corrected=false_discoveries is not None)
    if errors:
        raise errors[0]
    raise typer.Exit(verdicts.row(verdicts.worst(result.verdict for result in results)).exit_status)


def _show(results: Sequence[PortResult], report: Path | None, *, corrected: bool) -> None:
    """Prints the table, what chance alone explains, and where the reports are."""
    from harness.comparison import fleet
    from harness.report.ports import check_table
    from harness.report.screen import console

    check_table.write(results, console())
    note = "" if corrected else fleet.warning(results)
    if note:
        typer.echo(f"note: {note}")
    if report is not None:
        typer.echo(f"reports: {report / 'index.html'}")


def _write_index(results: Sequence[PortResult], report: Path, history: str) -> None:
    """Writes the page that lists the reports, with the trend of each port if there is a history."""
    from harness.report.ports.site import render_index
    from harness.system.whole import write_text

    histories = {}
    if history:
        from harness.ports.history.store import open_history

        with open_history(history) as store:
            histories = {result.port: store.read(result.port) for result in results}
    write_text(report / "index.html", render_index(results, histories=histories))


def _judge(
    tasks: Sequence[Task], journal: Journal, *, report: Path | None, limit_s: float | None
) -> list[PortResult]:
    """Returns the results in the order of the manifest.

    Control-C ends the process; the results so far stay in the journal.
    """
    from contextlib import closing

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from harness.ports.check import check_tasks, failed
    from harness.system.running import EXIT_INTERRUPTED

    kept = {task.port.name: journal.done(task) for task in tasks}
    results = {name: result for name, result in kept.items() if result is not None}
    if results:
        typer.echo(f"{len(results)} of {len(tasks)} ports were already judged", err=True)
    afresh = [task for task in tasks if task.port.name not in results]
    if report is not None:
        _remove_old(tasks, afresh, report)
    columns = (
        TextColumn("checking ports"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    screen = Console(stderr=True)
    try:
        with Progress(
            *columns, console=screen, transient=True, disable=not screen.is_terminal
        ) as bar:
            shown = bar.add_task("", total=len(tasks), completed=len(results))
            with closing(check_tasks(afresh, limit_s=limit_s)) as stream:
                for checked in stream:
                    results[checked.task.port.name] = checked.result
                    journal.add(checked.task, checked.result, checked.seen)
                    bar.advance(shown)
    except KeyboardInterrupt:
        done = f"interrupted: {len(results)} of {len(tasks)} ports are judged"
        keep = "" if journal.unwritable else "; continue with --resume"
        typer.echo(done + keep, err=True)
        if report is not None:
            rest = (
                results.get(t.port.name) or failed(t, "the check was interrupted") for t in tasks
            )
            _write_index(list(rest), report, "")
        sys.exit(EXIT_INTERRUPTED)
    return [results[task.port.name] for task in tasks]


def _remove_old(tasks: Sequence[Task], afresh: Sequence[Task], report: Path) -> None:
    """Removes the index, and the reports of ports that are judged now or left the manifest.

    Otherwise a check that is killed would leave a page that says `pass` for yesterday's logs.
    """
    from harness.errors import HarnessError
    from harness.ports.check import owner_of
    from harness.ports.files import remove_report, reports_of
    from harness.system.whole import guarded

    guarded(report / "index.html", lambda page: page.unlink(missing_ok=True))
    current = {task.report for task in tasks}
    left = [folder for folder in reports_of(owner_of(tasks[0]), report) if folder not in current]
    for folder in (*left, *(task.report for task in afresh if task.report is not None)):
        try:
            remove_report(folder)
        except HarnessError:  # a link, or another user's folder: judging the port reports it
            continue
