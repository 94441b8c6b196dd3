"""Compares each series of a start with its envelope of rounding, for the rule `same-start`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.align.benign import HORIZON
from harness.align.start import Start, StartSeries
from harness.log.arrays import Floats
from harness.stats.envelope import Envelope, deviation, envelope, quantile_of

PLACES = (0, 2, 9)
"""The places of the steps at which verdicts and tables state the limit: first, third, tenth."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """A series with its envelope and the candidate's deviations (C, n) within the horizon."""

    series: StartSeries
    envelope: Envelope
    apart: Floats

    @property
    def times(self) -> Floats:
        """The deviations (C, n) in units of the limit; infinite where the candidate is not."""
        known = np.isfinite(self.series.baseline)
        ratio = np.abs(self.apart) / self.envelope.limit
        return np.where(known, np.where(np.isnan(ratio), np.inf, ratio), 0.0)

    @property
    def first(self) -> int | None:
        """The place of the first step outside the envelope; None without any."""
        outside = np.flatnonzero((self.times > 1).any(axis=0))
        return int(outside[0]) if outside.size else None

    @property
    def stated(self) -> dict[int, float]:
        """The limits that are stated, by step."""
        steps, limit = self.series.steps, self.envelope.limit
        return {int(steps[i]): float(limit[i]) for i in PLACES if i < limit.size}


def looks_at(start: Start, level: float, *, last: int | None = None) -> list[Look]:
    """Returns every series within the horizon, and up to the step `last`; the judged one first."""
    series = [cut for one in start.series if (cut := _cut(one, last)).steps.size]
    runs = series[0].ours.shape[0] + series[0].theirs.shape[0]
    count = sum(one.candidate.size for one in series)
    precision = start.precisions[1]
    quantile = quantile_of(level, count, runs)
    looks = []
    for one in series:
        found = envelope(
            one,
            precision=precision,
            same=start.envelope_at == precision or bool(one.theirs.size),
            quantile=quantile,
        )
        apart = deviation(one.candidate, one.baseline, found.scale)
        looks.append(Look(series=one, envelope=found, apart=apart))
    return looks


def departures(looks: Sequence[Look]) -> list[tuple[Look, int]]:
    """Returns the series that leave the envelope, each with the place of its first such step."""
    return [(look, at) for look in looks if (at := look.first) is not None]


def _cut(series: StartSeries, last: int | None) -> StartSeries:
    steps = series.steps[:HORIZON]
    n = steps.size if last is None else int(np.searchsorted(steps, last, "right"))
    return replace(
        series, steps=series.steps[:n], baseline=series.baseline[:n], printed=series.printed[:n],
        candidate=series.candidate[:, :n], ours=series.ours[:, :n], theirs=series.theirs[:, :n],
    )  # fmt: skip
