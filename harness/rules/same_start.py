"""Judges runs of the same start: the candidate must stay within the envelope of rounding.

Both sides begin with equal weights, data and random draws, so that healthy runs differ by rounding
alone. A fault shows at once, while the spread of seeds hides it for hundreds of steps. The rule
compares the loss, its parts and the logged norms of the first steps with the envelope that
perturbed runs show (`stats/envelope.py` derives it). It fails if a figure leaves the envelope, and
says at which step, by how much, and which part of the training that points to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from harness.align.aligned import Aligned
from harness.align.start import UNKNOWN, Start, StartSeries
from harness.log.arrays import Floats, Steps
from harness.log.wording import counted
from harness.rules.departure import kind_of
from harness.rules.finding import Figure, Finding, Verdict, check_share, nonfinite
from harness.stats.envelope import (
    Envelope,
    deviation,
    envelope,
    quantile_of,
    tail,
)

RULE = "same-start"
HORIZON = 30
"""Steps from the start that are judged. Later, rounding has grown to the size of seed variation."""
HIDDEN = 2e-6
"""Rounding of the log, as a fraction of the value, above which it hides what the rule looks for:
seven significant digits round by less."""
HOW = "python -m model.train --same-start --perturb 8"
NOT_SEEN = "schedules after the last of these steps, resuming, validation, data that repeats later"
"""What a few steps from the start cannot show."""
PLACES = (0, 2, 9)
"""The places of the steps at which verdicts and tables state the limit: first, third, tenth."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
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


def same_start(
    aligned: Aligned, *, level: float = 0.01, resolution: float = 0.05, steps: int = 10
) -> Finding:
    """Returns the finding on the first steps of runs that began from the same start.

    `level` is the chance that a healthy candidate fails. A pass needs `steps` steps on which the
    envelope of the judged series is at most `resolution`.

    Raises:
        PolicyError: `level` is not between 0 and 1.
    """
    check_share(RULE, "level", level)
    parameters: dict[str, Figure] = {"level": level, "resolution": resolution, "steps": steps}
    broken = nonfinite(RULE, aligned, parameters)
    if broken is not None:
        return broken
    if aligned.start is None:
        reason = f"the logs share no step of {aligned.metric} from a common start"
        return _finding(Verdict.INCONCLUSIVE, reason, parameters, {})
    looks = _looks(aligned.start, level)
    verdict, reason = _decide(aligned.start, looks, resolution, int(steps))
    runs = looks[0].envelope.runs
    ratio = max(float(look.times.max()) for look in looks)
    count = sum(look.apart.size for look in looks)
    units = ratio * quantile_of(level, count, runs) if runs else 0.0
    return _finding(
        verdict,
        reason,
        parameters,
        _observed(looks, ratio),
        caveat=_caveat(aligned.start),
        p_value=tail(units, count, runs) if runs else None,
        level=level if runs else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limit:
    """The largest deviation (n,) that a series may have at `steps` (n,); `runs` show it."""

    name: str
    steps: Steps
    limit: Floats
    runs: int

    def at(self, step: int) -> float:
        """Returns the limit at a step; NaN where the series has none."""
        where = np.flatnonzero(self.steps == step)
        return float(self.limit[where[0]]) if where.size else math.nan


def noticeable(start: Start, *, level: float = 0.01) -> tuple[Limit, ...]:
    """Returns how far a candidate may deviate from a start, by series, the judged one first."""
    return tuple(
        Limit(
            name=look.series.name, steps=look.series.steps, limit=look.envelope.limit,
            runs=look.envelope.runs,
        )
        for look in _looks(start, level)
    )  # fmt: skip


def _finding(
    verdict: Verdict,
    reason: str,
    parameters: dict[str, Figure],
    observed: dict[str, Figure],
    *,
    caveat: str = "",
    p_value: float | None = None,
    level: float | None = None,
) -> Finding:
    return Finding(
        rule=RULE, verdict=verdict, observed=observed, parameters=parameters, reason=reason,
        caveat=caveat, p_value=p_value, level=level,
    )  # fmt: skip


def _looks(start: Start, level: float) -> list[_Look]:
    """Returns every series within the horizon, the judged one first."""
    series = [_cut(one) for one in start.series]
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
        looks.append(_Look(series=one, envelope=found, apart=apart))
    return looks


def _cut(series: StartSeries) -> StartSeries:
    n = HORIZON
    return replace(
        series, steps=series.steps[:n], baseline=series.baseline[:n], printed=series.printed[:n],
        candidate=series.candidate[:, :n], ours=series.ours[:, :n], theirs=series.theirs[:, :n],
    )  # fmt: skip


def _decide(
    start: Start, looks: list[_Look], resolution: float, needed: int
) -> tuple[Verdict, str]:
    judged = looks[0]
    if departures := _departures(looks):
        return Verdict.FAIL, _failure(start, looks, departures)
    n = judged.series.steps.size
    if n < needed:
        return Verdict.INCONCLUSIVE, (
            f"only {counted(n, 'step')} from the start are logged, and {needed} are needed: log "
            f"every step (`{HOW}`)"
        )
    hidden = float(np.median(judged.series.printed / judged.envelope.scale))
    if hidden > HIDDEN:
        return Verdict.INCONCLUSIVE, (
            f"the logs print {judged.series.name} so coarsely that every difference below "
            f"{2 * hidden:.1g} is hidden: log all digits (Python's repr)"
        )
    narrow = int(np.count_nonzero(judged.envelope.limit <= resolution))
    if narrow < needed:
        return Verdict.INCONCLUSIVE, _too_wide(start, judged, resolution, narrow, needed)
    return Verdict.PASS, (
        f"{_named(looks)} stay within the envelope of rounding on all {counted(n, 'step')} from "
        f"the start; a deviation of {judged.series.name} {_resolved(judged)} would have been "
        f"noticed{_source(judged)}. Not judged: {NOT_SEEN}"
    )


def _departures(looks: list[_Look]) -> list[tuple[_Look, int]]:
    """Returns the series that leave the envelope, each with the place of its first such step."""
    return [(look, at) for look in looks if (at := look.first) is not None]


def _failure(start: Start, looks: list[_Look], departures: list[tuple[_Look, int]]) -> str:
    """Returns in words where the candidate leaves the envelope first, and what that points to."""
    first, at = min(departures, key=lambda one: (one[1], -float(one[0].times[:, one[1]].max())))
    run = int(first.times[:, at].argmax())
    apart, limit = float(first.apart[run, at]), float(first.envelope.limit[at])
    where = f"in candidate run {run + 1} " if first.apart.shape[0] > 1 else ""
    places = {look.series.name: place for look, place in departures}
    kind = kind_of(places, {look.series.name: look.apart[run] for look in looks}, start)
    return (
        f"{where}{first.series.name} leaves the envelope of rounding at step "
        f"{first.series.steps[at]}: it differs by {apart:+.2g} of its value, and the limit is "
        f"{limit:.2g}{_source(first)}; {len(departures)} of "
        f"{counted(len(looks), 'series', 'series')} leave it. {kind}"
    )


def _named(looks: list[_Look]) -> str:
    names = [look.series.name for look in looks]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} further series"


