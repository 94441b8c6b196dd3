"""The checks by name, in order, and what a check returns. Loads no torch: a plugin may not import.

A check is a function `(Asked) -> Result` in a module of this package. It runs in a child process,
so a check that crashes or never returns ends that child alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

OK, WARNING, PROBLEM = "ok", "warning", "problem"
CONFIG = "ccnet_r50-d8_4xb2-40k_cityscapes-512x1024"
SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked for: the device (None: the best present), the config and the data."""

    device: str | None = None
    config: str = CONFIG
    data_root: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a check: `status`, what was `found`, and what to `do` unless all is well.

    `details` has further values for the JSON. `missing` is an operator that the device lacks.
    """

    status: str
    found: str
    do: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    missing: str | None = None

    def shown(self, name: str) -> dict[str, Any]:
        """Returns the result as the JSON has it."""
        line = {"check": name, "status": self.status, "found": self.found, "do": self.do}
        return line | ({"details": self.details} if self.details else {})

    def packed(self) -> dict[str, Any]:
        """Returns the result as a dict; `Result(**packed)` is the result again."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check: its function in `model.doctor.<module>`, and the checks that must not fail first."""

    name: str
    module: str
    needs: tuple[str, ...] = ()


def ok(found: str, **details: Any) -> Result:
    """Returns a result with which all is well."""
    return Result(status=OK, found=found, details=details)


def warning(found: str, do: str, **details: Any) -> Result:
    """Returns a result that does not prevent a training."""
    return Result(status=WARNING, found=found, do=do, details=details)


def problem(found: str, do: str, **details: Any) -> Result:
    """Returns a result that prevents a training, or makes it wrong."""
    return Result(status=PROBLEM, found=found, do=do, details=details)


_DEVICE = ("plugin", "device")
CHECKS = (
    Check(name="versions", module="software"),
    Check(name="plugin", module="software"),
    Check(name="autoload", module="software"),
    Check(name="device", module="hardware", needs=("plugin",)),
    Check(name="memory", module="hardware", needs=_DEVICE),
    Check(name="float64", module="hardware", needs=_DEVICE),
    Check(name="operators", module="operators", needs=_DEVICE),
    Check(name="convolution", module="numerics", needs=_DEVICE),
    Check(name="batch_norm", module="numerics", needs=_DEVICE),
    Check(name="attention", module="numerics", needs=_DEVICE),
    Check(name="optimizer", module="numerics", needs=_DEVICE),
    Check(
        name="step",
        module="numerics",
        needs=(*_DEVICE, "operators", "convolution", "batch_norm", "attention", "optimizer"),
    ),
    Check(name="autocast", module="behaviour", needs=(*_DEVICE, "step")),
    Check(name="deterministic", module="behaviour", needs=(*_DEVICE, "step")),
    Check(name="random_state", module="behaviour", needs=_DEVICE),
    Check(name="collective", module="collective", needs=_DEVICE),
    Check(name="data", module="machine"),
    Check(name="disk", module="machine"),
    Check(name="shared_memory", module="machine"),
    Check(name="clock", module="machine"),
    Check(name="facts", module="software", needs=("plugin",)),
)
BY_NAME = {check.name: check for check in CHECKS}


def with_needs(names: Iterable[str]) -> list[str]:
    """Returns the named checks and all that they need, in order."""
    wanted = set(names)
    for check in reversed(CHECKS):  # a check comes after those that it needs
        if check.name in wanted:
            wanted |= set(check.needs)
    return [check.name for check in CHECKS if check.name in wanted]
