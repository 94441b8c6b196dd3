"""The command `harness check`: every port of a manifest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli_options import EXIT, CommentTo, GitlabTo, JunitTo, Quiet, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.checking import Task
    from harness.progress import Journal
    from harness.results import PortResult

EXIT_INTERRUPTED = 130


def check(
    manifest: Annotated[Path, typer.Argument(help="The manifest.")] = Path("ports.toml"),
    *,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a report of every port, and an index, into a folder.", metavar="DIR"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted check stopped.")
    ] = False,
    junit: JunitTo = None,
    gitlab: GitlabTo = None,
    comment: CommentTo = None,
    history: Where = "",
    quiet: Quiet = False,
) -> None:
    """Check every port of a manifest. The exit status is that of the worst port.

    Ports are judged side by side, one process per core. A port whose logs cannot be read is an
    error, and does not stop the others. A check that was interrupted goes on with --resume: ports
    whose entry and logs did not change are not judged again. Where GITHUB_ACTIONS is set,
    annotations and a step summary are written too.
    """
    import os

    from harness.checking import Task
    from harness.manifest import entry_lines, read_manifest
    from harness.progress import Journal
    from harness.publish import publish
    from harness.report import check_table, oneline
    from harness.report.text import console
    from harness.results import worst

    ports = read_manifest(manifest).port
    tasks = [
        Task(port=p, manifest=manifest, line=n, report=report / p.name if report else None)
        for p, n in zip(ports, entry_lines(manifest, len(ports)), strict=True)
    ]
    with Journal(manifest, resume=resume) as journal:
        if journal.unwritable and resume:
            typer.echo(f"note: nothing can be remembered: {journal.unwritable}", err=True)
        results = _judge(tasks, journal)
    journal.finish()
    if quiet:
        typer.echo(oneline.summary_line(results))
    else:
        check_table.write(results, console())
    try:
        publish(
            results,
            junit=junit,
            gitlab=gitlab,
            comment=comment,
            history=history,
            environ=os.environ,
        )
    finally:
        if report is not None:
            _write_index(results, report, history)
            if not quiet:
                typer.echo(f"reports: {report / 'index.html'}")
    raise typer.Exit(EXIT[worst(results)])


def _write_index(results: Sequence[PortResult], report: Path, history: str) -> None:
    """The page that lists the reports, with the trend of each port where there is a history."""
    from harness.files import write_text
    from harness.report.site import render_index

    histories = {}
    if history:
        from harness.history.store import open_history

        with open_history(history) as store:
            histories = {result.port: store.read(result.port) for result in results}
    report.mkdir(parents=True, exist_ok=True)
    write_text(report / "index.html", render_index(results, histories=histories))


def _judge(tasks: Sequence[Task], journal: Journal) -> list[PortResult]:
    """The results in the order of the manifest; Control-C ends it, and what is done is kept."""
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

    from harness.checking import check_ports

    kept = {task.port.name: journal.done(task) for task in tasks}
    results = {name: result for name, result in kept.items() if result is not None}
    if results:
        typer.echo(f"{len(results)} of {len(tasks)} ports were judged before", err=True)
    by_name = {task.port.name: task for task in tasks if task.port.name not in results}
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
            with closing(check_ports(list(by_name.values()))) as found:
                for result in found:
                    results[result.port] = result
                    journal.add(by_name[result.port], result)
                    bar.advance(shown)
    except KeyboardInterrupt:
        done = f"interrupted: {len(results)} of {len(tasks)} ports are judged"
        keep = "" if journal.unwritable else "; go on with --resume"
        typer.echo(done + keep, err=True)
        sys.exit(EXIT_INTERRUPTED)
    return [results[task.port.name] for task in tasks]
