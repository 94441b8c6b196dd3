"""A located fault as JSON. Its schema is `docs/locate.schema.json`."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.locate.result import Located, Row, Stage
from harness.report import escape
from harness.report.locate.tables import stage_ratio
from harness.version import tool_version

SCHEMA_VERSION = 1
_FIELDS = tuple(field.name for field in dataclasses.fields(Row))


def document(located: Located) -> dict[str, Any]:
    """Returns the result as plain data; NaN and infinity are the strings nan and inf."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "ccnet-port-harness", "version": tool_version()},
        "mode": located.mode,
        "outcome": located.outcome,
        "headline": located.headline,
        "culprits": [_row(row) for row in located.culprits],
        "stages": [_stage(stage) for stage in located.stages],
        "rows": [_row(row) for row in located.rows],
        "unmatched": list(located.unmatched),
        "notes": list(located.notes),
        "sides": [dict(side) for side in located.sides],
        "sources": list(located.sources),
    }
    plain: dict[str, Any] = escape.plain(content)
    return plain


def render(located: Located) -> str:
    """Returns the document as text, with keys in a fixed order."""
    return escape.json(document(located)) + "\n"


def _row(row: Row) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in _FIELDS}, "ratio": row.ratio}


def _stage(stage: Stage) -> dict[str, Any]:
    return {**dataclasses.asdict(stage), "ratio": stage_ratio(stage)}
