"""A comment for a pull or merge request, on one screen of Markdown: verdicts and a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from urllib.parse import quote

from harness.align.thinning import stretches
from harness.comparison.result import PortResult
from harness.comparison.standing import deciding, remark
from harness.report import sparkline, verdicts
from harness.report.escape import markdown, mermaid
from harness.report.ports.oneline import counts, main_reason, percent, worst_first

MARK = "<!-- ccnet-port-harness -->"
"""The first line, by which a job finds its earlier comment."""
SHOWN = 15
REASON = 160
CURVE = 20
POINTS = 40
COLOURS = "#0072B2, #D55E00"


def render(results: Sequence[PortResult], *, pictures: str = "", shown: int = SHOWN) -> str:
    """Returns the comment with the `shown` worst ports; with 15, it has at most 40 lines.

    `pictures` is the URL of the report folder. Without it the curves of the worst port are drawn as
    a Mermaid chart, which GitHub and GitLab render.
    """
    lines = [
        MARK,
        f"### Ports: {verdicts.worst(deciding(results)) if results else 'none'}",
        "",
        counts(results),
        "",
    ]
    listed = worst_first(results)[:shown]
    lines += [
        "| port | verdict | difference | baseline, candidate | main reason |",
        "|---" * 5 + "|",
    ]
    lines += [_row(result) for result in listed]
    rest = len(results) - len(listed)
    if rest:
        lines += ["", f"{rest} more, not worse than these."]
    drawn = next((r for r in listed if _points(r)), None)
    if drawn is not None:
        lines += ["", *(_link(drawn, pictures) if pictures else _chart(drawn))]
    return "\n".join(lines) + "\n"


def _row(result: PortResult) -> str:
    curves = sparkline.sparklines(result.baseline_curve, result.candidate_curve, width=CURVE)
    # Markdown collapses plain spaces, which are the gaps of a curve.
    drawn = "<br>".join(curve.replace(" ", "\N{FIGURE SPACE}") for curve in curves)
    reason = "; ".join(part for part in (remark(result), main_reason(result)) if part)
    reason = reason if len(reason) <= REASON else reason[: REASON - 1] + "…"
    but = f", but {markdown(result.qualifier)}" if result.qualifier else ""
    cells = (
        markdown(result.port),
        f"**{result.verdict}**{_besides(result)}{but}",
        percent(result.relative_difference),
        drawn,
        markdown(reason),
    )
    return f"| {' | '.join(cells)} |"


def _besides(result: PortResult) -> str:
    return ", flaky" * result.flaky + ", quarantined" * result.held


def _link(result: PortResult, pictures: str) -> list[str]:
    address = (
        f"{pictures.rstrip('/')}/{quote(result.port, errors='backslashreplace')}/comparison.png"
    )
    return [f"![{markdown(result.port)}: loss curves and their relative error]({address})"]


def _points(result: PortResult) -> list[tuple[int, float, float]]:
    """Returns the steps at which both curves are finite, thinned to `POINTS`."""
    rows = zip(result.curve_steps, result.baseline_curve, result.candidate_curve, strict=True)
    both = [(s, b, c) for s, b, c in rows if b is not None and c is not None]
    if len(both) < 2:
        return []
    return [_middle(both[part]) for part in stretches(len(both), POINTS)]


def _middle(points: Sequence[tuple[int, float, float]]) -> tuple[int, float, float]:
    """Returns the middle step of a stretch with the mean of each curve over it."""
    step = points[len(points) // 2][0]
    base, cand = (math.fsum(p[i] / len(points) for p in points) for i in (1, 2))
    return step, base, cand


def _chart(result: PortResult) -> list[str]:
    steps, baseline, candidate = zip(*_points(result), strict=True)
    metric = mermaid(result.metric)
    low, high = min(*baseline, *candidate), max(*baseline, *candidate)
    return [
        "```mermaid",
        "---",
        "config:",
        "  themeVariables:",
        "    xyChart:",
        f'      plotColorPalette: "{COLOURS}"',
        "---",
        "xychart-beta",
        f'    title "{mermaid(result.port)}: baseline blue, candidate orange"',
        f'    x-axis "step" {steps[0]} --> {steps[-1]}',
        f'    y-axis "{metric}" {_number(low)} --> {_number(high if high > low else low + 1)}',
        f"    line [{', '.join(map(_number, baseline))}]",
        f"    line [{', '.join(map(_number, candidate))}]",
        "```",
    ]


def _number(value: float) -> str:
    """Returns a number without exponent, which Mermaid cannot read."""
    return f"{float(f'{value:.4g}'):.12f}".rstrip("0").rstrip(".")
