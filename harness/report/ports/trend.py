"""The trend of a port, in words and as a small inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.comparison.flaky import flakiness
from harness.comparison.trend import Change, Entry
from harness.log.wording import counted
from harness.report import verdicts
from harness.report.escape import html as escape
from harness.report.ports.oneline import percent

WIDTH, HEIGHT, PAD = 320, 80, 8


def trend_svg(history: Sequence[Entry], changes: Sequence[Change]) -> str:
    """Returns the difference over the checks as an SVG element, with a line at each change.

    A check is a dot in the colour of its verdict, with its figures as a tooltip. A check without a
    difference is a cross on the zero line. The text alternative describes the picture. The size is
    320 by 80 and scales with the page. Empty for an empty history.
    """
    if not history:
        return ""
    low, high = _scale(history)
    words = escape("; ".join(describe(history, changes)))
    port = escape(history[-1].result.port)
    lines = [
        f'<svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{words}">',
        f"<title>{port}: {words}</title>",
        f'<line x1="0" x2="{WIDTH}" y1="{_y(0.0, low, high)}" y2="{_y(0.0, low, high)}" '
        'stroke="currentColor" stroke-opacity="0.35" stroke-dasharray="2 3"/>',
    ]
    lines += [_mark(change, history) for change in changes]
    lines += [
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-opacity="0.6"/>'
        for points in _stretches(history, low, high)
    ]
    lines += [_dot(i, history, low, high) for i in range(len(history))]
    return "\n".join([*lines, "</svg>"]) + "\n"


def describe(history: Sequence[Entry], changes: Sequence[Change]) -> tuple[str, ...]:
    """Returns the trend in words: the number of checks, the newest check, and every change."""
    last = history[-1]
    words = (
        f"{counted(len(history), 'check')}, the last {last.result.verdict}, "
        f"difference {percent(last.result.relative_difference)}"
    )
    changed = [f"{change} at the check {name_of(history[change.at])}" for change in changes]
    return (words, *(changed or ["no change found"]), *_flaky(history))


def _flaky(history: Sequence[Entry]) -> tuple[str, ...]:
    """Returns how often the port was flaky; empty if it never was."""
    known = flakiness(history)
    if not known.flaky:
        return ()
    last = f", the last {short(known.last)}" if known.last else ""
    return (
        f"flaky (failed and passed) at {known.flaky} of {counted(known.commits, 'commit')} "
        f"({known.rate:.0%}){last}",
    )


def name_of(entry: Entry) -> str:
    """Returns the name of a check: its time and the start of its commit."""
    commit = f" ({short(entry.commit)})" if entry.commit else ""
    return f"of {entry.when[:16].replace('T', ' ')}{commit}"


def short(commit: str) -> str:
    """Returns the start of a commit's name, with `+` if files were changed on top of it."""
    head, dirty, _ = commit.partition("-dirty")
    return head[:10] + ("+" if dirty else "")


def _difference(entry: Entry) -> float | None:
    difference = entry.result.relative_difference
    return difference if difference is not None and math.isfinite(difference) else None


def _scale(history: Sequence[Entry]) -> tuple[float, float]:
    """Returns the range of the differences, which includes zero and spans at least 1 %."""
    known = [e for entry in history if (e := _difference(entry)) is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    spare = max(0.01 - (high - low), 0.0) / 2
    return low - spare, high + spare


def _x(index: int, count: int) -> float:
    share = index / (count - 1) if count > 1 else 0.5
    return round(PAD + share * (WIDTH - 2 * PAD), 1)


def _y(difference: float, low: float, high: float) -> float:
    # Halves, so that the range of two large numbers of opposite sign does not overflow.
    share = (difference / 2 - low / 2) / (high / 2 - low / 2)
    return round(HEIGHT - PAD - share * (HEIGHT - 2 * PAD), 1)


def _stretches(history: Sequence[Entry], low: float, high: float) -> list[str]:
    """Returns the points of consecutive checks with a difference; a gap breaks the line."""
    lines: list[list[str]] = [[]]
    for i, entry in enumerate(history):
        difference = _difference(entry)
        if difference is None:
            lines.append([])
        else:
            lines[-1].append(f"{_x(i, len(history))},{_y(difference, low, high)}")
    return [" ".join(points) for points in lines if len(points) > 1]


def _mark(change: Change, history: Sequence[Entry]) -> str:
    x = _x(change.at, len(history))
    words = escape(f"{change} at the check {name_of(history[change.at])}")
    return (
        f'<line class="change" x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}" stroke="#0072B2" '
        f'stroke-width="2"><title>{words}</title></line>'
    )


def _dot(index: int, history: Sequence[Entry], low: float, high: float) -> str:
    entry = history[index]
    difference, verdict = _difference(entry), entry.result.verdict
    x, y = _x(index, len(history)), _y(difference or 0.0, low, high)
    words = escape(f"the check {name_of(entry)}: {verdict}, difference {percent(difference)}")
    colour = verdicts.row(verdict).dot
    if difference is None:
        path = f"M{x - 3} {y - 3}l6 6m-6 0l6 -6"
        return f'<path d="{path}" stroke="{colour}" stroke-width="2"><title>{words}</title></path>'
    return f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"><title>{words}</title></circle>'
