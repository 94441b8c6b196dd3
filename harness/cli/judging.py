"""Judges the ports of a check behind a progress bar, and keeps the results if it is interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from harness.comparison.result import PortResult
    from harness.ports.check import Checked, Task
    from harness.ports.journal import Journal

Judge = Callable[["Sequence[Task]"], "Generator[Checked, None, None]"]
"""Judges ports, and yields the results as they arrive."""


def judge_all(
    tasks: Sequence[Task], judge: Judge, journal: Journal, *, index: Path | None
) -> list[PortResult]:
    """Returns the results in the order of the tasks; `judge` judges what the journal has not.

    Control-C ends the process; the results so far stay in the journal, and are listed in the page
    of the folder `index`.
    """
    from contextlib import closing

    from harness.cli.finish import write_index
    from harness.cli.progress import progress_bar
    from harness.ports.check import failed
    from harness.system.running import EXIT_INTERRUPTED

    kept = {task.port.name: journal.done(task) for task in tasks}
    results = {name: result for name, result in kept.items() if result is not None}
    if results:
        typer.echo(f"{len(results)} of {len(tasks)} ports were already judged", err=True)
    afresh = [task for task in tasks if task.port.name not in results]
    for task in afresh:
        if task.report is not None:
            remove_old(task.report)
    try:
        with progress_bar("checking ports") as bar:
            shown = bar.add_task("", total=len(tasks), completed=len(results))
            with closing(judge(afresh)) as stream:
                for checked in stream:
                    results[checked.task.port.name] = checked.result
                    journal.add(checked.task, checked.result, checked.seen)
                    bar.advance(shown)
    except KeyboardInterrupt:
        done = f"interrupted: {len(results)} of {len(tasks)} ports are judged"
        keep = "" if journal.unwritable else "; continue with --resume"
        typer.echo(done + keep, err=True)
        if index is not None:
            rest = (
                results.get(t.port.name) or failed(t, "the check was interrupted") for t in tasks
            )
            write_index(list(rest), index, "")
        sys.exit(EXIT_INTERRUPTED)
    return [results[task.port.name] for task in tasks]


def remove_old(folder: Path) -> None:
    """Removes a report that is out of date.

    Otherwise a check that is killed would leave a page that says `pass` for yesterday's logs.
    """
    from harness.errors import HarnessError
    from harness.ports.files import remove_report

    try:
        remove_report(folder)
    except HarnessError:  # a link, or another user's folder: judging the port reports it
        return


def remove_left(tasks: Sequence[Task], report: Path) -> None:
    """Removes the index, and the reports of ports that left the manifest. `tasks` are all ports."""
    from harness.ports.check import owner_of
    from harness.ports.files import reports_of
    from harness.system.whole import guarded

    guarded(report / "index.html", lambda page: page.unlink(missing_ok=True))
    current = {task.report for task in tasks}
    for folder in reports_of(owner_of(tasks[0]), report):
        if folder not in current:
            remove_old(folder)
