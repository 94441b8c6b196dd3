"""All faults by name, and how one is read from the command line."""

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


def parse_fault(text: str) -> FaultCall:
    """The fault that `NAME` or `NAME=DOSE` asks for; without a dose, with its default."""
    name, given, written = (part.strip() for part in text.partition("="))
    found = FAULTS.get(name)
    if found is None:
        raise ConfigError(f"no fault '{name}'; expected one of: {', '.join(FAULTS)}")
    if not given:
        return FaultCall(fault=found, dose=None if found.dose is None else found.dose.default)
    if found.dose is None:
        raise ConfigError(f"fault {name} takes no dose; found '{written}'. Use --fault {name}")
    try:
        dose = float(written)
    except ValueError as error:
        raise ConfigError(
            f"fault {name}: the dose '{written}' is no number; expected {found.dose}"
        ) from error
    return FaultCall(fault=found, dose=dose)
