"""The rules by name. A rule takes `Aligned` and its limits, and returns a `Finding`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from harness.align.aligned import Aligned
from harness.errors import PolicyError
from harness.rules.another_seed import another_seed
from harness.rules.default import default
from harness.rules.ensemble import ensemble
from harness.rules.equivalence import MARGINS, equivalence
from harness.rules.exact import exact
from harness.rules.finding import Figure, Finding, Verdict
from harness.rules.modelzoo import modelzoo
from harness.rules.tolerance import tolerance
from harness.rules.two_sided import two_sided

__all__ = ["RULES", "Figure", "Finding", "RuleCall", "Verdict", "parse_rule", "rule_call"]

RULES: Mapping[str, Callable[..., Finding]] = MappingProxyType(
    {
        "modelzoo": modelzoo,
        "two-sided": two_sided,
        "tolerance": tolerance,
        "exact": exact,
        "equivalence": equivalence,
        "ensemble": ensemble,
        "another-seed": another_seed,
        "default": default,
    }
)
PRESETS: Mapping[tuple[str, str], Mapping[str, float]] = MappingProxyType(
    {("equivalence", "margin"): MARGINS}
)
"""Limits that may be given by the name of a convention, `equivalence:margin=strict`."""
DEVIATIONS = frozenset({"margin", "rtol", "detect"})
"""Limits of a relative difference. Above a half, somebody meant percent."""
LARGEST_DEVIATION = 0.5
SHARES = frozenset({"outside", "resolution"})
"""Limits that are fractions from 0 to 1."""
PROBABILITIES = frozenset({"level", "confidence"})
"""Limits between 0 and 1."""
WHOLE: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"window": (2, 1_000_000), "permutations": (1, 1_000_000), "seed": (1, 2**32 - 1)}
)
"""The smallest and the largest of a limit that is a whole number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCall:
    """A rule with the limits that a policy gives it; those not given keep their defaults.

    `in_force` has them all.
    """

    name: str
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))

    def __call__(self, aligned: Aligned) -> Finding:
        """The finding of the rule on aligned curves."""
        return RULES[self.name](aligned, **self.limits)

    @property
    def in_force(self) -> dict[str, float]:
        """Every limit of the rule, given or by default."""
        return {**default_limits(self.name), **self.limits}

    def __str__(self) -> str:
        given = ",".join(f"{name}={value!r}" for name, value in self.limits.items())
        return f"{self.name}:{given}" if given else self.name


def default_limits(name: str) -> dict[str, float]:
    """The limits of a rule with their defaults."""
    return {
        key: parameter.default
        for key, parameter in inspect.signature(RULES[name]).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def parse_rule(text: str) -> RuleCall:
    """A rule as the command line has it: `two-sided` or `two-sided:rtol=2%,atol=0.001`.

    Raises:
        PolicyError: no such rule or limit, or a limit that is no number or out of its range.
    """
    name, _, given = text.partition(":")
    limits: dict[str, object] = {}
    for item in given.split(",") if given else ():
        key, _, value = item.partition("=")
        limits[key.strip()] = value.strip()
    return rule_call(name.strip(), limits)


def rule_call(name: str, limits: Mapping[str, object]) -> RuleCall:
    """A rule by name with limits as numbers or their text; a fraction may be text like `2%`.

    Raises:
        PolicyError: as `parse_rule`.
    """
    if name not in RULES:
        msg = f"no rule {name!r}; expected one of: {', '.join(RULES)}"
        raise PolicyError(msg)
    known = default_limits(name)
    checked: dict[str, float] = {}
    for key, value in limits.items():
        if key not in known:
            expected = ", ".join(f"{k} (default {v:g})" for k, v in known.items()) or "none"
            msg = f"rule {name!r} has no parameter {key!r}; it takes: {expected}"
            raise PolicyError(msg)
        checked[key] = _limit(name, key, value, whole=isinstance(known[key], int))
    return RuleCall(name=name, limits=checked)


def _limit(rule: str, key: str, value: object, *, whole: bool) -> float:
    names = PRESETS.get((rule, key), {})
    number = _number(names.get(str(value), value), percent=not whole and key in _fractions())
    low, high = WHOLE.get(key, (1, 2**53)) if whole else (0, math.inf)
    if whole:
        expected = f"a whole number from {low} to {high}"
        fits = low <= number <= high and number.is_integer()
    elif key in DEVIATIONS:
        expected = f"a fraction from 0 to {LARGEST_DEVIATION}"
        fits = 0 <= number <= LARGEST_DEVIATION
    elif key in SHARES:
        expected = "a fraction from 0 to 1"
        fits = 0 <= number <= 1
    elif key in PROBABILITIES:
        expected = "a number between 0 and 1"
        fits = 0 < number < 1
    else:
        expected = "a finite number of at least 0"
        fits = 0 <= number < math.inf
    if not fits:
        expected += f", or one of: {', '.join(names)}" if names else ""
        expected += _meant(number) if key in DEVIATIONS | SHARES else ""
        msg = f"parameter {key!r} of rule {rule!r} is {value!r:.60}; expected {expected}"
        raise PolicyError(msg)
    return int(number) if whole else number


def _fractions() -> frozenset[str]:
    return DEVIATIONS | SHARES | PROBABILITIES


def _meant(number: float) -> str:
    """What one who wrote percent should have written; empty where it cannot be that."""
    if not 1 <= number <= 100:
        return ""
    percent = Decimal(repr(number)).normalize()
    return f"; for {percent:f} % write {percent:f}% or {percent / 100:f}"


def _number(value: object, *, percent: bool) -> float:
    """The number that a value or its text is, `2%` as 0.02; NaN if it is none."""
    if isinstance(value, bool):
        return math.nan
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    try:
        if percent and text.endswith("%"):
            return float(Decimal(text[:-1].strip()) / 100)
        return float(text)
    except (ValueError, ArithmeticError):
        return math.nan
