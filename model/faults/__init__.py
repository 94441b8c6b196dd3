"""Faults of real ports, injected into a run from outside; the model's own code is never changed.

`python -m model.train --fault NAME[=SEVERITY]` injects a fault, `python -m model.faults` lists all.
The log of such a run does not name the fault: the log of a port with a defect would not either.
"""

from model.faults.catalogue import FAULTS, parse_fault
from model.faults.fault import Fault, FaultCall, Severity
from model.faults.injection import check_ranks, injected

__all__ = ["FAULTS", "Fault", "FaultCall", "Severity", "check_ranks", "injected", "parse_fault"]
