"""The finding of a rule: its verdict, the observed figures, the parameters, and the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from harness.align.aligned import Aligned
from harness.errors import PolicyError
from harness.log.wording import counted

Figure = float | int | str | None


class Verdict(StrEnum):
    """The four verdicts; `docs/explanation/verdicts.md` explains each of them."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A relative difference over a part of the steps and its confidence interval, as fractions."""

    part: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The relative difference that a rule allows: at most `size`, in both directions or upward."""

    size: float
    one_sided: bool = False

    @property
    def text(self) -> str:
        """The threshold in words.

        >>> Threshold(size=0.02).text, Threshold(size=0.05, one_sided=True).text
        ('±2 %', 'at most +5 %')
        >>> Threshold(size=0.025 / 0.7776).text
        '±3.215 %'
        """
        return f"{'at most +' if self.one_sided else '±'}{100 * self.size:.4g} %"


RuleFunction = TypeVar("RuleFunction", bound=Callable[..., object])


def allows(parameter: str) -> Callable[[RuleFunction], RuleFunction]:
    """Marks a rule of which `parameter` is the relative difference that it allows.

    A report then draws the threshold even if the rule was not applied, as for `incomparable`.
    """

    def mark(rule: RuleFunction) -> RuleFunction:
        rule.allows = parameter  # type: ignore[attr-defined]
        return rule

    return mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of a rule. `caveat` says what the rule cannot see in these data.

    `estimates` are the intervals that the rule compared with `threshold`; reports draw both. A rule
    that does not limit a relative difference has neither.

    A rule that is a test states the `p_value` under the hypothesis that nothing is wrong, and the
    `level` at or below which it fails. Several tests are combined by Holm's method.
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


def check_share(rule: str, name: str, value: float) -> None:
    """Checks a parameter of a rule that is a probability.

    Raises:
        PolicyError: it is not between 0 and 1.
    """
    if not 0 < value < 1:
        msg = f"parameter {name!r} of rule {rule!r} is {value!r}; expected a number between 0 and 1"
        raise PolicyError(msg)


def within(value: float, limit: float) -> bool:
    """Returns whether the value is a number and at most the limit; false for NaN and infinity."""
    return -float("inf") < value <= limit


def nonfinite(
    rule: str,
    aligned: Aligned,
    parameters: Mapping[str, Figure],
    *,
    threshold: Threshold | None = None,
) -> Finding | None:
    """Returns the finding on NaN and infinity in the judged series; None if it is finite.

    NaN of the candidate is a failure; NaN of the baseline is inconclusive.
    `harness/quality/records.py` checks the other series.
    """
    base, cand = (~np.isfinite(side).all(axis=0) for side in (aligned.baseline, aligned.candidate))
    if not (base.any() or cand.any()):
        return None
    if cand.any():
        steps = aligned.steps[cand]
        reason = (
            f"{aligned.metric} of the candidate is NaN or infinite on {steps.size} of "
            f"{counted(aligned.steps.size, 'step')}, the first is "
            f"{aligned.place} {steps[0]}"
        )
    else:
        reason = (
            f"the baseline is NaN or infinite on {np.count_nonzero(base)} of "
            f"{counted(aligned.steps.size, 'step')}: there is nothing to reproduce"
        )
    return Finding(
        rule=rule,
        verdict=Verdict.FAIL if cand.any() else Verdict.INCONCLUSIVE,
        observed={
            "nonfinite_candidate": int(np.count_nonzero(cand)),
            "nonfinite_baseline": int(np.count_nonzero(base)),
        },
        parameters=parameters,
        reason=reason,
        threshold=threshold,
    )
