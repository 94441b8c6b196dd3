"""Logged schedules: what a recipe sets, the learning rate above all, must be the same.

Asked whatever the rules are, first. No seed moves a schedule, so one run a side suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.wording import counted

Floats = NDArray[np.float64]

PRINTED = 1e-3
"""A schedule that differs by less of its size is the same, printed with other digits."""
NEGLIGIBLE = 1e-6
"""Part of its largest size below which a rate is zero: one that has decayed away."""
WORDS = {"lr": "learning rate", "base_lr": "base learning rate", "samples": "number of samples"}
SHORTEST = 20
"""Records from which on one schedule can be told to be another, a record late."""
FACTOR_WAIVED = "learning_rate"
SHAPE_WAIVED = ("schedule", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a candidate's schedule differs; `ratio` where it is the same multiple at every step."""

    ratio: float | None
    steps: int
    first_step: int
    baseline: float
    candidate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    """How logged schedules differ: what fails, what is in doubt, and what the policy waives."""

    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()


def check_schedules(aligned: Aligned, sources: Sequence[str], allow: Sequence[str]) -> Schedules:
    """Schedules of the candidate runs that differ from the baseline's.

    One that is the baseline's a record late or early is a doubt: counters differ, or the schedule
    does. `sources` name the candidate runs. A waived `learning_rate` allows a constant multiple of
    it, a waived `schedule` any other.
    """
    failures: list[str] = []
    late: list[str] = []
    waived: list[str] = []
    any_shape = any(name in allow for name in SHAPE_WAIVED)
    for other in aligned.schedules:
        for source, row in zip(sources, other.candidate, strict=True):
            found = differs(other.steps, other.baseline, row)
            if found is None:
                continue
            if found.ratio is None and _late(other.steps, other.baseline, row):
                late.append(
                    f"the logged {WORDS.get(other.metric, other.metric)} of {source} is the "
                    "baseline's, one record late or early throughout: a counter that starts "
                    "elsewhere, or a schedule that does. Number the steps alike"
                )
            else:
                allowed = any_shape or (found.ratio is not None and FACTOR_WAIVED in allow)
                into = waived if allowed else failures
                into.append(_text(other.metric, source, found, other.steps.size))
    return Schedules(
        failures=tuple(failures), doubts=() if any_shape else tuple(late), waived=tuple(waived)
    )


def _late(steps: NDArray[np.int64], baseline: Floats, row: Floats) -> bool:
    """Whether a schedule (n,) is that of the baseline's runs (B, n) one record apart."""
    return steps.size > SHORTEST and any(
        differs(steps[1:], baseline[:, ours], row[theirs]) is None
        for ours, theirs in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None)))
    )


def without_schedules(aligned: Aligned) -> Aligned:
    """Without the series that are asked here, so that no rule asks again, in its own way.

    What the baseline's runs do not agree on is no schedule, and stays.
    """
    kept = [other for other in aligned.schedules if _reference(other.baseline) is None]
    return replace(aligned, schedules=tuple(kept))


def differs(steps: NDArray[np.int64], baseline: Floats, row: Floats) -> Difference | None:
    """How a schedule (n,) differs from those of the baseline runs (B, n); None if it does not.

    Runs that do not log it are NaN rows. None, too, where the baseline runs do not agree among
    themselves: then it is no schedule. A difference of the last printed digit is none.
    """
    reference = _reference(baseline)
    if reference is None:
        return None
    known = np.isfinite(row) & np.isfinite(reference)
    if not known.any():
        return None
    planned, mine = reference[known], row[known]
    apart = np.abs(mine - planned) > _limit(planned, mine)
    if not apart.any():
        return None
    first = int(np.flatnonzero(apart)[0])
    return Difference(
        ratio=_ratio(planned, mine),
        steps=int(np.count_nonzero(apart)),
        first_step=int(steps[known][first]),
        baseline=float(planned[first]),
        candidate=float(mine[first]),
    )


def _reference(baseline: Floats) -> Floats | None:
    """The schedule (n,) that the baseline runs (B, n) share, NaN where one is not finite.

    None where they do not agree, or none logs it.
    """
    rows = baseline[~np.isnan(baseline).all(axis=1)]
    known = np.isfinite(rows).all(axis=0)
    if not rows.size or not known.any():
        return None
    first = rows[0, known]
    if any((np.abs(row[known] - first) > _limit(first, row[known])).any() for row in rows[1:]):
        return None
    return np.where(known, rows[0], np.nan)


def _size(planned: Floats) -> Floats:
    """The size of each value (n,); of one next to nothing beside the largest, where it matters."""
    size: Floats = np.maximum(np.abs(planned), NEGLIGIBLE * float(np.abs(planned).max()))
    return size


def _limit(planned: Floats, mine: Floats) -> Floats:
    """How far apart two values of a schedule (n,) may be printed."""
    printed = np.maximum(_unit(planned), _unit(mine)) / 2 * (1 + 1e-6)
    limit: Floats = PRINTED * _size(planned) + printed
    return limit


def _printed(values: Floats) -> set[str]:
    """Some fifty values of a series (n,) as they are printed."""
    return {repr(v) for v in values[:: max(1, values.size // 50)].tolist()}


def _unit(values: Floats) -> Floats:
    """The unit of the last digit of each value (n,), printed with fixed decimals or fixed digits.

    A constant says nothing of how it was printed: 0.
    """
    if np.ptp(values) == 0:
        return np.zeros_like(values)
    size = np.abs(np.where(values == 0, np.abs(values).max(), values))
    texts = _printed(values)
    digits = (t.partition("e")[0].replace(".", "").replace("-", "").strip("0") for t in texts)
    by_digits = 10.0 ** (np.floor(np.log10(size)) - max(1, *map(len, digits)) + 1)
    units: Floats = np.maximum(by_digits, min(10.0 ** -_decimals(text) for text in texts))
    return units


def _decimals(text: str) -> int:
    mantissa, _, exponent = text.partition("e")
    return len(mantissa.partition(".")[2].rstrip("0")) - int(exponent or 0)


def _ratio(reference: Floats, mine: Floats) -> float | None:
    """The one multiple that a schedule is of the baseline's; None if it is not one."""
    weighty = np.abs(reference) > PRINTED * float(np.abs(reference).max())
    if not weighty.any():
        return None
    ratio = float(np.median(mine[weighty] / reference[weighty]))
    near = np.abs(mine - ratio * reference) <= 10 * PRINTED * _size(reference)
    return ratio if bool(near.all()) else None


def _text(metric: str, source: str, found: Difference, n: int) -> str:
    what = f"the logged {WORDS.get(metric, metric)} of {source}"
    if found.ratio is not None:
        return f"{what} is {_times(found.ratio)} times the baseline's at every step"
    return (
        f"{what} differs from the baseline's at {found.steps} of {counted(n, 'step')}, first at "
        "step "
        f"{found.first_step}: {found.baseline:.6g} against {found.candidate:.6g}"
    )


def _times(ratio: float) -> str:
    """A ratio with as many digits as tell it from 1."""
    return f"{ratio:.2f}" if abs(ratio - 1) >= 0.01 else f"{ratio:.4f}"
