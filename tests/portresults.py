"""Results of ports as a check makes them, for the tests of writers and of the history."""

from datetime import UTC, datetime, timedelta

import numpy as np

from harness.comparison.result import PortResult, RuleResult
from harness.comparison.trend import Entry

HOSTILE = "<b>&\"']]>\x00\x1b[31m\udc80 ::error::x\r\n| `@all` 100%, a: b\u2028"
START = datetime(2026, 1, 1, 6, tzinfo=UTC)


def result(
    port="p", verdict="pass", *, relative_difference=0.001, rules=None, reasons=None, **fields
):
    """A result; its single rule has the verdict of the port unless `rules` are given."""
    if rules is None:
        asked = verdict not in {"error", "incomparable"}
        rules = (RuleResult(rule="equivalence", verdict=verdict, reason="why"),) if asked else ()
    curve = tuple(float(v) for v in np.linspace(4, 1, 80))
    given = {
        "reasons": (f"reason of {port}",) if reasons is None else reasons,
        "steps": 80,
        "coverage": 1.0,
        "curve_steps": tuple(range(80)),
        "baseline_curve": curve,
        "candidate_curve": tuple(1.1 * v for v in curve),
        "manifest": "ports.toml",
        "line": 3,
        "started": "2026-01-01T06:00:00+00:00",
        "elapsed_s": 0.5,
        "tool_version": "0.1.0",
    }
    return PortResult(
        port=port,
        verdict=verdict,
        relative_difference=relative_difference,
        rules=rules,
        **(given | fields),
    )


def broken(port="gone"):
    """A port whose logs could not be read."""
    return PortResult(
        port=port,
        verdict="error",
        reasons=("no.log: no such file",),
        manifest="ports.toml",
        line=9,
    )


def entries(differences, *, port="p", verdict="pass"):
    """A history with these differences, a run a day; None is a run that could not be judged."""
    return tuple(
        Entry(
            result=result(port, verdict if e is not None else "error", relative_difference=e),
            commit=f"{i:040x}",
            when=(START + timedelta(days=i)).isoformat(timespec="microseconds"),
        )
        for i, e in enumerate(differences)
    )
