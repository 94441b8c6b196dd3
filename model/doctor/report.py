"""The results of the checks, as lines and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from model.doctor.check import OK, Result
from model.doctor.supervise import count

SCHEMA_VERSION = 1
WIDTH = 14
"""Of the column with the names of the checks."""


def line(name: str, result: Result) -> str:
    """Returns a check as a line, and a second line with what to do unless all is well."""
    text = f"{result.status:<8} {name:<{WIDTH}} {result.found}"
    if result.status == OK or not result.do:
        return text
    return f"{text}\n{'':<{9 + WIDTH}} -> {result.do}"


def summary(results: Mapping[str, Result]) -> str:
    """Returns the last line: how many checks, problems and warnings."""
    problems, warnings = count(results)
    return (
        f"{len(results)} checks: {_several(problems, 'problem')}, {_several(warnings, 'warning')}"
    )


def _several(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def as_dict(results: Mapping[str, Result]) -> dict[str, Any]:
    """Returns the report for programs.

    `schema_version` rises with a change of meaning. `checks` is a list in order, each with `check`,
    `status`, `found`, `do` and perhaps `details`. `facts` is what the head of a log will state.
    """
    problems, warnings = count(results)
    return {
        "schema_version": SCHEMA_VERSION,
        "problems": problems,
        "warnings": warnings,
        "checks": [result.shown(name) for name, result in results.items()],
        "facts": facts(results),
    }


def facts(results: Mapping[str, Result]) -> dict[str, str]:
    """Returns the facts that were gathered; empty where they could not be."""
    gathered = results.get("facts")
    return {} if gathered is None else dict(gathered.details.get("facts", {}))


def as_json(results: Mapping[str, Result]) -> str:
    """Returns the report as JSON with a last line end."""
    return json.dumps(as_dict(results), indent=2) + "\n"
