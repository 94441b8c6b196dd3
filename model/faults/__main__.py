"""Print the catalogue: `python -m model.faults`."""

from __future__ import annotations

import sys

from model.command import ended
from model.faults.catalogue import FAULTS
from model.faults.fault import Fault, FaultCall


def entry(fault: Fault) -> str:
    """Three lines on a fault: how it is planted by default, what it does, where it comes from."""
    call = FaultCall(fault=fault, dose=None if fault.dose is None else fault.dose.default)
    level = fault.level if fault.ranks == 1 else f"{fault.level}, from {fault.ranks} ranks on"
    dose = "" if fault.dose is None else f" Dose: {fault.dose}."
    return f"{call}  ({level})\n    {fault.summary}.{dose}\n    In a port: {fault.origin}.\n"


def main() -> int:
    """Print an entry a fault; the exit status."""
    for fault in FAULTS.values():
        print(entry(fault))
    return 0


if __name__ == "__main__":
    sys.exit(ended(main))
