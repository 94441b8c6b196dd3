"""A rule as a policy names it, with the parameters that differ from the defaults."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from harness.align.aligned import Aligned
from harness.errors import PolicyError
from harness.rules.finding import Finding, Threshold
from harness.rules.ranges import checked
from harness.rules.registry import rule_named, today


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCall:
    """A rule with the parameters that a policy sets; the others keep their defaults.

    `in_force` has all of them. A former name of a rule becomes its present name.

    Raises:
        PolicyError: no such rule.
    """

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", today(self.name))
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __call__(self, aligned: Aligned) -> Finding:
        """Returns the finding of the rule on aligned curves."""
        return rule_named(self.name)(aligned, **self.parameters)

    @property
    def in_force(self) -> dict[str, float]:
        """Every parameter of the rule, set or by default."""
        return {**default_parameters(self.name), **self.parameters}

    @property
    def threshold(self) -> Threshold | None:
        """The relative difference that the rule allows, None if no parameter states it."""
        parameter = getattr(rule_named(self.name), "allows", None)
        return None if parameter is None else Threshold(size=self.in_force[parameter])

    def __str__(self) -> str:
        given = ",".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.name}:{given}" if given else self.name


def default_parameters(name: str) -> dict[str, float]:
    """Returns the parameters of a rule with their defaults.

    Raises:
        PolicyError: no such rule.
    """
    return {
        key: parameter.default
        for key, parameter in inspect.signature(rule_named(name)).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def parse_rule(text: str) -> RuleCall:
    """Returns a rule from its text: `two-sided` or `two-sided:rtol=2%,atol=0.001`.

    Raises:
        PolicyError: no such rule or parameter, or a value that is not a number in its range.
    """
    name, _, given = text.partition(":")
    parameters: dict[str, object] = {}
    for item in given.split(",") if given else ():
        key, _, value = item.partition("=")
        parameters[key.strip()] = value.strip()
    return rule_call(name.strip(), parameters)


def rule_call(name: str, parameters: Mapping[str, object]) -> RuleCall:
    """Returns a rule by name. Parameters are numbers or their text; `2%` means 0.02.

    Raises:
        PolicyError: no such rule or parameter, or a value that is not a number in its range.
    """
    name = today(name)
    known = default_parameters(name)
    given: dict[str, float] = {}
    for key, value in parameters.items():
        if key not in known:
            expected = ", ".join(f"{k} (default {v:g})" for k, v in known.items()) or "none"
            msg = f"rule {name!r} has no parameter {key!r}; it takes: {expected}"
            raise PolicyError(msg)
        given[key] = checked(name, key, value, whole=isinstance(known[key], int))
    return RuleCall(name=name, parameters=given)
