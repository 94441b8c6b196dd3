"""What a rule found: the observed figures beside the limits they met, and the reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from harness.align.aligned import Aligned
from harness.log.wording import counted

Figure = float | int | str | None


class Verdict(StrEnum):
    """What is known after judging; `docs/explanation/verdicts.md` says what each means."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A relative difference over a part of the steps with its confidence interval; fractions."""

    part: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The relative difference that a rule allows: up to `size` either way, or only upward."""

    size: float
    one_sided: bool = False

    @property
    def text(self) -> str:
        """The threshold in words.

        >>> Threshold(size=0.02).text, Threshold(size=0.05, one_sided=True).text
        ('±2 %', 'at most +5 %')
        """
        return f"{'at most +' if self.one_sided else '±'}{100 * self.size:g} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one rule. `caveat` says what the rule cannot see in these data.

    `estimates` are the intervals that the rule compared with `threshold`; reports draw both. A rule
    that sets no limit to a relative difference has neither.

    A rule that is a test states the `p_value` of the hypothesis that nothing is wrong, and the
    `level` at or below which it fails; several such rules are combined by Holm's method.
    """

    rule: str
    verdict: Verdict
    observed: Mapping[str, Figure]
    parameters: Mapping[str, Figure]
    reason: str
    caveat: str = ""
    p_value: float | None = None
    level: float | None = None
    estimates: tuple[Estimate, ...] = ()
    threshold: Threshold | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", MappingProxyType(dict(self.observed)))
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


def within(value: float, limit: float) -> bool:
    """Positive evidence: the value is a finite number and at most the limit. NaN is not."""
    return -float("inf") < value <= limit


def nonfinite(
    rule: str,
    aligned: Aligned,
    parameters: Mapping[str, Figure],
    *,
    threshold: Threshold | None = None,
) -> Finding | None:
    """The finding on NaN and infinity in the judged series; None where it is finite.

    The candidate's fail; the baseline's leave it open. Other series are asked about in
    `harness/quality/records.py`.
    """
    sick, bad = (~np.isfinite(side).all(axis=0) for side in (aligned.baseline, aligned.candidate))
    if not (sick.any() or bad.any()):
        return None
    if bad.any():
        steps = aligned.steps[bad]
        reason = (
            f"{aligned.metric} of the candidate is NaN or infinite on {steps.size} of "
            f"{counted(aligned.steps.size, 'step')}, the first is "
            f"{aligned.place} {steps[0]}"
        )
    else:
        reason = (
            f"the baseline is NaN or infinite on {np.count_nonzero(sick)} of "
            f"{counted(aligned.steps.size, 'step')}: it shows nothing to reproduce"
        )
    return Finding(
        rule=rule,
        verdict=Verdict.FAIL if bad.any() else Verdict.INCONCLUSIVE,
        observed={
            "nonfinite_candidate": int(np.count_nonzero(bad)),
            "nonfinite_baseline": int(np.count_nonzero(sick)),
        },
        parameters=parameters,
        reason=reason,
        threshold=threshold,
    )
