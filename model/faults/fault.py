"""What a fault is, how large a dose of it may be, and the decorator that makes one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from model.errors import ConfigError

if TYPE_CHECKING:
    from model.faults.site import Site

Level = Literal["operator", "training", "log"]
When = Literal["data", "start"]
Plant = Callable[..., None]  # (site) for a fault without a dose, (site, dose) for one with


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """How much of a fault: the value taken by default, what it counts, and its range (closed)."""

    default: float
    meaning: str
    low: float
    high: float = math.inf
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high:
            raise ValueError(f"default {self.default} lies outside [{self.low}, {self.high}]")

    def allows(self, value: float) -> bool:
        """Whether the value is finite, in range and, where only those make sense, whole."""
        fits = math.isfinite(value) and self.low <= value <= self.high
        return fits and (not self.whole or value == int(value))

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        until = "up" if self.high == math.inf else f"to {shown(self.high)}"
        return f"{self.meaning}, {kind} from {shown(self.low)} {until}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A defect that a port may have, and what plants it into a run.

    `origin` says where in a real port it comes from. Below `ranks` processes it does nothing.
    `when` is 'data' for what must be in place before data workers start.
    """

    name: str
    summary: str
    origin: str
    level: Level
    dose: Dose | None
    ranks: int
    when: When
    plant: Plant


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCall:
    """A fault with the dose to plant; `dose` is None where the fault takes none."""

    fault: Fault
    dose: float | None

    def __post_init__(self) -> None:
        name, allowed = self.fault.name, self.fault.dose
        if allowed is None and self.dose is not None:
            raise ConfigError(f"fault {name} takes no dose; found {shown(self.dose)}")
        if allowed is not None and (self.dose is None or not allowed.allows(self.dose)):
            found = "none" if self.dose is None else shown(self.dose)
            raise ConfigError(f"fault {name}: the dose is {found}; expected {allowed}")

    def __str__(self) -> str:
        return self.fault.name if self.dose is None else f"{self.fault.name}={shown(self.dose)}"

    def plant(self, site: Site) -> None:
        """Put the fault into the run."""
        if self.dose is None:
            self.fault.plant(site)
        else:
            self.fault.plant(site, self.dose)


def shown(value: float) -> str:
    """The number, as short as it reads back to the same value: 2, 0.9, 1e-05."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    return str(int(value)) if whole else repr(float(value))


def fault(
    level: Level,
    *,
    origin: str,
    dose: Dose | None = None,
    ranks: int = 1,
    when: When = "start",
) -> Callable[[Plant], Fault]:
    """Make a Fault of the function that plants it: its name, and as summary its docstring."""

    def make(plant: Plant) -> Fault:
        summary = " ".join((inspect.getdoc(plant) or "").partition("\n\n")[0].split())
        return Fault(
            name=plant.__name__,
            summary=summary.removesuffix("."),
            origin=origin,
            level=level,
            dose=dose,
            ranks=ranks,
            when=when,
            plant=plant,
        )

    return make
