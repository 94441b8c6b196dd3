"""What a rule found: the observed figures beside the limits they met, and the reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

Figure = float | int | str | None


class Verdict(StrEnum):
    """What is known after judging; `docs/architecture.md` says what each means."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one rule. `blind` says what the rule cannot see, where that matters here."""

    rule: str
    verdict: Verdict
    observed: Mapping[str, Figure]
    limits: Mapping[str, Figure]
    reason: str
    blind: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "observed", MappingProxyType(dict(self.observed)))
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))


def within(value: float, limit: float) -> bool:
    """Positive evidence: the value is a finite number and at most the limit. NaN is not."""
    return -float("inf") < value <= limit
