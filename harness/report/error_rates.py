"""The table, the CSV and the picture of a calibration."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparison.error_rates import HALVES, SAME, SINGLES, Row
from harness.report import escape, figures
from harness.report.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("rule", "kind", "comparisons", "failed", "passed", "open", "failed_share")
TABLE, PICTURE = "calibration.csv", "calibration.png"
FIRST = (HALVES, SINGLES, SAME)


def kinds(rows: Sequence[Row]) -> list[str]:
    """Returns the kinds of comparisons, first those without a difference, then by name."""
    names = {row.kind for row in rows}
    return [k for k in FIRST if k in names] + sorted(names - set(FIRST))


def table(rows: Sequence[Row]) -> Table:
    """Returns kinds of comparisons by rules; a cell has the percent that failed / passed."""
    cells = {(row.rule, row.kind): row for row in rows}
    counts = {row.kind: row.comparisons for row in rows}
    names = list(dict.fromkeys(row.rule for row in rows))
    body = tuple(
        (f"{kind} ({counts[kind]})", *(_cell(cells.get((name, kind))) for name in names))
        for kind in kinds(rows)
    )
    title = "Percent of comparisons that a rule fails / passes; the rest is inconclusive"
    return Table(title=title, head=("what differs", *names), rows=body)


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    failed = 100 * row.failed_share
    digits = 1 if 0 < failed < 10 else 0
    return f"{failed:.{digits}f}/{100 * row.passed_share:.0f}"


def to_csv(rows: Sequence[Row]) -> str:
    """Returns CSV with a line for each rule and kind."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        rest = row.comparisons - row.failed - row.passed
        writer.writerow(
            [
                escape.csv_cell(row.rule),
                escape.csv_cell(row.kind),
                row.comparisons,
                row.failed,
                row.passed,
                rest,
                repr(row.failed_share),
            ]
        )
    return out.getvalue()


def draw(rows: Sequence[Row]) -> Figure:
    """Returns a figure: rules by kinds, as a grid of the fractions that failed."""
    with figures.own_style():
        return _drawn(rows)


def _drawn(rows: Sequence[Row]) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  (half a second, only plots need it)

    columns = kinds(rows)
    names = list(dict.fromkeys(row.rule for row in rows))
    cells = {(row.rule, row.kind): row for row in rows}
    figure = Figure(figsize=(2.5 + 1.1 * len(columns), 1.8 + 0.42 * len(names)), layout="tight")
    axes = figure.subplots()
    grid = [
        [cells[n, k].failed_share if (n, k) in cells else float("nan") for k in columns]
        for n in names
    ]
    axes.imshow(grid, cmap="cividis_r", vmin=0, vmax=1, aspect="auto")
    for i, line in enumerate(grid):
        for j, share in enumerate(line):
            if share == share:  # noqa: PLR0124  (NaN: the rule does not apply here)
                colour = "white" if share > 0.5 else "black"
                axes.text(j, i, f"{share:.0%}", ha="center", va="center", color=colour)
    counts = {row.kind: row.comparisons for row in rows}
    labels = [f"{escape.figure(kind)}\n({counts[kind]})".replace(": ", ":\n") for kind in columns]
    axes.set_xticks(
        range(len(columns)), labels, rotation=40, ha="right", fontsize=8, rotation_mode="anchor"
    )
    axes.set_yticks(range(len(names)), [escape.figure(name) for name in names])
    axes.set_title("Share of comparisons that each rule fails", loc="left")
    return figure


def save(rows: Sequence[Row], folder: Path) -> tuple[Path, ...]:
    """Writes `calibration.csv` and, with matplotlib, `calibration.png` into a folder that exists.

    Returns:
        The files that were written.
    """
    paths = (folder / TABLE, folder / PICTURE)
    paths[0].write_text(to_csv(rows), encoding="utf-8")
    if figures.missing():
        return paths[:1]
    figures.save(draw(rows), paths[1], dpi=90)
    return paths
