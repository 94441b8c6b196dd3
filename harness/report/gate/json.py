"""A proposed gate as JSON. Its schema is `docs/gate.schema.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.gate.checks import named
from harness.gate.limits import Limits
from harness.gate.propose import Proposal
from harness.report import escape
from harness.version import tool_version

SCHEMA_VERSION = 1


def document(proposal: Proposal, lines: Sequence[str]) -> dict[str, Any]:
    """Returns the proposal as plain data; NaN and infinity are the strings nan, inf and -inf."""
    history, checks, halving = proposal.history, proposal.checks, proposal.halving
    content = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "ccnet-port-harness", "version": tool_version()},
        "metric": history.metric,
        "relative": history.relative,
        "rate": proposal.rate,
        "worse": str(proposal.worse),
        "candidate_runs": proposal.runs,
        "needed_runs": proposal.needed,
        "gate": None if proposal.limits is None else _gate(proposal.limits),
        "half_with": None
        if halving is None
        else {"history_runs": halving.history, "candidate_runs": halving.runs},
        "refusals": list(proposal.refusals),
        "notes": list(proposal.notes),
        "history": {
            "records": history.last,
            "steps": None if history.steps is None else list(history.steps),
            "runs": [
                {"name": name, "value": value}
                for name, value in zip(history.names, history.values.tolist(), strict=True)
            ],
        },
        "checks": {
            "drift_p": checks.drift,
            "drifts": checks.drifts,
            "trend_p": checks.trend,
            "wander_p": checks.wander,
            "rank_correlation": checks.correlation,
            "normal_p": checks.normal,
            "outliers": list(named(history.names, checks.outliers)),
        },
        "manifest": list(lines),
    }
    plain: dict[str, Any] = escape.plain(content)
    return plain


def render(proposal: Proposal, lines: Sequence[str]) -> str:
    """Returns the document as text, with keys in a fixed order."""
    return escape.json(document(proposal, lines)) + "\n"


def _gate(limits: Limits) -> dict[str, Any]:
    return {
        "method": limits.method,
        "at_least": limits.low,
        "at_most": limits.high,
        "mean": limits.mean,
        "spread": limits.spread,
        "false_alarms": limits.rate,
        "false_alarms_if_normal": limits.rate_if_normal,
        "false_alarms_if_kept": limits.own_rate,
        "noticed": [{"probability": power, "regression": size} for power, size in limits.notices],
    }