def _resolved(look: _Look) -> str:
    """Returns the resolution at the first, the third and the tenth step, in words."""
    return "above " + ", ".join(f"{size:.1g} at step {step}" for step, size in look.stated.items())


def _source(look: _Look) -> str:
    """Returns where the limit comes from."""
    if look.envelope.runs:
        return f" (envelope of {counted(look.envelope.runs, 'perturbed run')})"
    return " (by precision alone: no perturbed run was passed)"


def _too_wide(start: Start, judged: _Look, resolution: float, narrow: int, needed: int) -> str:
    why = (
        f"the envelope of {judged.series.name} is wider than {resolution:g} after "
        f"{counted(narrow, 'step')}, and {needed} are needed"
    )
    if judged.envelope.runs:
        return f"{why}: rounding grows too fast here; compare several seeds"
    unknown = start.precisions[1] == UNKNOWN
    also = "; the log does not state its precision" if unknown else ""
    return (
        f"{why}{also}: no perturbed run shows how far rounding goes; make some (`{HOW}`) and pass "
        "their logs with those of the same side"
    )


def _observed(looks: list[_Look], ratio: float) -> dict[str, Figure]:
    judged = looks[0]
    departures = _departures(looks)
    worst = max(looks, key=lambda look: float(look.times.max()))
    first = min((at for _, at in departures), default=None)
    there = [look.series.name for look, at in departures if at == first]
    return {
        "steps": int(judged.series.steps.size),
        "series": len(looks),
        "perturbed_runs": judged.envelope.runs,
        "series_outside": len(departures),
        "first_step_outside": min(
            (int(look.series.steps[at]) for look, at in departures), default=None
        ),
        "first_outside": ", ".join(there) or None,
        "largest_ratio": ratio,
        "largest_in": worst.series.name,
        **{f"limit_at_{step}": size for step, size in judged.stated.items()},
    }


def _caveat(start: Start) -> str:
    seen = f"not judged: {NOT_SEEN}"
    if start.stated:
        return seen
    return f"no log states a fingerprint of its start, so an equal start is assumed; {seen}"
