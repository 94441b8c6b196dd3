"""The comparison as JSON. Its schema is `docs/comparison.schema.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from harness.align.aligned import ranges
from harness.comparison.pipeline import Comparison
from harness.log.run import Run
from harness.report import escape
from harness.version import tool_version

SCHEMA_VERSION = 2


def _side(runs: Sequence[Run], perturbed: Sequence[Run]) -> dict[str, Any]:
    """Returns the runs of a side, and its perturbed runs if it has any."""
    content = {"runs": [_run(run) for run in runs]}
    return content | ({"perturbed": [_run(run) for run in perturbed]} if perturbed else {})


def document(comparison: Comparison) -> dict[str, Any]:
    """Returns the comparison as plain data; NaN and infinity are the strings nan, inf and -inf."""
    whole = comparison.whole
    judgement = comparison.judgement
    content = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "ccnet-port-harness", "version": tool_version()},
        "verdict": str(comparison.verdict),
        "reasons": list(judgement.reasons),
        "better": comparison.better and dataclasses.asdict(comparison.better),
        "metric": comparison.policy.metric,
        "baseline": _side(comparison.baseline, comparison.perturbed[0]),
        "candidate": _side(comparison.candidate, comparison.perturbed[1]),
        "comparability": [
            {
                "fact": row.fact,
                "baseline": row.baseline,
                "candidate": row.candidate,
                "class": row.kind,
                "waived": row.waived,
            }
            for row in comparison.comparability
        ],
        "alignment": {
            "rank": whole.rank,
            "window": whole.window,
            "steps": int(whole.steps.size),
            "first": int(whole.steps[0]),
            "last": int(whole.steps[-1]),
            "baseline_only": int(whole.baseline_only.size),
            "candidate_only": int(whole.candidate_only.size),
            "missing": int(whole.missing.size),
            "baseline_only_steps": ranges(whole.baseline_only),
            "candidate_only_steps": ranges(whole.candidate_only),
            "missing_steps": ranges(whole.missing),
            "coverage": whole.coverage,
            "lag": whole.lag,
            "judged_steps": int(comparison.aligned.steps.size),
            "judged_first": int(comparison.aligned.steps[0]),
        },
        "measures": dataclasses.asdict(comparison.measures),
        "findings": [
            {
                "rule": finding.rule,
                "verdict": str(finding.verdict),
                "observed": finding.observed,
                "parameters": finding.parameters,
                "reason": finding.reason,
                "caveat": finding.caveat,
                "threshold": finding.threshold and dataclasses.asdict(finding.threshold),
                "estimates": [dataclasses.asdict(estimate) for estimate in finding.estimates],
            }
            for finding in judgement.findings
        ],
        "failures": list(judgement.failures),
        "doubts": list(judgement.doubts),
        "scope": judgement.scope,
        "policy": _policy(comparison),
        "notes": list(comparison.notes),
    }
    document: dict[str, Any] = escape.plain(content)
    return document


def render(comparison: Comparison) -> str:
    """Returns the document as text, indented by two spaces, with keys in a fixed order."""
    return escape.json(document(comparison)) + "\n"


def _run(run: Run) -> dict[str, Any]:
    return {
        "path": run.source,
        "sha256": run.sha256,
        "size_bytes": run.size_bytes,
        "formats": list(run.formats),
        "facts": run.facts.named(),
        "skipped": len(run.skipped),
        "notes": list(run.notes),
    }


def _policy(comparison: Comparison) -> dict[str, Any]:
    policy = comparison.policy
    return {
        "rules": [{"name": rule.name, "parameters": rule.in_force} for rule in policy.calls],
        "allow": list(policy.allow),
        "allow_reason": policy.allow_reason,
        "last": policy.last,
        "steps": list(policy.steps) if policy.steps else None,
        "min_steps": policy.records,
        "max_missing": policy.max_missing,
        "rank": policy.rank,
    }
