"""Faults, the range of their severity, and the decorator that makes a fault of a function."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from model.errors import ConfigError

if TYPE_CHECKING:
    from model.faults.context import InjectionContext

Level = Literal["operator", "training", "log"]
When = Literal["data", "start"]
# Takes (context), or (context, severity) where the fault has a severity.
Inject = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Severity:
    """The severities of a fault: the default, what the number means, and the closed range."""

    default: float
    meaning: str
    low: float
    high: float = math.inf
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high:
            raise ValueError(f"default {self.default} lies outside [{self.low}, {self.high}]")

    def allows(self, value: float) -> bool:
        """Returns whether the value is finite, in range and, where only those make sense, whole."""
        fits = math.isfinite(value) and self.low <= value <= self.high
        return fits and (not self.whole or value == int(value))

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        until = "up" if self.high == math.inf else f"to {shown(self.high)}"
        return f"{self.meaning}, {kind} from {shown(self.low)} {until}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A defect that a port may have, and the function that injects it into a run.

    `origin` names its cause in a real port. A run of fewer than `ranks` processes does not show it.
    `when` is 'data' for a fault that must be in place before the data workers start.
    """

    name: str
    summary: str
    origin: str
    level: Level
    severity: Severity | None
    ranks: int
    when: When
    inject: Inject


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCall:
    """A fault and the severity to inject; `severity` is None for a fault without severities."""

    fault: Fault
    severity: float | None

    def __post_init__(self) -> None:
        name, allowed = self.fault.name, self.fault.severity
        if allowed is None and self.severity is not None:
            raise ConfigError(f"fault {name} takes no severity; found {shown(self.severity)}")
        if allowed is not None and (self.severity is None or not allowed.allows(self.severity)):
            given = "missing" if self.severity is None else shown(self.severity)
            raise ConfigError(f"fault {name}: the severity is {given}; expected {allowed}")

    def __str__(self) -> str:
        name = self.fault.name
        return name if self.severity is None else f"{name}={shown(self.severity)}"

    def inject(self, context: InjectionContext) -> None:
        """Injects the fault into the run."""
        if self.severity is None:
            self.fault.inject(context)
        else:
            self.fault.inject(context, self.severity)


def shown(value: float) -> str:
    """Returns the number, as short as it reads back to the same value: 2, 0.9, 1e-05."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    return str(int(value)) if whole else repr(float(value))


def fault(
    level: Level,
    *,
    origin: str,
    severity: Severity | None = None,
    ranks: int = 1,
    when: When = "start",
) -> Callable[[Inject], Fault]:
    """Returns a decorator that makes a Fault of the function that injects it.

    The fault has the name of the function; its summary is the first paragraph of the docstring.
    """

    def make(inject: Inject) -> Fault:
        summary = " ".join((inspect.getdoc(inject) or "").partition("\n\n")[0].split())
        return Fault(
            name=inject.__name__,
            summary=summary.removesuffix("."),
            origin=origin,
            level=level,
            severity=severity,
            ranks=ranks,
            when=when,
            inject=inject,
        )

    return make
