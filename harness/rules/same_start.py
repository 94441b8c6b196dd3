"""Judges runs of the same start: the candidate must stay within the envelope of rounding.

Both sides begin with equal weights, data and random draws, so that healthy runs differ by rounding
alone. A fault shows at once, while the spread of seeds hides it for hundreds of steps. The rule
compares the loss, its parts and the logged norms of the first steps with the envelope that
perturbed runs show (`stats/envelope.py` derives it). It fails if a figure leaves the envelope, and
says at which step, by how much, and which part of the training that points to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.align.aligned import Aligned
from harness.align.benign import HORIZON
from harness.align.start import Start
from harness.errors import PolicyError
from harness.log.arrays import Floats, Steps
from harness.rules import start_words as words
from harness.rules.finding import Figure, Finding, Verdict, check_share, nonfinite
from harness.rules.looks import Look, departures, looks_at
from harness.stats.envelope import quantile_of, tail

RULE = "same-start"
HIDDEN = 2e-6
"""Rounding of the log, as a fraction of the value, above which it hides what the rule looks for:
seven significant digits round by less."""


def same_start(
    aligned: Aligned, *, level: float = 0.01, resolution: float = 0.05, steps: int = 10
) -> Finding:
    """Returns the finding on the first steps of runs that began from the same start.

    `level` is the chance that a healthy candidate fails. A pass needs `steps` steps on which the
    envelope of the judged series is at most `resolution`. Of a part of the run (`--until`), the
    steps up to its last one are judged.

    Raises:
        PolicyError: `level` is not between 0 and 1, or `steps` exceeds the horizon.
    """
    check_share(RULE, "level", level)
    if steps > HORIZON:
        msg = f"{RULE} judges the first {HORIZON} steps at most, and steps is {steps}; lower it"
        raise PolicyError(msg)
    parameters: dict[str, Figure] = {"level": level, "resolution": resolution, "steps": steps}
    broken = nonfinite(RULE, aligned, parameters)
    if broken is not None:
        return broken
    if without_start := lacks_start(aligned):
        return _finding(Verdict.INCONCLUSIVE, without_start, parameters, {})
    assert aligned.start is not None  # noqa: S101  (`lacks_start` says so)
    return _on_start(aligned.start, _last(aligned), parameters)


def lacks_start(aligned: Aligned) -> str:
    """Returns why the judged steps do not begin at a common start; empty if they do."""
    start = aligned.start
    if start is None:
        return f"the logs share no step of {aligned.metric} from a common start"
    first = int(start.series[0].steps[0])
    if aligned.steps[0] > first:
        return (
            f"the judged part begins at step {aligned.steps[0]}, and the runs at step {first}: "
            "judge the first steps, without --last"
        )
    return ""


def _last(aligned: Aligned) -> int | None:
    """Returns the last step of the judged part; None if the whole run is judged."""
    return None if aligned.part is None else int(aligned.steps[-1])


def _on_start(start: Start, last: int | None, parameters: dict[str, Figure]) -> Finding:
    level, resolution, steps = (float(parameters[n] or 0) for n in ("level", "resolution", "steps"))
    looks = looks_at(start, level, last=last)
    verdict, reason = _decide(start, looks, resolution, int(steps))
    if verdict is Verdict.FAIL and _agrees_renumbered(start, level, last):
        verdict, reason = Verdict.INCONCLUSIVE, words.renumbered(start)
    runs = looks[0].envelope.runs
    ratio = max(float(look.times.max()) for look in looks)
    count = sum(look.apart.size for look in looks)
    units = ratio * quantile_of(level, count, runs) if runs else 0.0
    return _finding(
        verdict,
        reason,
        parameters,
        _observed(looks, ratio),
        caveat=_caveat(start),
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
        for look in looks_at(start, level)
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


def _decide(start: Start, looks: list[Look], resolution: float, needed: int) -> tuple[Verdict, str]:
    judged = looks[0]
    if outside := departures(looks):
        return Verdict.FAIL, words.failed(start, looks, outside)
    if start.renumbered is not None:
        return Verdict.INCONCLUSIVE, words.begins_late(start)
    n = judged.series.steps.size
    if n < needed:
        return Verdict.INCONCLUSIVE, words.too_few(n, needed)
    hidden = float(np.median(judged.series.printed / judged.envelope.scale))
    if hidden > HIDDEN:
        return Verdict.INCONCLUSIVE, words.too_coarse(judged.series.name, 2 * hidden)
    narrow = int(np.count_nonzero(judged.envelope.limit <= resolution))
    if narrow < needed:
        return Verdict.INCONCLUSIVE, words.too_wide(start, judged, resolution, narrow, needed)
    return Verdict.PASS, words.passed(start, looks)


def _agrees_renumbered(start: Start, level: float, last: int | None) -> bool:
    """Returns whether the candidate agrees if its steps count from the baseline's first step."""
    if start.renumbered is None:
        return False
    return not departures(looks_at(start.renumbered, level, last=last))


def _observed(looks: list[Look], ratio: float) -> dict[str, Figure]:
    judged = looks[0]
    outside = departures(looks)
    worst = max(looks, key=lambda look: float(look.times.max()))
    first = min((at for _, at in outside), default=None)
    there = [look.series.name for look, at in outside if at == first]
    return {
        "steps": int(judged.series.steps.size),
        "series": len(looks),
        "perturbed_runs": judged.envelope.runs,
        "series_outside": len(outside),
        "first_step_outside": min(
            (int(look.series.steps[at]) for look, at in outside), default=None
        ),
        "first_outside": ", ".join(there) or None,
        "largest_ratio": ratio,
        "largest_in": worst.series.name,
        **{f"limit_at_{step}": size for step, size in judged.stated.items()},
    }


def _caveat(start: Start) -> str:
    seen = f"not judged: {words.NOT_SEEN}"
    return f"{start.assumed}, so an equal start is assumed; {seen}" if start.assumed else seen
