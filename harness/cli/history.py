"""The command `harness history`: a port over time."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import JsonTo, Where
from harness.errors import HistoryError

if TYPE_CHECKING:
    from harness.comparison.trend import Change, Entry

DEFAULT = "history.sqlite"
LOOKED_AT = 200
"""Newest runs of every port in which a change is looked for, where all ports are listed."""


def history(
    port: Annotated[str, typer.Argument(help="The port; without it, one line a port.")] = "",
    *,
    where: Where = DEFAULT,
    last: Annotated[int, typer.Option(min=1, help="Show the last N runs.")] = 20,
    json_to: JsonTo = "",
) -> None:
    """Show ports over time: verdicts, differences, and the run where the difference changed.

    `harness check --history FILE` writes what is shown. Example: harness history ccnet-sdaa
    """
    from harness.ports.history.store import check_exists, open_history

    check_exists(where)
    with open_history(where) as store:
        found = {port: store.read(port)} if port else store.recent(LOOKED_AT)
        shown = store.shown
    if port and not found[port]:
        msg = f"no result of a port {port!r}; `harness history` lists the ports"
        raise HistoryError(msg, source=shown)
    if json_to:
        _write_json(found, json_to, last=last)
    if json_to == "-":
        return
    if port:
        _show(found[port], last=last)
    else:
        _list(found, last=last)


def _show(entries: Sequence[Entry], *, last: int) -> None:
    """The table of one port, its difference as a line of blocks, and its changes in words."""
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


def _list(found: dict[str, tuple[Entry, ...]], *, last: int) -> None:
    """One line a port."""
    from rich.text import Text

    from harness.comparison.trend import find_changes
    from harness.report import sparkline
    from harness.report.ports import history_table
    from harness.report.screen import console, lay_out

    out = console()
    if not found:
        out.print(Text("the history is empty"))
        return
    marks = sparkline.levels(out.encoding)
    changes = {name: find_changes(entries) for name, entries in found.items()}
    table = history_table.overview(found, changes, last=last, marks=marks)
    out.print(lay_out(history_table.fitted(table, out.width)))


def _write_json(found: dict[str, tuple[Entry, ...]], to: str, *, last: int) -> None:
    from harness.comparison.trend import find_changes
    from harness.system.whole import write_text

    ports = [_document(name, es, find_changes(es), last) for name, es in found.items()]
    text = json.dumps({"schema_version": 2, "ports": ports}, indent=1) + "\n"
    if to == "-":
        sys.stdout.write(text)
        return
    write_text(Path(to), text)


def _document(
    name: str, entries: Sequence[Entry], changes: Sequence[Change], last: int
) -> dict[str, Any]:
    """A port's runs, the last N of them, and its changes named by their runs."""
    return {
        "port": name,
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
