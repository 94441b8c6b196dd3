"""Faults of real ports, planted into a run from outside; the model's own code is never changed.

`python -m model.train --fault NAME[=DOSE]` plants one, `python -m model.faults` lists them. The log
of such a run says nothing of it, as the log of a port with a defect would not.
"""

from model.faults.catalogue import FAULTS, parse_fault
from model.faults.fault import Dose, Fault, FaultCall
from model.faults.planting import check_ranks, planted

__all__ = ["FAULTS", "Dose", "Fault", "FaultCall", "check_ranks", "parse_fault", "planted"]
