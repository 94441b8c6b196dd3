"""The report as a single HTML file that needs no server, no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.align.measure import relative_error, smooth
from harness.comparison.pipeline import Comparison
from harness.comparison.result import qualifier, relative_difference
from harness.log.run import Run, Series
from harness.log.wording import counted
from harness.report.comparison import tables
from harness.report.comparison.chart_data import payload
from harness.report.comparison.forest import forest
from harness.report.comparison.scale import SMOOTHINGS, limits, smoothing, spans_decades
from harness.report.page import embedded, render_page
from harness.report.table import listed
from harness.rules import Finding

STYLES = ("uPlot.min.css", "page.css", "report.css")
SCRIPTS = ("uPlot.LICENSE", "uPlot.iife.min.js", "thin.js", "chart.js", "touch.js", "report.js")
TABLE_ROWS = 25
"""Steps in the table that replaces the chart without JavaScript."""


def render(comparison: Comparison, *, command: str) -> str:
    """Returns the report as an HTML document; `command` repeats the comparison.

    The same input gives the same bytes.
    """
    verdict = str(comparison.verdict)
    return render_page(
        "report.html.j2",
        styles=STYLES,
        scripts=SCRIPTS,
        verdict=verdict,
        title=f"{verdict}: {comparison.policy.metric}, {_names(comparison)}",
        names=_names(comparison),
        headline=tables.headline(comparison),
        qualified=bool(qualifier(comparison)),
        reasons=tables.reasons(comparison),
        glance=_glance(comparison),
        data=embedded(payload(comparison)),
        chart=_chart(comparison),
        findings=[_finding(finding, comparison) for finding in comparison.judgement.findings],
        policy_lines=tables.policy_lines(comparison),
        facts=_facts(comparison),
        errors=tables.errors_table(comparison),
        errors_note=tables.ERRORS_NOTE,
        alignment=tables.alignment_lines(comparison),
        missing=_missing(comparison),
        remarks=tables.remarks(comparison),
        inputs=[
            _input(side, run)
            for side, runs in (
                ("baseline", comparison.baseline),
                ("candidate", comparison.candidate),
            )
            for run in runs
        ],
        command=command,
    )


def _names(comparison: Comparison) -> str:
    """Returns the names of the compared logs."""
    return f"baseline {_name(comparison.baseline)}, candidate {_name(comparison.candidate)}"


def _name(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        return runs[0].source
    folders = {run.source.rpartition("/")[0] for run in runs}
    folder = folders.pop() if len(folders) == 1 else ""
    return (
        f"{len(runs)} runs of {folder}" if folder else f"{len(runs)} runs ({runs[0].source}, ...)"
    )


def _glance(comparison: Comparison) -> list[tuple[str, str]]:
    aligned, whole = comparison.aligned, comparison.whole
    difference = relative_difference(aligned.baseline_mean, aligned.candidate_mean)
    blocking = [r for r in comparison.comparability if r.kind == "differs"]
    waived = sum(row.waived for row in blocking)
    return [
        ("mean level", "not finite" if difference is None else f"{difference:+.2%}"),
        ("steps judged", f"{aligned.steps.size:,}"),
        ("coverage", f"{whole.coverage:.1%}"),
        ("runs", f"{len(comparison.baseline)} : {len(comparison.candidate)}"),
        ("facts that differ", f"{len(blocking)}" + (f" ({waived} waived)" if waived else "")),
    ]


def _chart(comparison: Comparison) -> dict[str, Any]:
    """Returns the text around the charts, and the table of their values."""
    whole = comparison.whole
    error = relative_error(whole.baseline_mean, whole.candidate_mean)
    at = np.linspace(0, whole.steps.size - 1, min(TABLE_ROWS, whole.steps.size)).round()
    rows = [
        (
            f"{whole.steps[i]}",
            f"{whole.baseline_mean[i]:.5g}",
            f"{whole.candidate_mean[i]:.5g}",
            f"{error[i]:+.2%}" if np.isfinite(error[i]) else "not finite",
        )
        for i in np.unique(at.astype(int))
    ]
    return {
        "metric": whole.metric,
        "log": spans_decades(whole),
        "level": _level(comparison),
        "worst": _worst(comparison),
        "limits": [limit.text for limit in limits(comparison)],
        "smoothings": SMOOTHINGS,
        "smoothing": smoothing(whole.steps.size),
        "part": comparison.aligned.steps.size < whole.steps.size,
        "span": f"{comparison.aligned.steps[0]} to {comparison.aligned.steps[-1]}",
        "sides": [
            {"side": "baseline", "runs": _runs(comparison.baseline, whole.baseline_series)},
            {"side": "candidate", "runs": _runs(comparison.candidate, whole.candidate_series)},
        ],
        "rows": rows,
    }


def _runs(runs: Sequence[Run], series: Sequence[Series]) -> list[tuple[str, int]]:
    """Returns every run with the number of its values that are not finite."""
    return [
        (run.source, int(np.count_nonzero(~np.isfinite(logged.values))))
        for run, logged in zip(runs, series, strict=True)
    ]


def _level(comparison: Comparison) -> str:
    """Returns a sentence on the upper chart."""
    aligned = comparison.aligned
    difference = relative_difference(aligned.baseline_mean, aligned.candidate_mean)
    metric = aligned.metric
    if difference is None:
        return f"The mean {metric} of a side is not finite over the judged steps"
    if difference == 0:
        return f"The candidate's mean {metric} equals the baseline's over the judged steps"
    word = "above" if difference > 0 else "below"
    last = "" if aligned.last is None else f" over the last {counted(aligned.steps.size, 'step')}"
    return f"The candidate's mean {metric} is {abs(difference):.2%} {word} the baseline's{last}"


def _worst(comparison: Comparison) -> str:
    """Returns a sentence on the lower chart."""
    aligned = comparison.aligned
    error = relative_error(aligned.baseline_mean, aligned.candidate_mean)
    finite = np.isfinite(error)
    if not finite.any():
        return "No relative error is finite over the judged steps"
    window = smoothing(comparison.whole.steps.size)
    curves = (aligned.baseline_mean, aligned.candidate_mean)
    smoothed = relative_error(*(smooth(curve, window=window) for curve in curves))
    parts = []
    if np.isfinite(smoothed).any():
        at = int(np.argmax(np.where(np.isfinite(smoothed), np.abs(smoothed), -1.0)))
        parts.append(
            f"the error of the curves smoothed over {counted(window, 'step')} is largest at step "
            f"{aligned.steps[at]}, {smoothed[at]:+.2%}"
        )
    parts.append(
        f"95 % of the single steps are within "
        f"±{float(np.quantile(np.abs(error[finite]), 0.95)):.2%}"
    )
    if not finite.all():
        parts.append(f"{counted(int(np.count_nonzero(~finite)), 'step')} have no finite error")
    text = "; ".join(parts)
    return text[0].upper() + text[1:]


def _finding(finding: Finding, comparison: Comparison) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "verdict": str(finding.verdict),
        "reason": "" if tables.is_stated(finding, comparison) else finding.reason,
        "caveat": finding.caveat,
        "observed": [(name, tables.figure(value)) for name, value in finding.observed.items()],
        "parameters": [(name, tables.figure(value)) for name, value in finding.parameters.items()],
        "forest": forest(finding),
    }


def _missing(comparison: Comparison) -> str:
    steps = comparison.whole.missing
    return f"{counted(steps.size, 'step')} ({listed(steps)})" if steps.size else "no step"


def _facts(comparison: Comparison) -> list[dict[str, str]]:
    """Returns the rows of the table of facts, each with a word for its style."""
    stated = [
        row
        for row in comparison.comparability
        if row.baseline is not None or row.candidate is not None
    ]
    words = tables.facts_table(comparison).rows
    return [
        {
            "kind": "waived" if row.waived else row.kind,
            "fact": cells[0],
            "baseline": cells[1],
            "candidate": cells[2],
            "class": cells[3],
        }
        for row, cells in zip(stated, words, strict=True)
    ]


def _input(side: str, run: Run) -> dict[str, str]:
    return {
        "side": side,
        "log": run.source,
        "bytes": f"{run.size_bytes:,}" if run.size_bytes else "not known",
        "sha256": run.sha256 or "not known",
        "formats": ", ".join(run.formats) or "not known",
    }
