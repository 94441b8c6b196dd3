"""The rule that is asked where none is named: the one that fits the number of runs.

Five seeds of the baseline or more: `another-seed`, since a baseline's seeds show what a run may
look like. With as many candidate runs `equivalence` too, which fails a difference beyond its
margin, and whose doubt is no hindrance: seeds often spread by more than the margin. Fewer seeds of
the baseline: `equivalence`. The limits are their defaults; `docs/explanation/defects.md` has what
this catches.
"""

from __future__ import annotations

from dataclasses import replace

from harness.align.aligned import Aligned
from harness.rules.another_seed import another_seed
from harness.rules.equivalence import equivalence
from harness.rules.finding import Finding, Verdict
from harness.stats.interval import OWN_SPREAD
from harness.stats.seeds import FEWEST


def default(aligned: Aligned) -> Finding:
    """The finding of `another-seed` or of `equivalence`, under its own name."""
    if aligned.baseline.shape[0] < FEWEST:
        return equivalence(aligned)
    seeds = another_seed(aligned)
    if aligned.candidate.shape[0] < OWN_SPREAD:
        return seeds
    margin = equivalence(aligned)
    if margin.verdict is Verdict.FAIL and seeds.verdict is not Verdict.FAIL:
        return margin
    return replace(seeds, observed={**seeds.observed, "equivalence": str(margin.verdict)})
