"""The rule that is asked where none is named: the one that fits the number of runs.

Five seeds of the baseline or more against fewer candidate runs: `another-seed`, since so few runs
show no equivalence within a margin, and a baseline's seeds show what a run may look like. Otherwise
`equivalence`: one run a side, or runs enough on both for a narrow interval. The limits are their
defaults; `docs/explanation/defects.md` has what this catches.
"""

from __future__ import annotations

from harness.align import Aligned
from harness.rules.another_seed import FEWEST, another_seed
from harness.rules.equivalence import equivalence
from harness.rules.finding import Finding
from harness.stats.interval import OWN_SPREAD


def default(aligned: Aligned) -> Finding:
    """The finding of `another-seed` or of `equivalence`, under its own name."""
    many = aligned.baseline.shape[0] >= FEWEST
    few = aligned.candidate.shape[0] < OWN_SPREAD
    return another_seed(aligned) if many and few else equivalence(aligned)
