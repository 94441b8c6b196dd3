"""The index of many ports as an HTML file: a table with small curves and links to the reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from harness.align.measure import relative_error
from harness.comparison.result import ERROR, LARGE, PortResult
from harness.comparison.standing import besides, deciding, remark
from harness.comparison.trend import Entry, find_changes
from harness.report import verdicts
from harness.report.page import render_page
from harness.report.ports.oneline import worst_first
from harness.report.ports.trend import describe, trend_svg

WIDTH, CURVES, STRIP, EDGE = 160, 42, 30, 3
"""The small curves, and the strip with the error below them, in pixels."""
ERROR_BOUNDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Possible scales of the strip: the smallest that contains all errors, so that the scale shows how
large they are. Errors beyond the last are cut off and marked."""


def render_index(
    results: Sequence[PortResult],
    *,
    title: str = "Ports",
    histories: Mapping[str, Sequence[Entry]] | None = None,
) -> str:
    """Returns the index as HTML, the worst ports first, with links to `<port>/report.html`.

    A port with an error has no report and no link. `histories` contains the checks of a port over
    time, the oldest first; if there are any, a column draws the trend and marks its changes. The
    same input gives the same bytes.
    """
    histories = histories or {}
    rows = [
        {**_row(result), "trend": _trend(histories.get(result.port, ()))}
        for result in worst_first(results)
    ]
    return render_page(
        "index.html.j2",
        styles=("page.css", "index.css"),
        scripts=("index.js",),
        verdict=verdicts.worst(deciding(results)) if results else ERROR,
        title=f"{title}: {_counts(results)}",
        heading=title,
        counts=_counts(results),
        words=[row.word for row in verdicts.TABLE if any(r.verdict == row.word for r in results)],
        rows=rows,
        with_trend=any(row["trend"] for row in rows),
        size={"width": WIDTH, "height": CURVES + STRIP, "zero": CURVES + STRIP / 2},
        limit=f"{LARGE:.0%}",
    )


def _counts(results: Sequence[PortResult]) -> str:
    counts = {row.word: sum(r.verdict == row.word for r in results) for row in verdicts.TABLE}
    words = ", ".join(f"{n} {word}" for word, n in counts.items() if n) or "none"
    more = besides(results)
    return f"{words} ({more})" if more else words


def _row(result: PortResult) -> dict[str, Any]:
    """Returns the content of a row and its sort keys; an empty key sorts last."""
    return {
        "port": result.port,
        "link": ""
        if result.verdict == ERROR
        else f"./{quote(result.port, safe='', errors='backslashreplace')}/report.html",
        "verdict": result.verdict,
        "qualifier": result.qualifier,
        "remarks": [text for text in (*_besides(result), remark(result)) if text],
        "rank": verdicts.rank(result.verdict),
        "difference": ""
        if result.relative_difference is None
        else f"{result.relative_difference:+.2%}",
        "difference_size": ""
        if result.relative_difference is None
        else repr(abs(result.relative_difference)),
        "coverage": "" if result.coverage is None else f"{result.coverage:.1%}",
        "coverage_size": "" if result.coverage is None else repr(result.coverage),
        "steps": result.steps,
        "when": result.started,
        "shown": result.started[:16].replace("T", " "),
        "reasons": () if result.verdict == "pass" else result.reasons,
        "metric": result.metric,
        "curves": _curves(result),
    }


def _besides(result: PortResult) -> tuple[str, ...]:
    return ("flaky" * result.flaky, "quarantined" * result.held, result.better)


def _trend(history: Sequence[Entry]) -> dict[str, Any] | None:
    """Returns the trend as a picture and its changes in words; None without a history."""
    if not history:
        return None
    changes = find_changes(history)
    said = describe(history, changes)[1:]
    words = said if changes else said[1:]  # the first says that there is no change
    return {"picture": Markup(trend_svg(history, changes)), "changes": words}  # noqa: S704


def _curves(result: PortResult) -> dict[str, Any] | None:
    """Returns the small curves and their error as SVG paths and in words; None if empty."""
    base, cand = result.baseline_curve, result.candidate_curve
    known = [value for value in (*base, *cand) if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    errors = _errors(base, cand)
    largest = max((abs(e) for e in errors if e is not None), default=0.0)
    bound = next((b for b in ERROR_BOUNDS if b >= largest), ERROR_BOUNDS[-1])
    parts = [None if e is None else 0.5 + 0.5 * max(-1.0, min(1.0, e / bound)) for e in errors]
    beyond = [e if e is not None and abs(e) > bound else None for e in errors]
    return {
        "baseline": _path(result.curve_steps, [_part(v, low, span) for v in base], 0, CURVES),
        "candidate": _path(result.curve_steps, [_part(v, low, span) for v in cand], 0, CURVES),
        "error": _path(result.curve_steps, parts, CURVES, STRIP),
        "clipped": _marks(result.curve_steps, beyond),
        "limits": _limits(bound),
        "bound": f"±{bound:.0%}" + (", cut off" if any(beyond) else ""),
        "text": f"{result.metric} by step: baseline {_course(base)}, candidate {_course(cand)}, "
        f"the relative error at most {largest:.1%}",
    }


def _part(value: float | None, low: float, span: float) -> float | None:
    return None if value is None else (value - low) / span


def _errors(base: Sequence[float | None], cand: Sequence[float | None]) -> list[float | None]:
    """Returns the relative errors of two curves (n,); None if unknown or not finite."""
    sides = (np.array([np.nan if v is None else v for v in curve]) for curve in (base, cand))
    return [e if math.isfinite(e) else None for e in relative_error(*sides).tolist()]


def _limits(bound: float) -> list[float]:
    """Returns the places of +5 % and -5 % in pixels from the top; empty if the scale is smaller."""
    if bound < LARGE:
        return []
    half = (STRIP - 2 * EDGE) / 2
    return [round(CURVES + STRIP / 2 + sign * half * LARGE / bound, 1) for sign in (-1, 1)]


def _marks(steps: Sequence[int], errors: Sequence[float | None]) -> str:
    """Returns a path of triangles at the edge of the strip, one for each error beyond it."""
    across = (WIDTH - 2 * EDGE) / max(1, steps[-1] - steps[0])
    triangles = []
    for step, error in zip(steps, errors, strict=True):
        if error is not None:
            x, up = EDGE + across * (step - steps[0]), error > 0
            y, way = (CURVES + 1, 4) if up else (CURVES + STRIP - 1, -4)
            triangles.append(f"M{x:.1f} {y}l-2 {way}h4z")
    return "".join(triangles)


def _course(curve: Sequence[float | None]) -> str:
    known = [value for value in curve if value is not None]
    return f"from {known[0]:.4g} to {known[-1]:.4g}" if known else "not finite"


def _path(steps: Sequence[int], parts: Sequence[float | None], top: int, height: int) -> str:
    """Returns the path of a curve given as fractions of the height, with a gap for None."""
    across = (WIDTH - 2 * EDGE) / max(1, steps[-1] - steps[0])
    path, pen = [], "M"  # SVG: M moves the pen, L draws a line
    for step, part in zip(steps, parts, strict=True):
        if part is None:
            pen = "M"
            continue
        x, y = EDGE + across * (step - steps[0]), top + height - EDGE - part * (height - 2 * EDGE)
        path.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(path)
