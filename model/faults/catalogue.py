"""All faults by name, and how `--fault` is read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from model.errors import ConfigError
from model.faults import (
    attention,
    gradients,
    images,
    logs,
    losses,
    operators,
    optimizer,
    parallel,
    precision,
    samples,
    start,
)
from model.faults.fault import Fault, FaultCall

_PLACES = (
    operators,
    precision,
    attention,
    gradients,
    optimizer,
    start,
    images,
    losses,
    samples,
    parallel,
    logs,
)

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        found.name: found
        for place in _PLACES
        for found in vars(place).values()
        if isinstance(found, Fault)
    }
)


def default_call(fault: Fault) -> FaultCall:
    """Returns a fault with its default severity."""
    return FaultCall(
        fault=fault, severity=None if fault.severity is None else fault.severity.default
    )


def parse_fault(text: str) -> FaultCall:
    """Returns the fault that `NAME` or `NAME=SEVERITY` asks for; `NAME` has the default severity.

    Raises:
        ConfigError: there is no fault of this name, or it does not allow this severity.
    """
    name, given, written = (part.strip() for part in text.partition("="))
    found = FAULTS.get(name)
    if found is None:
        raise ConfigError(f"no fault '{name}'; expected one of: {', '.join(FAULTS)}")
    if not given:
        return default_call(found)
    if found.severity is None:
        raise ConfigError(f"fault {name} takes no severity; found '{written}'. Use --fault {name}")
    try:
        severity = float(written)
    except ValueError as error:
        raise ConfigError(
            f"fault {name}: the severity '{written}' is not a number; expected {found.severity}"
        ) from error
    return FaultCall(fault=found, severity=severity)
