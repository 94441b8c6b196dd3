"""Checks of logged schedules: the learning rate and what else the recipe sets must be the same.

These checks run before the rules, for every policy. A schedule does not depend on the seed, so one
run per side suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.arrays import Floats
from harness.log.wording import counted

PRINTED = 1e-3
"""Relative difference below which two schedules are equal but printed with other digits."""
NEGLIGIBLE = 1e-6
"""Fraction of the largest value below which a rate counts as zero: it has decayed away."""
WORDS = {"lr": "learning rate", "base_lr": "base learning rate", "samples": "number of samples"}
SHORTEST = 20
"""Number of records above which a shift by one record is recognised."""
FACTOR_WAIVED = "learning_rate"
SHAPE_WAIVED = ("schedule", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a candidate's schedule differs; `ratio` is set if it is the same at every step."""

    ratio: float | None
    steps: int
    first_step: int
    baseline: float
    candidate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    """Differences of logged schedules: failures, doubts, and those that the policy waives."""

    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()


def check_schedules(aligned: Aligned, sources: Sequence[str], allow: Sequence[str]) -> Schedules:
    """Returns the differences between the candidate's schedules and the baseline's.

    A schedule that is one record late or early is a doubt: either the counter differs or the
    schedule. `sources` names the candidate runs. If `allow` names `learning_rate`, a constant
    multiple is waived; if it names `schedule`, any difference is.
    """
    failures: list[str] = []
    late: list[str] = []
    waived: list[str] = []
    any_shape = any(name in allow for name in SHAPE_WAIVED)
    for other in aligned.schedules:
        for source, row in zip(sources, other.candidate, strict=True):
            difference = differs(other.steps, other.baseline, row)
            if difference is None:
                continue
            if difference.ratio is None and _late(other.steps, other.baseline, row):
                late.append(
                    f"the logged {WORDS.get(other.metric, other.metric)} of {source} follows the "
                    "baseline's one record late or early throughout: the counter or the schedule "
                    "starts elsewhere. Number the steps in the same way"
                )
            else:
                multiple = difference.ratio is not None
                allowed = any_shape or (multiple and FACTOR_WAIVED in allow)
                into = waived if allowed else failures
                into.append(_text(other.metric, source, difference, other.steps.size))
    return Schedules(
        failures=tuple(failures), doubts=() if any_shape else tuple(late), waived=tuple(waived)
    )


def _late(steps: NDArray[np.int64], baseline: Floats, row: Floats) -> bool:
    """Returns whether a schedule (n,) equals that of the baseline runs (B, n) one record apart."""
    return steps.size > SHORTEST and any(
        differs(steps[1:], baseline[:, ours], row[theirs]) is None
        for ours, theirs in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None)))
    )


def without_schedules(aligned: Aligned) -> Aligned:
    """Returns the aligned series without the schedules checked here, so that no rule tests them.

    A series that differs between the baseline runs is not a schedule and stays.
    """
    kept = [other for other in aligned.schedules if _reference(other.baseline) is None]
    return replace(aligned, schedules=tuple(kept))


def differs(steps: NDArray[np.int64], baseline: Floats, row: Floats) -> Difference | None:
    """Returns how a schedule (n,) differs from that of the baseline runs (B, n); None if equal.

    Runs that do not log it are NaN rows. Also returns None if the baseline runs disagree with each
    other: then the series is not a schedule. A difference in the last printed digit is ignored.
    """
    reference = _reference(baseline)
    if reference is None:
        return None
    known = np.isfinite(row) & np.isfinite(reference)
    if not known.any():
        return None
    planned, logged = reference[known], row[known]
    apart = np.abs(logged - planned) > _limit(planned, logged)
    if not apart.any():
        return None
    first = int(np.flatnonzero(apart)[0])
    return Difference(
        ratio=_ratio(planned, logged),
        steps=int(np.count_nonzero(apart)),
        first_step=int(steps[known][first]),
        baseline=float(planned[first]),
        candidate=float(logged[first]),
    )


def _reference(baseline: Floats) -> Floats | None:
    """Returns the schedule (n,) that the baseline runs (B, n) share, NaN where not all are finite.

    Returns None if the runs disagree, or if no run logs it.
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
    """Returns the size of each value (n,), at least `NEGLIGIBLE` of the largest."""
    size: Floats = np.maximum(np.abs(planned), NEGLIGIBLE * float(np.abs(planned).max()))
    return size


def _limit(planned: Floats, logged: Floats) -> Floats:
    """Returns how far apart equal values of a schedule (n,) may be printed."""
    # Half a unit of the last digit, plus the error of decimals as binary floats.
    printed = np.maximum(_unit(planned), _unit(logged)) / 2 * (1 + 1e-6)
    limit: Floats = PRINTED * _size(planned) + printed
    return limit


def _printed(values: Floats) -> set[str]:
    """Returns about fifty values of a series (n,) as they are printed."""
    return {repr(v) for v in values[:: max(1, values.size // 50)].tolist()}


def _unit(values: Floats) -> Floats:
    """Returns the unit of the last printed digit of each value (n,), by decimals or by digits.

    Returns 0 for a constant, which does not show how it was rounded.
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


def _ratio(reference: Floats, logged: Floats) -> float | None:
    """Returns the factor between a schedule and the baseline's; None if it is not constant."""
    weighty = np.abs(reference) > PRINTED * float(np.abs(reference).max())
    if not weighty.any():
        return None
    ratio = float(np.median(logged[weighty] / reference[weighty]))
    # Ten times the tolerance of equal schedules: rounding affects both sides and the ratio itself.
    near = np.abs(logged - ratio * reference) <= 10 * PRINTED * _size(reference)
    return ratio if bool(near.all()) else None


def _text(metric: str, source: str, difference: Difference, n: int) -> str:
    what = f"the logged {WORDS.get(metric, metric)} of {source}"
    if difference.ratio is not None:
        return f"{what} is {_times(difference.ratio)} times the baseline's at every step"
    return (
        f"{what} differs from the baseline's at {difference.steps} of {counted(n, 'step')}, first "
        f"at step {difference.first_step}: {difference.baseline:.6g} against "
        f"{difference.candidate:.6g}"
    )


def _times(ratio: float) -> str:
    """Returns a ratio in words, with more digits close to 1."""
    return f"{ratio:.2f}" if abs(ratio - 1) >= 0.01 else f"{ratio:.4f}"
