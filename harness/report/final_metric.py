"""A published result in words and figures: what it says, and what a comparison with it can show."""

from __future__ import annotations

from collections.abc import Sequence

from harness.log.published import Spread
from harness.log.run import Run
from harness.log.wording import counted
from harness.report.table import Table
from harness.rules import default_parameters
from harness.rules.final_metric import POWER, RULE, STRONG_POWER
from harness.stats.final_figure import least_margin, noticed
from harness.stats.power import spread_factor

CANDIDATES = (1, 3, 5, 10)
"""Numbers of candidate runs for which a table says what they show."""
NO_SPREAD = (
    "no published result shows how far runs of this training differ: a verdict needs two candidate "
    "runs or more"
)


def in_list(runs: Sequence[Run]) -> str:
    """Returns a published result on one line: name, figures, test mode, number of runs, source."""
    first = runs[0]
    source = first.published.source if first.published else ""
    name = first.published.name if first.published else first.source
    figures = ", ".join(f"{s.name} {_mean(runs, s.name):.2%}" for s in first.series)
    mode = first.facts.get("test_mode")
    tested = f" ({mode})" if mode else ""
    return f"{name}: {figures}{tested}, {counted(len(runs), 'run')}. {source}"


def lines(runs: Sequence[Run]) -> list[str]:
    """Returns what is known of a published result: its source, its figures, and their spread."""
    published = runs[0].published
    if published is None:
        return []
    told = [f"{published.name}: {counted(len(runs), 'run')}", f"source: {published.source}"]
    told.append(f"url: {published.url}")
    for series in runs[0].series:
        values = ", ".join(f"{_figure(run, series.name):.2%}" for run in runs)
        told.append(f"{series.name}: {values}")
        spread = published.spreads.get(series.name)
        told.append(f"spread of {series.name}: {_spread(spread) if spread else NO_SPREAD}")
    return told


def _spread(spread: Spread) -> str:
    return (
        f"{100 * spread.value:.2f} points from run to run ({counted(spread.degrees, 'degree')} of "
        f"freedom), from {', '.join(spread.names)}"
    )


def table(runs: Sequence[Run], metric: str) -> Table | None:
    """Returns what candidate runs can show of a metric; None without a known spread."""
    published = runs[0].published
    spread = published.spreads.get(metric) if published else None
    if spread is None:
        return None
    parameters = default_parameters(RULE)
    return Table(
        title=f"What {RULE} shows of {metric} in points, at level {parameters['level']:g} with a "
        f"margin of {100 * parameters['margin']:g}",
        head=(
            "candidate runs",
            f"fails with {POWER:.0%} from",
            f"fails with {STRONG_POWER:.0%} from",
            f"smallest margin that an equal port passes with {POWER:.0%}",
        ),
        rows=tuple(_row(len(runs), m, spread, **parameters) for m in CANDIDATES),
    )


def _row(n: int, m: int, spread: Spread, *, margin: float, level: float) -> tuple[str, ...]:
    error, degrees = spread.value * spread_factor(n, m), spread.degrees + m - 1
    sizes = [
        *(
            noticed(error, degrees, margin=margin, level=level, power=power)
            for power in (POWER, STRONG_POWER)
        ),
        least_margin(n, m, spread=spread.value, degrees=spread.degrees, level=level, power=POWER),
    ]
    return (str(m), *(f"{100 * size:.2f}" for size in sizes))


def _figure(run: Run, metric: str) -> float:
    return float(run.find(metric, 0)[0].values[-1])


def _mean(runs: Sequence[Run], metric: str) -> float:
    return sum(_figure(run, metric) for run in runs) / len(runs)
