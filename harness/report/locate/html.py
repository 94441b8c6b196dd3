"""The page of a located fault: one HTML file that needs no server, no network and no other file."""

from __future__ import annotations

from harness.locate.result import Located, Row
from harness.locate.stages import title
from harness.report.locate import tables
from harness.report.locate.tree import LEGEND, heat_of, map_of, tree_of
from harness.report.page import render_page

STYLES = ("page.css", "report.css", "locate.css")
SCRIPTS = ("locate.js",)
MOST_ROWS = 1500
"""Rows of the table of all tensors; a page of more opens slowly. The JSON has all of them."""
TOP = 30


def render(located: Located, *, report: str = "") -> str:
    """Returns the page; `report` is the file of the comparison's report beside it, if there is one.

    The same input gives the same bytes.
    """
    rows = _kept(located)
    words = tables.words_of(located.mode)
    sides = tables.sides_table(located)
    return render_page(
        "locate.html.j2",
        styles=STYLES,
        scripts=SCRIPTS,
        verdict=located.outcome,
        title=f"{located.outcome}: {located.headline}",
        report=report,
        headline=located.headline,
        names=", ".join(_named(located)),
        notes=located.notes,
        glance=_glance(located),
        is_replay=located.mode == "replay",
        culprits=tables.culprits_table(located, top=TOP),
        stages=[(tables.stage_row(stage), stage.state) for stage in located.stages],
        stage_head=tables.stages_table(located).head,
        tree=tree_of(located.rows),
        map=map_of(located.rows),
        legend=LEGEND,
        rows=[_row(row, words[row.state]) for row in rows],
        states=[(word, s) for s, word in words.items() if any(r.state == s for r in rows)],
        omitted=len(located.rows) - len(rows),
        unmatched=located.unmatched,
        sides=sides if sides.rows else None,
    )


def _named(located: Located) -> list[str]:
    names = ("baseline", "candidate") if len(located.sources) > 1 else ("device",)
    return [f"{name} {source}" for name, source in zip(names, located.sources, strict=False)]


def _glance(located: Located) -> list[tuple[str, str]]:
    parts = [(word, f"{number:,}") for word, number in tables.counts(located.rows, located.mode)]
    steps = len({row.step for row in located.rows})
    return [("tensors", f"{len(located.rows):,}"), ("steps", f"{steps}"), *parts]


def _kept(located: Located) -> tuple[Row, ...]:
    """Returns the rows of the table: all, or those with the largest errors, in their order."""
    if len(located.rows) <= MOST_ROWS:
        return located.rows
    number = range(len(located.rows))
    largest = set(sorted(number, key=lambda n: -_weight(located.rows[n]))[:MOST_ROWS])
    return tuple(row for n, row in enumerate(located.rows) if n in largest)


def _weight(row: Row) -> float:
    return row.ratio if row.ratio >= 0 else -1.0  # NaN is no number to sort by


def _row(row: Row, word: str) -> dict[str, str]:
    """Returns the cells of a row."""
    shape = "×".join(map(str, row.shape)) or "scalar"
    return {
        "state": row.state,
        "word": word,
        "kind": row.kind.replace("_", " "),
        "tensor": title(row),
        "where": tables.where(row),
        "format": f"{row.dtype} {shape}".strip(),
        "error": tables.figure(row.error),
        "limit": tables.figure(row.limit),
        "times": tables.times(row.ratio),
        "heat": heat_of(row),
        "source": row.source,
        "note": row.note,
    }
