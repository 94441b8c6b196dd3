"""The command `harness history`, which shows a port over time."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.completing import port_names
from harness.cli.options import JsonTo, Where
from harness.errors import HistoryError

if TYPE_CHECKING:
    from harness.comparison.trend import Change, Entry

DEFAULT = "history.sqlite"
LOOKED_AT = 200
"""Newest checks of each port that are searched for a change when all ports are listed."""


def history(
    port: Annotated[
        str,
        typer.Argument(
            help="Name of the port. Default: all ports, one line each.", autocompletion=port_names
        ),
    ] = "",
    *,
    where: Where = DEFAULT,
    last: Annotated[int, typer.Option(min=1, help="Show the last N checks.")] = 20,
    json_to: JsonTo = "",
) -> None:
    """Show the verdicts and relative differences of ports over time.

    Names the check at which the relative difference of a port changed. `harness check --history
    FILE` stores the results that this command shows.

    Example: harness history ccnet-sdaa
    """
    from harness.ports.history.store import check_exists, open_history

    check_exists(where)
    with open_history(where) as store:
        histories = {port: store.read(port)} if port else store.recent(LOOKED_AT)
        shown = store.shown
    if port and not histories[port]:
        msg = f"no result of a port {port!r}; `harness history` lists the ports"
        raise HistoryError(msg, source=shown)
    if json_to:
        _write_json(histories, json_to, last=last)
    if json_to == "-":
        return
    if port:
        _show(histories[port], last=last)
    else:
        _list(histories, last=last)


def _show(entries: Sequence[Entry], *, last: int) -> None:
    """Prints the table of one port, a sparkline of its relative difference, and its changes."""
    from rich.text import Text

    from harness.comparison.trend import find_changes
    from harness.report import sparkline
    from harness.report.ports import history_table, trend
    from harness.report.screen import console, lay_out

    out = console()
    changes = find_changes(entries)
    table = history_table.of_port(entries, changes, first=max(len(entries) - last, 0))
    out.print(lay_out(history_table.fitted(table, out.width)))
    differences = [entry.result.relative_difference for entry in entries]
    marks = sparkline.levels(out.encoding)
    (line,) = sparkline.sparklines(differences, width=out.width - len("difference "), marks=marks)
    out.print(Text(f"difference {line}", no_wrap=True))
    for words in trend.describe(entries, changes):
        out.print(Text(words))


def _list(histories: dict[str, tuple[Entry, ...]], *, last: int) -> None:
    """Prints one line per port."""
    from rich.text import Text

    from harness.comparison.trend import find_changes
    from harness.report import sparkline
    from harness.report.ports import history_table
    from harness.report.screen import console, lay_out

    out = console()
    if not histories:
        out.print(Text("the history is empty"))
        return
    marks = sparkline.levels(out.encoding)
    changes = {name: find_changes(entries) for name, entries in histories.items()}
    table = history_table.overview(histories, changes, last=last, marks=marks)
    out.print(lay_out(history_table.fitted(table, out.width)))


def _write_json(histories: dict[str, tuple[Entry, ...]], to: str, *, last: int) -> None:
    from harness.comparison.trend import find_changes
    from harness.system.whole import write_text

    ports = [_document(name, es, find_changes(es), last) for name, es in histories.items()]
    text = json.dumps({"schema_version": 2, "ports": ports}, indent=1) + "\n"
    if to == "-":
        sys.stdout.write(text)
        return
    write_text(Path(to), text)


def _document(
    name: str, entries: Sequence[Entry], changes: Sequence[Change], last: int
) -> dict[str, Any]:
    """Returns a port's last N checks and its changes, each with the time and commit of a check."""
    from harness.comparison.flaky import flakiness

    known = flakiness(entries)
    return {
        "port": name,
        "flaky": {"commits": known.commits, "flaky": known.flaky, "rate": known.rate},
        "runs": [
            {"when": e.when, "commit": e.commit, **dataclasses.asdict(e.result)}
            for e in entries[-last:]
        ],
        "changes": [
            {
                "when": entries[c.at].when,
                "commit": entries[c.at].commit,
                "before": c.before,
                "after": c.after,
            }
            for c in changes
        ],
    }
